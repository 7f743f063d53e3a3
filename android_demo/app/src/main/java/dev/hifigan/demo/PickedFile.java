package dev.hifigan.demo;

import android.content.Context;
import android.database.Cursor;
import android.net.Uri;
import android.provider.OpenableColumns;
import android.util.Log;
import dev.hifigan.vocoder.AudioInput;
import dev.hifigan.vocoder.AudioSettings;
import dev.hifigan.vocoder.AudioSource;
import dev.hifigan.vocoder.NpyReader;
import dev.hifigan.vocoder.WavReader;
import java.io.BufferedInputStream;
import java.io.FileNotFoundException;
import java.io.IOException;
import java.io.InputStream;

/** A file on the phone that the user has picked: audio of any format that the phone can decode, or a mel. */
final class PickedFile implements AudioInput {
    private static final byte[] WAV = {'R', 'I', 'F', 'F'};
    private static final byte[] NUMPY = {(byte) 0x93, 'N', 'U', 'M', 'P', 'Y'};

    private final Context context;
    private final Uri uri;
    private final String name;

    PickedFile(Context context, Uri uri, String name) {
        this.context = context;
        this.uri = uri;
        this.name = name;
    }

    @Override
    public String name() {
        return name;
    }

    /** WAV files are read without loss of bits; all others go through the phone's decoders. */
    @Override
    public AudioSource open() throws IOException {
        BufferedInputStream stream = stream();
        if (beginsWith(stream, WAV)) {
            return new WavReader(stream, name);
        }
        stream.close();
        return new MediaDecoder(context, uri, name);
    }

    NpyReader mel(AudioSettings audio) throws IOException {
        return new NpyReader(stream(), name, audio);
    }

    boolean isMel() throws IOException {
        try (BufferedInputStream stream = stream()) {
            return beginsWith(stream, NUMPY);
        }
    }

    /** The display name of the file, or the end of its URI if it has none. */
    static String nameOf(Context context, Uri uri) {
        String[] columns = {OpenableColumns.DISPLAY_NAME};
        try (Cursor cursor = context.getContentResolver().query(uri, columns, null, null, null)) {
            if (cursor != null && cursor.moveToFirst() && !cursor.isNull(0)) {
                return cursor.getString(0);
            }
        } catch (RuntimeException e) {
            Log.w("PickedFile", "The app that has the file does not report its name", e);
        }
        return String.valueOf(uri.getLastPathSegment());
    }

    private BufferedInputStream stream() throws IOException {
        InputStream stream;
        try {
            stream = context.getContentResolver().openInputStream(uri);
        } catch (FileNotFoundException | RuntimeException e) { // deleted, not permitted, or a fault of the other app
            throw new AppException(e, R.string.error_unreadable, name);
        }
        if (stream == null) { // the app that has the file has crashed
            throw new AppException(R.string.error_unreadable, name);
        }
        return new BufferedInputStream(stream, 1 << 16);
    }

    private static boolean beginsWith(BufferedInputStream stream, byte[] magic) throws IOException {
        stream.mark(magic.length);
        boolean same = true;
        for (int i = 0; same && i < magic.length; i++) {
            same = stream.read() == (magic[i] & 0xff);
        }
        stream.reset();
        return same;
    }
}
