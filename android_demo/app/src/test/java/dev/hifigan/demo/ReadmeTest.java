package dev.hifigan.demo;

import static org.junit.Assert.assertArrayEquals;
import static org.junit.Assert.assertEquals;
import static org.junit.Assert.assertThrows;
import static org.junit.Assert.assertTrue;

import android.media.AudioTrack;
import dev.hifigan.vocoder.Pcm;
import dev.hifigan.vocoder.StreamingVocoder;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.Arrays;
import java.util.Iterator;
import java.util.concurrent.atomic.AtomicInteger;
import org.junit.Before;
import org.junit.Rule;
import org.junit.Test;
import org.junit.runner.RunWith;
import org.robolectric.RobolectricTestRunner;
import org.robolectric.annotation.Config;

/** The README's snippet for other apps, as it stands there. */
@RunWith(RobolectricTestRunner.class)
@Config(sdk = 35, shadows = SpeakerTrack.class)
public class ReadmeTest {
    private static final int FRAMES = 120;
    private static final int HOP = 256;

    @Rule public final Phone phone = new Phone();

    private final AtomicInteger pushed = new AtomicInteger(); // frames
    private float[][] mel;
    private int delay; // samples

    @Before
    public void read() throws IOException {
        try (StreamingVocoder vocoder = vocoder()) {
            mel = Arrays.copyOf(new BundledSpeech(Phone.app()).mel(vocoder.contract().audio).next(), FRAMES);
            delay = vocoder.contract().delaySamples;
        }
    }

    @Test
    public void everySampleIsHeard() throws IOException {
        Loudspeaker loudspeaker = Loudspeaker.fast();
        speak(mel);
        assertHeard(vocoded(mel), loudspeaker);
    }

    @Test
    public void evenOfSpeechShorterThanThePreRoll() throws IOException {
        Loudspeaker loudspeaker = Loudspeaker.fast();
        float[][] brief = Arrays.copyOf(mel, 3);
        speak(brief);
        assertEquals(3 * HOP, vocoded(brief).length);
        assertHeard(vocoded(brief), loudspeaker);
    }

    /** So that a chunk that takes long leaves no gap. */
    @Test
    public void playbackBeginsWithAFullBuffer() throws IOException {
        Loudspeaker loudspeaker = Loudspeaker.fast();
        AtomicInteger atFirst = new AtomicInteger();
        loudspeaker.onFirst(() -> atFirst.set(pushed.get()));
        speak(mel);
        int made = atFirst.get() * HOP - delay;
        assertTrue(made + " samples", made >= SpeakerTrack.FRAMES);
        assertTrue("long before the end", atFirst.get() < FRAMES / 2);
    }

    @Test
    public void aTrackThatFailsIsAnError() {
        Loudspeaker.dead();
        String message = assertThrows(IOException.class, () -> speak(mel)).getMessage();
        assertTrue(message, message.contains(String.valueOf(AudioTrack.ERROR_DEAD_OBJECT)));
    }

    private void speak(float[][] mel) throws IOException {
        new Snippet().speak(Phone.app().getAssets(), frameByFrame(mel));
    }

    private Iterator<float[][]> frameByFrame(float[][] mel) {
        return new Iterator<float[][]>() {
            @Override
            public boolean hasNext() {
                return pushed.get() < mel.length;
            }

            @Override
            public float[][] next() {
                return new float[][] {mel[pushed.getAndIncrement()]};
            }
        };
    }

    /** The vocoder's own audio. */
    private static short[] vocoded(float[][] mel) throws IOException {
        try (StreamingVocoder vocoder = vocoder()) {
            float[] pushed = vocoder.push(mel);
            float[] rest = vocoder.flush();
            float[] audio = Arrays.copyOf(pushed, pushed.length + rest.length);
            System.arraycopy(rest, 0, audio, pushed.length, rest.length);
            return Pcm.toShorts(audio);
        }
    }

    private static StreamingVocoder vocoder() throws IOException {
        return new StreamingVocoder(Models.map(Phone.app(), "vocoder_int8.tflite"), "int8", 2);
    }

    /** Checks that exactly this is heard, and then only silence. */
    private static void assertHeard(short[] expected, Loudspeaker loudspeaker) {
        short[] heard = shorts(loudspeaker);
        assertTrue(heard.length + " heard", heard.length >= expected.length);
        assertArrayEquals(Arrays.copyOf(expected, heard.length), heard);
    }

    private static short[] shorts(Loudspeaker loudspeaker) {
        byte[] bytes = loudspeaker.heard();
        short[] shorts = new short[bytes.length / 2];
        ByteBuffer.wrap(bytes).order(ByteOrder.LITTLE_ENDIAN).asShortBuffer().get(shorts);
        return shorts;
    }
}
