package dev.hifigan.vocoder;

/** The mel front end that a model was made for. Rates and frequencies in Hz, sizes in samples. */
public final class AudioSettings {
    public final int samplingRate;
    public final int numMels;
    public final int nFft;
    public final int hopSize;
    public final int winSize;
    public final double fmin;
    /** Half the sampling rate if the contract has null. */
    public final double fmax;

    AudioSettings(Fields fields) {
        samplingRate = fields.integer("sampling_rate", 1, 1 << 20);
        numMels = fields.integer("num_mels", 1, Contract.LARGE);
        nFft = fields.integer("n_fft", 1, Contract.LARGE);
        hopSize = fields.integer("hop_size", 1, Contract.LARGE);
        winSize = fields.integer("win_size", 1, Contract.LARGE);
        fmin = fields.number("fmin");
        fmax = fields.isNull("fmax") ? samplingRate / 2.0 : fields.number("fmax");
    }

    /** Samples as seconds. */
    public double seconds(long samples) {
        return (double) samples / samplingRate;
    }

    /** The first difference from other settings, as text; null when they are equal. */
    String difference(AudioSettings other) {
        String[] names = {"sampling_rate", "num_mels", "n_fft", "hop_size", "win_size", "fmin", "fmax"};
        double[] own = numbers();
        double[] others = other.numbers();
        for (int i = 0; i < names.length; i++) {
            if (own[i] != others[i]) {
                return names[i] + " " + plain(own[i]) + ", not " + plain(others[i]);
            }
        }
        return null;
    }

    private double[] numbers() {
        return new double[] {samplingRate, numMels, nFft, hopSize, winSize, fmin, fmax};
    }

    private static String plain(double number) {
        return number == Math.rint(number) ? String.valueOf((long) number) : String.valueOf(number);
    }
}
