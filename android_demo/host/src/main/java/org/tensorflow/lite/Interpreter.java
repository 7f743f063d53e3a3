package org.tensorflow.lite;

import com.sun.jna.Memory;
import com.sun.jna.Native;
import com.sun.jna.Pointer;
import com.sun.jna.ptr.PointerByReference;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.LinkedHashMap;
import java.util.Map;

/**
 * Replaces the phone's class of this name on a computer, with the methods that a vocoder calls, over LiteRT's C API.
 *
 * <p>It has the rules of {@code org.tensorflow:tensorflow-lite:2.16.1} and is stricter where that is lenient: buffers
 * must be direct and in native order, and every input must be given. A test compares the two classes' methods.
 */
public final class Interpreter implements AutoCloseable {
    /** Options; only the number of threads is known. */
    public static class Options {
        private int numThreads = -1; // the runtime chooses

        public Options setNumThreads(int numThreads) {
            this.numThreads = numThreads;
            return this;
        }

        public int getNumThreads() {
            return numThreads;
        }
    }

    // Never released, because the runtime may call it at any time; Java owns the payload.
    private static final LiteRt.Destructor NOTHING_TO_FREE = new LiteRt.Destructor() {
        @Override
        public void destroy(Pointer payload) {}
    };

    private final Map<String, SignatureRunner> runners = new LinkedHashMap<>();
    private final ByteBuffer bytes; // the model's memory, which must live as long as the interpreter
    private Pointer environment;
    private Pointer model;
    private Pointer compiled;

    public Interpreter(ByteBuffer bytes, Options options) {
        if (bytes == null || !bytes.isDirect() || bytes.order() != ByteOrder.nativeOrder()) {
            throw new IllegalArgumentException("Model ByteBuffer should be either a MappedByteBuffer of the model "
                    + "file, or a direct ByteBuffer using ByteOrder.nativeOrder() which contains bytes of model "
                    + "content.");
        }
        this.bytes = bytes;
        boolean ready = false;
        try {
            environment = createEnvironment();
            model = createModel();
            compiled = compile(options.getNumThreads());
            createRunners();
            ready = true;
        } finally {
            if (!ready) {
                close();
            }
        }
    }

    /** Runs a signature: reads whole input buffers, writes outputs from the positions of their buffers. */
    public void runSignature(Map<String, Object> inputs, Map<String, Object> outputs, String signatureKey) {
        checkNotClosed();
        if (inputs == null || inputs.isEmpty()) {
            throw new IllegalArgumentException("Input error: Inputs should not be null or empty.");
        }
        if (outputs == null) {
            throw new IllegalArgumentException("Input error: Outputs should not be null.");
        }
        runner(signatureKey).run(inputs, outputs);
    }

    public String[] getSignatureKeys() {
        checkNotClosed();
        return runners.keySet().toArray(new String[0]);
    }

    public String[] getSignatureInputs(String signatureKey) {
        checkNotClosed();
        return runner(signatureKey).inputs().keySet().toArray(new String[0]);
    }

    public String[] getSignatureOutputs(String signatureKey) {
        checkNotClosed();
        return runner(signatureKey).outputs().keySet().toArray(new String[0]);
    }

    public Tensor getInputTensorFromSignature(String inputName, String signatureKey) {
        checkNotClosed();
        return runner(signatureKey).input(inputName);
    }

    public Tensor getOutputTensorFromSignature(String outputName, String signatureKey) {
        checkNotClosed();
        return runner(signatureKey).output(outputName);
    }

    @Override
    public void close() {
        for (SignatureRunner runner : runners.values()) {
            runner.close();
        }
        runners.clear();
        if (compiled != null) {
            LiteRt.LIBRARY.LiteRtDestroyCompiledModel(compiled);
            compiled = null;
        }
        if (model != null) {
            LiteRt.LIBRARY.LiteRtDestroyModel(model);
            model = null;
        }
        if (environment != null) {
            LiteRt.LIBRARY.LiteRtDestroyEnvironment(environment);
            environment = null;
        }
    }

    private static Pointer createEnvironment() {
        PointerByReference environment = new PointerByReference();
        Memory options = EnvironmentOptions.quietOnCpu();
        int count = EnvironmentOptions.COUNT;
        Status.check(LiteRt.LIBRARY.LiteRtCreateEnvironment(count, options, environment), "an environment");
        return environment.getValue();
    }

    private Pointer createModel() {
        PointerByReference created = new PointerByReference();
        Pointer address = Native.getDirectBufferPointer(bytes);
        int status = LiteRt.LIBRARY.LiteRtCreateModelFromBuffer(environment, address, bytes.capacity(), created);
        if (status != 0) {
            throw new IllegalArgumentException("ByteBuffer is not a valid TensorFlow Lite model flatbuffer");
        }
        return created.getValue();
    }

    private Pointer compile(int threads) {
        PointerByReference created = new PointerByReference();
        Status.check(LiteRt.LIBRARY.LiteRtCreateOptions(created), "options");
        Pointer options = created.getValue();
        String toml = "num_threads = " + threads + "\n";
        try (Memory payload = new Memory(toml.length() + 1)) {
            Status.check(LiteRt.LIBRARY.LiteRtSetOptionsHardwareAccelerators(options, LiteRt.CPU), "the CPU");
            payload.setString(0, toml); // the CPU's options are in TOML, under this name
            Status.check(
                    LiteRt.LIBRARY.LiteRtCreateOpaqueOptions("xnnpack", payload, NOTHING_TO_FREE, created),
                    "options of the CPU");
            Status.check(LiteRt.LIBRARY.LiteRtAddOpaqueOptions(options, created.getValue()), "options of the CPU");
            int status = LiteRt.LIBRARY.LiteRtCreateCompiledModel(environment, model, options, created);
            if (status != 0) {
                throw new IllegalArgumentException("Internal error: Cannot create interpreter (status " + status + ")");
            }
            return created.getValue();
        } finally {
            LiteRt.LIBRARY.LiteRtDestroyOptions(options);
        }
    }

    private void createRunners() {
        LiteRt.SizeReference count = new LiteRt.SizeReference();
        Status.check(LiteRt.LIBRARY.LiteRtGetNumModelSignatures(model, count), "the signatures");
        for (int i = 0; i < count.value(); i++) {
            PointerByReference signature = new PointerByReference();
            Status.check(LiteRt.LIBRARY.LiteRtGetModelSignature(model, i, signature), "a signature");
            SignatureRunner runner = new SignatureRunner(environment, compiled, signature.getValue(), i);
            runners.put(runner.key(), runner);
        }
    }

    private SignatureRunner runner(String signatureKey) {
        SignatureRunner runner = runners.get(signatureKey);
        if (runner == null) {
            throw new IllegalArgumentException("Input error: Signature " + signatureKey + " not found.");
        }
        return runner;
    }

    private void checkNotClosed() {
        if (environment == null) {
            throw new IllegalStateException("Internal error: The Interpreter has already been closed.");
        }
    }
}
