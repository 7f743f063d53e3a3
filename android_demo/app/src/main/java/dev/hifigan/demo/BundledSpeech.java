package dev.hifigan.demo;

import android.content.Context;
import android.content.res.AssetManager;
import dev.hifigan.vocoder.AudioInput;
import dev.hifigan.vocoder.AudioSettings;
import dev.hifigan.vocoder.AudioSource;
import dev.hifigan.vocoder.NpyReader;
import dev.hifigan.vocoder.WavReader;
import java.io.IOException;

/** The clip in the assets: its mel, {@code mels/NAME.npy}, and the recording of that, {@code mels/NAME.wav}. */
final class BundledSpeech implements AudioInput {
    private static final String FOLDER = "mels";
    private static final String MEL = ".npy";
    private static final String AUDIO = ".wav";

    private final AssetManager assets;

    BundledSpeech(Context context) {
        assets = context.getAssets();
    }

    @Override
    public String name() {
        return "The sample";
    }

    @Override
    public AudioSource open() throws IOException {
        String file = clip() + AUDIO;
        return new WavReader(assets.open(file), file);
    }

    NpyReader mel(AudioSettings audio) throws IOException {
        String file = clip() + MEL;
        return new NpyReader(assets.open(file), file, audio);
    }

    private String clip() throws IOException {
        for (String file : assets.list(FOLDER)) {
            if (file.endsWith(MEL)) {
                return FOLDER + "/" + file.substring(0, file.length() - MEL.length());
            }
        }
        throw new AppException(R.string.error_missing_mel);
    }
}
