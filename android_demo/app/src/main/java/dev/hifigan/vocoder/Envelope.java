package dev.hifigan.vocoder;

/** A waveform of any length as a fixed number of extremes, for a picture; constant memory. */
public final class Envelope implements AudioSink {
    /** @param bins at most, and at least half as many once so many samples have come */
    public Envelope(int bins) {
        throw new UnsupportedOperationException("skeleton");
    }

    @Override
    public void write(float[] samples) {
        throw new UnsupportedOperationException("skeleton");
    }

    /** {@code [bins][2]}: the least and the largest sample of each bin so far; may be called from any thread. */
    public float[][] extremes() {
        throw new UnsupportedOperationException("skeleton");
    }

    @Override
    public void close() {}
}
