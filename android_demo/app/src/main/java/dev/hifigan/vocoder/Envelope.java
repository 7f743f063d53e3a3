package dev.hifigan.vocoder;

/**
 * A waveform of any length as a limited number of extremes, for a picture; in constant memory.
 *
 * <p>All bins cover the same number of samples. When all are full, pairs of neighbours are merged, and each bin covers
 * twice as many.
 */
public final class Envelope implements AudioSink {
    private final float[][] bins;
    private int used; // bins, the last maybe not full
    private long samplesPerBin = 1;
    private long inLast;

    /** @param bins at most; even */
    public Envelope(int bins) {
        if (bins < 2 || bins % 2 != 0) {
            throw new IllegalArgumentException(bins + " bins: it takes an even number of them");
        }
        this.bins = new float[bins][2];
    }

    @Override
    public synchronized void write(float[] samples) {
        for (float sample : samples) {
            if (used == 0 || inLast == samplesPerBin) {
                begin(sample);
            }
            float[] bin = bins[used - 1];
            bin[0] = Math.min(bin[0], sample);
            bin[1] = Math.max(bin[1], sample);
            inLast++;
        }
    }

    /** {@code [bins][2]}: the smallest and the largest sample of each bin so far; from any thread. */
    public synchronized float[][] extremes() {
        float[][] copy = new float[used][];
        for (int i = 0; i < used; i++) {
            copy[i] = bins[i].clone();
        }
        return copy;
    }

    @Override
    public void close() {}

    private void begin(float sample) {
        if (used == bins.length) {
            for (int i = 0; i < used / 2; i++) {
                bins[i][0] = Math.min(bins[2 * i][0], bins[2 * i + 1][0]);
                bins[i][1] = Math.max(bins[2 * i][1], bins[2 * i + 1][1]);
            }
            used /= 2;
            samplesPerBin *= 2;
        }
        bins[used][0] = bins[used][1] = sample;
        used++;
        inLast = 0;
    }
}
