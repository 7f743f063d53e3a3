package dev.hifigan.vocoder;

import static org.junit.Assert.assertArrayEquals;
import static org.junit.Assert.assertEquals;
import static org.junit.Assert.assertThrows;
import static org.junit.Assert.assertTrue;

import java.io.IOException;
import java.util.Arrays;
import java.util.Random;
import org.junit.Test;
import org.tensorflow.lite.Interpreter;

public class StreamingVocoderTest {
    @Test
    public void everyVocoderEqualsPython() throws IOException {
        for (String vocoder : Reference.VOCODERS) {
            for (int chunk : Reference.chunks(vocoder)) {
                assertEqualsPython(vocoder, chunk, chunk, -50);
            }
        }
    }

    @Test
    public void pushesOfAnySizeGiveTheSamplesOfPython() throws IOException {
        for (int chunk : Reference.chunks("vocoder_int8")) {
            assertEqualsPython("vocoder_int8", chunk, 1, -3, 10000);
        }
    }

    @Test
    public void utterancesOfAnyLengthEqualPython() throws IOException {
        float[][] mel = Reference.mel(Reference.clips().get(0));
        for (String name : Reference.VOCODERS) {
            for (int chunk : Reference.chunks(name)) {
                String folder = "short/" + name + "_" + chunk;
                double largest = 0;
                try (StreamingVocoder vocoder = Reference.vocoder(name, chunk)) {
                    for (String frames : Reference.names(folder, ".f32")) {
                        float[] expected = Reference.floats(folder + "/" + frames + ".f32");
                        float[][] start = Arrays.copyOf(mel, Integer.parseInt(frames));
                        largest = Math.max(largest, Reference.largestDifference(expected, vocode(vocoder, start, 1)));
                        vocoder.reset();
                    }
                }
                assertTrue(folder + ": " + largest, largest <= tolerance(name));
            }
        }
    }

    @Test
    public void everyFrameBecomesAHop() throws IOException {
        float[][] mel = Reference.mel(Reference.clips().get(0));
        try (StreamingVocoder vocoder = Reference.vocoder("vocoder_int8", 16)) {
            for (int frames = 0; frames < 50; frames++) {
                float[] audio = vocode(vocoder, Arrays.copyOf(mel, frames), 7);
                assertEquals(frames * vocoder.contract().audio.hopSize, audio.length);
                vocoder.reset();
            }
        }
    }

    @Test
    public void theFirstAudioComesLongBeforeTheLast() throws IOException {
        float[][] mel = Reference.mel(Reference.clips().get(0));
        try (StreamingVocoder vocoder = Reference.vocoder("vocoder_int8", 4)) {
            int frames = 0;
            int samples = 0;
            while (samples == 0) {
                samples = vocoder.push(new float[][] {mel[frames++]}).length;
            }
            Contract contract = vocoder.contract();
            int late = contract.delaySamples / contract.audio.hopSize + 4;
            assertTrue("after " + frames + " frames", frames <= late);
        }
    }

    @Test
    public void resetForgetsTheUtterance() throws IOException {
        float[][] mel = Arrays.copyOf(Reference.mel(Reference.clips().get(0)), 40);
        try (StreamingVocoder vocoder = Reference.vocoder("vocoder_int8", 4)) {
            float[] fresh = vocode(vocoder, mel, 40);
            vocoder.reset();
            vocoder.push(Arrays.copyOfRange(mel, 20, 39)); // something else, left unfinished
            vocoder.reset();
            assertArrayEquals(fresh, vocode(vocoder, mel, 40), 0);
        }
    }

    @Test
    public void twoVocodersDoNotDisturbEachOther() throws IOException {
        float[][] mel = Arrays.copyOf(Reference.mel(Reference.clips().get(0)), 40);
        try (StreamingVocoder one = Reference.vocoder("vocoder_int8", 4);
                StreamingVocoder other = Reference.vocoder("vocoder_int8", 4)) {
            float[] alone = vocode(one, mel, 40);
            one.reset();
            Floats first = new Floats();
            Floats second = new Floats();
            for (int i = 0; i < mel.length; i++) {
                first.append(one.push(new float[][] {mel[i]}));
                second.append(other.push(new float[][] {mel[i]}));
            }
            first.append(one.flush());
            second.append(other.flush());
            assertArrayEquals(alone, first.toArray(), 0);
            assertArrayEquals(alone, second.toArray(), 0);
        }
    }

    @Test
    public void moreThreadsGiveTheSame() throws IOException {
        float[][] mel = Arrays.copyOf(Reference.mel(Reference.clips().get(0)), 40);
        String name = "vocoder_int8";
        try (StreamingVocoder one = Reference.vocoder("vocoder_int8", 4);
                StreamingVocoder two = new StreamingVocoder(Reference.model(name), name, 2)) {
            assertArrayEquals(vocode(one, mel, 40), vocode(two, mel, 40), 0);
        }
    }

    /** The caller's options, a delegate for example, reach the runtime as they are. */
    @Test
    public void theCallersOptionsReachTheRuntime() throws IOException {
        class Options extends Interpreter.Options {
            int asked;

            @Override
            public int getNumThreads() {
                asked++;
                return super.getNumThreads();
            }
        }

        float[][] mel = Arrays.copyOf(Reference.mel(Reference.clips().get(0)), 40);
        String name = "vocoder_int8";
        Options options = new Options();
        try (StreamingVocoder own = Reference.vocoder(name, 4);
                StreamingVocoder given = new StreamingVocoder(Reference.model(name), name, options, 4)) {
            assertEquals(1, options.asked);
            assertArrayEquals(vocode(own, mel, 40), vocode(given, mel, 40), 0);
        }
        new MelAnalyzer(Reference.model("mel_frontend"), "mel_frontend", options).close();
        assertEquals(2, options.asked);
    }

    @Test
    public void nanIsRefusedAndLeavesTheStreamUnharmed() throws IOException {
        assertRefusedUnharmed(mel -> mel[1][3] = Float.NaN,
                "the pushed frames hold NaN (first at frame 1, band 3): none was taken");
        assertRefusedUnharmed(mel -> mel[0][0] = Float.NEGATIVE_INFINITY,
                "the pushed frames hold -Infinity (first at frame 0, band 0): none was taken");
    }

    @Test
    public void otherBandsAreRefusedAndLeaveTheStreamUnharmed() throws IOException {
        assertRefusedUnharmed(mel -> mel[1] = new float[79],
                "a frame of 79 bands was pushed: vocoder_int8.tflite takes 80");
    }

    @Test
    public void aMelOfAnotherConfigIsRefusedByALowDelayModel() throws IOException {
        try (StreamingVocoder vocoder = Reference.vocoder("live_int8", 1)) {
            assertEquals("a frame of 128 bands was pushed: live_int8.tflite takes 80",
                    assertThrows(IllegalArgumentException.class, () -> vocoder.push(new float[1][128])).getMessage());
        }
    }

    @Test
    public void anotherMelIsRefusedBeforeItIsHeard() throws IOException {
        float[][] mel = Reference.mel(Reference.clips().get(0));
        float[][] normalized = normalized(mel);
        try (StreamingVocoder vocoder = Reference.vocoder("vocoder_int8", 4)) {
            int samples = 0;
            String message = null;
            for (int frame = 0; message == null; frame++) {
                try {
                    samples += vocoder.push(new float[][] {normalized[frame]}).length;
                } catch (IllegalArgumentException e) {
                    message = e.getMessage();
                }
            }
            double milliseconds = 1000 * vocoder.contract().audio.seconds(samples);
            Reference.figure("refusal    a normalised mel after %.0f ms of audio", milliseconds);
            assertTrue(milliseconds + " ms", milliseconds <= 100);
            assertTrue(message, message.startsWith("the pushed frames: values from "));
            assertTrue(message, message.endsWith(
                    ": vocoder_int8.tflite takes natural logarithms of at least 1e-5"));
            assertThrows("and so are its next frames", IllegalArgumentException.class,
                    () -> vocoder.push(new float[][] {mel[0]}));
            vocoder.reset();
            float[] own = vocode(vocoder, mel, 1);
            vocoder.checkMel(false);
            assertArrayEquals(own, vocode(vocoder, mel, 1), 0);
            vocoder.reset();
            assertEquals(own.length, vocode(vocoder, normalized, 1).length);
        }
    }

    @Test
    public void pushAfterFlushIsRefusedUntilReset() throws IOException {
        try (StreamingVocoder vocoder = Reference.vocoder("vocoder_int8", 4)) {
            assertEquals("an utterance of nothing", 0, vocoder.flush().length);
            String over = " after flush: the utterance is over, reset() begins another";
            assertEquals("push" + over, refusal(() -> vocoder.push(new float[0][])));
            assertEquals("flush" + over, refusal(vocoder::flush));
            vocoder.reset();
            assertEquals(0, vocoder.push(new float[0][]).length);
        }
    }

    @Test
    public void aClosedVocoderRefusesEverything() throws IOException {
        StreamingVocoder vocoder = Reference.vocoder("vocoder_int8", 4);
        vocoder.close();
        vocoder.close();
        String closed = "vocoder_int8.tflite is closed: load it again";
        assertEquals(closed, refusal(() -> vocoder.push(new float[0][])));
        assertEquals(closed, refusal(vocoder::flush));
        assertEquals(closed, refusal(vocoder::reset));
    }

    @Test
    public void speedIsMeasured() throws IOException {
        float[][] mel = Reference.mel(Reference.clips().get(0));
        for (String name : Reference.VOCODERS) {
            long start = System.nanoTime();
            try (StreamingVocoder vocoder = Reference.vocoder(name, 4)) {
                double load = (System.nanoTime() - start) / 1e6;
                start = System.nanoTime();
                double audio = vocoder.contract().audio.seconds(vocode(vocoder, mel, 4).length);
                double speed = audio / ((System.nanoTime() - start) / 1e9);
                Reference.figure("speed      %-15s loaded in %4.0f ms, %5.1f x real time, one thread",
                        name, load, speed);
                assertTrue(audio > 0);
            }
        }
    }

    /** With a mean of 0 and a deviation of 1. */
    private static float[][] normalized(float[][] mel) {
        double sum = 0;
        double squares = 0;
        for (float value : Reference.flat(mel)) {
            sum += value;
            squares += value * value;
        }
        int count = mel.length * mel[0].length;
        double mean = sum / count;
        double deviation = Math.sqrt(squares / count - mean * mean);
        float[][] normalized = new float[mel.length][mel[0].length];
        for (int frame = 0; frame < mel.length; frame++) {
            for (int band = 0; band < mel[0].length; band++) {
                normalized[frame][band] = (float) ((mel[frame][band] - mean) / deviation);
            }
        }
        return normalized;
    }

    private interface Damage {
        void to(float[][] mel);
    }

    private static void assertRefusedUnharmed(Damage damage, String message) throws IOException {
        float[][] mel = Arrays.copyOf(Reference.mel(Reference.clips().get(0)), 30);
        try (StreamingVocoder vocoder = Reference.vocoder("vocoder_int8", 4)) {
            float[] expected = vocode(vocoder, mel, 10);
            vocoder.reset();
            Floats audio = new Floats();
            audio.append(vocoder.push(Arrays.copyOf(mel, 10)));
            float[][] bad = {mel[10].clone(), mel[11].clone()};
            damage.to(bad);
            assertEquals(message, assertThrows(IllegalArgumentException.class, () -> vocoder.push(bad)).getMessage());
            audio.append(vocoder.push(Arrays.copyOfRange(mel, 10, 30)));
            audio.append(vocoder.flush());
            assertArrayEquals(expected, audio.toArray(), 0);
        }
    }

    private static String refusal(org.junit.function.ThrowingRunnable call) {
        return assertThrows(IllegalStateException.class, call).getMessage();
    }

    /** An 8-bit model must equal Python's in every sample. */
    private static float tolerance(String vocoder) {
        return vocoder.endsWith("int8") ? 0 : 1e-5f;
    }

    /** All clips, with each push size; negative sizes are random up to that. */
    private static void assertEqualsPython(String name, int chunk, int... pushes) throws IOException {
        double largest = 0;
        long samples = 0;
        try (StreamingVocoder vocoder = Reference.vocoder(name, chunk)) {
            assertEquals(chunk, vocoder.chunkFrames());
            for (String clip : Reference.clips()) {
                float[] expected = Reference.floats("audio/" + name + "_" + chunk + "/" + clip + ".f32");
                float[][] mel = Reference.mel(clip);
                for (int most : pushes) {
                    largest = Math.max(largest, Reference.largestDifference(expected, vocode(vocoder, mel, most)));
                    samples += expected.length;
                    vocoder.reset();
                }
            }
        }
        Reference.figure("parity     %-15s chunks of %2d: largest difference %.1e over %d samples",
                name, chunk, largest, samples);
        assertTrue(name + ": " + largest, largest <= tolerance(name));
    }

    /** Pushes {@code most} frames at a time; random numbers up to {@code -most} if it is negative. */
    private static float[] vocode(StreamingVocoder vocoder, float[][] mel, int most) {
        Random random = new Random(most);
        Floats audio = new Floats();
        for (int start = 0; start < mel.length; ) {
            int count = most > 0 ? most : random.nextInt(1 - most);
            int end = Math.min(mel.length, start + count);
            audio.append(vocoder.push(Arrays.copyOfRange(mel, start, end)));
            start = end;
        }
        audio.append(vocoder.flush());
        return audio.toArray();
    }
}
