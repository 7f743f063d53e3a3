package dev.hifigan.vocoder;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;

/** Makes {@code .npy} files, valid and invalid ones. */
final class NpyBytes {
    int version = 1;
    String type = "<f4";
    boolean fortranOrder;
    String shape;
    float[] values = {};

    /** A mel as NumPy saves it. */
    static NpyBytes of(float[][] rows) {
        NpyBytes npy = new NpyBytes();
        npy.shape = "(" + rows.length + ", " + rows[0].length + ")";
        npy.values = new float[rows.length * rows[0].length];
        for (int row = 0; row < rows.length; row++) {
            System.arraycopy(rows[row], 0, npy.values, row * rows[0].length, rows[0].length);
        }
        return npy;
    }

    byte[] toBytes() {
        String dictionary = "{'descr': '" + type + "', 'fortran_order': " + (fortranOrder ? "True" : "False")
                + ", 'shape': " + shape + ", }";
        byte[] header = String.format("%-117s\n", dictionary).getBytes(StandardCharsets.US_ASCII);
        ByteBuffer file = ByteBuffer.allocate(20 + header.length + 8 * values.length).order(ByteOrder.LITTLE_ENDIAN);
        file.put((byte) 0x93).put("NUMPY".getBytes(StandardCharsets.US_ASCII)).put((byte) version).put((byte) 0);
        if (version == 1) {
            file.putShort((short) header.length);
        } else {
            file.putInt(header.length);
        }
        file.put(header).order(type.startsWith(">") ? ByteOrder.BIG_ENDIAN : ByteOrder.LITTLE_ENDIAN);
        for (float value : values) {
            if (type.endsWith("8")) {
                file.putDouble(value);
            } else {
                file.putFloat(value);
            }
        }
        byte[] bytes = new byte[file.position()];
        System.arraycopy(file.array(), 0, bytes, 0, bytes.length);
        return bytes;
    }
}
