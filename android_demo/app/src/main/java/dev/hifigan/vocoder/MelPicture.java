package dev.hifigan.vocoder;

/** A mel of any length as a fixed number of columns, for a picture; constant memory. */
public final class MelPicture {
    /** @param columns at most, and at least half as many once so many frames have come */
    public MelPicture(int columns, int numMels) {
        throw new UnsupportedOperationException("skeleton");
    }

    public void write(float[][] frames) {
        throw new UnsupportedOperationException("skeleton");
    }

    /** {@code [columns][numMels]}: the mean of each column's frames so far; may be called from any thread. */
    public float[][] columns() {
        throw new UnsupportedOperationException("skeleton");
    }
}
