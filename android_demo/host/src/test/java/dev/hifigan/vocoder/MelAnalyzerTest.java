package dev.hifigan.vocoder;

import static org.junit.Assert.assertArrayEquals;
import static org.junit.Assert.assertEquals;
import static org.junit.Assert.assertThrows;
import static org.junit.Assert.assertTrue;

import java.io.IOException;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Random;
import org.junit.Test;

public class MelAnalyzerTest {
    private static final double TOLERANCE = 1e-5; // against the same model in Python
    private static final double ROUNDING = 5e-4; // against mel.py, which sums in another order

    @Test
    public void equalsPython() throws IOException {
        double largest = 0;
        double largestToMelPy = 0;
        try (MelAnalyzer analyzer = Reference.analyzer()) {
            for (String clip : Reference.clips()) {
                float[] audio = normalized(Reference.samples(clip));
                float[] mel = Reference.flat(analyze(analyzer, audio, audio.length));
                assertEquals(audio.length, analyzer.samples());
                analyzer.reset();
                float[] ofModel = Reference.floats("mels/" + clip + ".f32");
                largest = Math.max(largest, Reference.largestDifference(ofModel, mel));
                float[] ofMelPy = Reference.flat(Reference.mel(clip));
                largestToMelPy = Math.max(largestToMelPy, Reference.largestDifference(ofMelPy, mel));
            }
        }
        Reference.figure("parity     mel      largest difference to the same model in Python %.1e, to mel.py %.1e",
                largest, largestToMelPy);
        assertTrue("difference " + largest, largest <= TOLERANCE);
        assertTrue("difference " + largestToMelPy, largestToMelPy <= ROUNDING);
    }

    @Test
    public void equalsPythonAt24Kilohertz() throws IOException {
        double largest = 0;
        try (MelAnalyzer analyzer = Reference.analyzer("mel_frontend_24k")) {
            analyzer.requireFits(Contract.read(Reference.model("hop_300_int8"), "hop_300_int8"));
            for (String clip : Reference.clips()) {
                float[] audio = normalized(Reference.samples(clip));
                float[] mel = Reference.flat(analyze(analyzer, audio, 300));
                analyzer.reset();
                float[] expected = Reference.floats("mels_24k/" + clip + ".f32");
                largest = Math.max(largest, Reference.largestDifference(expected, mel));
            }
        }
        assertTrue("difference " + largest, largest <= TOLERANCE);
    }

    @Test
    public void melsOfOtherLibrariesEqualPython() throws IOException {
        for (String name : new String[] {"base10_mel_frontend", "normalized_mel_frontend"}) {
            double largest = 0;
            try (MelAnalyzer analyzer = new MelAnalyzer(Reference.model(name), name, 1)) {
                AudioSettings audio = analyzer.contract().audio;
                assertTrue(audio.melLog10 && audio.melCentred);
                assertEquals(name.startsWith("normalized"), audio.melNormalized);
                for (String length : Reference.names("other_mels/" + name, ".f32")) {
                    float[] clip = Reference.samples(Reference.clips().get(0));
                    float[] samples = Arrays.copyOf(clip, Integer.parseInt(length));
                    float[] expected = Reference.floats("other_mels/" + name + "/" + length + ".f32");
                    for (int most : new int[] {samples.length, 100, -700}) {
                        float[] mel = Reference.flat(analyze(analyzer, samples, most));
                        largest = Math.max(largest, Reference.largestDifference(expected, mel));
                        analyzer.reset();
                    }
                }
                for (float[] frame : analyze(analyzer, new float[10000], 10000)) {
                    assertArrayEquals(audio.silentFrame(), frame, 1e-4f);
                }
            }
            Reference.figure("parity     mel      %s: largest difference %.1e", name, largest);
            assertTrue(name + ": " + largest, largest <= TOLERANCE);
        }
    }

    @Test
    public void isTheSameForPiecesOfAnyLength() throws IOException {
        float[] audio = Arrays.copyOf(Reference.samples(Reference.clips().get(0)), 30000);
        try (MelAnalyzer analyzer = Reference.analyzer()) {
            float[][] whole = analyze(analyzer, audio, audio.length);
            for (int most : new int[] {1, 100, -700, -5000}) {
                analyzer.reset();
                assertArrayEquals("pieces of " + most, whole, analyze(analyzer, audio, most));
            }
        }
    }

    @Test
    public void everyHopBecomesAFrame() throws IOException {
        Random random = new Random(1);
        try (MelAnalyzer analyzer = Reference.analyzer()) {
            int hop = analyzer.contract().audio.hopSize;
            int[] lengths = {0, 1, hop - 1, hop, hop + 1, 384, 385, 386, 1023, 1024, 1025, 4863, 4864, 9999};
            for (int samples : lengths) {
                float[] audio = new float[samples];
                for (int i = 0; i < samples; i++) {
                    audio[i] = 2 * random.nextFloat() - 1;
                }
                float[][] mel = analyze(analyzer, audio, 777);
                assertEquals((samples + hop - 1) / hop, mel.length);
                for (float[] frame : mel) {
                    assertTrue(Arrays.toString(frame), frame[40] > -11); // louder than the silence that pads the rest
                }
                analyzer.reset();
            }
        }
    }

    @Test
    public void silenceIsTheFloor() throws IOException {
        try (MelAnalyzer analyzer = Reference.analyzer()) {
            for (float[] frame : analyze(analyzer, new float[10000], 10000)) {
                for (float band : frame) {
                    assertEquals(Math.log(1e-5), band, 1e-5);
                }
            }
        }
    }

    @Test
    public void nanIsRefusedAndLeavesTheRecordingUnharmed() throws IOException {
        float[] audio = Arrays.copyOf(Reference.samples(Reference.clips().get(0)), 10000);
        try (MelAnalyzer analyzer = Reference.analyzer()) {
            float[][] expected = analyze(analyzer, audio, audio.length);
            analyzer.reset();
            assertEquals("the pushed samples hold NaN (first at 1): none was taken",
                    assertThrows(IllegalArgumentException.class, () -> analyzer.push(new float[] {0, Float.NaN}))
                            .getMessage());
            assertEquals(0, analyzer.samples());
            assertArrayEquals(expected, analyze(analyzer, audio, audio.length));
        }
    }

    @Test
    public void pushAfterFlushIsRefusedUntilReset() throws IOException {
        try (MelAnalyzer analyzer = Reference.analyzer()) {
            assertEquals("a recording of nothing", 0, analyzer.flush().length);
            String message = " after flush: the recording is over, reset() begins another";
            assertEquals("push" + message,
                    assertThrows(IllegalStateException.class, () -> analyzer.push(new float[1])).getMessage());
            assertEquals("flush" + message, assertThrows(IllegalStateException.class, analyzer::flush).getMessage());
            analyzer.reset();
            analyzer.push(new float[1]);
        }
    }

    @Test
    public void aClosedAnalyzerRefusesEverything() throws IOException {
        MelAnalyzer analyzer = Reference.analyzer();
        analyzer.close();
        assertEquals("mel_frontend.tflite is closed: load it again",
                assertThrows(IllegalStateException.class, () -> analyzer.push(new float[1])).getMessage());
        assertThrows(IllegalStateException.class, analyzer::flush);
        assertThrows(IllegalStateException.class, analyzer::reset);
    }

    @Test
    public void anotherVocoderThanItsOwnIsRefused() throws IOException {
        Contract tiny = Contract.read(Reference.model("tiny_vocoder"), "tiny");
        Contract live = Contract.read(Reference.model("live_int8"), "live");
        try (MelAnalyzer analyzer = Reference.analyzer("mel_frontend_24k")) {
            assertEquals("mel_frontend_24k.tflite makes mels of sampling_rate 24000, not 22050 as the vocoder takes "
                    + "them: export both from one checkpoint",
                    assertThrows(ModelException.class, () -> analyzer.requireFits(live)).getMessage());
        }
        try (MelAnalyzer analyzer = Reference.analyzer()) {
            analyzer.requireFits(Contract.read(Reference.model("vocoder_int8"), "own"));
            analyzer.requireFits(live);
            assertEquals("mel_frontend.tflite makes mels of sampling_rate 22050, not 8000 as the vocoder takes them: "
                    + "export both from one checkpoint",
                    assertThrows(ModelException.class, () -> analyzer.requireFits(tiny)).getMessage());
        }
    }

    /** Scaled to the peak of training, as NumPy does it. */
    static float[] normalized(float[] audio) throws IOException {
        Level level = new Level("clip");
        level.add(audio);
        float gain = level.gain(1);
        float[] scaled = new float[audio.length];
        for (int i = 0; i < audio.length; i++) {
            scaled[i] = audio[i] * gain;
        }
        return scaled;
    }

    /** Pushes {@code most} samples at a time; random numbers up to {@code -most} if it is negative. */
    private static float[][] analyze(MelAnalyzer analyzer, float[] audio, int most) {
        Random random = new Random(most);
        List<float[]> frames = new ArrayList<>();
        for (int start = 0; start < audio.length; ) {
            int end = Math.min(audio.length, start + (most > 0 ? most : random.nextInt(1 - most)));
            frames.addAll(Arrays.asList(analyzer.push(Arrays.copyOfRange(audio, start, end))));
            start = end;
        }
        frames.addAll(Arrays.asList(analyzer.flush()));
        return frames.toArray(new float[0][]);
    }
}
