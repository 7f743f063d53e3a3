package dev.hifigan.demo;

import android.content.Context;
import android.content.res.AssetFileDescriptor;
import java.io.FileInputStream;
import java.io.FileNotFoundException;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;

/** The models among the assets. */
final class Models {
    static final String MEL_FRONTEND = "mel_frontend.tflite";

    private static final String FOLDER = "models";

    private Models() {}

    static String vocoder(String mode) {
        return "vocoder_" + mode + ".tflite";
    }

    /** Of the vocoders in the APK; where there is none, of all, so that using one says what is missing. */
    static List<String> modes(Context context) {
        List<String> names;
        try {
            names = Arrays.asList(context.getAssets().list(FOLDER));
        } catch (IOException e) { // the APK itself cannot be read
            throw new UncheckedIOException(e);
        }
        String[] known = context.getResources().getStringArray(R.array.models);
        List<String> modes = new ArrayList<String>();
        for (String mode : known) {
            if (names.contains(vocoder(mode))) {
                modes.add(mode);
            }
        }
        return modes.isEmpty() ? Arrays.asList(known) : modes;
    }

    /** A model mapped from the APK, not copied. */
    static ByteBuffer map(Context context, String name) throws IOException {
        try (AssetFileDescriptor asset = context.getAssets().openFd(FOLDER + "/" + name);
                FileInputStream stream = new FileInputStream(asset.getFileDescriptor())) {
            FileChannel channel = stream.getChannel();
            return channel.map(FileChannel.MapMode.READ_ONLY, asset.getStartOffset(), asset.getDeclaredLength());
        } catch (FileNotFoundException e) {
            throw new AppException(e, R.string.error_missing_model, name);
        }
    }
}
