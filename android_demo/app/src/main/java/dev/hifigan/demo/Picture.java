package dev.hifigan.demo;

/** What can be drawn of a track so far. */
final class Picture {
    static final Picture NONE = new Picture(new float[0][], 0, new float[0][], 0, 0);

    /** {@code [bins][2]}: the smallest and the largest sample of each, over the first {@link #waveSeconds}. */
    final float[][] extremes;
    final double waveSeconds;
    /** {@code [columns][numMels]}, natural logarithm, over the first {@link #melSeconds}. */
    final float[][] columns;
    final double melSeconds;
    /** Length of the whole track, as far as it is known. */
    final double seconds;

    Picture(float[][] extremes, double waveSeconds, float[][] columns, double melSeconds, double seconds) {
        this.extremes = extremes;
        this.waveSeconds = waveSeconds;
        this.columns = columns;
        this.melSeconds = melSeconds;
        this.seconds = seconds;
    }
}
