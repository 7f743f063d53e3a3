package dev.hifigan.vocoder;

import java.io.IOException;

/**
 * The mel of a recording of any length, in constant memory, at the peak that models are trained with.
 *
 * The recording is read twice: first for its level, during which {@link #next} gives no frames, then for its mel.
 */
public final class AudioMels implements MelSource {
    /** @param analyzer is reset, and stays the caller's to close */
    public AudioMels(AudioInput input, MelAnalyzer analyzer) {
        throw new UnsupportedOperationException("skeleton");
    }

    @Override
    public float[][] next() throws IOException {
        throw new UnsupportedOperationException("skeleton");
    }

    @Override
    public long samples() {
        throw new UnsupportedOperationException("skeleton");
    }

    @Override
    public double progress() {
        throw new UnsupportedOperationException("skeleton");
    }

    @Override
    public void close() throws IOException {
        throw new UnsupportedOperationException("skeleton");
    }
}
