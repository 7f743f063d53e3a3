package dev.hifigan.demo;

import android.content.Context;
import android.content.res.AssetFileDescriptor;
import java.io.FileInputStream;
import java.io.FileNotFoundException;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;

/** The models among the assets. */
final class Models {
    static final String MEL_FRONTEND = "mel_frontend.tflite";

    private Models() {}

    static String vocoder(String mode) {
        return "vocoder_" + mode + ".tflite";
    }

    /** A model mapped from the APK, not copied. */
    static ByteBuffer map(Context context, String name) throws IOException {
        try (AssetFileDescriptor asset = context.getAssets().openFd("models/" + name);
                FileInputStream stream = new FileInputStream(asset.getFileDescriptor())) {
            FileChannel channel = stream.getChannel();
            return channel.map(FileChannel.MapMode.READ_ONLY, asset.getStartOffset(), asset.getDeclaredLength());
        } catch (FileNotFoundException e) {
            throw new AppException(e, R.string.error_missing_model, name);
        }
    }
}
