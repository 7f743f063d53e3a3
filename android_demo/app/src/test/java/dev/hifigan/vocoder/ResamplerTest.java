package dev.hifigan.vocoder;

import static org.junit.Assert.assertArrayEquals;
import static org.junit.Assert.assertEquals;
import static org.junit.Assert.assertThrows;
import static org.junit.Assert.assertTrue;

import java.util.Arrays;
import java.util.Random;
import org.junit.Test;

public class ResamplerTest {
    private static final int[] RATES = {8000, 11025, 16000, 22050, 24000, 32000, 44100, 44101, 48000, 96000, 191999};
    private static final int TARGET = 22050;

    @Test
    public void keepsTheBandThatBothRatesHave() {
        for (int rate : RATES) {
            double highest = 0.91 * Math.min(rate, TARGET) / 2;
            for (double frequency : new double[] {50, highest / 2, highest}) {
                float[] audio = resample(tone(rate, frequency), rate, TARGET);
                double noise = residue(audio, TARGET, frequency);
                assertTrue(rate + " Hz, a tone of " + frequency + ": " + noise + " dB", noise < -80);
            }
        }
    }

    @Test
    public void silencesWhatWouldAlias() {
        for (int rate : RATES) {
            if (rate > TARGET) {
                double lowest = TARGET / 2.0;
                for (double frequency : new double[] {lowest * 1.001, (lowest + rate / 2.0) / 2, rate * 0.499}) {
                    float[] audio = resample(tone(rate, frequency), rate, TARGET);
                    double left = level(audio);
                    assertTrue(rate + " Hz, a tone of " + frequency + ": " + left + " dB", left < -80);
                }
            }
        }
    }

    @Test
    public void keepsAConstant() {
        for (int rate : RATES) {
            float[] ones = new float[rate / 4];
            Arrays.fill(ones, 1);
            float[] audio = resample(ones, rate, TARGET);
            for (int i = audio.length / 4; i < audio.length * 3 / 4; i++) {
                assertEquals(rate + " Hz", 1, audio[i], 1e-5);
            }
        }
    }

    @Test
    public void givesTheSameForPiecesOfAnyLength() {
        Random random = new Random(1);
        for (int rate : RATES) {
            float[] noise = noise(6000, random);
            Resampler resampler = new Resampler(rate, TARGET);
            Floats pieces = new Floats();
            for (int start = 0; start < noise.length; ) {
                int end = Math.min(noise.length, start + random.nextInt(700));
                pieces.append(resampler.push(Arrays.copyOfRange(noise, start, end)));
                start = end;
            }
            pieces.append(resampler.flush());
            assertArrayEquals(resample(noise, rate, TARGET), pieces.toArray(), 0);
        }
    }

    @Test
    public void keepsTheLength() {
        for (int rate : RATES) {
            for (int samples : new int[] {0, 1, 2, 100, 4567}) {
                long expected = Math.round((double) samples * TARGET / rate);
                assertEquals(rate + " Hz", expected, resample(new float[samples], rate, TARGET).length);
            }
        }
    }

    @Test
    public void leavesTheRightRateAlone() {
        float[] noise = noise(100, new Random(1));
        Resampler resampler = new Resampler(TARGET, TARGET);
        assertArrayEquals(noise, resampler.push(noise), 0);
        assertEquals(0, resampler.flush().length);
    }

    @Test
    public void refusesInvalidRates() {
        assertThrows(IllegalArgumentException.class, () -> new Resampler(0, TARGET));
        assertThrows(IllegalArgumentException.class, () -> new Resampler(TARGET, -1));
    }

    private static float[] resample(float[] audio, int from, int to) {
        Resampler resampler = new Resampler(from, to);
        Floats all = new Floats();
        all.append(resampler.push(audio));
        all.append(resampler.flush());
        return all.toArray();
    }

    private static float[] tone(int rate, double frequency) {
        float[] tone = new float[rate / 4];
        for (int i = 0; i < tone.length; i++) {
            tone[i] = (float) Math.sin(2 * Math.PI * frequency * i / rate);
        }
        return tone;
    }

    private static float[] noise(int samples, Random random) {
        float[] noise = new float[samples];
        for (int i = 0; i < samples; i++) {
            noise[i] = 2 * random.nextFloat() - 1;
        }
        return noise;
    }

    /** In dB, the difference from the expected tone in the middle of the audio. */
    private static double residue(float[] audio, int rate, double frequency) {
        float[] difference = new float[audio.length];
        for (int i = 0; i < audio.length; i++) {
            difference[i] = (float) (audio[i] - Math.sin(2 * Math.PI * frequency * i / rate));
        }
        return level(difference);
    }

    /** In dB relative to a full tone, of the middle: the ends of a tone that is cut off contain all frequencies. */
    private static double level(float[] audio) {
        double power = 0;
        for (int i = audio.length / 4; i < audio.length * 3 / 4; i++) {
            power += audio[i] * audio[i];
        }
        return 10 * Math.log10(power / (audio.length / 2.0) / 0.5 + 1e-30);
    }
}
