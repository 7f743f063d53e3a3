package dev.hifigan.vocoder;

/** Mixes the channels of a recording to mono, and finds those of which nothing is left then. */
public final class MonoMix {
    private static final double CANCELLED = 0.01; // of the channels' power: with less left, they are opposites

    private final String name;
    private double power; // of the mix
    private double channelPower; // the mean of the channels'

    /** @param name of the recording, for messages */
    public MonoMix(String name) {
        this.name = name;
    }

    /** The mean of one sample of each channel. */
    public float mix(float[] channels) {
        float sum = 0;
        double squares = 0;
        for (float sample : channels) {
            sum += sample;
            squares += (double) sample * sample;
        }
        float mono = sum / channels.length;
        power += (double) mono * mono;
        channelPower += squares / channels.length;
        return mono;
    }

    /** At the end of the recording. */
    public void checkEnd() throws InputException {
        if (power < CANCELLED * channelPower) {
            throw new InputException(name + " has channels that cancel each other when they are mixed to mono: invert one"
                    + " of them, or take one alone");
        }
    }
}
