package dev.hifigan.vocoder;

import java.util.Arrays;
import java.util.Locale;

/**
 * Distinguishes a model's own mel from those on other scales, which would become noise.
 *
 * <p>The same rules and limits as in {@code hifigan_tf/audio/mel_recognition.py}, which gives their reasons.
 */
final class MelScale {
    /** Fewer frames may be one loud vowel or a pause. */
    static final int SURE_FRAMES = 64;

    private static final double LN10 = Math.log(10);
    private static final double BELOW_FLOOR = 2;
    private static final double NATURAL_MAX = 4;
    private static final double LEVEL_MAX = 1.5;
    private static final double DECIBEL_BELOW = -30;
    private static final double DECIBEL_MAX = 40;
    private static final double LOG10_MAX = 1.2;
    private static final int[] NARROW_FRAMES = {8, 16, SURE_FRAMES};
    private static final double[] NARROW_ABOVE = {-2, -3, -4.1};
    private static final double MEDIAN_MAX = -1.8;
    private static final int FLOOR_FRAMES = 4;
    private static final int FLOOR_COUNT = 8;
    private static final double LINEAR_MEDIAN = 0.2;
    private static final double LOG10_ROUGHNESS = 0.24;
    private static final double LOG10_CONTRAST = 0.25;
    private static final double LOG10_SPREAD = 3.6;
    private static final double LOG10_EARLY_MIN = -5.5;
    private static final double POWER_CONTRAST = 0.56;
    private static final double POWER_ROUGHNESS = 0.55;
    private static final double POWER_CONTRAST_ALONE = 0.68;
    private static final double POWER_CONTRAST_MAX = 1.6;
    private static final int TEXTURE_BANDS = 40;
    private static final int TEXTURE_OVERLAP = 8;
    private static final int EARLY_FRAMES = 16;
    private static final double LOWEST_FLOOR = 2 * Math.log(1e-5);

    private static final String NORMALIZED = "look normalised";
    private static final String UNKNOWN = "are on no scale known here";
    private static final String NATURAL = "look like natural logarithms";
    private static final String BASE_10 = "look like base-10 logarithms";

    private MelScale() {}

    /** What a mel {@code [frames][numMels]} that is not the model's own looks like, as text; null for its own. */
    static String foreign(float[][] mel, AudioSettings audio) {
        float[] sorted = sorted(mel);
        float low = sorted[0];
        float high = sorted[sorted.length - 1];
        String looks = looks(mel, sorted, audio);
        return looks == null ? null : String.format(Locale.ROOT, "values from %.1f to %.1f %s", low, high, looks);
    }

    private static String looks(float[][] mel, float[] sorted, AudioSettings audio) {
        float low = sorted[0];
        float high = sorted[sorted.length - 1];
        boolean plain = !audio.melNormalized;
        boolean base10Floor = !(plain && audio.melLog10) && hasFloorOfBase10(sorted, audio);
        String fault = base10Floor ? BASE_10 : fault(audio.naturalLog(mel), audio, Math.log(audio.melFloor));
        if (fault == null && low >= 0 && (mel.length >= 8 || plain)) {
            fault = NORMALIZED;
        }
        if (fault == null && isNotNormalized(mel, audio)) {
            fault = UNKNOWN;
        }
        if (fault == null) {
            return null;
        }
        if (low >= 0) {
            boolean linear = median(sorted, sorted.length) <= LINEAR_MEDIAN * high;
            return linear ? "look like magnitudes without a logarithm" : NORMALIZED;
        }
        if (low < DECIBEL_BELOW) {
            return high <= DECIBEL_MAX ? "look like decibels" : UNKNOWN;
        }
        if (base10Floor || (fault.equals(BASE_10) && plain && !audio.melLog10)) {
            return BASE_10;
        }
        boolean early = mel.length >= EARLY_FRAMES;
        if (!(plain && audio.melLog10) && early && fault(times(mel, LN10), audio, LOWEST_FLOOR) == null) {
            return BASE_10;
        }
        if (!(plain && !audio.melLog10) && (early || low < -6) && fault(mel, audio, LOWEST_FLOOR) == null) {
            return NATURAL;
        }
        return fault.equals(BASE_10) ? NORMALIZED : fault;
    }

    /** Why natural logarithms are no speech, as text; null where they may be. */
    private static String fault(float[][] natural, AudioSettings audio, double floor) {
        float[] sorted = sorted(natural);
        int frames = natural.length;
        float low = sorted[0];
        float high = sorted[sorted.length - 1];
        if (low < floor - BELOW_FLOOR) {
            return UNKNOWN;
        }
        boolean repeated = sorted.length >= FLOOR_COUNT && sorted[FLOOR_COUNT - 1] == low;
        if (frames >= FLOOR_FRAMES && low > NARROW_ABOVE[NARROW_ABOVE.length - 1] && repeated) {
            return NORMALIZED;
        }
        for (int i = 0; i < NARROW_FRAMES.length; i++) {
            if (frames >= NARROW_FRAMES[i] && low > NARROW_ABOVE[i]) {
                return NORMALIZED;
            }
        }
        if (high > NATURAL_MAX) {
            return UNKNOWN;
        }
        if (highestLevel(natural, audio) > LEVEL_MAX) {
            return "are louder than audio can be";
        }
        if (frames >= SURE_FRAMES && median(sorted, sorted.length) > MEDIAN_MAX) {
            return NORMALIZED;
        }
        boolean textured = audio.numMels >= TEXTURE_BANDS && audio.winSize <= TEXTURE_OVERLAP * audio.hopSize;
        return textured && frames >= EARLY_FRAMES ? textureFault(natural, sorted) : null;
    }

    private static String textureFault(float[][] natural, float[] sorted) {
        int frames = natural.length;
        int bands = natural[0].length;
        double above = sorted[0] + 1e-4;
        float[] bends = new float[frames * bands];
        float[] steps = new float[frames * bands];
        int bendCount = 0;
        int stepCount = 0;
        for (int t = 0; t < frames; t++) {
            for (int band = 0; band < bands; band++) {
                float value = natural[t][band];
                if (value <= above) {
                    continue;
                }
                if (band > 0 && natural[t][band - 1] > above) {
                    steps[stepCount++] = Math.abs(value - natural[t][band - 1]);
                }
                if (t > 1 && natural[t - 1][band] > above && natural[t - 2][band] > above) {
                    float middle = natural[t - 1][band];
                    bends[bendCount++] = Math.abs((value - middle) - (middle - natural[t - 2][band]));
                }
            }
        }
        if (Math.min(bendCount, stepCount) < bands * EARLY_FRAMES / 2) {
            return null;
        }
        Arrays.sort(bends, 0, bendCount);
        Arrays.sort(steps, 0, stepCount);
        double roughness = median(bends, bendCount);
        double contrast = median(steps, stepCount);
        int floors = 0;
        while (sorted[floors] <= above) {
            floors++;
        }
        float[] free = Arrays.copyOfRange(sorted, floors, sorted.length);
        double spread = percentile(free, 0.95) - percentile(free, 0.05);
        boolean early = sorted[0] > LOG10_EARLY_MIN && sorted[sorted.length - 1] <= LOG10_MAX;
        if ((frames >= SURE_FRAMES || early)
                && roughness < LOG10_ROUGHNESS && contrast < LOG10_CONTRAST && spread < LOG10_SPREAD) {
            return BASE_10;
        }
        double least = roughness > POWER_ROUGHNESS ? POWER_CONTRAST : POWER_CONTRAST_ALONE;
        boolean power = frames >= SURE_FRAMES && contrast > least && contrast < POWER_CONTRAST_MAX;
        return power ? "look like logarithms of powers" : null;
    }

    /** The highest level of a frame, 1 for a square wave of full scale. */
    private static double highestLevel(float[][] natural, AudioSettings audio) {
        double[] edges = bandEdges(audio);
        double scale = audio.samplingRate / (0.375 * audio.winSize * audio.nFft * (double) audio.nFft);
        double highest = 0;
        for (float[] frame : natural) {
            double power = 0;
            for (int band = 0; band < frame.length; band++) {
                power += Math.exp(2 * Math.min(frame[band], 20)) * (edges[band + 2] - edges[band]) * scale;
            }
            highest = Math.max(highest, power);
        }
        return Math.sqrt(highest);
    }

    /** Where the bands begin, peak and end, on Slaney's scale: 200 / 3 Hz each up to 1 kHz, then logarithmic. */
    private static double[] bandEdges(AudioSettings audio) {
        double low = toMel(audio.fmin);
        double high = toMel(audio.fmax);
        double[] edges = new double[audio.numMels + 2];
        for (int i = 0; i < edges.length; i++) {
            double mel = low + (high - low) * i / (edges.length - 1);
            edges[i] = mel < 15 ? mel * 200 / 3 : 1000 * Math.exp(Math.log(6.4) / 27 * (mel - 15));
        }
        return edges;
    }

    private static double toMel(double hertz) {
        return hertz < 1000 ? hertz * 3 / 200 : 15 + Math.log(hertz / 1000) / (Math.log(6.4) / 27);
    }

    /** Whether the minimum is a whole power of ten, and occurs more than once: a floor, not chance nor the model's. */
    private static boolean hasFloorOfBase10(float[] sorted, AudioSettings audio) {
        float low = sorted[0];
        long whole = Math.round(low);
        if (whole < -10 || whole > -5 || Math.abs(low - whole) >= 1e-4 || sorted.length < 2 || sorted[1] != low) {
            return false;
        }
        for (float silence : audio.silentFrame()) {
            if (Math.abs(silence - low) < 1e-4) {
                return false;
            }
        }
        return sorted[sorted.length - 1] <= LOG10_MAX;
    }

    /** Whether bands differ as they do before a mean for each is taken off, and far less after taking it off. */
    private static boolean isNotNormalized(float[][] mel, AudioSettings audio) {
        double[] mean = audio.meanOfBands();
        if (mel.length < SURE_FRAMES || mean == null) {
            return false;
        }
        double[] bands = new double[mean.length];
        double[] without = new double[mean.length];
        double all = 0;
        for (int band = 0; band < bands.length; band++) {
            for (float[] frame : mel) {
                bands[band] += frame[band] / mel.length;
            }
            without[band] = bands[band] - mean[band];
            all += bands[band] / bands.length;
        }
        return variance(without) < 0.5 * variance(bands) && all < -1;
    }

    private static double variance(double[] numbers) {
        double mean = 0;
        for (double number : numbers) {
            mean += number / numbers.length;
        }
        double variance = 0;
        for (double number : numbers) {
            variance += (number - mean) * (number - mean) / numbers.length;
        }
        return variance;
    }

    private static float[][] times(float[][] mel, double factor) {
        float[][] scaled = new float[mel.length][mel[0].length];
        for (int frame = 0; frame < mel.length; frame++) {
            for (int band = 0; band < mel[0].length; band++) {
                scaled[frame][band] = (float) (mel[frame][band] * factor);
            }
        }
        return scaled;
    }

    private static double median(float[] sorted, int count) {
        int half = count / 2;
        return count % 2 == 1 ? sorted[half] : (sorted[half - 1] + sorted[half]) / 2;
    }

    private static double percentile(float[] sorted, double share) {
        double place = share * (sorted.length - 1);
        int below = (int) place;
        int above = Math.min(below + 1, sorted.length - 1);
        return sorted[below] + (place - below) * (sorted[above] - sorted[below]);
    }

    private static float[] sorted(float[][] rows) {
        float[] flat = new float[rows.length * rows[0].length];
        for (int row = 0; row < rows.length; row++) {
            System.arraycopy(rows[row], 0, flat, row * rows[0].length, rows[0].length);
        }
        Arrays.sort(flat);
        return flat;
    }
}
