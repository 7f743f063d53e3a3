package dev.hifigan.demo;

import static org.junit.Assert.assertEquals;
import static org.junit.Assert.assertFalse;
import static org.junit.Assert.assertNotSame;
import static org.junit.Assert.assertTrue;

import android.app.Activity;
import android.content.ComponentCallbacks2;
import android.net.Uri;
import android.os.Bundle;
import android.view.View;
import android.widget.Spinner;
import java.io.RandomAccessFile;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import org.junit.Rule;
import org.junit.Test;
import org.junit.runner.RunWith;
import org.robolectric.RobolectricTestRunner;
import org.robolectric.RuntimeEnvironment;
import org.robolectric.annotation.Config;

/** Rotation, the background, memory, and the end. */
@RunWith(RobolectricTestRunner.class)
@Config(sdk = 35, shadows = SpeakerTrack.class)
public class LifecycleTest {
    @Rule public final Phone phone = new Phone();

    private static final int RATE = 22050;

    @Test
    public void rotationDisturbsNothing() throws Exception {
        phone.start();
        phone.pick(longFile());
        phone.select(R.id.model, "float16");
        phone.press(R.id.vocode);
        phone.awaitStatus(R.string.status_vocoding);
        Activity before = phone.activity();
        phone.rotate("+land");
        assertNotSame(before, phone.activity());
        String status = phone.text(R.id.status); // if turning took long, the work may have ended meanwhile
        assertTrue(status, status.matches(phone.string(R.string.status_vocoding) + "|" + phone.string(R.string.status_done)));
        assertEquals("Source: My long.wav", phone.text(R.id.source));
        assertEquals("float16", ((Spinner) phone.view(R.id.model)).getSelectedItem());
        phone.awaitStatus(R.string.status_done);
        phone.rotate("+port");
        assertEquals(phone.string(R.string.status_done), phone.text(R.id.status));
        assertTrue(phone.view(R.id.share_audio).isEnabled());
        assertEquals("", phone.text(R.id.message));
    }

    @Test
    public void workGoesOnInTheBackground() throws Exception {
        phone.start();
        phone.pick(longFile());
        phone.press(R.id.vocode);
        phone.awaitStatus(R.string.status_vocoding);
        phone.leave();
        Phone.sleep(3000);
        assertEquals(phone.string(R.string.status_vocoding), phone.text(R.id.status)); // nothing is drawn now
        phone.comeBack();
        phone.awaitStatus(R.string.status_done);
    }

    @Test
    public void stoppedWorkKeepsWhatWasMade() throws Exception {
        phone.start();
        phone.pick(longFile());
        phone.press(R.id.vocode);
        phone.awaitStatus(R.string.status_vocoding);
        phone.await("some audio", () -> !phone.text(R.id.vocoded_time).isEmpty());
        phone.press(R.id.vocode);
        phone.awaitStatus(R.string.status_stopped);
        assertEquals(phone.string(R.string.vocode), phone.text(R.id.vocode));
        assertEquals(phone.string(R.string.play), phone.text(R.id.play_vocoded));
        assertTrue(phone.view(R.id.play_vocoded).isEnabled());
        assertTrue(phone.view(R.id.share_figures).isEnabled());
        phone.press(R.id.bundled);
        phone.vocode();
    }

    @Test
    public void anHourCanBeginAtOnceAndBeStopped() throws Exception {
        phone.start();
        int hour = 8000 * 3600;
        try (RandomAccessFile file = new RandomAccessFile(Files.file("hour.wav"), "rw")) {
            byte[] wav = Files.wav(Files.noise(8000), 8000, 1);
            ByteBuffer.wrap(wav).order(ByteOrder.LITTLE_ENDIAN).putInt(4, 36 + 2 * hour).putInt(40, 2 * hour);
            file.write(wav);
            file.setLength(44 + 2L * hour); // the rest is silence
        }
        phone.pick(Files.uri("hour.wav"));
        phone.press(R.id.vocode);
        phone.awaitStatus(R.string.status_reading);
        phone.awaitStatus(R.string.status_vocoding);
        phone.await("some audio", () -> !phone.text(R.id.vocoded_time).isEmpty());
        assertTrue(phone.text(R.id.original_time), phone.text(R.id.original_time).endsWith("1:00:00"));
        phone.press(R.id.vocode);
        phone.awaitStatus(R.string.status_stopped);
    }

    @Test
    @SuppressWarnings("deprecation") // it is for systems up to Android 13
    public void lowMemoryEndsWorkWithAMessage() throws Exception {
        phone.start();
        phone.pick(longFile());
        phone.press(R.id.vocode);
        phone.awaitStatus(R.string.status_vocoding);
        RuntimeEnvironment.getApplication().onTrimMemory(ComponentCallbacks2.TRIM_MEMORY_UI_HIDDEN);
        RuntimeEnvironment.getApplication().onTrimMemory(ComponentCallbacks2.TRIM_MEMORY_BACKGROUND);
        phone.idle();
        assertEquals(phone.string(R.string.status_vocoding), phone.text(R.id.status));
        RuntimeEnvironment.getApplication().onTrimMemory(ComponentCallbacks2.TRIM_MEMORY_RUNNING_CRITICAL);
        phone.awaitStatus(R.string.status_stopped);
        assertEquals(phone.string(R.string.error_memory), phone.text(R.id.message));
    }

    @Test
    public void theChoiceSurvivesTheEndOfTheProcess() throws Exception {
        Uri file = longFile();
        theChoiceSurvives(file, "int8", "float16");
        theChoiceSurvives(file, "float16", "int8");
    }

    private void theChoiceSurvives(Uri file, String fastest, String choice) throws Exception {
        phone.keep(fastest);
        phone.start();
        phone.await(fastest, () -> fastest.equals(phone.session().mode()));
        phone.pick(file);
        phone.select(R.id.model, choice);
        Bundle saved = phone.end();
        phone.start(saved);
        phone.await("the file", () -> phone.text(R.id.source).equals("Source: My long.wav"));
        phone.session().onFastest(fastest); // as from the task that follows that of the file
        phone.idle();
        assertEquals(choice, ((Spinner) phone.view(R.id.model)).getSelectedItem());
        phone.end();
    }

    @Test
    public void closingTheAppEndsEverything() throws Exception {
        Loudspeaker loudspeaker = Loudspeaker.slow();
        phone.start();
        phone.vocode();
        phone.leaveForGood();
        loudspeaker.play(1, RATE);
        Phone.sleep(300);
        assertEquals(0, loudspeaker.size());
        phone.start();
        assertEquals(View.GONE, phone.view(R.id.figures).getVisibility());
        assertFalse(phone.view(R.id.play_vocoded).isEnabled());
    }

    /** Half a minute: seconds of work. */
    private static Uri longFile() throws Exception {
        return Files.put("long.wav", Files.wav(Files.noise(120 * RATE), RATE, 1));
    }
}
