package dev.hifigan.demo;

import android.content.Context;
import android.content.SharedPreferences;
import android.content.pm.PackageManager;
import android.os.Handler;
import dev.hifigan.vocoder.Contract;
import dev.hifigan.vocoder.NpyReader;
import dev.hifigan.vocoder.SpeedTest;
import dev.hifigan.vocoder.StreamingVocoder;
import java.io.IOException;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/**
 * Finds the fastest model on this phone: measures for a second at the first start, and keeps the answer until the app is
 * updated.
 */
final class FastestTask extends Task {
    /** Called on the main thread. */
    interface Listener {
        /** @param mode of the model, for example {@code "int8"} */
        void onFastest(String mode);
    }

    static final String PREFERENCES = "fastest";
    static final String MODE = "mode";
    static final String MEASURED = "measured"; // its key

    private static final double SECONDS = 1;
    private static final int THREADS = 1; // what the screen begins with

    private final Context context;
    private final Handler main;
    private final Listener listener;
    private final Source source;

    FastestTask(Context context, Handler main, Task.Listener works, Listener listener, Source source) {
        super(main, works, Work.of(Work.Phase.IDLE, source));
        this.context = context;
        this.main = main;
        this.listener = listener;
        this.source = source;
    }

    @Override
    Work work() throws Exception {
        List<String> modes = Models.modes(context);
        SharedPreferences kept = context.getSharedPreferences(PREFERENCES, Context.MODE_PRIVATE);
        String key = key(context, modes);
        String fastest = kept.getString(MODE, null);
        if (!key.equals(kept.getString(MEASURED, null)) || !modes.contains(fastest)) {
            report(Work.of(Work.Phase.MEASURING, source));
            fastest = measure(modes);
            if (fastest != null) {
                kept.edit().putString(MEASURED, key).putString(MODE, fastest).apply();
            }
        }
        if (fastest != null) {
            tell(fastest);
        }
        return last().ended(Work.Phase.IDLE, null);
    }

    /** What a measurement holds for: the app as installed last, whatever its version says, and the hash of each model. */
    static String key(Context context, List<String> modes) throws IOException, PackageManager.NameNotFoundException {
        StringBuilder key = new StringBuilder();
        key.append(context.getPackageManager().getPackageInfo(context.getPackageName(), 0).lastUpdateTime);
        for (String mode : modes) {
            String name = Models.vocoder(mode);
            key.append(' ').append(Contract.read(Models.map(context, name), name).modelSha256);
        }
        return key.toString();
    }

    /** Null if it was stopped. */
    private String measure(List<String> modes) throws IOException {
        List<StreamingVocoder> opened = new ArrayList<StreamingVocoder>();
        try {
            Map<String, SpeedTest.Candidate> candidates = new LinkedHashMap<String, SpeedTest.Candidate>();
            SpeedTest test = new SpeedTest(candidates);
            for (String mode : modes) {
                if (isStopped()) {
                    return null;
                }
                String name = Models.vocoder(mode);
                StreamingVocoder vocoder = new StreamingVocoder(Models.map(context, name), name, THREADS);
                opened.add(vocoder);
                vocoder.checkMel(false); // the frames are repeated, and need not make sense
                candidates.put(mode, stoppable(SpeedTest.of(vocoder, speech(vocoder.contract())), test));
            }
            Map<String, Double> factors = test.run(SECONDS);
            return factors == null ? null : SpeedTest.fastest(factors);
        } finally {
            for (StreamingVocoder vocoder : opened) {
                vocoder.close();
            }
        }
    }

    private SpeedTest.Candidate stoppable(final SpeedTest.Candidate candidate, final SpeedTest test) {
        return new SpeedTest.Candidate() {
            @Override
            public double run() {
                if (isStopped()) {
                    test.cancel();
                }
                return candidate.run();
            }
        };
    }

    private float[][] speech(Contract vocoder) throws IOException {
        try (NpyReader mel = new BundledSpeech(context).mel(vocoder.audio)) {
            return mel.next();
        }
    }

    private void tell(final String mode) {
        main.post(new Runnable() {
            @Override
            public void run() {
                listener.onFastest(mode);
            }
        });
    }
}
