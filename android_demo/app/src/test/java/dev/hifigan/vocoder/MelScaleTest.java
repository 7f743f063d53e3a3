package dev.hifigan.vocoder;

import static org.junit.Assert.assertEquals;
import static org.junit.Assert.assertNull;

import java.util.Arrays;
import java.util.Random;
import org.junit.Test;

public class MelScaleTest {
    private static final int BANDS = 80;
    private static final AudioSettings PAPER = Settings.of(BANDS);

    @Test
    public void naturalLogarithmsAreNotForeign() {
        assertNull(MelScale.foreign(noise(100, -11.5, 0), PAPER));
        assertNull("a short loud vowel has a narrow range", MelScale.foreign(noise(10, -3, 0), PAPER));
    }

    @Test
    public void magnitudes() {
        float[][] mel = noise(100, -11.5, 2);
        for (float[] frame : mel) {
            for (int band = 0; band < BANDS; band++) {
                frame[band] = (float) Math.exp(frame[band]);
            }
        }
        assertEquals("values from 0.0 to 7.4 look like magnitudes without a logarithm", MelScale.foreign(mel, PAPER));
    }

    @Test
    public void decibels() {
        assertEquals("values from -100.0 to 20.0 look like decibels", MelScale.foreign(noise(100, -100, 20), PAPER));
    }

    @Test
    public void normalised() {
        assertEquals("values from 0.0 to 1.0 look normalised", MelScale.foreign(noise(100, 0, 1), PAPER));
        assertEquals("values from -4.0 to 4.0 look normalised", MelScale.foreign(noise(100, -4, 4), PAPER));
        assertEquals("values from -7.0 to 4.0 are louder than audio can be", MelScale.foreign(noise(100, -7, 4), PAPER));
    }

    @Test
    public void base10ByItsFloor() {
        float[][] mel = noise(100, -4.9, 1);
        assertNull("no floor yet, and too rough", MelScale.foreign(mel, PAPER));
        mel[3][5] = mel[70][2] = -5;
        assertEquals("values from -5.0 to 1.0 look like base-10 logarithms", MelScale.foreign(mel, PAPER));
    }

    @Test
    public void base10ByItsSmoothness() {
        float[][] mel = new float[100][BANDS];
        for (int frame = 0; frame < mel.length; frame++) {
            for (int band = 0; band < BANDS; band++) {
                mel[frame][band] = (float) (-2.5 + 1.5 * Math.sin(0.2 * frame + 0.08 * band));
            }
        }
        assertEquals("values from -4.0 to -1.0 look like base-10 logarithms", MelScale.foreign(mel, PAPER));
    }

    @Test
    public void aModelWithAnotherMelTakesItsOwn() {
        AudioSettings base10 = Settings.of(BANDS, "'mel_log': 'log10'", "'mel_floor': 1e-10");
        assertNull(MelScale.foreign(noise(100, -9, 0.5), base10));
        assertEquals("values from -90.0 to 10.0 look like decibels", MelScale.foreign(noise(100, -90, 10), base10));
        assertEquals("values from -11.5 to 1.0 look like natural logarithms",
                MelScale.foreign(noise(100, -11.5, 1), base10));
        AudioSettings normalized = Settings.of(BANDS, "'mel_log': 'log10'", "'mel_mean': -2.5", "'mel_scale': 0.9");
        assertNull(MelScale.foreign(noise(100, -2.7, 2.7), normalized));
        assertEquals("values from -11.5 to 1.0 look like natural logarithms",
                MelScale.foreign(noise(100, -11.5, 1), normalized));
    }

    @Test
    public void silenceOfAModelIsNotForeign() {
        for (AudioSettings audio : new AudioSettings[] {
            PAPER,
            Settings.of(BANDS, "'mel_log': 'log10'", "'mel_floor': 1e-10"),
            Settings.of(BANDS, "'mel_log': 'log10'", "'mel_floor': 1e-10", "'mel_mean': -5", "'mel_scale': 1")
        }) {
            float[][] silence = new float[100][];
            Arrays.fill(silence, audio.silentFrame());
            assertNull(audio.melDescription(), MelScale.foreign(silence, audio));
        }
    }

    @Test
    public void unknownScales() {
        assertEquals("values from -100.0 to 100.0 are on no scale known here", MelScale.foreign(noise(500, -100, 100), PAPER));
        assertEquals("values from -20.0 to 0.0 are on no scale known here", MelScale.foreign(noise(500, -20, 0), PAPER));
        assertEquals("values from -11.0 to 5.0 are on no scale known here", MelScale.foreign(noise(500, -11, 5), PAPER));
    }

    /** Uniform between two values, which both occur. */
    private static float[][] noise(int frames, double low, double high) {
        Random random = new Random(1);
        float[][] mel = new float[frames][BANDS];
        for (float[] frame : mel) {
            for (int band = 0; band < BANDS; band++) {
                frame[band] = (float) (low + (high - low) * random.nextDouble());
            }
        }
        mel[0][0] = (float) low;
        mel[0][1] = (float) high;
        return mel;
    }
}
