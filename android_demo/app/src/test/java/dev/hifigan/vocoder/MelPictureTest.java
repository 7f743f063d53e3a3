package dev.hifigan.vocoder;

import static org.junit.Assert.assertArrayEquals;
import static org.junit.Assert.assertEquals;
import static org.junit.Assert.assertThrows;

import org.junit.Test;

public class MelPictureTest {
    @Test
    public void keepsEveryFrameWhileThereAreColumns() {
        MelPicture picture = new MelPicture(4, 2);
        picture.write(new float[][] {{1, 2}, {3, 4}});
        assertArrayEquals(new float[][] {{1, 2}, {3, 4}}, picture.columns());
    }

    @Test
    public void meansNeighbours() {
        MelPicture picture = new MelPicture(2, 1);
        picture.write(new float[][] {{1}, {2}, {6}});
        assertArrayEquals(new float[][] {{1.5f}, {6}}, picture.columns());
        picture.write(new float[][] {{7}, {-9}});
        assertArrayEquals(new float[][] {{4}, {-9}}, picture.columns());
    }

    @Test
    public void isTheSameForPiecesOfAnyLength() {
        float[][] ramp = new float[1000][1];
        for (int i = 0; i < ramp.length; i++) {
            ramp[i][0] = i;
        }
        MelPicture whole = new MelPicture(64, 1);
        whole.write(ramp);
        MelPicture pieces = new MelPicture(64, 1);
        for (float[] frame : ramp) {
            pieces.write(new float[][] {frame});
        }
        assertArrayEquals(whole.columns(), pieces.columns());
        assertEquals("16 frames a column", 63, whole.columns().length);
        assertEquals("frames 16 to 31", 23.5, whole.columns()[1][0], 0);
    }

    @Test
    public void refusesAnOddNumberOfColumns() {
        assertThrows(IllegalArgumentException.class, () -> new MelPicture(3, 80));
        assertThrows(IllegalArgumentException.class, () -> new MelPicture(0, 80));
    }
}
