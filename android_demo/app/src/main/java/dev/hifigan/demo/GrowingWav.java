package dev.hifigan.demo;

import dev.hifigan.vocoder.AudioInput;
import dev.hifigan.vocoder.AudioSink;
import dev.hifigan.vocoder.AudioSource;
import dev.hifigan.vocoder.WavWriter;
import java.io.File;
import java.io.IOException;
import java.io.InterruptedIOException;
import java.io.RandomAccessFile;

/**
 * A WAV file that can be played while it is being written.
 *
 * The vocoder writes as fast as it can and never waits for a loudspeaker; a player reads from the start and waits for
 * samples that are not written yet. Memory is constant, whatever the length of the audio.
 */
final class GrowingWav implements AudioSink, AudioInput {
    private static final int HEADER = 44; // bytes
    private static final int PIECE = 2048; // samples read at a time, at most
    private static final float LARGEST = 32767; // the writer's factor, so that every sample is read back unchanged

    private final File file;
    private final int samplingRate;
    private final WavWriter writer;

    private final Object lock = new Object();
    private long samples; // in the file
    private boolean complete;

    GrowingWav(File file, int samplingRate) throws IOException {
        this.file = file;
        this.samplingRate = samplingRate;
        writer = new WavWriter(file, samplingRate);
    }

    @Override
    public String name() {
        return file.getName();
    }

    @Override
    public void write(float[] audio) throws IOException {
        writer.write(audio);
        synchronized (lock) {
            samples += audio.length;
            lock.notifyAll();
        }
    }

    @Override
    public void close() throws IOException {
        synchronized (lock) {
            complete = true;
            lock.notifyAll();
        }
        writer.close();
    }

    @Override
    public AudioSource open() throws IOException {
        return new Follower();
    }

    /** Reads what the writer has written. An interrupted thread stops waiting. */
    private final class Follower implements AudioSource {
        private final RandomAccessFile reader = new RandomAccessFile(file, "r");
        private long position; // samples

        Follower() throws IOException {
            reader.seek(HEADER);
        }

        @Override
        public int samplingRate() {
            return samplingRate;
        }

        @Override
        public long samples() {
            synchronized (lock) {
                return complete ? samples : -1;
            }
        }

        @Override
        public float[] read() throws IOException {
            int count = (int) Math.min(awaitSamples(), PIECE);
            if (count == 0) {
                return null;
            }
            byte[] bytes = new byte[2 * count];
            reader.readFully(bytes);
            position += count;
            float[] audio = new float[count];
            for (int i = 0; i < count; i++) {
                audio[i] = (bytes[2 * i] & 0xff | bytes[2 * i + 1] << 8) / LARGEST;
            }
            return audio;
        }

        @Override
        public void close() throws IOException {
            reader.close();
        }

        /** Waits for unread samples; returns how many there are, 0 at the end. */
        private long awaitSamples() throws InterruptedIOException {
            synchronized (lock) {
                try {
                    while (samples == position && !complete) {
                        lock.wait();
                    }
                } catch (InterruptedException e) {
                    Thread.currentThread().interrupt();
                    throw new InterruptedIOException("playback has ended");
                }
                return samples - position;
            }
        }
    }
}
