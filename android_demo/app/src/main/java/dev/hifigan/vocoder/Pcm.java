package dev.hifigan.vocoder;

/** Floating-point samples and 16-bit ones. */
public final class Pcm {
    private Pcm() {}

    /** Samples in -1 to 1 as 16-bit: rounded, and clipped, never wrapped. */
    public static short[] toShorts(float[] samples) {
        throw new UnsupportedOperationException("skeleton");
    }

    /** The first {@code count} 16-bit samples, interleaved over the channels, as mono in -1 to 1. */
    public static float[] toMono(short[] samples, int count, int channels) {
        throw new UnsupportedOperationException("skeleton");
    }
}
