package dev.hifigan.demo;

import android.content.ClipData;
import android.content.ContentProvider;
import android.content.ContentValues;
import android.content.Context;
import android.content.Intent;
import android.database.Cursor;
import android.database.MatrixCursor;
import android.net.Uri;
import android.os.ParcelFileDescriptor;
import android.provider.OpenableColumns;
import java.io.File;
import java.io.FileNotFoundException;

/** Lets other apps read the files of a run, and no others, once the user has shared them. */
public final class ShareProvider extends ContentProvider {
    private static final String AUTHORITY = ".share"; // after the application's id, as in the manifest
    private static final String WAV = ".wav";

    /** The sheet in which the user chooses the receiving app. */
    static Intent share(Context context, File file) {
        String authority = context.getPackageName() + AUTHORITY;
        Uri uri = new Uri.Builder().scheme("content").authority(authority).appendPath(file.getName()).build();
        Intent send = new Intent(Intent.ACTION_SEND)
                .setType(typeOf(file.getName()))
                .putExtra(Intent.EXTRA_STREAM, uri)
                .addFlags(Intent.FLAG_GRANT_READ_URI_PERMISSION);
        send.setClipData(ClipData.newRawUri(file.getName(), uri)); // the read permission is granted for this
        return Intent.createChooser(send, null);
    }

    @Override
    public boolean onCreate() {
        return true;
    }

    @Override
    public String getType(Uri uri) {
        return typeOf(String.valueOf(uri.getLastPathSegment()));
    }

    @Override
    public Cursor query(Uri uri, String[] projection, String selection, String[] arguments, String order) {
        File file;
        try {
            file = file(uri);
        } catch (FileNotFoundException e) {
            return null;
        }
        String[] columns = projection == null ? new String[] {OpenableColumns.DISPLAY_NAME, OpenableColumns.SIZE} : projection;
        Object[] row = new Object[columns.length];
        for (int i = 0; i < columns.length; i++) {
            if (OpenableColumns.DISPLAY_NAME.equals(columns[i])) {
                row[i] = file.getName();
            } else if (OpenableColumns.SIZE.equals(columns[i])) {
                row[i] = file.length();
            }
        }
        MatrixCursor cursor = new MatrixCursor(columns, 1);
        cursor.addRow(row);
        return cursor;
    }

    @Override
    public ParcelFileDescriptor openFile(Uri uri, String mode) throws FileNotFoundException {
        if (!"r".equals(mode)) {
            throw new SecurityException(uri + " can be read, not opened as " + mode);
        }
        return ParcelFileDescriptor.open(file(uri), ParcelFileDescriptor.MODE_READ_ONLY);
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

    /** One of the files of a run. A name that contains a path is refused. */
    private File file(Uri uri) throws FileNotFoundException {
        Context context = getContext();
        File[] files = context == null ? null : ResultFiles.folder(context).listFiles();
        if (files != null) {
            for (File file : files) {
                if (file.getName().equals(uri.getLastPathSegment())) {
                    return file;
                }
            }
        }
        throw new FileNotFoundException(uri + " is not shared, or no longer");
    }

    private static String typeOf(String name) {
        return name.endsWith(WAV) ? "audio/x-wav" : "application/json";
    }
}
