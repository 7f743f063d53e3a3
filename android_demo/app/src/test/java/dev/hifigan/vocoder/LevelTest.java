package dev.hifigan.vocoder;

import static org.junit.Assert.assertEquals;
import static org.junit.Assert.assertNull;
import static org.junit.Assert.assertThrows;

import org.junit.Test;

public class LevelTest {
    private final Level level = new Level("a.wav");

    @Test
    public void bringsThePeakToThatOfTraining() throws InputException {
        level.add(new float[] {0.1f, -0.5f});
        level.add(new float[] {0.2f});
        assertEquals(1.9f, level.gain(3), 1e-6);
        assertEquals(3, level.samples());
    }

    @Test
    public void refusesSilence() throws InputException {
        level.add(new float[1000]);
        assertEquals("a.wav is silent (peak 0.0): choose another recording", refusal());
        level.add(new float[] {9e-5f});
        assertEquals("a.wav is silent (peak 9.0E-5): choose another recording", refusal());
    }

    @Test
    public void refusesRecordingsThatAreTooShort() throws InputException {
        assertEquals("a.wav holds no samples: record or copy it again", refusal());
        level.add(new float[] {0.5f});
        assertEquals("a.wav is shorter than one frame: 1 of 256 samples", refusal());
    }

    @Test
    public void refusesNonFiniteSamples() throws InputException {
        level.add(new float[100]);
        for (float wrong : new float[] {Float.NaN, Float.NEGATIVE_INFINITY}) {
            assertEquals("a.wav holds NaN or infinite samples (first at 101): export it again",
                    assertThrows(InputException.class, () -> level.add(new float[] {0, wrong})).getMessage());
        }
    }

    @Test
    public void warnsOfAnotherScale() throws InputException {
        level.add(new float[] {2, -2});
        assertNull("an overshoot", level.warning());
        level.add(new float[] {32768, -32768});
        assertEquals("a.wav holds samples up to 32768.0, far beyond -1 to 1, as integers written as floats do",
                level.warning());
        assertEquals(0.95 / 32768, level.gain(3), 1e-9);
    }

    @Test
    public void warnsOfAnOffset() throws InputException {
        level.add(new float[] {0.504f, -0.5f});
        assertNull("0.4 % of the peak", level.warning());
        level.add(new float[] {0.55f, -0.45f, 0.55f, -0.45f});
        assertEquals("a.wav has a DC offset of 0.034 at a peak of 0.550, which a model takes for sound: remove it, with a"
                + " high-pass filter", level.warning());
        level.add(new float[] {8, -4});
        assertEquals("a.wav holds samples up to 8.0, far beyond -1 to 1, as integers written as floats do; it has a DC"
                + " offset of 0.526 at a peak of 8.000, which a model takes for sound: remove it, with a high-pass filter",
                level.warning());
    }

    private String refusal() {
        return assertThrows(InputException.class, () -> level.gain(256)).getMessage();
    }
}
