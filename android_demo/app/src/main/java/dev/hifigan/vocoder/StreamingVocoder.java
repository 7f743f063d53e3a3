package dev.hifigan.vocoder;

import java.io.Closeable;
import java.nio.Buffer;
import java.nio.ByteBuffer;
import java.nio.FloatBuffer;
import java.util.ArrayList;
import java.util.Collections;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import org.tensorflow.lite.Interpreter;

/**
 * Log-mel frames to audio, a few at a time, with the same samples as for the whole utterance.
 *
 * <pre>{@code
 * try (StreamingVocoder vocoder = new StreamingVocoder(model, "vocoder_int8.tflite", 2)) {
 *     while (more) {
 *         play(vocoder.push(frames));   // [any number][numMels], the model's own mel; -1 to 1, may be empty
 *     }
 *     play(vocoder.flush());
 * }
 * }</pre>
 *
 * <p>Audio is delayed by {@link Contract#delaySamples}, which are dropped at the start and made up for by
 * {@link #flush}. Chunks that extend beyond the utterance go through the signature {@code edge}, whose input says where
 * the utterance lies; the others do not need that. For one thread at a time.
 *
 * <p>Frames that cannot be speech in the model's mel would become noise, and are refused as soon as that is certain,
 * unless {@link #checkMel} says otherwise.
 */
public final class StreamingVocoder implements Closeable {
    /** Frames; far more than any model's delay, and small enough that frames times hop do not overflow an int. */
    private static final int POSITION_LIMIT = 1 << 16;

    private final Model model;
    private final Contract contract;
    private final List<Map<String, Object>> states;
    private final ChunkStep edge;
    private final ChunkStep smallest;
    private final ChunkStep chunk;

    private final Floats waiting = new Floats(); // frames that fill no chunk yet
    private final Floats audio = new Floats(); // of the push that runs
    private int stateSet;
    private long done; // frames run
    private int late; // samples still to drop
    private boolean flushed;
    private boolean checked = true;
    private MelCheck check; // of this utterance

    /**
     * With the model's smallest chunks: lowest latency, and best quality of an 8-bit model.
     *
     * @param model the whole file, best mapped; a direct buffer must not change while the vocoder is open
     * @param name of the model, for messages
     */
    public StreamingVocoder(ByteBuffer model, String name, int threads) throws ModelException {
        this(model, name, threads, 0);
    }

    /** @param chunkFrames one of {@link Contract#chunkFrames}; 0 is the smallest */
    public StreamingVocoder(ByteBuffer model, String name, int threads, int chunkFrames) throws ModelException {
        this(model, name, Model.threads(threads), chunkFrames);
    }

    /**
     * With the runtime's options, for example a delegate.
     *
     * @param options handed to the runtime as they are; a delegate must live as long as the vocoder
     * @param chunkFrames one of {@link Contract#chunkFrames}; 0 is the smallest
     */
    public StreamingVocoder(ByteBuffer model, String name, Interpreter.Options options, int chunkFrames)
            throws ModelException {
        this.model = new Model(model, name, Contract.VOCODER, options);
        contract = this.model.contract;
        boolean ready = false;
        try {
            if (!contract.stateful) {
                throw new ModelException(name + " has no state, and cannot stream: "
                        + "export it with --float32, --float16 or --int8");
            }
            int least = contract.chunkFrames[0];
            int frames = chunkFrames == 0 ? least : chunkFrames;
            if (!contract.stream.containsKey(frames)) {
                throw new ModelException(name + " has no chunk of " + frames + " frames: it has "
                        + contract.stream.keySet());
            }
            states = new ArrayList<Map<String, Object>>();
            states.add(newStates());
            states.add(newStates());
            edge = new ChunkStep(this.model, contract.edge, least, true, states);
            smallest = new ChunkStep(this.model, contract.stream.get(least), least, false, states);
            chunk = frames == least
                    ? smallest
                    : new ChunkStep(this.model, contract.stream.get(frames), frames, false, states);
            this.model.require(contract.initialState, unused(), states.get(0));
            reset();
            ready = true;
        } finally {
            if (!ready) {
                this.model.close();
            }
        }
    }

    public Contract contract() {
        return contract;
    }

    /** Whether frames are checked; false takes whatever is pushed. Begins a new utterance. */
    public void checkMel(boolean checked) {
        this.checked = checked;
        reset();
    }

    /** Frames per chunk. */
    public int chunkFrames() {
        return chunk.frames;
    }

    /**
     * Takes frames; returns the audio that they complete, possibly none.
     *
     * @param frames {@code [any number][numMels]}
     * @throws IllegalArgumentException for another number of bands, or NaN; then none of the frames is taken. Also for
     *     frames that cannot be the model's mel, and at every push after them
     * @throws IllegalStateException after {@link #flush} or {@link #close}
     */
    public float[] push(float[][] frames) {
        requireOpen("push");
        requireGood(frames);
        String foreign = checked ? check.add(frames) : null;
        if (foreign != null) {
            throw new IllegalArgumentException("the pushed frames: " + foreign + ": " + model.name + " takes "
                    + contract.audio.melDescription());
        }
        audio.clear();
        for (float[] frame : frames) {
            waiting.append(frame);
            ChunkStep step = nextStep();
            if (waitingFrames() == step.frames) {
                run(step, step.frames); // the end of the utterance is not known yet: beyond this chunk
            }
        }
        return audio.toArray();
    }

    /** The rest of the audio, and the end of the utterance: {@link #reset} begins another. */
    public float[] flush() {
        requireOpen("flush");
        flushed = true;
        audio.clear();
        int end = waitingFrames();
        if (done + end == 0) {
            return new float[0];
        }
        // Samples still to come: the audio of the waiting frames, and the delay.
        int missing = end * contract.audio.hopSize + contract.delaySamples;
        int fed = 0;
        for (; fed * contract.audio.hopSize < missing; fed += smallest.frames) {
            run(smallest, end - fed);
        }
        audio.dropLast(fed * contract.audio.hopSize - missing);
        return audio.toArray();
    }

    /** Forgets the utterance; the next push begins a new one. */
    public void reset() {
        model.requireOpen();
        waiting.clear();
        stateSet = 0;
        done = 0;
        late = contract.delaySamples;
        check = new MelCheck(contract.audio);
        flushed = false;
        model.run(contract.initialState, unused(), states.get(0));
    }

    @Override
    public void close() {
        model.close();
    }

    private ChunkStep nextStep() {
        return done < contract.edgeFrames ? smallest : chunk;
    }

    private int waitingFrames() {
        return waiting.size() / contract.audio.numMels;
    }

    /** Runs a chunk of the utterance that ends {@code end} frames after the chunk's first. */
    private void run(ChunkStep step, int end) {
        boolean masked = done < contract.edgeFrames || end < step.frames;
        // Positions further away than this make no difference, so int is enough for any length.
        int first = (int) -Math.min(done, POSITION_LIMIT);
        int last = Math.max(end, -POSITION_LIMIT);
        FloatBuffer fresh = (masked ? edge : step).run(waiting, first, last, stateSet);
        stateSet = 1 - stateSet;
        done += step.frames;
        int dropped = Math.min(late, fresh.remaining());
        late -= dropped;
        ((Buffer) fresh).position(dropped);
        audio.append(fresh, fresh.remaining());
    }

    private void requireOpen(String what) {
        model.requireOpen();
        if (flushed) {
            throw new IllegalStateException(what + " after flush: the utterance is over, reset() begins another");
        }
    }

    private void requireGood(float[][] frames) {
        int bands = contract.audio.numMels;
        for (int frame = 0; frame < frames.length; frame++) {
            if (frames[frame].length != bands) {
                throw new IllegalArgumentException("a frame of " + frames[frame].length + " bands was pushed: "
                        + model.name + " takes " + bands);
            }
            for (int band = 0; band < bands; band++) {
                float value = frames[frame][band];
                if (Float.isNaN(value) || Float.isInfinite(value)) {
                    throw new IllegalArgumentException("the pushed frames hold " + value + " (first at frame " + frame
                            + ", band " + band + "): none was taken");
                }
            }
        }
    }

    private Map<String, Object> newStates() {
        Map<String, Object> buffers = new HashMap<String, Object>();
        for (Map.Entry<String, Integer> state : contract.states.entrySet()) {
            buffers.put(state.getKey(), Model.buffer(state.getValue()));
        }
        return buffers;
    }

    /** The input of {@code initial_state}, which exists because a signature must have one. */
    private static Map<String, Object> unused() {
        return Collections.<String, Object>singletonMap("unused", Model.buffer(1));
    }
}
