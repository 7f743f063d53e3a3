package dev.hifigan.vocoder;

import java.util.Arrays;
import java.util.Locale;

/**
 * Distinguishes mels in natural logarithms from those on other scales, which would become noise.
 *
 * <p>The same rules and limits as {@code recognize} in {@code hifigan_tf/audio/mel_formats.py}, which gives their reasons.
 */
final class MelScale {
    private static final double NATURAL_MIN = -13.5;
    private static final double NATURAL_MAX = 4.0;
    private static final double DECIBEL_BELOW = -30.0;
    private static final double DECIBEL_MAX = 40.0;
    private static final double LOG10_MIN = -5.5;
    private static final double LOG10_MEDIAN = -3.4;
    private static final double LOG10_MAX = 1.2;
    private static final double LOG10_ROUGHNESS = 0.24;
    private static final double NORMALIZED_ABOVE = -4.1;
    private static final double NARROW_ABOVE = -1.8;
    private static final double LINEAR_MEDIAN = 0.2;
    private static final int SURE_FRAMES = 64;

    private MelScale() {}

    /** The other scale of a mel {@code [frames][numMels]}, as text; null for one in natural logarithms. */
    static String foreign(float[][] mel) {
        float[] sorted = flat(mel);
        Arrays.sort(sorted);
        float low = sorted[0];
        float high = sorted[sorted.length - 1];
        String looks = looks(mel, sorted, low, high);
        return looks == null ? null : String.format(Locale.ROOT, "values from %.1f to %.1f %s", low, high, looks);
    }

    private static String looks(float[][] mel, float[] sorted, float low, float high) {
        double median = median(sorted);
        if (low >= 0) {
            return median <= LINEAR_MEDIAN * high ? "look like magnitudes without a logarithm" : "look normalised";
        }
        if (low < DECIBEL_BELOW) {
            return high <= DECIBEL_MAX ? "look like decibels" : "are on no scale known here";
        }
        // The minimum is a whole power of ten, such as -5 or -10, and occurs more than once: a floor, not chance.
        long whole = Math.round(low);
        boolean floor = -10 <= whole && whole <= -5 && Math.abs(low - whole) < 1e-4 && sorted[1] == low;
        if (floor && high <= LOG10_MAX) {
            return "look like base-10 logarithms";
        }
        if (low < NATURAL_MIN || high > NATURAL_MAX) {
            return "are on no scale known here";
        }
        if (mel.length >= SURE_FRAMES) {
            boolean base10 = LOG10_MIN <= low && low <= NARROW_ABOVE && median >= LOG10_MEDIAN && high <= LOG10_MAX;
            if (base10 && roughness(mel) < LOG10_ROUGHNESS) {
                return "look like base-10 logarithms";
            }
            if (low > NORMALIZED_ABOVE || median > NARROW_ABOVE) {
                return "look normalised";
            }
        }
        return null;
    }

    /** The median second difference over time. */
    private static double roughness(float[][] mel) {
        float[][] bends = new float[mel.length - 2][mel[0].length];
        for (int frame = 0; frame < bends.length; frame++) {
            for (int band = 0; band < mel[0].length; band++) {
                float before = mel[frame + 1][band] - mel[frame][band];
                float after = mel[frame + 2][band] - mel[frame + 1][band];
                bends[frame][band] = Math.abs(after - before);
            }
        }
        float[] sorted = flat(bends);
        Arrays.sort(sorted);
        return median(sorted);
    }

    private static double median(float[] sorted) {
        int half = sorted.length / 2;
        return sorted.length % 2 == 1 ? sorted[half] : (sorted[half - 1] + sorted[half]) / 2;
    }

    private static float[] flat(float[][] rows) {
        float[] flat = new float[rows.length * rows[0].length];
        for (int row = 0; row < rows.length; row++) {
            System.arraycopy(rows[row], 0, flat, row * rows[0].length, rows[0].length);
        }
        return flat;
    }
}
