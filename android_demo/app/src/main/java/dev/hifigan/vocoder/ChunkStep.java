package dev.hifigan.vocoder;

import java.nio.Buffer;
import java.nio.ByteBuffer;
import java.nio.FloatBuffer;
import java.nio.IntBuffer;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;

/**
 * A signature of a stateful vocoder with its buffers: one chunk of frames to its audio.
 *
 * <p>There are two sets of buffers for the state. A step reads one and writes the other, without copying:
 *
 * <pre>
 *   set 0 --[step]--> set 1 --[step]--> set 0 --[step]--> ...
 * </pre>
 */
final class ChunkStep {
    final int frames;
    private final Model model;
    private final String signature;
    private final FloatBuffer mel;
    private final IntBuffer valid;
    private final FloatBuffer audio;
    /** Indexed by the set that holds the state before the step. */
    private final List<Map<String, Object>> inputs = new ArrayList<Map<String, Object>>();
    private final List<Map<String, Object>> outputs = new ArrayList<Map<String, Object>>();

    /**
     * @param masked whether the signature takes the input {@code valid}
     * @param states two sets of buffers, by tensor name
     */
    ChunkStep(Model model, String signature, int frames, boolean masked, List<Map<String, Object>> states)
            throws ModelException {
        AudioSettings settings = model.contract.audio;
        ByteBuffer melBytes = Model.buffer(frames * settings.numMels);
        ByteBuffer validBytes = Model.buffer(2);
        ByteBuffer audioBytes = Model.buffer(frames * settings.hopSize);
        this.model = model;
        this.signature = signature;
        this.frames = frames;
        mel = melBytes.asFloatBuffer();
        valid = validBytes.asIntBuffer();
        audio = audioBytes.asFloatBuffer();
        for (int set = 0; set < 2; set++) {
            Map<String, Object> input = new HashMap<String, Object>(states.get(set));
            input.put("mel", melBytes);
            if (masked) {
                input.put("valid", validBytes);
            }
            Map<String, Object> output = new HashMap<String, Object>(states.get(1 - set));
            output.put("audio", audioBytes);
            inputs.add(input);
            outputs.add(output);
        }
        model.require(signature, inputs.get(0), outputs.get(0));
    }

    /**
     * Runs the step.
     *
     * @param waiting frames, one after the other; padded with silence if too few
     * @param first frame of the utterance, and {@code last} the one after its last, counted from the start of the chunk
     * @param set that holds the state; afterwards the other one does
     * @return the audio, to be read before the next step
     */
    FloatBuffer run(Floats waiting, int first, int last, int set) {
        int given = Math.min(waiting.size(), mel.capacity());
        ((Buffer) mel).clear();
        waiting.copyTo(mel, given);
        while (mel.hasRemaining()) {
            mel.put(0);
        }
        waiting.drop(given);
        valid.put(0, first).put(1, last);
        model.run(signature, inputs.get(set), outputs.get(set));
        ((Buffer) audio).clear();
        return audio;
    }
}
