package org.tensorflow.lite;

import com.sun.jna.Memory;
import com.sun.jna.Native;
import com.sun.jna.Pointer;
import com.sun.jna.ptr.PointerByReference;
import java.util.LinkedHashMap;
import java.util.Map;

/** One signature of a compiled model, with the runtime's buffers for its tensors. */
final class SignatureRunner {
    private final String key;
    private final long index;
    private final Pointer compiled;
    private final Map<String, SignatureTensor> inputs = new LinkedHashMap<>();
    private final Map<String, SignatureTensor> outputs = new LinkedHashMap<>();

    SignatureRunner(Pointer environment, Pointer compiled, Pointer signature, long index) {
        this.index = index;
        this.compiled = compiled;
        PointerByReference out = new PointerByReference();
        Status.check(LiteRt.LIBRARY.LiteRtGetSignatureKey(signature, out), "a signature's name");
        key = out.getValue().getString(0);
        LiteRt.SizeReference count = new LiteRt.SizeReference();
        Status.check(LiteRt.LIBRARY.LiteRtGetNumSignatureInputs(signature, count), "the inputs of " + key);
        for (int i = 0; i < count.value(); i++) {
            addInput(environment, signature, i);
        }
        Status.check(LiteRt.LIBRARY.LiteRtGetNumSignatureOutputs(signature, count), "the outputs of " + key);
        for (int i = 0; i < count.value(); i++) {
            addOutput(environment, signature, i);
        }
    }

    String key() {
        return key;
    }

    Map<String, SignatureTensor> inputs() {
        return inputs;
    }

    Map<String, SignatureTensor> outputs() {
        return outputs;
    }

    SignatureTensor input(String name) {
        return known(inputs, name, "input");
    }

    SignatureTensor output(String name) {
        return known(outputs, name, "output");
    }

    void run(Map<String, Object> given, Map<String, Object> wanted) {
        for (String name : wanted.keySet()) {
            output(name);
        }
        for (Map.Entry<String, Object> entry : given.entrySet()) {
            input(entry.getKey()).read(entry.getValue());
        }
        for (String name : inputs.keySet()) {
            if (!given.containsKey(name)) {
                throw new IllegalArgumentException("Input error: input " + name + " is missing.");
            }
        }
        Status.check(
                LiteRt.LIBRARY.LiteRtRunCompiledModel(
                        compiled, index, inputs.size(), buffers(inputs), outputs.size(), buffers(outputs)),
                "to run " + key);
        for (Map.Entry<String, Object> entry : wanted.entrySet()) {
            output(entry.getKey()).write(entry.getValue());
        }
    }

    void close() {
        for (SignatureTensor tensor : inputs.values()) {
            tensor.close();
        }
        for (SignatureTensor tensor : outputs.values()) {
            tensor.close();
        }
    }

    private void addInput(Pointer environment, Pointer signature, long i) {
        PointerByReference name = new PointerByReference();
        PointerByReference tensor = new PointerByReference();
        PointerByReference requirements = new PointerByReference();
        LiteRt library = LiteRt.LIBRARY;
        Status.check(library.LiteRtGetSignatureInputName(signature, i, name), "an input of " + key);
        Status.check(library.LiteRtGetSignatureInputTensorByIndex(signature, i, tensor), "an input of " + key);
        Status.check(
                library.LiteRtGetCompiledModelInputBufferRequirements(compiled, index, i, requirements),
                "an input of " + key);
        String text = name.getValue().getString(0);
        inputs.put(text, new SignatureTensor(text, environment, tensor.getValue(), requirements.getValue()));
    }

    private void addOutput(Pointer environment, Pointer signature, long i) {
        PointerByReference name = new PointerByReference();
        PointerByReference tensor = new PointerByReference();
        PointerByReference requirements = new PointerByReference();
        LiteRt library = LiteRt.LIBRARY;
        Status.check(library.LiteRtGetSignatureOutputName(signature, i, name), "an output of " + key);
        Status.check(library.LiteRtGetSignatureOutputTensorByIndex(signature, i, tensor), "an output of " + key);
        Status.check(
                library.LiteRtGetCompiledModelOutputBufferRequirements(compiled, index, i, requirements),
                "an output of " + key);
        String text = name.getValue().getString(0);
        outputs.put(text, new SignatureTensor(text, environment, tensor.getValue(), requirements.getValue()));
    }

    private SignatureTensor known(Map<String, SignatureTensor> tensors, String name, String what) {
        SignatureTensor tensor = tensors.get(name);
        if (tensor == null) {
            throw new IllegalArgumentException("Input error: " + what + " " + name + " of " + key + " not found.");
        }
        return tensor;
    }

    /** An array of handles. */
    private static Pointer buffers(Map<String, SignatureTensor> tensors) {
        Memory array = new Memory(Math.max(1, (long) tensors.size()) * Native.POINTER_SIZE);
        int i = 0;
        for (SignatureTensor tensor : tensors.values()) {
            array.setPointer((long) Native.POINTER_SIZE * i++, tensor.buffer());
        }
        return array;
    }
}
