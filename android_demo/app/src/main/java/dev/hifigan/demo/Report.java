package dev.hifigan.demo;

import android.os.Build;
import android.os.Process;
import dev.hifigan.vocoder.Contract;
import dev.hifigan.vocoder.Json;
import java.io.File;
import java.io.FileOutputStream;
import java.io.IOException;
import java.io.OutputStreamWriter;
import java.io.Writer;
import java.nio.charset.StandardCharsets;
import java.util.LinkedHashMap;
import java.util.Locale;
import java.util.Map;
import org.tensorflow.lite.TensorFlowLite;

/** The figures of a run as a JSON file, with everything needed to compare runs on different phones. */
final class Report {
    private Report() {}

    /** @param complete whether the source was vocoded to its end */
    static void write(File file, Source source, Contract vocoder, int threads, Results results, boolean complete)
            throws IOException {
        Map<String, Object> figures = new LinkedHashMap<String, Object>();
        figures.put("load_seconds", results.loadSeconds);
        figures.putAll(results.figures.toMap());
        figures.put("peak_memory_bytes", results.peakMemory);

        Map<String, Object> report = new LinkedHashMap<String, Object>();
        report.put("device", device());
        report.put("runtime", TensorFlowLite.runtimeVersion());
        report.put("model", model(vocoder));
        report.put("threads", threads);
        report.put("source", source.kind.name().toLowerCase(Locale.ROOT));
        report.put("complete", complete);
        report.put("figures", figures);
        try (Writer writer = new OutputStreamWriter(new FileOutputStream(file), StandardCharsets.UTF_8)) {
            writer.write(Json.write(report));
        }
    }

    private static Map<String, Object> device() {
        Map<String, Object> device = new LinkedHashMap<String, Object>();
        device.put("manufacturer", Build.MANUFACTURER);
        device.put("model", Build.MODEL);
        device.put("abi", Process.is64Bit() ? Build.SUPPORTED_64_BIT_ABIS[0] : Build.SUPPORTED_32_BIT_ABIS[0]);
        device.put("cores", Runtime.getRuntime().availableProcessors());
        device.put("android", Build.VERSION.RELEASE);
        device.put("sdk", Build.VERSION.SDK_INT);
        return device;
    }

    private static Map<String, Object> model(Contract vocoder) {
        Map<String, Object> model = new LinkedHashMap<String, Object>();
        model.put("mode", vocoder.mode);
        model.put("chunk_frames", vocoder.chunkFrames[0]);
        model.put("delay_samples", vocoder.delaySamples);
        for (String key : new String[] {"audio", "generator", "fingerprint"}) {
            model.put(key, vocoder.values.get(key));
        }
        return model;
    }
}
