package dev.hifigan.vocoder;

import java.io.Closeable;
import java.nio.Buffer;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.Map;
import org.tensorflow.lite.Interpreter;
import org.tensorflow.lite.Tensor;

/** A model with its contract, loaded: runs signatures over direct buffers. */
final class Model implements Closeable {
    final String name;
    final Contract contract;
    private final Interpreter interpreter;
    private boolean closed;

    /** @param kind of contract that the model must have */
    Model(ByteBuffer bytes, String name, String kind, Interpreter.Options options) throws ModelException {
        this.name = name;
        contract = Contract.read(bytes, name);
        if (!contract.kind.equals(kind)) {
            throw new ModelException(name + " is a " + contract.kind + ": a " + kind + " is needed here");
        }
        try {
            interpreter = new Interpreter(direct(bytes), options);
        } catch (IllegalArgumentException e) {
            throw damaged(e);
        } catch (IllegalStateException e) {
            throw damaged(e);
        }
    }

    /** The runtime's own options, except for the number of threads. */
    static Interpreter.Options threads(int threads) {
        if (threads < 1) {
            throw new IllegalArgumentException(threads + " threads: it takes at least 1");
        }
        return new Interpreter.Options().setNumThreads(threads);
    }

    /** A buffer for {@code count} numbers of 32 bits. */
    static ByteBuffer buffer(int count) {
        return ByteBuffer.allocateDirect(4 * count).order(ByteOrder.nativeOrder());
    }

    /** Checks that a signature has these tensors, so that running it cannot fail because of their names or sizes. */
    void require(String signature, Map<String, Object> inputs, Map<String, Object> outputs) throws ModelException {
        try {
            for (Map.Entry<String, Object> input : inputs.entrySet()) {
                requireSize(interpreter.getInputTensorFromSignature(input.getKey(), signature), input);
            }
            for (Map.Entry<String, Object> output : outputs.entrySet()) {
                requireSize(interpreter.getOutputTensorFromSignature(output.getKey(), signature), output);
            }
        } catch (IllegalArgumentException e) {
            throw new ModelException(name + " does not keep its contract (" + signature + ": " + oneLine(e)
                    + "): export it again", e);
        }
    }

    /** Runs a signature; the buffers are read and written from their starts. */
    void run(String signature, Map<String, Object> inputs, Map<String, Object> outputs) {
        for (Object output : outputs.values()) {
            ((Buffer) output).rewind(); // the interpreter writes from the position on
        }
        interpreter.runSignature(inputs, outputs, signature);
    }

    void requireOpen() {
        if (closed) {
            throw new IllegalStateException(name + " is closed: load it again");
        }
    }

    @Override
    public void close() {
        closed = true;
        interpreter.close();
    }

    private static void requireSize(Tensor tensor, Map.Entry<String, Object> entry) {
        int expected = ((Buffer) entry.getValue()).capacity();
        if (tensor.numBytes() != expected) {
            throw new IllegalArgumentException(
                    entry.getKey() + " has " + tensor.numBytes() + " bytes, not " + expected);
        }
    }

    private ModelException damaged(RuntimeException e) {
        return new ModelException(name + " cannot be loaded (cut short?): " + oneLine(e), e);
    }

    private static String oneLine(Exception e) {
        return String.valueOf(e.getMessage()).trim().replaceAll("\\s+", " ");
    }

    /** The whole buffer as the interpreter needs it: direct, and in native order. */
    private static ByteBuffer direct(ByteBuffer bytes) {
        ByteBuffer whole = bytes.duplicate();
        ((Buffer) whole).clear();
        if (!whole.isDirect()) {
            ByteBuffer copy = ByteBuffer.allocateDirect(whole.capacity());
            copy.put(whole);
            ((Buffer) copy).clear();
            whole = copy;
        }
        return whole.order(ByteOrder.nativeOrder());
    }
}
