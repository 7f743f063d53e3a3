package dev.hifigan.vocoder;

import java.io.IOException;
import java.math.BigInteger;
import java.nio.Buffer;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.Arrays;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.Map;

/**
 * The metadata in a {@code .tflite} file of this project: a JSON in a zip archive at the end of the model.
 *
 * <p>{@code hifigan_tf/streaming/contract.py} explains every field. Fields of the other kind are 0, null or empty.
 */
public final class Contract {
    public static final String VOCODER = "vocoder";
    public static final String MEL_FRONTEND = "mel_frontend";

    /** Larger than any size in a valid model; a product of two such sizes still fits into memory. */
    static final int LARGE = 1 << 14;

    private static final String MEMBER = "contract.json";
    /** The newest format: 2 is for mels other than the paper's. */
    private static final int FORMAT = 2;
    private static final int VERY_LARGE = 1 << 24; // for numbers of samples, and of values in a state
    private static final int MAGIC = 0x54464c33; // "TFL3", from the fifth byte

    /** {@link #VOCODER} or {@link #MEL_FRONTEND}. */
    public final String kind;
    public final AudioSettings audio;
    /** The hash of the file without its contract; empty in earlier exports. */
    public final String modelSha256;
    /** The whole contract, as {@link Json} reads it; {@code "quality"} and {@code "speed"} are informative. */
    public final Map<String, Object> values;

    /** Of a vocoder that streams: {@code "float32"}, {@code "float16"} or {@code "int8"}. */
    public final String mode;
    /** Whether a vocoder carries its state from chunk to chunk; the fields below, to {@link #edge}, need that. */
    public final boolean stateful;
    /** The lengths of chunks in frames, ascending. */
    public final int[] chunkFrames;
    /** The delay of the audio. */
    public final int delaySamples;
    /** Chunks that begin before this frame go through {@link #edge}. */
    public final int edgeFrames;
    /** Number of values in each state, by the name of its tensor. */
    public final Map<String, Integer> states;
    /** Signatures, those of {@code stream} by their frames. */
    public final Map<Integer, String> stream;
    public final String edge;
    public final String initialState;

    /** Of a mel front end: its signature, and the numbers of frames and samples of a block ... */
    public final String analyze;
    public final int blockFrames;
    public final int blockSamples;
    /** ... and how to treat the ends: see {@link MelAnalyzer}. */
    public final int mirroredBefore;
    public final int mirroredAfter;
    public final int minSamples;

    private Contract(Fields fields) {
        values = fields.values();
        kind = fields.has("kind") ? fields.text("kind") : VOCODER;
        audio = new AudioSettings(fields.object("audio"));
        modelSha256 = fields.has("model_sha256") ? fields.text("model_sha256") : "";
        boolean vocoder = kind.equals(VOCODER);
        mode = vocoder ? fields.text("mode") : null;
        stateful = vocoder && fields.flag("stateful");
        chunkFrames = stateful ? fields.integers("chunk_frames", 1, LARGE) : new int[0];
        delaySamples = stateful ? fields.integer("delay_samples", 0, VERY_LARGE) : 0;
        edgeFrames = stateful ? fields.integer("edge_frames", 0, LARGE) : 0;
        states = stateful ? sizes(fields.object("states")) : Collections.<String, Integer>emptyMap();
        stream = stateful ? streams(fields.object("stream"), chunkFrames) : Collections.<Integer, String>emptyMap();
        edge = stateful ? fields.text("edge") : null;
        initialState = stateful ? fields.text("initial_state") : null;
        boolean melFrontend = kind.equals(MEL_FRONTEND);
        analyze = melFrontend ? fields.text("analyze") : null;
        blockFrames = melFrontend ? fields.integer("block_frames", 1, LARGE) : 0;
        blockSamples = melFrontend ? fields.integer("block_samples", 1, VERY_LARGE) : 0;
        int[] mirrored = melFrontend ? mirrored(fields, audio) : new int[2];
        mirroredBefore = mirrored[0];
        mirroredAfter = mirrored[1];
        minSamples = melFrontend ? fields.integer("min_samples", mirroredBefore + 1, VERY_LARGE) : 0;
        if (melFrontend && blockSamples != (blockFrames - 1) * audio.hopSize + audio.nFft) {
            throw new IllegalArgumentException("its block_samples is " + blockSamples);
        }
    }

    /**
     * The contract in a model's bytes.
     *
     * @param model the whole file; its position and limit do not matter
     * @param name of the model, for messages
     */
    public static Contract read(ByteBuffer model, String name) throws ModelException {
        ByteBuffer file = model.duplicate(); // which is big-endian
        ((Buffer) file).clear();
        if (file.limit() < 8 || file.getInt(4) != MAGIC) {
            throw new ModelException(name + " is no TFLite model: export it with export/to_tflite.py");
        }
        try {
            byte[] json = ZipTail.read(file, MEMBER);
            if (json == null) {
                throw new ModelException(name
                        + " carries no contract (another project's model, or cut short): export or copy it again");
            }
            Contract contract = parse(new String(json, StandardCharsets.UTF_8), name);
            if (!contract.modelSha256.isEmpty() && !contract.modelSha256.equals(sha256(file, ZipTail.before(file)))) {
                throw new ModelException(name
                        + " is damaged, its bytes are not those that were exported: copy it again");
            }
            return contract;
        } catch (ModelException e) {
            throw e;
        } catch (IOException e) {
            throw new ModelException(name + " is damaged (" + e.getMessage() + "): export or copy it again", e);
        } catch (IllegalArgumentException e) {
            throw new ModelException(
                    name + " carries a contract that does not fit (" + e.getMessage() + "): export it again", e);
        }
    }

    private static Contract parse(String json, String name) throws ModelException {
        Fields fields = new Fields(Json.parse(json));
        int format = fields.integer("format", 0, LARGE);
        if (format < 1 || format > FORMAT) {
            throw new ModelException(name + " has a contract of format " + format + ", this app reads 1 and " + FORMAT
                    + ": export it again, or update the app");
        }
        return new Contract(fields);
    }

    /** The samples mirrored before the first and after the last: one number, or where they differ two. */
    private static int[] mirrored(Fields fields, AudioSettings audio) {
        double[] both = fields.numbers("mirrored_samples", 2);
        int[] mirrored = {(int) both[0], (int) both[1]};
        boolean whole = mirrored[0] == both[0] && mirrored[1] == both[1];
        if (!whole || mirrored[1] < 0 || mirrored[1] > mirrored[0] || mirrored[0] > audio.nFft) {
            throw new IllegalArgumentException("its mirrored_samples is " + both[0] + ", " + both[1]);
        }
        return mirrored;
    }

    /** The hash of the first bytes of a file, in hexadecimal. */
    private static String sha256(ByteBuffer file, int count) {
        ByteBuffer bytes = file.duplicate();
        ((Buffer) bytes).position(0).limit(count);
        try {
            MessageDigest digest = MessageDigest.getInstance("SHA-256");
            digest.update(bytes);
            return String.format("%064x", new BigInteger(1, digest.digest()));
        } catch (NoSuchAlgorithmException e) {
            throw new IllegalStateException(e); // every Java has it
        }
    }

    private static Map<String, Integer> sizes(Fields shapes) {
        Map<String, Integer> sizes = new LinkedHashMap<String, Integer>();
        for (String name : shapes.values().keySet()) {
            long size = 1;
            for (int length : shapes.integers(name, 1, VERY_LARGE)) {
                size = Math.min(size * length, VERY_LARGE + 1);
            }
            if (size > VERY_LARGE) {
                throw new IllegalArgumentException("its " + name + " is too large");
            }
            sizes.put(name, (int) size);
        }
        return Collections.unmodifiableMap(sizes);
    }

    private static Map<Integer, String> streams(Fields signatures, int[] chunkFrames) {
        Arrays.sort(chunkFrames);
        Map<Integer, String> streams = new LinkedHashMap<Integer, String>();
        for (int frames : chunkFrames) {
            streams.put(frames, signatures.text(String.valueOf(frames)));
        }
        if (streams.isEmpty()) {
            throw new IllegalArgumentException("its chunk_frames are none");
        }
        return Collections.unmodifiableMap(streams);
    }
}
