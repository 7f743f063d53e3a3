package dev.hifigan.demo;

import android.content.Context;
import android.media.AudioFormat;
import android.media.AudioRecord;
import android.media.MediaRecorder;
import android.os.Handler;
import dev.hifigan.vocoder.Pcm;
import dev.hifigan.vocoder.WavWriter;
import java.io.File;
import java.io.IOException;

/** Records from the microphone into a WAV file, until it is stopped. */
final class RecordTask extends Task {
    private static final int SAMPLING_RATE = 44100; // Hz; supported by every phone
    private static final int PIECE = SAMPLING_RATE / 10;
    private static final int MIN_SAMPLES = SAMPLING_RATE / 2;
    private static final int MAX_MINUTES = 30;

    private final Context context;

    /** @param before the previous source, which stays chosen when this fails */
    RecordTask(Context context, Handler main, Listener listener, Source before) {
        super(main, listener, Work.of(Work.Phase.RECORDING, before));
        this.context = context;
    }

    @Override
    Work work() throws Exception {
        File file = new File(context.getCacheDir(), "recording.wav");
        File unfinished = new File(file.getPath() + ".part");
        Sketch sketch = new Sketch();
        boolean full;
        AudioRecord recorder = open();
        try (WavWriter writer = new WavWriter(unfinished, SAMPLING_RATE)) {
            recorder.startRecording();
            if (recorder.getRecordingState() != AudioRecord.RECORDSTATE_RECORDING) {
                throw new AppException(R.string.error_no_microphone);
            }
            full = record(recorder, writer, sketch);
        } finally {
            recorder.release();
        }
        if (sketch.picture().seconds * SAMPLING_RATE < MIN_SAMPLES) {
            throw new AppException(R.string.error_too_short);
        }
        if (!unfinished.renameTo(file)) {
            throw new IOException(file + " cannot be written");
        }
        Message message = full ? Message.of(R.string.recording_limit, MAX_MINUTES) : stopReason();
        return snapshot(Work.Phase.IDLE, Source.recording(file), sketch, message);
    }

    private AudioRecord open() throws IOException {
        int least = AudioRecord.getMinBufferSize(
                SAMPLING_RATE, AudioFormat.CHANNEL_IN_MONO, AudioFormat.ENCODING_PCM_16BIT);
        if (least <= 0) {
            throw new AppException(R.string.error_no_microphone);
        }
        AudioRecord recorder;
        try {
            recorder = new AudioRecord(
                    MediaRecorder.AudioSource.MIC,
                    SAMPLING_RATE,
                    AudioFormat.CHANNEL_IN_MONO,
                    AudioFormat.ENCODING_PCM_16BIT,
                    Math.max(least, 2 * SAMPLING_RATE)); // bytes; at least a second, so that a busy phone loses none
        } catch (SecurityException e) { // the permission has just been revoked
            throw new AppException(e, R.string.error_no_microphone);
        }
        if (recorder.getState() != AudioRecord.STATE_INITIALIZED) {
            recorder.release();
            throw new AppException(R.string.error_no_microphone);
        }
        return recorder;
    }

    /** Returns whether it reached the limit. */
    private boolean record(AudioRecord recorder, WavWriter writer, Sketch sketch) throws IOException {
        short[] piece = new short[PIECE];
        for (long samples = 0; samples < MAX_MINUTES * 60L * SAMPLING_RATE; ) {
            if (isStopped()) {
                return false;
            }
            int count = recorder.read(piece, 0, piece.length);
            if (count <= 0) { // 0 if the microphone has been taken away
                throw new AppException(R.string.error_no_microphone);
            }
            float[] audio = Pcm.toMono(piece, count, 1);
            writer.write(audio);
            sketch.audio(audio, SAMPLING_RATE);
            samples += count;
            report(snapshot(Work.Phase.RECORDING, last().source, sketch, null));
        }
        return true;
    }

    private static Work snapshot(Work.Phase phase, Source source, Sketch sketch, Message message) {
        return new Work(phase, source, -1, sketch.picture(), Picture.NONE, null, null, message);
    }
}
