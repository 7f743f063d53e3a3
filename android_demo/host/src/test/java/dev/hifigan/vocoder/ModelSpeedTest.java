package dev.hifigan.vocoder;

import static org.junit.Assert.assertEquals;
import static org.junit.Assert.assertThrows;
import static org.junit.Assert.assertTrue;

import java.io.IOException;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.Map;
import org.junit.Test;

/** The speed of real models. */
public class ModelSpeedTest {
    @Test
    public void aModelOfManyTimesTheArithmeticIsSlower() throws IOException {
        Map<String, Double> factors = measure("vocoder_float32", "tiny_vocoder");
        assertEquals("tiny_vocoder", SpeedTest.fastest(factors));
        assertTrue(factors.toString(), factors.get("tiny_vocoder") > 0);
    }

    @Test
    public void theModelsOfTheAppAreMeasured() throws IOException {
        Map<String, Double> factors = measure("vocoder_int8", "vocoder_float16");
        Reference.figure("fastest    %s: real-time factors %.4f of int8, %.4f of float16, one thread",
                SpeedTest.fastest(factors), factors.get("vocoder_int8"), factors.get("vocoder_float16"));
        assertEquals(2, factors.size());
    }

    @Test
    public void itTakesFrames() throws IOException {
        try (StreamingVocoder vocoder = Reference.vocoder("tiny_vocoder", 16)) {
            assertEquals("no frames to measure with: it takes at least 1",
                    assertThrows(IllegalArgumentException.class, () -> SpeedTest.of(vocoder, new float[0][]))
                            .getMessage());
        }
    }

    private static Map<String, Double> measure(String one, String other) throws IOException {
        try (StreamingVocoder first = Reference.vocoder(one, 0);
                StreamingVocoder second = Reference.vocoder(other, 0)) {
            Map<String, SpeedTest.Candidate> candidates = new LinkedHashMap<>();
            candidates.put(one, SpeedTest.of(first, quiet(first)));
            candidates.put(other, SpeedTest.of(second, quiet(second)));
            return new SpeedTest(candidates).run(0.3);
        }
    }

    /** Frames of silence: fewer than a chunk, so that they are repeated. */
    private static float[][] quiet(StreamingVocoder vocoder) {
        float[][] frames = new float[3][vocoder.contract().audio.numMels];
        for (float[] frame : frames) {
            Arrays.fill(frame, (float) Math.log(1e-5));
        }
        return frames;
    }
}
