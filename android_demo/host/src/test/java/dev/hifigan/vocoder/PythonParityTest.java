package dev.hifigan.vocoder;

import static org.junit.Assert.assertArrayEquals;
import static org.junit.Assert.assertEquals;
import static org.junit.Assert.assertThrows;
import static org.junit.Assert.assertTrue;

import java.io.FileInputStream;
import java.io.IOException;
import java.nio.ShortBuffer;
import java.util.List;
import org.junit.Test;

/** Rules that are also implemented in Python, with its results. */
public class PythonParityTest {
    @Test
    public void samplesBecomeTheSame16Bits() throws IOException {
        ShortBuffer shorts = Reference.bytes("pcm/shorts.s16").asShortBuffer();
        short[] expected = new short[shorts.remaining()];
        shorts.get(expected);
        assertArrayEquals(expected, Pcm.toShorts(Reference.floats("pcm/floats.f32")));
    }

    @Test
    public void scalesOfMelsAreRecognisedAsInPython() throws IOException {
        for (String model : new String[] {"mel_frontend", "base10_mel_frontend", "normalized_mel_frontend"}) {
            AudioSettings audio = Reference.settings(model);
            List<String> names = Reference.names("scales/" + model, ".npy");
            for (String name : names) {
                String file = "scales/" + model + "/" + name;
                String scale = name.substring(0, name.indexOf('_'));
                if (scale.equals("own")) {
                    read(file, audio).close();
                } else {
                    String message = assertThrows(file, InputException.class, () -> read(file, audio)).getMessage();
                    assertTrue(file + ": " + message, message.contains(words(scale)));
                }
            }
            Reference.figure("parity     scales   %d mels taken for the same scale as in Python, by %s",
                    names.size(), model);
        }
    }

    @Test
    public void resampledSpeechIsNearToSoxr() throws IOException {
        for (String converted : Reference.names("resampled", "_converted.f32")) {
            int rate = Integer.parseInt(converted);
            float[] speech = Reference.floats("resampled/" + rate + ".f32");
            float[] expected = Reference.floats("resampled/" + rate + "_converted.f32");
            Resampler resampler = new Resampler(rate, 22050);
            Floats actual = new Floats();
            actual.append(resampler.push(speech));
            actual.append(resampler.flush());
            double ratio = signalToNoise(expected, actual.toArray());
            Reference.figure("parity     resample %6d Hz to 22050 Hz: %.0f dB to soxr", rate, ratio);
            assertTrue(rate + " Hz: " + ratio + " dB", ratio > 40); // they roll off differently above 91 % of the band
        }
    }

    private static NpyReader read(String name, AudioSettings audio) throws IOException {
        return new NpyReader(new FileInputStream(Reference.file(name + ".npy").toFile()), name, audio);
    }

    private static String words(String scale) {
        switch (scale) {
            case "log":
                return "look like natural logarithms";
            case "power":
                return "look like logarithms of powers";
            case "loud":
                return "are louder than audio can be";
            case "log10":
                return "look like base-10 logarithms";
            case "db":
                return "look like decibels";
            case "linear":
                return "look like magnitudes";
            case "normalized":
                return "look normalised";
            default:
                return "are on no scale known here";
        }
    }

    /** In dB; the lengths must be equal. */
    private static double signalToNoise(float[] expected, float[] actual) {
        assertEquals(expected.length, actual.length);
        double signal = 0;
        double noise = 0;
        for (int i = 0; i < expected.length; i++) {
            signal += expected[i] * expected[i];
            noise += Math.pow(expected[i] - actual[i], 2);
        }
        return 10 * Math.log10(signal / noise);
    }
}
