package dev.hifigan.vocoder;

/** Length and peak of a recording, measured a piece at a time, and the gain to the peak level of training. */
final class Level {
    /** The peak of the recordings that models are trained with. */
    static final double PEAK = 0.95;

    private static final double SILENCE = 1e-4; // -80 dBFS: a peak below this is no speech

    private final String name;
    private long samples;
    private float peak;

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
        }
        samples += audio.length;
    }

    long samples() {
        return samples;
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
