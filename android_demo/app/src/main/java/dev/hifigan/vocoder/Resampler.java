package dev.hifigan.vocoder;

/**
 * Changes the sampling rate of a stream: the same samples for pieces of any size.
 *
 * <p>A sinc filter for the lower rate's band with a Kaiser window, as a bank of filters, one for every position that an
 * output sample can have between two input samples. The passband is 91 % of half the lower rate; aliases are attenuated
 * by 100 dB. If two rates have too many positions for a bank of moderate size, it holds a part of them, and
 * two neighbours are interpolated.
 */
public final class Resampler {
    private static final double PASSBAND = 0.913; // as soxr's high quality, which hifigan_tf uses
    private static final double ATTENUATION = 100; // dB
    private static final int MAX_FILTERS = 512; // interpolating between this many leaves errors below -100 dB

    private final int from;
    private final int to;
    private final int half; // input samples that a filter reaches to either side
    private final float[][] bank; // by position; one more than there are positions
    private final Floats kept = new Floats(); // input from the start of the next filter on
    private long taken;
    private long made;

    /** From one rate to another, in Hz. */
    public Resampler(int from, int to) {
        if (from < 1 || to < 1) {
            throw new IllegalArgumentException("from " + from + " Hz to " + to + " Hz: rates are at least 1");
        }
        int divisor = greatestDivisor(from, to);
        this.from = from / divisor;
        this.to = to / divisor;
        double lower = Math.min(1.0, (double) to / from); // the lower rate, relative to the input's
        // Kaiser's formulas: the length that reaches the attenuation within the transition, in input samples.
        double transition = Math.PI * lower * (1 - PASSBAND);
        half = (int) Math.ceil((ATTENUATION - 8) / (2.285 * transition) / 2);
        bank = from == to ? null : bank(Math.min(this.to, MAX_FILTERS), half, lower * (1 + PASSBAND) / 2);
        kept.appendZeros(half - 1); // before the first sample
    }

    public float[] push(float[] samples) {
        taken += samples.length;
        if (bank == null) {
            return samples.clone();
        }
        kept.append(samples);
        return filter(Long.MAX_VALUE);
    }

    /** The rest, up to a total of {@code samples * to / from} samples, rounded. */
    public float[] flush() {
        if (bank == null) {
            return new float[0];
        }
        long all = Math.round((double) taken * to / from);
        kept.appendZeros(half); // after the last sample
        return filter(all);
    }

    /** Makes as many samples as the kept input allows, up to {@code all} since the start. */
    private float[] filter(long all) {
        Floats made = new Floats();
        while (this.made < all && kept.size() >= 2 * half) {
            // Sample n lies at n * from / to input samples; the kept ones begin half - 1 before its whole part.
            double position = (double) (this.made * from % to) * (bank.length - 1) / to;
            int filter = (int) position;
            double blend = position - filter;
            double value = kept.dot(bank[filter], 0);
            if (blend > 0) {
                value += blend * (kept.dot(bank[filter + 1], 0) - value);
            }
            made.append((float) value);
            kept.drop((int) ((this.made + 1) * from / to - this.made * from / to));
            this.made++;
        }
        return made.toArray();
    }

    private static float[][] bank(int positions, int half, double cutoff) {
        double beta = 0.1102 * (ATTENUATION - 8.7);
        float[][] bank = new float[positions + 1][2 * half];
        for (int position = 0; position <= positions; position++) {
            double[] filter = new double[2 * half];
            double sum = 0;
            for (int tap = 0; tap < filter.length; tap++) {
                double distance = tap - (half - 1) - (double) position / positions;
                filter[tap] = sinc(cutoff * distance) * kaiser(distance / half, beta);
                sum += filter[tap];
            }
            for (int tap = 0; tap < filter.length; tap++) {
                bank[position][tap] = (float) (filter[tap] / sum); // unit gain at 0 Hz
            }
        }
        return bank;
    }

    private static double sinc(double x) {
        return x == 0 ? 1 : Math.sin(Math.PI * x) / (Math.PI * x);
    }

    private static double kaiser(double x, double beta) {
        return Math.abs(x) >= 1 ? 0 : bessel(beta * Math.sqrt(1 - x * x)) / bessel(beta);
    }

    /** The modified Bessel function of the first kind and order 0. */
    private static double bessel(double x) {
        double sum = 1;
        double term = 1;
        for (int k = 1; term > 1e-17 * sum; k++) {
            term *= x / (2 * k) * (x / (2 * k));
            sum += term;
        }
        return sum;
    }

    private static int greatestDivisor(int a, int b) {
        return b == 0 ? a : greatestDivisor(b, a % b);
    }
}
