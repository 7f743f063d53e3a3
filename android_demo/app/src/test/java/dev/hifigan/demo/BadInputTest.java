package dev.hifigan.demo;

import static org.junit.Assert.assertEquals;
import static org.junit.Assert.assertTrue;

import android.net.Uri;
import java.util.Arrays;
import org.junit.Rule;
import org.junit.Test;
import org.junit.runner.RunWith;
import org.robolectric.RobolectricTestRunner;
import org.robolectric.annotation.Config;

/** Unusable input leads to a line on the screen, and the app keeps working. */
@RunWith(RobolectricTestRunner.class)
@Config(sdk = 35, shadows = SpeakerTrack.class)
public class BadInputTest {
    @Rule public final Phone phone = new Phone();

    private static final int RATE = 22050;
    private static final byte[] SPEECH = Files.wav(Files.noise(RATE), RATE, 1);

    @Test
    public void aFileThatIsNotAudio() throws Exception {
        assertRefused("letter.txt", "Dear Sir or Madam, ".getBytes("UTF-8"), "My letter.txt cannot be decoded");
    }

    @Test
    public void anEmptyFile() throws Exception {
        assertRefused("empty.wav", new byte[0], "My empty.wav cannot be decoded");
    }

    @Test
    public void aSilentFile() throws Exception {
        assertRefused("silent.wav", Files.wav(new short[RATE], RATE, 1), "My silent.wav is silent");
    }

    @Test
    public void aFileCutShort() throws Exception {
        assertRefused("cut.wav", Arrays.copyOf(SPEECH, SPEECH.length / 2), "My cut.wav is cut short");
    }

    @Test
    public void aFileShorterThanAFrame() throws Exception {
        assertRefused("blip.wav", Files.wav(Files.noise(100), RATE, 1), "My blip.wav is shorter than one frame");
    }

    @Test
    public void aMelOfOtherBands() throws Exception {
        assertRefused("mel.npy", Files.npy("<f4", 86, 100), "the model takes [frames, 80]");
    }

    @Test
    public void aMelOfIntegers() throws Exception {
        assertRefused("mel.npy", Files.npy("<i4", 86, 80), "a mel is of float32");
    }

    @Test
    public void aMelCutShort() throws Exception {
        byte[] mel = Files.npy("<f4", 86, 80);
        assertRefused("mel.npy", Arrays.copyOf(mel, mel.length / 2), "is cut short");
    }

    @Test
    public void aDeletedFile() throws Exception {
        phone.start();
        Uri uri = Files.put("gone.wav", SPEECH);
        phone.pick(uri);
        assertTrue(Files.file("gone.wav").delete());
        phone.press(R.id.vocode);
        String message = phone.string(R.string.error_unreadable, "My gone.wav");
        phone.awaitStatus(R.string.status_failed);
        assertEquals(message, phone.text(R.id.message));
        phone.press(R.id.play_original);
        phone.await("silence", () -> phone.text(R.id.play_original).equals(phone.string(R.string.play)));
        assertFailed(message);
    }

    @Test
    public void aModelThatIsMissing() {
        assertModelRefused("absent", "vocoder_absent.tflite");
    }

    @Test
    public void aModelCutShort() {
        assertModelRefused("cut", "vocoder_cut.tflite");
    }

    @Test
    public void aModelWithoutItsContract() {
        assertModelRefused("bare", "vocoder_bare.tflite carries no contract");
    }

    @Test
    public void aModelOfAnotherRate() {
        assertModelRefused("slow", "16000");
    }

    @Test
    public void aFileThatIsNotAModel() {
        assertModelRefused("text", "vocoder_text.tflite is no TFLite model");
    }

    private void assertRefused(String name, byte[] content, String message) throws Exception {
        phone.start();
        phone.pick(Files.put(name, content));
        phone.press(R.id.vocode);
        assertFailed(message);
    }

    private void assertModelRefused(String mode, String message) {
        phone.start();
        phone.session().vocode(mode, 1);
        assertFailed(message);
    }

    /** Shows the message, and still works. */
    private void assertFailed(String message) {
        phone.awaitStatus(R.string.status_failed);
        assertTrue(phone.text(R.id.message), phone.text(R.id.message).contains(message));
        phone.press(R.id.bundled);
        assertEquals("", phone.text(R.id.message));
        phone.vocode();
    }
}
