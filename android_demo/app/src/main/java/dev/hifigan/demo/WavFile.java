package dev.hifigan.demo;

import dev.hifigan.vocoder.AudioInput;
import dev.hifigan.vocoder.AudioSource;
import dev.hifigan.vocoder.WavReader;
import java.io.BufferedInputStream;
import java.io.File;
import java.io.FileInputStream;
import java.io.IOException;

/** A WAV file of the app's own. */
final class WavFile implements AudioInput {
    private final File file;

    WavFile(File file) {
        this.file = file;
    }

    @Override
    public String name() {
        return file.getName();
    }

    @Override
    public AudioSource open() throws IOException {
        return new WavReader(new BufferedInputStream(new FileInputStream(file)), name());
    }
}
