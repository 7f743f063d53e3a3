package dev.hifigan.vocoder;

import java.util.Locale;

/** Length, peak and mean of a recording, measured a piece at a time, and the gain to the peak level of training. */
final class Level {
    /** The peak of the recordings that models are trained with. */
    static final double PEAK = 0.95;

    private static final double SILENCE = 1e-4; // -80 dBFS: a peak below this is no speech

    private static final double FULL_SCALE_LIMIT = 2; // a larger peak is no overshoot, but another scale
    private static final double DC_LIMIT = 0.01; // of the peak: a mean beyond this is no speech's

    private final String name;
    private long samples;
    private float peak;
    private double sum;

    /** @param name of the recording, for messages */
    Level(String name) {
        this.name = name;
    }

    void add(float[] audio) throws InputException {
        for (int i = 0; i < audio.length; i++) {
            if (Float.isNaN(audio[i]) || Float.isInfinite(audio[i])) {
                throw new InputException(
                        name + " holds NaN or infinite samples (first at " + (samples + i) + "): export it again");
            }
            peak = Math.max(peak, Math.abs(audio[i]));
            sum += audio[i];
        }
        samples += audio.length;
    }

    long samples() {
        return samples;
    }

    /** What is odd about samples on another scale than -1 to 1, and about a mean that is not 0; null if nothing is. */
    String warning() {
        double mean = sum / Math.max(1, samples);
        String warning = null;
        if (peak > FULL_SCALE_LIMIT) {
            warning = name + " holds samples up to " + peak + ", far beyond -1 to 1, as integers written as floats do";
        }
        if (Math.abs(mean) > DC_LIMIT * peak) {
            String offset = String.format(Locale.ROOT, " has a DC offset of %.3f at a peak of %.3f, which a model takes for"
                    + " sound: remove it, with a high-pass filter", mean, peak);
            warning = warning == null ? name + offset : warning + "; it" + offset;
        }
        return warning;
    }

    /**
     * The factor for the samples.
     *
     * @param least samples that a recording must have: those of one frame
     */
    float gain(int least) throws InputException {
        if (samples == 0) {
            throw new InputException(name + " holds no samples: record or copy it again");
        }
        if (samples < least) {
            throw new InputException(name + " is shorter than one frame: " + samples + " of " + least + " samples");
        }
        if (peak < SILENCE) {
            throw new InputException(name + " is silent (peak " + peak + "): choose another recording");
        }
        return (float) (PEAK / peak);
    }
}
