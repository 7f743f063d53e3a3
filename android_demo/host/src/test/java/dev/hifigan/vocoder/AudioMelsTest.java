package dev.hifigan.vocoder;

import static org.junit.Assert.assertArrayEquals;
import static org.junit.Assert.assertEquals;
import static org.junit.Assert.assertNull;
import static org.junit.Assert.assertThrows;
import static org.junit.Assert.assertTrue;

import java.io.ByteArrayInputStream;
import java.io.IOException;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import org.junit.After;
import org.junit.Before;
import org.junit.Test;

public class AudioMelsTest {
    private MelAnalyzer analyzer;
    private Contract vocoder;

    @Before
    public void load() throws IOException {
        analyzer = Reference.analyzer();
        vocoder = Contract.read(Reference.model("vocoder_int8"), "vocoder_int8.tflite");
    }

    @After
    public void close() {
        analyzer.close();
    }

    @Test
    public void aRecordingBecomesTheMelThatPythonMakesOfIt() throws IOException {
        for (String clip : Reference.clips()) {
            try (AudioMels mels = new AudioMels(Reference.clip(clip), analyzer, vocoder)) {
                float[] mel = Reference.flat(all(mels));
                assertEquals(0, Reference.largestDifference(Reference.floats("mels/" + clip + ".f32"), mel), 1e-5);
                assertEquals(Reference.samples(clip).length, mels.samples());
                assertNull(mels.next());
            }
        }
    }

    @Test
    public void anyRateIsConverted() throws IOException {
        float[][] expected = all(new AudioMels(tone(22050), analyzer, vocoder));
        for (int rate : new int[] {16000, 44100, 48000}) {
            AudioMels mels = new AudioMels(tone(rate), analyzer, vocoder);
            float[][] mel = all(mels);
            assertEquals(22050, mels.samples());
            assertEquals(expected.length, mel.length);
            int band = 20; // that of the tone
            assertEquals(expected[40][band], mel[40][band], 1e-3);
        }
    }

    @Test
    public void progressIsKnownOnceTheLevelIs() throws IOException {
        AudioMels mels = new AudioMels(tone(22050), analyzer, vocoder);
        assertEquals(-1, mels.progress(), 0);
        assertEquals(-1, mels.samples());
        assertEquals("measuring", 0, mels.next().length);
        double before = 0;
        for (float[][] frames = mels.next(); frames != null; frames = mels.next()) {
            assertTrue(mels.progress() == -1 || mels.progress() >= before);
            before = Math.max(before, mels.progress());
        }
        assertEquals(1, before, 0);
    }

    @Test
    public void theRecordingIsOpenedTwiceAndClosed() throws IOException {
        MemoryAudio tone = tone(22050);
        try (AudioMels mels = new AudioMels(tone, analyzer, vocoder)) {
            all(mels);
        }
        assertEquals(2, tone.opened);
        assertEquals(2, tone.closed);
        AudioMels unfinished = new AudioMels(tone, analyzer, vocoder);
        unfinished.next();
        unfinished.close();
        assertEquals(3, tone.closed);
    }

    @Test
    public void silenceIsRefused() throws IOException {
        assertRefused(new MemoryAudio(22050, 50000, sample -> 0),
                "memory.wav is silent (peak 0.0): choose another recording");
    }

    @Test
    public void nanIsRefused() throws IOException {
        assertRefused(new MemoryAudio(22050, 50000, sample -> sample == 40000 ? Float.NaN : 0.5f),
                "memory.wav holds NaN or infinite samples (first at 40000): export it again");
    }

    @Test
    public void recordingsThatAreTooShortAreRefused() throws IOException {
        assertRefused(new MemoryAudio(22050, 0, sample -> 1), "memory.wav holds no samples: record or copy it again");
        assertRefused(new MemoryAudio(22050, 255, sample -> 1),
                "memory.wav is shorter than one frame: 255 of 256 samples");
    }

    @Test
    public void anImpossibleRateIsRefused() throws IOException {
        assertRefused(tone(2000000), "memory.wav has a sampling rate of 2000000 Hz: it must be from 1000 to 768000");
    }

    @Test
    public void aRecordingOfAnotherScaleHasItsMelAndAWarning() throws IOException {
        AudioMels usual = new AudioMels(tone(22050), analyzer, vocoder);
        float[][] expected = all(usual);
        assertNull(usual.warning());
        AudioMels loud = new AudioMels(
                new MemoryAudio(22050, 22050, sample -> (float) (9830.4 * Math.sin(2 * Math.PI * 1000 * sample / 22050))),
                analyzer, vocoder);
        float[][] found = all(loud);
        assertTrue(loud.warning(), loud.warning().startsWith("memory.wav holds samples up to 98"));
        for (int frame = 0; frame < expected.length; frame++) {
            assertArrayEquals(expected[frame], found[frame], 0.3f); // rounding shows near the floor
        }
    }

    @Test
    public void aRecordingCutShortIsRefusedBeforeAnyAudio() throws IOException {
        WavBytes wav = new WavBytes();
        wav.data = WavBytes.shorts(new int[30000]);
        wav.declaredBytes = 70000;
        AudioInput input = new AudioInput() {
            @Override
            public String name() {
                return "cut.wav";
            }

            @Override
            public AudioSource open() throws IOException {
                return new WavReader(new ByteArrayInputStream(wav.toBytes()), name());
            }
        };
        assertRefused(input, "cut.wav is cut short: 30000 of 35000 samples are there; copy it again");
    }

    @Test
    public void aVocoderOfAnotherRateIsRefused() throws IOException {
        Contract tiny = Contract.read(Reference.model("tiny_vocoder"), "tiny_vocoder.tflite");
        MemoryAudio tone = tone(8000);
        String message = assertThrows(ModelException.class, () -> new AudioMels(tone, analyzer, tiny)).getMessage();
        assertTrue(message, message.startsWith("mel_frontend.tflite makes mels of sampling_rate 22050, not 8000"));
    }

    private void assertRefused(AudioInput input, String message) throws IOException {
        AudioMels mels = new AudioMels(input, analyzer, vocoder);
        assertEquals(message, assertThrows(InputException.class, () -> all(mels)).getMessage());
    }

    /** A second of 1 kHz. */
    private static MemoryAudio tone(int rate) {
        return new MemoryAudio(rate, rate, sample -> (float) (0.3 * Math.sin(2 * Math.PI * 1000 * sample / rate)));
    }

    private static float[][] all(MelSource source) throws IOException {
        List<float[]> frames = new ArrayList<>();
        for (float[][] block = source.next(); block != null; block = source.next()) {
            frames.addAll(Arrays.asList(block));
        }
        assertArrayEquals("the end stays the end", null, source.next());
        return frames.toArray(new float[0][]);
    }
}
