package dev.hifigan.demo;

import android.content.Context;
import java.io.File;
import java.io.IOException;
import java.text.SimpleDateFormat;
import java.util.Date;
import java.util.Locale;

/** The two files of a run, which can be shared: the vocoded audio and the figures. */
final class ResultFiles {
    final File audio;
    final File json;

    /** Removes the files of the previous run. */
    ResultFiles(Context context, String mode) throws IOException {
        File folder = folder(context);
        File[] old = folder.listFiles();
        if (old != null) {
            for (File file : old) {
                if (!file.delete()) {
                    throw new IOException(file + " cannot be removed");
                }
            }
        } else if (!folder.mkdirs()) {
            throw new IOException(folder + " cannot be made");
        }
        String name = mode + "_" + new SimpleDateFormat("yyyyMMdd-HHmmss", Locale.ROOT).format(new Date());
        audio = new File(folder, "vocoded_" + name + ".wav");
        json = new File(folder, "figures_" + name + ".json");
    }

    /** A cache folder: the system may empty it when storage is full. */
    static File folder(Context context) {
        return new File(context.getCacheDir(), "results");
    }
}
