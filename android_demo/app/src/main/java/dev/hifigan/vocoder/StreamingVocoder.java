package dev.hifigan.vocoder;

import java.io.Closeable;
import java.nio.ByteBuffer;

/**
 * Log-mel frames to audio, a few at a time, with the samples of the whole utterance at once.
 *
 * <pre>{@code
 * try (StreamingVocoder vocoder = new StreamingVocoder(model, "vocoder_int8.tflite", 2)) {
 *     while (more) {
 *         play(vocoder.push(frames));   // [any number][numMels], natural logarithm; -1 to 1, may be empty
 *     }
 *     play(vocoder.flush());
 * }
 * }</pre>
 *
 * One thread at a time.
 */
public final class StreamingVocoder implements Closeable {
    /**
     * With the model's smallest chunks: least latency, and the best quality of an 8-bit model.
     *
     * @param model the whole file in a direct buffer, or mapped; it must not change while the vocoder is open
     * @param name of the model, for messages
     */
    public StreamingVocoder(ByteBuffer model, String name, int threads) throws ModelException {
        this(model, name, threads, 0);
    }

    /** @param chunkFrames one of {@link Contract#chunkFrames}; 0 is the smallest */
    public StreamingVocoder(ByteBuffer model, String name, int threads, int chunkFrames) throws ModelException {
        throw new UnsupportedOperationException("skeleton");
    }

    public Contract contract() {
        throw new UnsupportedOperationException("skeleton");
    }

    /**
     * The audio that these frames complete; maybe none.
     *
     * @param frames {@code [any number][numMels]}
     * @throws IllegalArgumentException for another number of bands, or NaN; none of the frames is taken then
     * @throws IllegalStateException after {@link #flush} or {@link #close}
     */
    public float[] push(float[][] frames) {
        throw new UnsupportedOperationException("skeleton");
    }

    /** The rest of the audio, and the end of the utterance: {@link #reset} begins another. */
    public float[] flush() {
        throw new UnsupportedOperationException("skeleton");
    }

    /** Forgets the utterance; the next push begins a new one. */
    public void reset() {
        throw new UnsupportedOperationException("skeleton");
    }

    @Override
    public void close() {
        throw new UnsupportedOperationException("skeleton");
    }
}
