package dev.hifigan.vocoder;

import static org.junit.Assert.assertArrayEquals;
import static org.junit.Assert.assertEquals;
import static org.junit.Assert.assertFalse;
import static org.junit.Assert.assertThrows;
import static org.junit.Assert.assertTrue;

import java.io.IOException;
import org.junit.After;
import org.junit.Before;
import org.junit.Test;

public class VocodingJobTest {
    private final Collector sink = new Collector();
    private StreamingVocoder vocoder;
    private MelAnalyzer analyzer;
    private String clip;

    @Before
    public void load() throws IOException {
        vocoder = Reference.vocoder("vocoder_int8", 4);
        analyzer = Reference.analyzer();
        clip = Reference.clips().get(0);
    }

    @After
    public void close() {
        vocoder.close();
        analyzer.close();
    }

    @Test
    public void aMelBecomesTheAudioThatPythonMakesOfIt() throws IOException {
        try (NpyReader mel = Reference.melFile(clip)) {
            Figures figures = new VocodingJob(mel, vocoder, sink, quiet()).run();
            assertArrayEquals(Reference.floats("audio/vocoder_int8_4/" + clip + ".f32"), sink.audio.toArray(), 0);
            assertEquals(mel.frames() * 256 / 22050.0, figures.audioSeconds, 1e-9);
        }
    }

    @Test
    public void aRecordingKeepsItsLength() throws IOException {
        Figures figures = new VocodingJob(recording(), vocoder, sink, quiet()).run();
        assertEquals(Reference.samples(clip).length, sink.audio.size());
        Reference.figure(
                "job        int8     first audio of a recording after %.0f ms, its level included; %.1f x real time",
                1000 * figures.firstAudioSeconds, 1 / figures.realTimeFactor());
    }

    @Test
    public void audioComesChunkByChunk() throws IOException {
        try (NpyReader mel = Reference.melFile(clip)) {
            new VocodingJob(mel, vocoder, sink, quiet()).run();
            int late = vocoder.contract().delaySamples / 256 / 4 + 1;
            assertTrue(sink.writes + " writes", sink.writes >= mel.frames() / 4 - late);
            assertTrue(sink.largest + " samples at once", sink.largest <= vocoder.contract().delaySamples + 4 * 256);
        }
    }

    @Test
    public void aSlowSinkIsNotCounted() throws IOException {
        try (NpyReader mel = Reference.melFile(clip)) {
            Collector slow = new Collector() {
                @Override
                public void write(float[] samples) {
                    try {
                        Thread.sleep(5); // a loudspeaker that is not ready for more
                    } catch (InterruptedException e) {
                        throw new AssertionError(e);
                    }
                    super.write(samples);
                }
            };
            long start = System.nanoTime();
            Figures figures = new VocodingJob(mel, vocoder, slow, quiet()).run();
            double all = (System.nanoTime() - start) / 1e9;
            double slept = 0.005 * slow.writes;
            assertTrue(figures.melSeconds + figures.vocoderSeconds <= all - slept);
        }
    }

    @Test
    public void progressGoesFromUnknownToWhole() throws IOException {
        double[] last = {-1};
        double[] audio = {0};
        new VocodingJob(recording(), vocoder, sink, (done, figures) -> {
            assertTrue(done == -1 || done >= last[0]);
            assertTrue(figures.audioSeconds >= audio[0]);
            assertEquals("nothing heard yet", Double.isNaN(figures.firstAudioSeconds), figures.audioSeconds == 0);
            last[0] = done;
            audio[0] = figures.audioSeconds;
        }).run();
        assertEquals(1, last[0], 0);
        assertEquals(vocoder.contract().audio.seconds(sink.audio.size()), audio[0], 1e-9);
    }

    @Test
    public void cancelEndsItAtTheNextChunk() throws IOException {
        try (NpyReader mel = Reference.melFile(clip)) {
            VocodingJob[] job = new VocodingJob[1];
            AudioSink once = new Collector() {
                @Override
                public void write(float[] samples) {
                    super.write(samples);
                    job[0].cancel();
                }
            };
            job[0] = new VocodingJob(mel, vocoder, once, quiet());
            assertFalse(job[0].isCancelled());
            Figures figures = job[0].run();
            assertTrue(job[0].isCancelled());
            assertTrue(figures.audioSeconds > 0 && figures.audioSeconds <= 4 * 256 / 22050.0);
        }
    }

    @Test
    public void cancelEndsTheMeasuringOfARecordingToo() throws IOException {
        MemoryAudio endless = new MemoryAudio(22050, Long.MAX_VALUE, sample -> 0.5f);
        AudioMels mels = new AudioMels(endless, analyzer, vocoder.contract());
        VocodingJob[] job = new VocodingJob[1];
        int[] calls = {0};
        job[0] = new VocodingJob(mels, vocoder, sink, (done, figures) -> {
            if (++calls[0] == 10) {
                job[0].cancel();
            }
        });
        assertEquals(0, job[0].run().audioSeconds, 0);
        assertEquals(10, calls[0]);
        mels.close();
    }

    @Test
    public void theNextJobBeginsAnew() throws IOException {
        for (int job = 0; job < 2; job++) {
            sink.audio.clear();
            try (NpyReader mel = Reference.melFile(clip)) {
                new VocodingJob(mel, vocoder, sink, quiet()).run();
            }
            assertArrayEquals(Reference.floats("audio/vocoder_int8_4/" + clip + ".f32"), sink.audio.toArray(), 0);
        }
    }

    @Test
    public void anErrorOfTheSinkEndsTheJob() throws IOException {
        try (NpyReader mel = Reference.melFile(clip)) {
            AudioSink full = new Collector() {
                @Override
                public void write(float[] samples) {
                    throw new IllegalStateException("no space left");
                }
            };
            assertEquals("no space left",
                    assertThrows(IllegalStateException.class, () -> new VocodingJob(mel, vocoder, full, quiet()).run())
                            .getMessage());
        }
    }

    private AudioMels recording() throws ModelException {
        return new AudioMels(Reference.clip(clip), analyzer, vocoder.contract());
    }

    private static VocodingJob.Listener quiet() {
        return (done, figures) -> {};
    }

    private static class Collector implements AudioSink {
        final Floats audio = new Floats();
        int writes;
        int largest;

        @Override
        public void write(float[] samples) {
            audio.append(samples);
            writes++;
            largest = Math.max(largest, samples.length);
        }

        @Override
        public void close() {}
    }
}
