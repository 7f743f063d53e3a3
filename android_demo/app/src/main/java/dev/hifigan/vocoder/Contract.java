package dev.hifigan.vocoder;

import java.nio.ByteBuffer;
import java.util.Map;

/** What a {@code .tflite} file of this project says about itself: a JSON in a zip archive at the end of the model. */
public final class Contract {
    /** {@code "vocoder"} or {@code "mel_frontend"}. */
    public final String kind;
    /** Of a vocoder: {@code "float32"}, {@code "float16"} or {@code "int8"}. */
    public final String mode;
    public final AudioSettings audio;
    public final boolean stateful;
    /** The chunk lengths in frames that a stateful vocoder has, ascending. */
    public final int[] chunkFrames;
    /** How late the audio of a stateful vocoder comes. */
    public final int delaySamples;
    /** Frames that a mel front end makes of a block. */
    public final int blockFrames;
    /** The whole contract, as {@link Json} reads it. */
    public final Map<String, Object> values;

    private Contract() {
        throw new UnsupportedOperationException("skeleton");
    }

    /**
     * The contract in a model's bytes.
     *
     * @param model the whole file; its position and limit are left alone
     * @param name of the model, for messages
     */
    public static Contract read(ByteBuffer model, String name) throws ModelException {
        throw new UnsupportedOperationException("skeleton");
    }
}
