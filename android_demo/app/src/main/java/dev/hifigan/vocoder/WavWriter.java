package dev.hifigan.vocoder;

import java.io.File;
import java.io.IOException;

/** A 16-bit mono WAV file, written a piece at a time; its header is right once it is closed. */
public final class WavWriter implements AudioSink {
    public WavWriter(File file, int samplingRate) throws IOException {
        throw new UnsupportedOperationException("skeleton");
    }

    @Override
    public void write(float[] samples) throws IOException {
        throw new UnsupportedOperationException("skeleton");
    }

    @Override
    public void close() throws IOException {
        throw new UnsupportedOperationException("skeleton");
    }
}
