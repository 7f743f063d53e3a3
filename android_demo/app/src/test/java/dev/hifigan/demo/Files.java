package dev.hifigan.demo;

import android.content.ContentProvider;
import android.content.ContentValues;
import android.database.Cursor;
import android.database.MatrixCursor;
import android.net.Uri;
import android.os.ParcelFileDescriptor;
import android.provider.OpenableColumns;
import java.io.ByteArrayOutputStream;
import java.io.File;
import java.io.FileNotFoundException;
import java.io.FileOutputStream;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.util.Random;
import org.robolectric.Robolectric;
import org.robolectric.RuntimeEnvironment;

/** Another app that provides the user's files. */
public final class Files extends ContentProvider {
    private static final String AUTHORITY = "files";

    /** Adds a file. */
    static Uri put(String name, byte[] content) throws IOException {
        try (FileOutputStream file = new FileOutputStream(file(name))) {
            file.write(content);
        }
        return uri(name);
    }

    static Uri uri(String name) {
        Robolectric.setupContentProvider(Files.class, AUTHORITY);
        return Uri.parse("content://" + AUTHORITY + "/" + name);
    }

    static File file(String name) {
        return new File(RuntimeEnvironment.getApplication().getDataDir(), name);
    }

    /** Something like speech: noise of varying level. */
    static short[] noise(int samples) {
        Random random = new Random(1);
        short[] noise = new short[samples];
        for (int i = 0; i < samples; i++) {
            noise[i] = (short) (random.nextGaussian() * 3000 * Math.abs(Math.sin(i * 3e-4)));
        }
        return noise;
    }

    /** A WAV file of 16 bits. */
    static byte[] wav(short[] samples, int samplingRate, int channels) {
        ByteBuffer bytes = ByteBuffer.allocate(44 + 2 * samples.length).order(ByteOrder.LITTLE_ENDIAN);
        bytes.put("RIFF".getBytes(StandardCharsets.US_ASCII)).putInt(36 + 2 * samples.length);
        bytes.put("WAVEfmt ".getBytes(StandardCharsets.US_ASCII)).putInt(16).putShort((short) 1).putShort((short) channels);
        bytes.putInt(samplingRate).putInt(2 * channels * samplingRate).putShort((short) (2 * channels)).putShort((short) 16);
        bytes.put("data".getBytes(StandardCharsets.US_ASCII)).putInt(2 * samples.length);
        bytes.asShortBuffer().put(samples);
        return bytes.array();
    }

    /** A NumPy file of silence, {@code [frames, bands]}, with numbers of four bytes. */
    static byte[] npy(String type, int frames, int bands) throws IOException {
        String header = "{'descr': '" + type + "', 'fortran_order': False, 'shape': (" + frames + ", " + bands + "), }";
        while ((10 + header.length() + 1) % 64 != 0) {
            header += " ";
        }
        header += "\n";
        ByteArrayOutputStream bytes = new ByteArrayOutputStream();
        bytes.write(new byte[] {(byte) 0x93, 'N', 'U', 'M', 'P', 'Y', 1, 0});
        bytes.write(new byte[] {(byte) header.length(), (byte) (header.length() >> 8)});
        bytes.write(header.getBytes(StandardCharsets.US_ASCII));
        ByteBuffer numbers = ByteBuffer.allocate(4 * frames * bands).order(ByteOrder.LITTLE_ENDIAN);
        while (numbers.hasRemaining()) {
            numbers.putFloat(-6);
        }
        bytes.write(numbers.array());
        return bytes.toByteArray();
    }

    @Override
    public boolean onCreate() {
        return true;
    }

    @Override
    public ParcelFileDescriptor openFile(Uri uri, String mode) throws FileNotFoundException {
        return ParcelFileDescriptor.open(file(uri.getLastPathSegment()), ParcelFileDescriptor.MODE_READ_ONLY);
    }

    @Override
    public Cursor query(Uri uri, String[] projection, String selection, String[] arguments, String order) {
        MatrixCursor cursor = new MatrixCursor(new String[] {OpenableColumns.DISPLAY_NAME});
        cursor.addRow(new Object[] {"My " + uri.getLastPathSegment()});
        return cursor;
    }

    @Override
    public String getType(Uri uri) {
        return null;
    }

    @Override
    public Uri insert(Uri uri, ContentValues values) {
        throw new UnsupportedOperationException();
    }

    @Override
    public int update(Uri uri, ContentValues values, String selection, String[] arguments) {
        throw new UnsupportedOperationException();
    }

    @Override
    public int delete(Uri uri, String selection, String[] arguments) {
        throw new UnsupportedOperationException();
    }
}
