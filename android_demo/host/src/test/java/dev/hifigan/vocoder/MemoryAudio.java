package dev.hifigan.vocoder;

/** A recording that is computed as it is read. */
final class MemoryAudio implements AudioInput {
    /** The sample at a position. */
    interface Wave {
        float at(long sample);
    }

    private static final int PIECE = 8192;

    private final int samplingRate;
    private final long samples;
    private final Wave wave;
    int opened;
    int closed;

    MemoryAudio(int samplingRate, long samples, Wave wave) {
        this.samplingRate = samplingRate;
        this.samples = samples;
        this.wave = wave;
    }

    @Override
    public String name() {
        return "memory.wav";
    }

    @Override
    public AudioSource open() {
        opened++;
        return new AudioSource() {
            private long given;

            @Override
            public int samplingRate() {
                return samplingRate;
            }

            @Override
            public long samples() {
                return samples;
            }

            @Override
            public float[] read() {
                if (given == samples) {
                    return null;
                }
                float[] piece = new float[(int) Math.min(PIECE, samples - given)];
                for (int i = 0; i < piece.length; i++) {
                    piece[i] = wave.at(given++);
                }
                return piece;
            }

            @Override
            public void close() {
                closed++;
            }
        };
    }
}
