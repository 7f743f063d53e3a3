package dev.hifigan.demo;

import android.util.Log;
import java.io.BufferedReader;
import java.io.FileInputStream;
import java.io.IOException;
import java.io.InputStreamReader;
import java.nio.charset.StandardCharsets;

/** Memory of this app. */
final class Memory {
    private static final String RESIDENT = "VmRSS:"; // followed by a number of kB

    private Memory() {}

    /** Resident bytes now, including the runtime and mapped models; 0 if the system does not report them. */
    static long resident() {
        try (BufferedReader lines = new BufferedReader(
                new InputStreamReader(new FileInputStream("/proc/self/status"), StandardCharsets.US_ASCII))) {
            for (String line = lines.readLine(); line != null; line = lines.readLine()) {
                if (line.startsWith(RESIDENT)) {
                    return 1024 * Long.parseLong(line.replaceAll("\\D", ""));
                }
            }
        } catch (IOException e) {
            Log.w("Memory", "The system does not report how much memory is in use", e);
        }
        return 0;
    }
}
