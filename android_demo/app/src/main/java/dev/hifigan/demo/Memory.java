package dev.hifigan.demo;

import android.util.Log;
import java.io.BufferedReader;
import java.io.FileInputStream;
import java.io.IOException;
import java.io.InputStreamReader;
import java.nio.charset.StandardCharsets;

/** Memory of this app. */
final class Memory {
    private static final String RESIDENT = "VmRSS:"; // and so many kB

    private Memory() {}

    /** Bytes of it in RAM now, those of the runtime and of mapped models included; 0 where the system does not tell. */
    static long resident() {
        try (BufferedReader lines = new BufferedReader(
                new InputStreamReader(new FileInputStream("/proc/self/status"), StandardCharsets.US_ASCII))) {
            for (String line = lines.readLine(); line != null; line = lines.readLine()) {
                if (line.startsWith(RESIDENT)) {
                    return 1024 * Long.parseLong(line.replaceAll("\\D", ""));
                }
            }
        } catch (IOException e) {
            Log.w("Memory", "The system does not tell how much memory is in use", e);
        }
        return 0;
    }
}
