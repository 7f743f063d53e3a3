package dev.hifigan.demo;

import dev.hifigan.vocoder.AudioInput;
import dev.hifigan.vocoder.AudioSettings;
import dev.hifigan.vocoder.AudioSource;
import dev.hifigan.vocoder.Envelope;
import dev.hifigan.vocoder.MelPicture;
import dev.hifigan.vocoder.MelSource;
import java.io.IOException;

/** Makes the picture of a track while it is read, in constant memory. */
final class Sketch {
    private static final int BINS = 512;
    private static final int COLUMNS = 256;

    private final Envelope envelope = new Envelope(BINS);
    private MelPicture mels;
    private long samples;
    private int samplingRate = 1;
    private long frames;
    private double frameSeconds;
    private double expected;

    /** The next samples, of one rate for a whole track. */
    void audio(float[] samples, int samplingRate) {
        envelope.write(samples);
        this.samples += samples.length;
        this.samplingRate = samplingRate;
    }

    void mel(float[][] frames, AudioSettings audio) {
        if (mels == null) {
            mels = new MelPicture(COLUMNS, audio.numMels);
            frameSeconds = audio.seconds(audio.hopSize);
        }
        mels.write(audio.naturalLog(frames));
        this.frames += frames.length;
    }

    /** Sets the expected length of the track. */
    void expect(double seconds) {
        expected = seconds;
    }

    Picture picture() {
        float[][] columns = mels == null ? new float[0][] : mels.columns();
        double waveSeconds = (double) samples / samplingRate;
        double melSeconds = frames * frameSeconds;
        double seconds = Math.max(expected, Math.max(waveSeconds, melSeconds));
        return new Picture(envelope.extremes(), waveSeconds, columns, melSeconds, seconds);
    }

    /** The same input, drawn the first time that it is read. */
    AudioInput drawn(final AudioInput input) {
        return new AudioInput() {
            private boolean drawn;

            @Override
            public String name() {
                return input.name();
            }

            @Override
            public AudioSource open() throws IOException {
                AudioSource source = input.open();
                if (drawn) {
                    return source;
                }
                drawn = true;
                return new DrawnAudio(source);
            }
        };
    }

    /** The same mel, drawn while it is read. */
    MelSource drawn(final MelSource source, final AudioSettings audio) {
        return new MelSource() {
            @Override
            public float[][] next() throws IOException {
                float[][] frames = source.next();
                if (frames != null) {
                    mel(frames, audio);
                }
                return frames;
            }

            @Override
            public long samples() {
                return source.samples();
            }

            @Override
            public double progress() {
                return source.progress();
            }

            @Override
            public String warning() {
                return source.warning();
            }

            @Override
            public void close() throws IOException {
                source.close();
            }
        };
    }

    private final class DrawnAudio implements AudioSource {
        private final AudioSource source;

        DrawnAudio(AudioSource source) {
            this.source = source;
        }

        @Override
        public int samplingRate() {
            return source.samplingRate();
        }

        @Override
        public long samples() {
            return source.samples();
        }

        @Override
        public float[] read() throws IOException {
            float[] samples = source.read();
            if (samples != null) {
                audio(samples, source.samplingRate());
            }
            return samples;
        }

        @Override
        public void close() throws IOException {
            source.close();
        }
    }
}
