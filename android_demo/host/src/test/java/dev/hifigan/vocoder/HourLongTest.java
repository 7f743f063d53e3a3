package dev.hifigan.vocoder;

import static org.junit.Assert.assertEquals;
import static org.junit.Assert.assertTrue;

import java.io.IOException;
import org.junit.Test;

/** An hour of audio, in a JVM with less memory than the hour takes. */
public class HourLongTest {
    private static final int RATE = 8000;
    private static final long HOUR = 3600L * RATE;
    private static final long GROWTH = 12 << 20; // bytes; half a byte for every sample would be more

    @Test
    public void anHourIsVocodedInConstantMemory() throws IOException {
        assertTrue("the hour does not fit", Runtime.getRuntime().maxMemory() < 4 * HOUR);
        MemoryAudio audio = new MemoryAudio(RATE, HOUR,
                sample -> (float) (0.5 * Math.sin(0.2 * sample) * Math.sin(1e-4 * sample)));
        long start = System.nanoTime();
        HeapWatch watch = new HeapWatch();
        try (StreamingVocoder vocoder = new StreamingVocoder(Reference.model("tiny_vocoder"), "tiny_vocoder", 1);
                MelAnalyzer analyzer = new MelAnalyzer(Reference.model("tiny_mel_frontend"), "tiny_mel_frontend", 1);
                AudioMels mels = new AudioMels(audio, analyzer, vocoder.contract())) {
            Figures figures = new VocodingJob(mels, vocoder, watch, (done, soFar) -> {}).run();
            assertEquals(3600, figures.audioSeconds, 0);
        }
        double seconds = (System.nanoTime() - start) / 1e9;
        Reference.figure("memory     an hour of audio: %.1f MB of heap early, %.1f MB at most later; %.0f s",
                watch.early / 1e6, watch.largest / 1e6, seconds);
        assertTrue(watch.largest + " bytes after " + watch.early, watch.largest <= watch.early + GROWTH);
    }

    /** Looks at the heap every five minutes of audio. */
    private static final class HeapWatch implements AudioSink {
        private static final long EVERY = 300L * RATE;

        private final Envelope envelope = new Envelope(1000);
        private long samples;
        private long next = EVERY;
        private long early;
        private long largest;

        @Override
        public void write(float[] more) {
            envelope.write(more);
            samples += more.length;
            if (samples >= next) {
                next += EVERY;
                System.gc();
                long used = Runtime.getRuntime().totalMemory() - Runtime.getRuntime().freeMemory();
                early = early == 0 ? used : early;
                largest = Math.max(largest, used);
            }
        }

        @Override
        public void close() {}
    }
}
