package dev.hifigan.vocoder;

/** Changes the sampling rate of a stream: the samples of all of it at once, whatever the pieces. */
public final class Resampler {
    /** From one rate to another, in Hz. */
    public Resampler(int from, int to) {
        throw new UnsupportedOperationException("skeleton");
    }

    public float[] push(float[] samples) {
        throw new UnsupportedOperationException("skeleton");
    }

    /** The rest: {@code ceil(samples * to / from)} samples in all. */
    public float[] flush() {
        throw new UnsupportedOperationException("skeleton");
    }
}
