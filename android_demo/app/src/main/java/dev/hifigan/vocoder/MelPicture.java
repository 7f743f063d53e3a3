package dev.hifigan.vocoder;

import java.util.Arrays;

/**
 * A mel of any length as a limited number of columns, for a picture; in constant memory.
 *
 * <p>All columns cover the same number of frames. When all are full, pairs of neighbours are merged, and each column
 * covers twice as many.
 */
public final class MelPicture {
    private final double[][] sums;
    private int used; // columns, the last maybe not full
    private long framesPerColumn = 1;
    private long inLast;

    /** @param columns at most; even */
    public MelPicture(int columns, int numMels) {
        if (columns < 2 || columns % 2 != 0) {
            throw new IllegalArgumentException(columns + " columns: it takes an even number of them");
        }
        sums = new double[columns][numMels];
    }

    /** Takes frames {@code [any number][numMels]}. */
    public synchronized void write(float[][] frames) {
        for (float[] frame : frames) {
            if (used == 0 || inLast == framesPerColumn) {
                begin();
            }
            double[] sum = sums[used - 1];
            for (int band = 0; band < sum.length; band++) {
                sum[band] += frame[band];
            }
            inLast++;
        }
    }

    /** {@code [columns][numMels]}: the mean of each column's frames so far; from any thread. */
    public synchronized float[][] columns() {
        float[][] means = new float[used][sums[0].length];
        for (int column = 0; column < used; column++) {
            long frames = column < used - 1 ? framesPerColumn : inLast;
            for (int band = 0; band < means[column].length; band++) {
                means[column][band] = (float) (sums[column][band] / frames);
            }
        }
        return means;
    }

    private void begin() {
        if (used == sums.length) {
            for (int column = 0; column < used / 2; column++) {
                for (int band = 0; band < sums[0].length; band++) {
                    sums[column][band] = sums[2 * column][band] + sums[2 * column + 1][band];
                }
            }
            used /= 2;
            framesPerColumn *= 2;
        }
        Arrays.fill(sums[used], 0);
        used++;
        inLast = 0;
    }
}
