package dev.hifigan.vocoder;

import static org.junit.Assert.assertArrayEquals;
import static org.junit.Assert.assertEquals;
import static org.junit.Assert.assertThrows;
import static org.junit.Assert.assertTrue;

import org.junit.Test;

public class EnvelopeTest {
    @Test
    public void keepsEverySampleWhileThereAreBins() {
        Envelope envelope = new Envelope(4);
        envelope.write(new float[] {0.5f, -0.25f, 0});
        assertArrayEquals(new float[][] {{0.5f, 0.5f}, {-0.25f, -0.25f}, {0, 0}}, envelope.extremes());
    }

    @Test
    public void joinsNeighbours() {
        Envelope envelope = new Envelope(2);
        envelope.write(new float[] {1, 2, 3});
        assertArrayEquals(new float[][] {{1, 2}, {3, 3}}, envelope.extremes());
        envelope.write(new float[] {-4, 5});
        assertArrayEquals(new float[][] {{-4, 3}, {5, 5}}, envelope.extremes());
    }

    @Test
    public void isTheSameForPiecesOfAnyLength() {
        float[] ramp = new float[1000];
        for (int i = 0; i < ramp.length; i++) {
            ramp[i] = i;
        }
        Envelope whole = new Envelope(64);
        whole.write(ramp);
        Envelope pieces = new Envelope(64);
        for (float sample : ramp) {
            pieces.write(new float[] {sample});
        }
        assertArrayEquals(whole.extremes(), pieces.extremes());
        assertEquals("16 samples a bin", 63, whole.extremes().length);
        for (int bin = 0; bin < 62; bin++) {
            assertArrayEquals(new float[] {16 * bin, 16 * bin + 15}, whole.extremes()[bin], 0);
        }
    }

    @Test
    public void neverHasMoreBinsNorFewerThanHalf() {
        Envelope envelope = new Envelope(100);
        for (int i = 1; i <= 5000; i++) {
            envelope.write(new float[1]);
            int bins = envelope.extremes().length;
            assertTrue(bins <= 100 && bins >= Math.min(i, 50));
        }
        envelope.close();
    }

    @Test
    public void refusesAnOddNumberOfBins() {
        assertThrows(IllegalArgumentException.class, () -> new Envelope(3));
        assertThrows(IllegalArgumentException.class, () -> new Envelope(0));
    }
}
