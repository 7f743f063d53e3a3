package dev.hifigan.demo;

import static org.junit.Assert.assertArrayEquals;
import static org.junit.Assert.assertEquals;
import static org.junit.Assert.assertFalse;
import static org.junit.Assert.assertTrue;
import static org.robolectric.Shadows.shadowOf;

import android.Manifest;
import android.content.pm.PackageManager;
import android.content.res.AssetManager;
import android.media.MediaFormat;
import android.net.Uri;
import android.provider.Settings;
import java.io.InputStream;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import org.junit.Rule;
import org.junit.Test;
import org.junit.runner.RunWith;
import org.robolectric.RobolectricTestRunner;
import org.robolectric.RuntimeEnvironment;
import org.robolectric.annotation.Config;
import org.robolectric.shadows.ShadowAudioRecord;
import org.robolectric.shadows.ShadowMediaExtractor;
import org.robolectric.shadows.util.DataSource;

/** Files on the phone, and the microphone. */
@RunWith(RobolectricTestRunner.class)
@Config(sdk = 35, shadows = SpeakerTrack.class)
public class SourcesTest {
    @Rule public final Phone phone = new Phone();

    private static final String MICROPHONE = Manifest.permission.RECORD_AUDIO;

    @Test
    public void aWavFileOfAnotherRate() throws Exception {
        phone.start();
        phone.pick(Files.put("stereo.wav", Files.wav(Files.noise(2 * 2 * 48000), 48000, 2)));
        assertEquals("Source: My stereo.wav", phone.text(R.id.source));
        phone.vocode();
        assertEquals("00:00 / 00:02", phone.text(R.id.vocoded_time).replaceFirst("^00:0\\d", "00:00"));
        assertEquals("", phone.text(R.id.message));
    }

    @Test
    public void aCompressedFileGoesThroughThePhonesDecoder() throws Exception {
        phone.start();
        Uri uri = Files.put("song.mp3", "not looked at".getBytes("UTF-8"));
        ByteBuffer pcm = ByteBuffer.allocate(2 * 2 * 44100).order(ByteOrder.nativeOrder());
        pcm.asShortBuffer().put(Files.noise(2 * 44100));
        MediaFormat format = MediaFormat.createAudioFormat(MediaFormat.MIMETYPE_AUDIO_MPEG, 44100, 2);
        DataSource source = DataSource.toDataSource(RuntimeEnvironment.getApplication(), uri, null);
        ShadowMediaExtractor.addTrack(source, format, pcm.array());
        phone.pick(uri);
        phone.vocode();
        assertTrue(phone.text(R.id.vocoded_time), phone.text(R.id.vocoded_time).endsWith("/ 00:01"));
        assertEquals("", phone.text(R.id.message));
    }

    @Test
    public void aMelOfAnotherProgram() throws Exception {
        phone.start();
        phone.pick(Files.put("mel.npy", bundledMel()));
        assertFalse("a mel cannot be heard", phone.view(R.id.play_original).isEnabled());
        phone.vocode();
        assertTrue(phone.view(R.id.play_vocoded).isEnabled());
        assertEquals("", phone.text(R.id.message));
    }

    @Test
    public void pickingNothingChangesNothing() {
        phone.start();
        phone.press(R.id.file);
        shadowOf(phone.activity()).receiveResult(
                shadowOf(phone.activity()).getNextStartedActivity(), MainActivity.RESULT_CANCELED, null);
        phone.idle();
        assertEquals("Source: Sample", phone.text(R.id.source));
    }

    @Test
    public void aRecording() throws Exception {
        shadowOf(RuntimeEnvironment.getApplication()).grantPermissions(MICROPHONE);
        phone.start();
        plug(microphone(10));
        phone.press(R.id.record);
        assertEquals(phone.string(R.string.status_recording), phone.text(R.id.status));
        assertFalse("it would hear itself", phone.view(R.id.play_original).isEnabled());
        phone.await("a second", () -> phone.text(R.id.original_time).matches(".*/ 00:0[1-9]"));
        phone.press(R.id.vocode);
        phone.awaitStatus(R.string.status_idle);
        assertEquals("Source: Recording", phone.text(R.id.source));
        phone.vocode();
        assertEquals("", phone.text(R.id.message));
    }

    @Test
    public void leavingEndsARecording() throws Exception {
        shadowOf(RuntimeEnvironment.getApplication()).grantPermissions(MICROPHONE);
        phone.start();
        plug(microphone(10));
        phone.press(R.id.record);
        phone.await("a second", () -> phone.text(R.id.original_time).matches(".*/ 00:0[1-9]"));
        phone.leave();
        phone.comeBack();
        phone.awaitStatus(R.string.status_idle);
        assertEquals("Source: Recording", phone.text(R.id.source));
    }

    @Test
    public void thePermissionIsAskedForAndUsed() throws Exception {
        phone.start();
        plug(microphone(10));
        phone.press(R.id.record);
        assertArrayEquals(new String[] {MICROPHONE}, shadowOf(phone.activity()).getLastRequestedPermission().requestedPermissions);
        answer(PackageManager.PERMISSION_GRANTED);
        assertEquals(phone.string(R.string.status_recording), phone.text(R.id.status));
    }

    @Test
    public void aRefusalIsAnswered() {
        phone.start();
        shadowOf(phone.activity().getPackageManager()).setShouldShowRequestPermissionRationale(MICROPHONE, true);
        phone.press(R.id.record);
        answer(PackageManager.PERMISSION_DENIED);
        assertEquals(phone.string(R.string.error_microphone_refused), phone.text(R.id.message));
        assertEquals("", phone.text(R.id.message_settings));
    }

    @Test
    public void aLastingRefusalLeadsToTheSettings() {
        phone.start();
        phone.press(R.id.record);
        answer(PackageManager.PERMISSION_DENIED);
        assertEquals(phone.string(R.string.error_microphone_blocked), phone.text(R.id.message));
        phone.press(R.id.message_settings);
        assertEquals(
                Settings.ACTION_APPLICATION_DETAILS_SETTINGS,
                shadowOf(phone.activity()).getNextStartedActivity().getAction());
    }

    @Test
    public void aMicrophoneThatFails() {
        shadowOf(RuntimeEnvironment.getApplication()).grantPermissions(MICROPHONE);
        phone.start();
        plug(new ShadowAudioRecord.AudioRecordSource() {
            @Override
            public int readInShortArray(short[] samples, int offset, int size, boolean blocking) {
                return android.media.AudioRecord.ERROR_DEAD_OBJECT;
            }
        });
        phone.press(R.id.record);
        phone.awaitStatus(R.string.status_failed);
        assertEquals(phone.string(R.string.error_no_microphone), phone.text(R.id.message));
        assertEquals("Source: Sample", phone.text(R.id.source));
    }

    @Test
    public void aRecordingOfNothing() {
        shadowOf(RuntimeEnvironment.getApplication()).grantPermissions(MICROPHONE);
        phone.start();
        plug(microphone(1000));
        phone.press(R.id.record);
        phone.press(R.id.vocode);
        phone.awaitStatus(R.string.status_failed);
        assertEquals(phone.string(R.string.error_too_short), phone.text(R.id.message));
    }

    private byte[] bundledMel() throws Exception {
        AssetManager assets = phone.activity().getAssets();
        for (String name : assets.list("mels")) {
            if (name.endsWith(".npy")) {
                try (InputStream stream = assets.open("mels/" + name)) {
                    return stream.readAllBytes();
                }
            }
        }
        throw new AssertionError("no mel");
    }

    private void answer(int result) {
        int request = shadowOf(phone.activity()).getLastRequestedPermission().requestCode;
        phone.activity().onRequestPermissionsResult(request, new String[] {MICROPHONE}, new int[] {result});
        phone.idle();
    }

    private static void plug(ShadowAudioRecord.AudioRecordSource microphone) {
        ShadowAudioRecord.setSourceProvider(recorder -> microphone);
    }

    /** A microphone that records noise, with one piece per interval. */
    private static ShadowAudioRecord.AudioRecordSource microphone(long milliseconds) {
        return new ShadowAudioRecord.AudioRecordSource() {
            @Override
            public int readInShortArray(short[] samples, int offset, int size, boolean blocking) {
                System.arraycopy(Files.noise(size), 0, samples, offset, size);
                Phone.sleep(milliseconds);
                return size;
            }
        };
    }
}
