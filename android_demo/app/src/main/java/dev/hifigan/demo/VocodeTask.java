package dev.hifigan.demo;

import android.content.Context;
import android.os.Handler;
import dev.hifigan.vocoder.AudioMels;
import dev.hifigan.vocoder.AudioSettings;
import dev.hifigan.vocoder.AudioSink;
import dev.hifigan.vocoder.AudioSource;
import dev.hifigan.vocoder.Contract;
import dev.hifigan.vocoder.Figures;
import dev.hifigan.vocoder.MelAnalyzer;
import dev.hifigan.vocoder.MelSource;
import dev.hifigan.vocoder.NpyReader;
import dev.hifigan.vocoder.StreamingVocoder;
import dev.hifigan.vocoder.VocodingJob;
import java.io.IOException;

/** From a source to a WAV file that can be played from its first chunk on, with pictures and figures. */
final class VocodeTask extends Task implements VocodingJob.Listener {
    private static final long INTERVAL = 150_000_000; // nanoseconds between reports

    private final Context context;
    private final Source source;
    private final String mode;
    private final int threads;
    private final Sketch original = new Sketch();
    private final Sketch vocoded = new Sketch();

    private ResultFiles files;
    private VocodingJob job;
    private GrowingWav wav;
    private double loadSeconds;
    private Message warning; // of the source
    private boolean heard; // the first audio has been reported
    private long reported;
    private long peakMemory;

    VocodeTask(Context context, Handler main, Listener listener, Source source, String mode, int threads) {
        super(main, listener, Work.of(Work.Phase.LOADING, source));
        this.context = context;
        this.source = source;
        this.mode = mode;
        this.threads = threads;
    }

    @Override
    Work work() throws Exception {
        files = new ResultFiles(context, mode);
        String name = Models.vocoder(mode);
        long start = System.nanoTime();
        try (StreamingVocoder vocoder = new StreamingVocoder(Models.map(context, name), name, threads)) {
            vocoder.checkMel(false); // a file is checked as a whole, and a recording's mel is the model's own
            loadSeconds = (System.nanoTime() - start) / 1e9;
            Figures figures = run(vocoder);
            if (!heard) {
                return last().ended(Work.Phase.STOPPED, stopReason());
            }
            boolean complete = !isStopped();
            Report.write(files.json, source, vocoder.contract(), threads, results(figures, false), complete);
            return snapshot(complete ? Work.Phase.DONE : Work.Phase.STOPPED, 1, results(figures, true),
                    stopReason() == null ? warning : stopReason());
        }
    }

    /** After every chunk. */
    @Override
    public void onProgress(double done, Figures figures) {
        if (isStopped()) {
            job.cancel();
        }
        boolean first = !heard && figures.audioSeconds > 0;
        long now = System.nanoTime();
        if (!first && now - reported < INTERVAL) {
            return;
        }
        heard |= first;
        reported = now;
        peakMemory = Math.max(peakMemory, Memory.resident());
        Work.Phase phase = done < 0 ? Work.Phase.READING : Work.Phase.VOCODING;
        report(snapshot(phase, done, results(figures, false), null));
    }

    private Figures run(StreamingVocoder vocoder) throws IOException {
        final AudioSettings audio = vocoder.contract().audio;
        try (GrowingWav growing = new GrowingWav(files.audio, audio.samplingRate);
                MelAnalyzer analyzer = analyzer();
                final MelAnalyzer listener = analyzer();
                MelSource mels = original.drawn(open(vocoder.contract(), analyzer), audio)) {
            wav = growing;
            AudioSink sink = new AudioSink() {
                @Override
                public void write(float[] samples) throws IOException {
                    wav.write(samples);
                    vocoded.audio(samples, audio.samplingRate);
                    vocoded.mel(listener.push(samples), audio);
                }

                @Override
                public void close() {}
            };
            job = new VocodingJob(mels, vocoder, sink, this);
            Figures figures = job.run();
            vocoded.mel(listener.flush(), audio);
            warning = mels.warning() == null ? null : Message.of(R.string.warning_source, mels.warning());
            return figures;
        }
    }

    private MelAnalyzer analyzer() throws IOException {
        return new MelAnalyzer(Models.map(context, Models.MEL_FRONTEND), Models.MEL_FRONTEND, 1);
    }

    private MelSource open(Contract vocoder, MelAnalyzer analyzer) throws IOException {
        NpyReader mel;
        switch (source.kind) {
            case BUNDLED:
                mel = openBundled(vocoder.audio);
                break;
            case MEL_FILE:
                mel = new PickedFile(context, source.uri, source.name).mel(vocoder.audio);
                break;
            default:
                return new AudioMels(original.drawn(source.audio(context)), analyzer, vocoder);
        }
        original.expect(vocoder.audio.seconds(mel.frames() * vocoder.audio.hopSize));
        return mel;
    }

    private NpyReader openBundled(AudioSettings audio) throws IOException {
        BundledSpeech speech = new BundledSpeech(context);
        try (AudioSource recording = speech.open()) {
            if (recording.samplingRate() != audio.samplingRate) {
                throw new AppException(R.string.error_rate, recording.samplingRate(), audio.samplingRate);
            }
            for (float[] piece = recording.read(); piece != null; piece = recording.read()) {
                original.audio(piece, recording.samplingRate());
            }
        }
        return speech.mel(audio);
    }

    private Results results(Figures figures, boolean ended) {
        return new Results(loadSeconds, figures, peakMemory, ended ? files : null);
    }

    private Work snapshot(Work.Phase phase, double progress, Results results, Message message) {
        return new Work(
                phase, source, progress, original.picture(), vocoded.picture(), heard ? wav : null, results, message);
    }
}
