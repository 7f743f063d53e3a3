package org.tensorflow.lite;

import com.sun.jna.Callback;
import com.sun.jna.Library;
import com.sun.jna.Native;
import com.sun.jna.Pointer;
import com.sun.jna.ptr.PointerByReference;

/**
 * The functions of LiteRT's C API (litert/c/*.h) that the replacement calls, from the ai-edge-litert wheel.
 *
 * <p>Every function returns a status, 0 for success. Handles are pointers, indices and counts are {@code size_t}.
 */
interface LiteRt extends Library {
    /** The system property with the path of the library. */
    String PATH = "litert.library";

    LiteRt LIBRARY = Native.load(System.getProperty(PATH, "LiteRt"), LiteRt.class);

    int CPU = 1; // LiteRtHwAccelerators
    int READ = 0; // LiteRtTensorBufferLockMode
    int WRITE = 1;

    int LiteRtCreateEnvironment(int count, Pointer options, PointerByReference environment);

    int LiteRtCreateModelFromBuffer(Pointer environment, Pointer bytes, long size, PointerByReference model);

    int LiteRtGetNumModelSignatures(Pointer model, SizeReference count);

    int LiteRtGetModelSignature(Pointer model, long index, PointerByReference signature);

    int LiteRtGetSignatureKey(Pointer signature, PointerByReference key);

    int LiteRtGetNumSignatureInputs(Pointer signature, SizeReference count);

    int LiteRtGetNumSignatureOutputs(Pointer signature, SizeReference count);

    int LiteRtGetSignatureInputName(Pointer signature, long index, PointerByReference name);

    int LiteRtGetSignatureOutputName(Pointer signature, long index, PointerByReference name);

    int LiteRtGetSignatureInputTensorByIndex(Pointer signature, long index, PointerByReference tensor);

    int LiteRtGetSignatureOutputTensorByIndex(Pointer signature, long index, PointerByReference tensor);

    int LiteRtGetRankedTensorType(Pointer tensor, Pointer type);

    int LiteRtCreateOptions(PointerByReference options);

    int LiteRtSetOptionsHardwareAccelerators(Pointer options, int accelerators);

    int LiteRtCreateOpaqueOptions(
            String identifier, Pointer payload, Destructor destructor, PointerByReference options);

    int LiteRtAddOpaqueOptions(Pointer options, Pointer opaque);

    int LiteRtCreateCompiledModel(Pointer environment, Pointer model, Pointer options, PointerByReference compiled);

    int LiteRtGetCompiledModelInputBufferRequirements(
            Pointer compiled, long signature, long index, PointerByReference requirements);

    int LiteRtGetCompiledModelOutputBufferRequirements(
            Pointer compiled, long signature, long index, PointerByReference requirements);

    int LiteRtCreateManagedTensorBufferFromRequirements(
            Pointer environment, Pointer type, Pointer requirements, PointerByReference buffer);

    int LiteRtGetTensorBufferPackedSize(Pointer buffer, SizeReference size);

    int LiteRtLockTensorBuffer(Pointer buffer, PointerByReference address, int mode);

    int LiteRtUnlockTensorBuffer(Pointer buffer);

    int LiteRtRunCompiledModel(
            Pointer compiled, long signature, long inputCount, Pointer inputs, long outputCount, Pointer outputs);

    void LiteRtDestroyTensorBuffer(Pointer buffer);

    void LiteRtDestroyCompiledModel(Pointer compiled);

    void LiteRtDestroyOptions(Pointer options);

    void LiteRtDestroyModel(Pointer model);

    void LiteRtDestroyEnvironment(Pointer environment);

    /** Called when a payload is no longer needed. */
    interface Destructor extends Callback {
        void destroy(Pointer payload);
    }

    /** Where a function puts a {@code size_t}. */
    final class SizeReference extends com.sun.jna.ptr.ByReference {
        public SizeReference() {
            super(Native.SIZE_T_SIZE);
        }

        int value() {
            return Math.toIntExact(getPointer().getLong(0));
        }
    }
}
