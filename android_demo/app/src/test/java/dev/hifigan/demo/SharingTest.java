package dev.hifigan.demo;

import static org.junit.Assert.assertEquals;
import static org.junit.Assert.assertThrows;
import static org.junit.Assert.assertTrue;
import static org.robolectric.Shadows.shadowOf;

import android.content.ContentResolver;
import android.content.Intent;
import android.database.Cursor;
import android.net.Uri;
import android.os.Build;
import android.provider.OpenableColumns;
import dev.hifigan.vocoder.Json;
import java.io.File;
import java.io.FileNotFoundException;
import java.io.InputStream;
import java.util.Map;
import org.junit.Rule;
import org.junit.Test;
import org.junit.runner.RunWith;
import org.robolectric.RobolectricTestRunner;
import org.robolectric.RuntimeEnvironment;
import org.robolectric.annotation.Config;

/** What another app gets after the user has shared it. */
@RunWith(RobolectricTestRunner.class)
@Config(sdk = 35, shadows = SpeakerTrack.class)
public class SharingTest {
    @Rule public final Phone phone = new Phone();

    @Test
    public void theAudio() throws Exception {
        phone.start();
        phone.vocode();
        Intent send = share(R.id.share_audio);
        assertEquals("audio/x-wav", send.getType());
        byte[] wav = read(send);
        assertEquals("RIFF", new String(wav, 0, 4, "US-ASCII"));
        Cursor cursor = resolver().query(stream(send), null, null, null, null);
        assertTrue(cursor.moveToFirst());
        assertEquals(wav.length, cursor.getLong(cursor.getColumnIndexOrThrow(OpenableColumns.SIZE)));
        String name = cursor.getString(cursor.getColumnIndexOrThrow(OpenableColumns.DISPLAY_NAME));
        assertTrue(name, name.matches("vocoded_int8_\\d{8}-\\d{6}\\.wav"));
    }

    @Test
    @SuppressWarnings("unchecked")
    public void theFigures() throws Exception {
        phone.start();
        phone.select(R.id.model, "float16");
        phone.vocode();
        Intent send = share(R.id.share_figures);
        assertEquals("application/json", send.getType());
        Map<String, Object> report = (Map<String, Object>) Json.parse(new String(read(send), "UTF-8"));
        Map<String, Object> device = (Map<String, Object>) report.get("device");
        Map<String, Object> figures = (Map<String, Object>) report.get("figures");
        assertEquals(Build.MODEL, device.get("model"));
        assertEquals("15", device.get("android"));
        assertTrue(device.containsKey("abi"));
        assertEquals("float16", ((Map<String, Object>) report.get("model")).get("mode"));
        assertEquals(1.0, report.get("threads"));
        assertEquals("bundled", report.get("source"));
        assertEquals(true, report.get("complete"));
        assertTrue((Double) figures.get("load_seconds") > 0);
        assertTrue((Double) figures.get("first_audio_seconds") > 0);
        assertTrue((Double) figures.get("real_time_factor") > 0);
        assertTrue((Double) figures.get("peak_memory_bytes") > 1e6);
        assertEquals(3, (Double) figures.get("audio_seconds"), 0.5);
    }

    /** So apps with these classes and other ids can be installed beside each other. */
    @Test
    public void theProviderIsThisAppsAlone() {
        String application = RuntimeEnvironment.getApplication().getPackageName();
        phone.start();
        phone.vocode();
        assertEquals(application + ".share", stream(share(R.id.share_audio)).getAuthority());
        assertEquals("dev.hifigan.demo", MainActivity.class.getPackage().getName());
    }

    @Test
    public void nothingElse() throws Exception {
        phone.start();
        phone.vocode();
        Uri audio = stream(share(R.id.share_audio));
        File secret = new File(RuntimeEnvironment.getApplication().getCacheDir(), "secret.txt");
        assertTrue(secret.createNewFile());
        for (String path : new String[] {"secret.txt", "../secret.txt", "..%2Fsecret.txt", ""}) {
            Uri uri = Uri.parse("content://" + audio.getAuthority() + "/" + path);
            assertThrows(FileNotFoundException.class, () -> resolver().openInputStream(uri));
        }
        assertThrows(SecurityException.class, () -> resolver().openOutputStream(audio, "w"));
    }

    @Test
    public void theFilesOfThePreviousRunAreRemoved() throws Exception {
        phone.start();
        phone.vocode();
        Uri before = stream(share(R.id.share_audio));
        phone.select(R.id.model, "float16");
        phone.vocode();
        assertThrows(FileNotFoundException.class, () -> resolver().openInputStream(before));
        assertEquals(2, ResultFiles.folder(RuntimeEnvironment.getApplication()).list().length);
    }

    private Intent share(int button) {
        phone.press(button);
        Intent chooser = shadowOf(phone.activity()).getNextStartedActivity();
        assertEquals(Intent.ACTION_CHOOSER, chooser.getAction());
        Intent send = chooser.getParcelableExtra(Intent.EXTRA_INTENT, Intent.class);
        assertEquals(Intent.ACTION_SEND, send.getAction());
        assertTrue((send.getFlags() & Intent.FLAG_GRANT_READ_URI_PERMISSION) != 0);
        assertEquals(stream(send), send.getClipData().getItemAt(0).getUri());
        return send;
    }

    private static Uri stream(Intent send) {
        return send.getParcelableExtra(Intent.EXTRA_STREAM, Uri.class);
    }

    private static byte[] read(Intent send) throws Exception {
        try (InputStream stream = resolver().openInputStream(stream(send))) {
            return stream.readAllBytes();
        }
    }

    private static ContentResolver resolver() {
        return RuntimeEnvironment.getApplication().getContentResolver();
    }
}
