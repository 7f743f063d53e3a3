package org.tensorflow.lite;

import com.sun.jna.Memory;
import com.sun.jna.Pointer;
import com.sun.jna.ptr.PointerByReference;
import java.nio.Buffer;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;

/** An input or output of a signature, with the runtime's buffer for it. */
final class SignatureTensor implements Tensor {
    // LiteRtRankedTensorType: the element type, then a layout of the rank in seven bits and up to eight dimensions.
    private static final int TYPE_BYTES = 72;
    private static final int RANK = 4;
    private static final int DIMENSIONS = 8;

    private final String name;
    private final DataType dataType;
    private final int[] shape;
    private final Pointer buffer;

    SignatureTensor(String name, Pointer environment, Pointer tensor, Pointer requirements) {
        this.name = name;
        Memory type = new Memory(TYPE_BYTES);
        LiteRt library = LiteRt.LIBRARY;
        Status.check(library.LiteRtGetRankedTensorType(tensor, type), "the type of " + name);
        dataType = DataType.of(type.getInt(0));
        shape = type.getIntArray(DIMENSIONS, type.getByte(RANK) & 0x7f);
        PointerByReference created = new PointerByReference();
        Status.check(
                library.LiteRtCreateManagedTensorBufferFromRequirements(environment, type, requirements, created),
                "a buffer for " + name);
        buffer = created.getValue();
        LiteRt.SizeReference size = new LiteRt.SizeReference();
        Status.check(library.LiteRtGetTensorBufferPackedSize(buffer, size), "the size of " + name);
        if (size.value() != numBytes()) {
            throw new IllegalStateException(name + " has " + size.value() + " bytes, not " + numBytes());
        }
    }

    Pointer buffer() {
        return buffer;
    }

    @Override
    public DataType dataType() {
        return dataType;
    }

    @Override
    public int[] shape() {
        return shape.clone();
    }

    @Override
    public int numElements() {
        int elements = 1;
        for (int length : shape) {
            elements *= length;
        }
        return elements;
    }

    @Override
    public int numBytes() {
        return numElements() * dataType.byteSize();
    }

    @Override
    public String name() {
        return name;
    }

    /** Reads a whole buffer, whatever its position, as the phone's library does. */
    void read(Object object) {
        ByteBuffer source = checked(object);
        if (source.capacity() != numBytes()) {
            throw new IllegalArgumentException("Cannot copy to a TensorFlowLite tensor (" + name + ") with "
                    + numBytes() + " bytes from a Java Buffer with " + source.capacity() + " bytes.");
        }
        ByteBuffer all = source.duplicate();
        ((Buffer) all).clear();
        lock(LiteRt.WRITE).put(all);
        unlock();
    }

    /** Writes from a buffer's position on, and advances the position, as the phone's library does. */
    void write(Object object) {
        ByteBuffer target = checked(object);
        if (target.capacity() < numBytes()) {
            throw new IllegalArgumentException("Cannot copy from a TensorFlowLite tensor (" + name + ") with "
                    + numBytes() + " bytes to a Java Buffer with " + target.capacity() + " bytes.");
        }
        target.put(lock(LiteRt.READ));
        unlock();
    }

    void close() {
        LiteRt.LIBRARY.LiteRtDestroyTensorBuffer(buffer);
    }

    private ByteBuffer lock(int mode) {
        PointerByReference address = new PointerByReference();
        Status.check(LiteRt.LIBRARY.LiteRtLockTensorBuffer(buffer, address, mode), "access to " + name);
        return address.getValue().getByteBuffer(0, numBytes());
    }

    private void unlock() {
        Status.check(LiteRt.LIBRARY.LiteRtUnlockTensorBuffer(buffer), "access to " + name);
    }

    /** The phone's library also takes arrays, and copies what is not direct; a vocoder has no reason for either. */
    private ByteBuffer checked(Object object) {
        if (!(object instanceof ByteBuffer)) {
            throw new IllegalArgumentException(name + " is no ByteBuffer: " + object);
        }
        ByteBuffer bytes = (ByteBuffer) object;
        if (!bytes.isDirect() || bytes.order() != ByteOrder.nativeOrder()) {
            throw new IllegalArgumentException(name + " is no direct ByteBuffer in native order");
        }
        return bytes;
    }
}
