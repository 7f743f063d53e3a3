package dev.hifigan.vocoder;

/** Floating-point samples and 16-bit ones. */
public final class Pcm {
    private Pcm() {}

    /** Samples in -1 to 1 as 16-bit: rounded, and clipped, never wrapped. */
    public static short[] toShorts(float[] samples) {
        short[] shorts = new short[samples.length];
        for (int i = 0; i < samples.length; i++) {
            double scaled = Math.rint(samples[i] * 32767.0);
            shorts[i] = (short) Math.max(Short.MIN_VALUE, Math.min(Short.MAX_VALUE, scaled));
        }
        return shorts;
    }

    /** The first {@code count} 16-bit samples, interleaved channels, as mono in -1 to 1. */
    public static float[] toMono(short[] samples, int count, int channels) {
        float[] mono = new float[count / channels];
        for (int i = 0; i < mono.length; i++) {
            float sum = 0;
            for (int channel = 0; channel < channels; channel++) {
                sum += samples[i * channels + channel] / 32768f;
            }
            mono[i] = sum / channels;
        }
        return mono;
    }
}
