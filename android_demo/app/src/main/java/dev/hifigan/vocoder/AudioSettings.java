package dev.hifigan.vocoder;

import java.util.Arrays;
import java.util.Locale;

/**
 * The mel front end that a model was made for. Rates and frequencies in Hz, sizes in samples.
 *
 * <p>A value of the mel is {@code (logarithm - melMean) / melScale}, of a magnitude of at least {@link #melFloor}. What
 * a contract does not say is as in the paper: natural logarithms of at least 1e-5, not centred, without mean and scale.
 */
public final class AudioSettings {
    private static final double LN10 = Math.log(10);

    public final int samplingRate;
    public final int numMels;
    public final int nFft;
    public final int hopSize;
    public final int winSize;
    public final double fmin;
    /** Half the sampling rate if the contract has null. */
    public final double fmax;
    /** Whether logarithms are of base 10; otherwise natural ones. */
    public final boolean melLog10;
    /** The smallest magnitude before the logarithm. */
    public final double melFloor;
    /** Whether frame t is centred on sample t * hopSize; otherwise on the middle of its hop. */
    public final boolean melCentred;
    /** Whether the Hann window ends with its first sample again; otherwise it is periodic. */
    public final boolean melSymmetricWindow;
    /** Whether there is a mean or a scale. */
    public final boolean melNormalized;

    private final double[] melMean; // one for each band
    private final double[] melScale;

    AudioSettings(Fields fields) {
        samplingRate = fields.integer("sampling_rate", 1, 1 << 20);
        numMels = fields.integer("num_mels", 1, Contract.LARGE);
        nFft = fields.integer("n_fft", 1, Contract.LARGE);
        hopSize = fields.integer("hop_size", 1, Contract.LARGE);
        winSize = fields.integer("win_size", 1, Contract.LARGE);
        fmin = fields.number("fmin");
        fmax = fields.isNull("fmax") ? samplingRate / 2.0 : fields.number("fmax");
        String logarithm = fields.has("mel_log") ? fields.text("mel_log") : "natural";
        if (!logarithm.equals("natural") && !logarithm.equals("log10")) {
            throw new IllegalArgumentException("its mel_log is " + logarithm);
        }
        melLog10 = logarithm.equals("log10");
        melFloor = fields.has("mel_floor") ? fields.number("mel_floor") : 1e-5;
        if (!(melFloor > 0 && melFloor < 1)) {
            throw new IllegalArgumentException("its mel_floor is " + melFloor);
        }
        melCentred = fields.has("mel_centred") && fields.flag("mel_centred");
        melSymmetricWindow = fields.has("mel_symmetric_window") && fields.flag("mel_symmetric_window");
        melMean = numbers(fields, "mel_mean", 0);
        melScale = numbers(fields, "mel_scale", 1);
        boolean normalized = false;
        for (int band = 0; band < numMels; band++) {
            if (melScale[band] <= 0) {
                throw new IllegalArgumentException("its mel_scale is " + melScale[band] + " in band " + band);
            }
            normalized |= melMean[band] != 0 || melScale[band] != 1;
        }
        melNormalized = normalized;
    }

    /** Samples as seconds. */
    public double seconds(long samples) {
        return (double) samples / samplingRate;
    }

    /** A mel {@code [frames][numMels]} as natural logarithms of magnitudes; that of the paper is returned as it is. */
    public float[][] naturalLog(float[][] mel) {
        if (!melLog10 && !melNormalized) {
            return mel;
        }
        float[][] natural = new float[mel.length][numMels];
        for (int frame = 0; frame < mel.length; frame++) {
            for (int band = 0; band < numMels; band++) {
                double logarithm = mel[frame][band] * melScale[band] + melMean[band];
                natural[frame][band] = (float) (melLog10 ? logarithm * LN10 : logarithm);
            }
        }
        return natural;
    }

    /** A frame of silence, every band at its floor. */
    public float[] silentFrame() {
        float[] frame = new float[numMels];
        double floor = melLog10 ? Math.log10(melFloor) : Math.log(melFloor);
        for (int band = 0; band < numMels; band++) {
            frame[band] = (float) ((floor - melMean[band]) / melScale[band]);
        }
        return frame;
    }

    /** The mel in words, such as "natural logarithms of at least 1e-5". */
    public String melDescription() {
        String floor = String.valueOf(melFloor).toLowerCase(Locale.ROOT).replace(".0e", "e");
        return (melLog10 ? "base-10" : "natural") + " logarithms of at least " + floor
                + (melNormalized ? " with the model's mean and scale" : "");
    }

    /** The mean of each band where bands differ in it, or null. */
    double[] meanOfBands() {
        for (double mean : melMean) {
            if (mean != melMean[0]) {
                return melMean.clone();
            }
        }
        return null;
    }

    /** The first difference from other settings, as text; null when they are equal. */
    String difference(AudioSettings other) {
        String[] names = {
            "sampling_rate", "num_mels", "n_fft", "hop_size", "win_size", "fmin", "fmax", "mel_floor"
        };
        double[] own = numbers();
        double[] others = other.numbers();
        for (int i = 0; i < names.length; i++) {
            if (own[i] != others[i]) {
                return names[i] + " " + plain(own[i]) + ", not " + plain(others[i]);
            }
        }
        if (melLog10 != other.melLog10) {
            return "mel_log " + logarithm() + ", not " + other.logarithm();
        }
        if (melCentred != other.melCentred) {
            return "mel_centred " + melCentred + ", not " + other.melCentred;
        }
        if (melSymmetricWindow != other.melSymmetricWindow) {
            return "mel_symmetric_window " + melSymmetricWindow + ", not " + other.melSymmetricWindow;
        }
        if (!Arrays.equals(melMean, other.melMean) || !Arrays.equals(melScale, other.melScale)) {
            return "another mel_mean or mel_scale, not such";
        }
        return null;
    }

    private String logarithm() {
        return melLog10 ? "log10" : "natural";
    }

    private double[] numbers(Fields fields, String key, double papers) {
        if (fields.has(key)) {
            return fields.numbers(key, numMels);
        }
        double[] numbers = new double[numMels];
        Arrays.fill(numbers, papers);
        return numbers;
    }

    private double[] numbers() {
        return new double[] {samplingRate, numMels, nFft, hopSize, winSize, fmin, fmax, melFloor};
    }

    private static String plain(double number) {
        return number == Math.rint(number) ? String.valueOf((long) number) : String.valueOf(number);
    }
}
