package dev.hifigan.demo;

import static org.junit.Assert.assertArrayEquals;
import static org.junit.Assert.assertEquals;
import static org.junit.Assert.assertTrue;
import static org.robolectric.Shadows.shadowOf;

import android.content.Intent;
import android.media.AudioManager;
import java.io.File;
import java.util.Arrays;
import java.util.concurrent.atomic.AtomicLong;
import org.junit.Rule;
import org.junit.Test;
import org.junit.runner.RunWith;
import org.robolectric.RobolectricTestRunner;
import org.robolectric.RuntimeEnvironment;
import org.robolectric.annotation.Config;
import org.robolectric.shadows.ShadowAudioManager;

/** What is played, and when playback stops. */
@RunWith(RobolectricTestRunner.class)
@Config(sdk = 35, shadows = SpeakerTrack.class)
public class PlaybackTest {
    @Rule public final Phone phone = new Phone();

    private static final int RATE = 22050;

    @Test
    public void everySampleIsHeard() throws Exception {
        Loudspeaker loudspeaker = Loudspeaker.fast();
        phone.start();
        phone.vocode();
        awaitSilence(R.id.play_vocoded);
        byte[] wav = java.nio.file.Files.readAllBytes(vocoded().toPath());
        byte[] heard = loudspeaker.heard();
        byte[] audio = Arrays.copyOfRange(wav, 44, wav.length);
        assertTrue(audio.length > 2 * 3 * RATE);
        assertArrayEquals(audio, Arrays.copyOf(heard, audio.length));
        // Followed by silence of the buffer's length, which pushes the last samples out.
        assertTrue(heard.length > audio.length);
        assertArrayEquals(new byte[heard.length - audio.length], Arrays.copyOfRange(heard, audio.length, heard.length));
    }

    @Test
    public void theFirstChunkIsHeardBeforeTheLastIsMade() throws Exception {
        AtomicLong written = new AtomicLong();
        Loudspeaker loudspeaker = Loudspeaker.fast();
        loudspeaker.onFirst(() -> written.set(vocoded().length()));
        phone.start();
        phone.pick(Files.put("long.wav", Files.wav(Files.noise(30 * RATE), RATE, 1)));
        phone.vocode();
        long all = 44 + 2 * 30 * RATE;
        assertEquals(all, vocoded().length());
        assertTrue(written + " of " + all, written.get() > 0 && written.get() < all / 2);
    }

    @Test
    public void theOriginalIsPlayedAsItIs() throws Exception {
        Loudspeaker loudspeaker = Loudspeaker.fast();
        phone.start();
        byte[] wav = Files.wav(Files.noise(8000), 8000, 1);
        phone.pick(Files.put("original.wav", wav));
        phone.press(R.id.play_original);
        awaitSilence(R.id.play_original);
        byte[] heard = loudspeaker.heard();
        for (int i = 0; i < 8000; i++) { // except for rounding through floating point
            int sent = wav[44 + 2 * i] & 0xff | wav[45 + 2 * i] << 8;
            assertEquals(sent, heard[2 * i] & 0xff | heard[2 * i + 1] << 8, 1);
        }
    }

    @Test
    public void stopIsSilence() throws Exception {
        Loudspeaker loudspeaker = Loudspeaker.slow();
        playSome(loudspeaker);
        phone.press(R.id.play_vocoded);
        assertEquals(phone.string(R.string.play), phone.text(R.id.play_vocoded));
        assertNoneIsHeard(loudspeaker);
    }

    @Test
    public void oneTrackAtATime() throws Exception {
        Loudspeaker loudspeaker = Loudspeaker.slow();
        playSome(loudspeaker);
        phone.press(R.id.play_original);
        assertEquals(phone.string(R.string.stop), phone.text(R.id.play_original));
        assertEquals(phone.string(R.string.play), phone.text(R.id.play_vocoded));
    }

    @Test
    public void anotherAppHoldsTheSound() {
        Loudspeaker loudspeaker = Loudspeaker.fast();
        phone.start();
        audio().setNextFocusRequestResponse(AudioManager.AUDIOFOCUS_REQUEST_FAILED);
        phone.vocode();
        assertEquals(phone.string(R.string.error_no_focus), phone.text(R.id.message));
        assertEquals(0, loudspeaker.size());
        audio().setNextFocusRequestResponse(AudioManager.AUDIOFOCUS_REQUEST_GRANTED);
        phone.press(R.id.play_vocoded);
        awaitSilence(R.id.play_vocoded);
        assertTrue(loudspeaker.size() > 0);
        assertEquals("", phone.text(R.id.message));
    }

    @Test
    public void anotherAppSpeaksForAMoment() throws Exception {
        Loudspeaker loudspeaker = Loudspeaker.slow();
        playSome(loudspeaker);
        changeFocus(AudioManager.AUDIOFOCUS_LOSS_TRANSIENT_CAN_DUCK);
        assertNoneIsHeard(loudspeaker);
        assertEquals(phone.string(R.string.stop), phone.text(R.id.play_vocoded));
        changeFocus(AudioManager.AUDIOFOCUS_GAIN);
        loudspeaker.play(10, RATE);
        awaitSilence(R.id.play_vocoded);
        assertTrue(loudspeaker.size() > 2 * 3 * RATE);
    }

    @Test
    public void anotherAppTakesTheSound() throws Exception {
        Loudspeaker loudspeaker = Loudspeaker.slow();
        playSome(loudspeaker);
        changeFocus(AudioManager.AUDIOFOCUS_LOSS);
        assertEquals(phone.string(R.string.error_lost_focus), phone.text(R.id.message));
        assertEquals(phone.string(R.string.play), phone.text(R.id.play_vocoded));
        assertNoneIsHeard(loudspeaker);
    }

    @Test
    public void headphonesAreUnplugged() throws Exception {
        Loudspeaker loudspeaker = Loudspeaker.slow();
        playSome(loudspeaker);
        RuntimeEnvironment.getApplication().sendBroadcast(new Intent(AudioManager.ACTION_AUDIO_BECOMING_NOISY));
        phone.idle();
        assertEquals(phone.string(R.string.play), phone.text(R.id.play_vocoded));
        assertNoneIsHeard(loudspeaker);
    }

    @Test
    public void inTheBackgroundItWaits() throws Exception {
        Loudspeaker loudspeaker = Loudspeaker.slow();
        playSome(loudspeaker);
        phone.leave();
        assertNoneIsHeard(loudspeaker);
        phone.comeBack();
        assertEquals(phone.string(R.string.stop), phone.text(R.id.play_vocoded));
        loudspeaker.play(10, RATE);
        awaitSilence(R.id.play_vocoded);
    }

    /** Vocodes the bundled speech, and plays a second of it. */
    private void playSome(Loudspeaker loudspeaker) {
        phone.start();
        phone.vocode();
        loudspeaker.play(1, RATE);
        phone.await("a second", () -> loudspeaker.size() == 2 * RATE);
        assertEquals(phone.string(R.string.stop), phone.text(R.id.play_vocoded));
    }

    /** Nothing is played, even after waiting. */
    private void assertNoneIsHeard(Loudspeaker loudspeaker) {
        int before = loudspeaker.size();
        loudspeaker.play(1, RATE);
        Phone.sleep(300);
        phone.idle();
        assertEquals(before, loudspeaker.size());
    }

    private void awaitSilence(int button) {
        phone.await("silence", () -> phone.text(button).equals(phone.string(R.string.play)));
    }

    private void changeFocus(int change) {
        audio().getLastAudioFocusRequest().audioFocusRequest.getOnAudioFocusChangeListener().onAudioFocusChange(change);
        phone.idle();
    }

    private static ShadowAudioManager audio() {
        return shadowOf(RuntimeEnvironment.getApplication().getSystemService(AudioManager.class));
    }

    private static File vocoded() {
        for (File file : ResultFiles.folder(RuntimeEnvironment.getApplication()).listFiles()) {
            if (file.getName().endsWith(".wav")) {
                return file;
            }
        }
        throw new AssertionError("nothing vocoded");
    }
}
