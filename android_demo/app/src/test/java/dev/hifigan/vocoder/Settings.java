package dev.hifigan.vocoder;

/** The audio settings of a model, as its contract has them. */
final class Settings {
    private Settings() {}

    /** Those of the paper with {@code bands} bands, and further keys such as {@code "'mel_log': 'log10'"}. */
    static AudioSettings of(int bands, String... keys) {
        StringBuilder json = new StringBuilder("{'sampling_rate': 22050, 'num_mels': " + bands
                + ", 'n_fft': 1024, 'hop_size': 256, 'win_size': 1024, 'fmin': 0, 'fmax': 8000");
        for (String key : keys) {
            json.append(", ").append(key);
        }
        return new AudioSettings(new Fields(Json.parse(json.append('}').toString().replace('\'', '"'))));
    }
}
