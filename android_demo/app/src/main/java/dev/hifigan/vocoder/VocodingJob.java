package dev.hifigan.vocoder;

import java.io.IOException;
import java.util.Arrays;

/** From a mel to a sink, chunk after chunk: the first can be played before the last is computed. */
public final class VocodingJob {
    /** Called on the thread of the job, after every chunk. */
    public interface Listener {
        /** @param done 0 to 1; -1 if the length is not known yet */
        void onProgress(double done, Figures figures);
    }

    private static final double SECOND = 1e9; // nanoseconds

    private final MelSource source;
    private final StreamingVocoder vocoder;
    private final AudioSink sink;
    private final Listener listener;
    private volatile boolean cancelled;

    private long started;
    private long firstAudio = -1;
    private long melTime;
    private long vocoderTime;
    private long written; // samples

    /** The caller closes source, vocoder and sink. */
    public VocodingJob(MelSource source, StreamingVocoder vocoder, AudioSink sink, Listener listener) {
        this.source = source;
        this.vocoder = vocoder;
        this.sink = sink;
        this.listener = listener;
    }

    /**
     * Runs to the end, or until {@link #cancel}; once. The vocoder is reset first.
     *
     * @throws InputException for a recording or a mel that turns out to be bad
     */
    public Figures run() throws IOException {
        started = System.nanoTime();
        vocoder.reset();
        float[][] frames;
        while (!cancelled && (frames = next()) != null) {
            listener.onProgress(source.progress(), figures());
            run(frames);
        }
        if (!cancelled) {
            write(flush());
            listener.onProgress(source.progress(), figures());
        }
        return figures();
    }

    /** Ends {@link #run} at the next chunk; from any thread. */
    public void cancel() {
        cancelled = true;
    }

    public boolean isCancelled() {
        return cancelled;
    }

    private void run(float[][] frames) throws IOException {
        int chunk = vocoder.chunkFrames();
        for (int from = 0; from < frames.length && !cancelled; from += chunk) {
            write(push(Arrays.copyOfRange(frames, from, Math.min(from + chunk, frames.length))));
            listener.onProgress(source.progress(), figures());
        }
    }

    private float[][] next() throws IOException {
        long start = System.nanoTime();
        float[][] frames = source.next();
        melTime += System.nanoTime() - start;
        return frames;
    }

    private float[] push(float[][] frames) {
        long start = System.nanoTime();
        float[] audio = vocoder.push(frames);
        vocoderTime += System.nanoTime() - start;
        return audio;
    }

    private float[] flush() {
        long start = System.nanoTime();
        float[] audio = vocoder.flush();
        vocoderTime += System.nanoTime() - start;
        return audio;
    }

    /** Writes audio; of the last frame only the part that belongs to the recording. */
    private void write(float[] vocoded) throws IOException {
        long left = source.samples() < 0 ? Long.MAX_VALUE : source.samples() - written;
        float[] audio = left < vocoded.length ? Arrays.copyOf(vocoded, (int) left) : vocoded;
        if (audio.length == 0) {
            return;
        }
        if (firstAudio < 0) {
            firstAudio = System.nanoTime() - started;
        }
        written += audio.length;
        sink.write(audio);
    }

    private Figures figures() {
        return new Figures(
                firstAudio < 0 ? Double.NaN : firstAudio / SECOND,
                vocoder.contract().audio.seconds(written),
                melTime / SECOND,
                vocoderTime / SECOND);
    }
}
