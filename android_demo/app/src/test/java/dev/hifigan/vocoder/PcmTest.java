package dev.hifigan.vocoder;

import static org.junit.Assert.assertArrayEquals;

import org.junit.Test;

public class PcmTest {
    @Test
    public void clipsAndNeverWraps() {
        float[] loud = {1, 1.00001f, 1.5f, 1e30f, Float.POSITIVE_INFINITY, -1, -1.00005f, -2, Float.NEGATIVE_INFINITY};
        short[] expected = {32767, 32767, 32767, 32767, 32767, -32767, -32768, -32768, -32768};
        assertArrayEquals(expected, Pcm.toShorts(loud));
    }

    @Test
    public void rounds() {
        assertArrayEquals(new short[] {0, 1, -1, 16384}, Pcm.toShorts(new float[] {1e-5f, 2e-5f, -2e-5f, 0.5f}));
    }

    @Test
    public void mixesChannels() {
        short[] stereo = {16384, 0, -32768, -32768, 1, 3, 999, 999};
        assertArrayEquals(new float[] {0.25f, -1, 2 / 32768f}, Pcm.toMono(stereo, 6, 2), 0);
    }

    @Test
    public void keepsMono() {
        assertArrayEquals(new float[] {0.5f, -1}, Pcm.toMono(new short[] {16384, -32768}, 2, 1), 0);
    }
}
