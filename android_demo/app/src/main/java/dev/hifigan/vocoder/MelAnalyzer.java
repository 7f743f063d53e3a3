package dev.hifigan.vocoder;

import java.io.Closeable;
import java.nio.ByteBuffer;

/** Audio to log-mel frames by the mel front-end model, a piece at a time, with the frames of all of it at once. */
public final class MelAnalyzer implements Closeable {
    /** @param model the whole file in a direct buffer, or mapped; it must not change while the analyzer is open */
    public MelAnalyzer(ByteBuffer model, String name, int threads) throws ModelException {
        throw new UnsupportedOperationException("skeleton");
    }

    public Contract contract() {
        throw new UnsupportedOperationException("skeleton");
    }

    /** The frames {@code [maybe none][numMels]} that these samples complete. */
    public float[][] push(float[] audio) {
        throw new UnsupportedOperationException("skeleton");
    }

    /** The last frames: silence fills the last hop. {@link #reset} begins another recording. */
    public float[][] flush() {
        throw new UnsupportedOperationException("skeleton");
    }

    /** Samples pushed so far. */
    public long samples() {
        throw new UnsupportedOperationException("skeleton");
    }

    public void reset() {
        throw new UnsupportedOperationException("skeleton");
    }

    @Override
    public void close() {
        throw new UnsupportedOperationException("skeleton");
    }
}
