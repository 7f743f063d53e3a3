package dev.hifigan.vocoder;

import java.io.Closeable;
import java.nio.Buffer;
import java.nio.ByteBuffer;
import java.nio.FloatBuffer;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.Map;
import org.tensorflow.lite.Interpreter;

/**
 * Audio to log-mel frames by the mel front-end model, a piece at a time, with the same frames as for the whole.
 *
 * <p>A frame needs audio on both sides of its hop. At both ends the recording is mirrored, without its outermost
 * sample, after the last hop is padded with silence, or with {@link AudioSettings#melCentred} from the last sample on;
 * {@code hifigan_tf/audio/mel_stream.py} does the same.
 *
 * <pre>
 *    |&lt;- mirrored -&gt;|&lt;------------- audio -------------&gt;|&lt;- mirrored -&gt;|
 *    [------------ frame 0 ------------]
 *                [------------ frame 1 ------------]   a hop later
 * </pre>
 *
 * <p>For one thread at a time.
 */
public final class MelAnalyzer implements Closeable {
    private final Model model;
    private final Contract contract;
    private final FloatBuffer block;
    private final FloatBuffer mel;
    private final Map<String, Object> inputs;
    private final Map<String, Object> outputs;

    private final Floats kept = new Floats(); // audio from the start of the next frame on
    private long samples;
    private long framesDone;
    private boolean begun; // the start has been mirrored
    private boolean flushed;

    /** @param model the whole file, best mapped; a direct buffer must not change while the analyzer is open */
    public MelAnalyzer(ByteBuffer model, String name, int threads) throws ModelException {
        this(model, name, Model.threads(threads));
    }

    /** @param options handed to the runtime as they are */
    public MelAnalyzer(ByteBuffer model, String name, Interpreter.Options options) throws ModelException {
        this.model = new Model(model, name, Contract.MEL_FRONTEND, options);
        contract = this.model.contract;
        ByteBuffer blockBytes = Model.buffer(contract.blockSamples);
        ByteBuffer melBytes = Model.buffer(contract.blockFrames * contract.audio.numMels);
        block = blockBytes.asFloatBuffer();
        mel = melBytes.asFloatBuffer();
        inputs = Collections.<String, Object>singletonMap("audio", blockBytes);
        outputs = Collections.<String, Object>singletonMap("mel", melBytes);
        boolean ready = false;
        try {
            this.model.require(contract.analyze, inputs, outputs);
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

    /** Checks that a vocoder takes the mels of this front end. */
    public void requireFits(Contract vocoder) throws ModelException {
        String difference = contract.audio.difference(vocoder.audio);
        if (difference != null) {
            throw new ModelException(model.name + " makes mels of " + difference
                    + " as the vocoder takes them: export both from one checkpoint");
        }
    }

    /**
     * Takes samples, -1 to 1; returns the frames {@code [maybe none][numMels]} that they complete, in whole blocks.
     *
     * @throws IllegalArgumentException for NaN; then none of the samples is taken
     * @throws IllegalStateException after {@link #flush} or {@link #close}
     */
    public float[][] push(float[] audio) {
        requireOpen("push");
        for (int i = 0; i < audio.length; i++) {
            if (Float.isNaN(audio[i]) || Float.isInfinite(audio[i])) {
                throw new IllegalArgumentException(
                        "the pushed samples hold " + audio[i] + " (first at " + i + "): none was taken");
            }
        }
        samples += audio.length;
        kept.append(audio);
        if (samples >= contract.minSamples) {
            begin();
        }
        List<float[]> frames = new ArrayList<float[]>();
        while (begun && ready() >= contract.blockFrames) {
            analyze(contract.blockFrames, frames);
        }
        return frames.toArray(new float[0][]);
    }

    /** The last frames, and the end of the recording: {@link #reset} begins another. */
    public float[][] flush() {
        requireOpen("flush");
        flushed = true;
        List<float[]> frames = new ArrayList<float[]>();
        if (samples > 0) {
            int hop = contract.audio.hopSize;
            long all = (samples + hop - 1) / hop;
            long filled = Math.max(contract.audio.melCentred ? samples : all * hop, contract.minSamples);
            kept.appendZeros((int) (filled - samples));
            begin();
            mirrorEnd(contract.mirroredAfter + (int) Math.max(0, all * hop - filled));
            while (framesDone < all) {
                analyze((int) Math.min(all - framesDone, contract.blockFrames), frames);
            }
        }
        return frames.toArray(new float[0][]);
    }

    /** Samples pushed so far. */
    public long samples() {
        return samples;
    }

    /** Forgets the recording; the next push begins a new one. */
    public void reset() {
        model.requireOpen();
        kept.clear();
        samples = 0;
        framesDone = 0;
        begun = false;
        flushed = false;
    }

    @Override
    public void close() {
        model.close();
    }

    private void begin() {
        if (begun) {
            return;
        }
        float[] audio = kept.toArray();
        kept.clear();
        for (int i = contract.mirroredBefore; i > 0; i--) {
            kept.append(audio[i]);
        }
        kept.append(audio);
        begun = true;
    }

    private void mirrorEnd(int count) {
        int last = kept.size() - 1;
        for (int i = 1; i <= count; i++) {
            kept.append(kept.get(last - i));
        }
    }

    /** Frames that can be made of the kept samples. */
    private int ready() {
        int beyond = kept.size() - contract.audio.nFft;
        return beyond < 0 ? 0 : beyond / contract.audio.hopSize + 1;
    }

    /** Runs a block for its first {@code count} frames; silence fills the rest. */
    private void analyze(int count, List<float[]> frames) {
        ((Buffer) block).clear();
        kept.copyTo(block, Math.min(kept.size(), block.capacity()));
        while (block.hasRemaining()) {
            block.put(0);
        }
        model.run(contract.analyze, inputs, outputs);
        ((Buffer) mel).clear();
        for (int i = 0; i < count; i++) {
            float[] frame = new float[contract.audio.numMels];
            mel.get(frame);
            frames.add(frame);
        }
        kept.drop(count * contract.audio.hopSize);
        framesDone += count;
    }

    private void requireOpen(String what) {
        model.requireOpen();
        if (flushed) {
            throw new IllegalStateException(what + " after flush: the recording is over, reset() begins another");
        }
    }
}
