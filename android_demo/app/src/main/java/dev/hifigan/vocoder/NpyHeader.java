package dev.hifigan.vocoder;

import java.io.DataInputStream;
import java.io.EOFException;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/** The header of a {@code .npy} file of floats, versions 1 to 3, with its shape as two axes. */
final class NpyHeader {
    private static final byte[] MAGIC = {(byte) 0x93, 'N', 'U', 'M', 'P', 'Y'};
    private static final int MAX_HEADER = 1 << 16;
    private static final Pattern TYPE = Pattern.compile("'descr':\\s*'([^']*)'");
    private static final Pattern FLOAT = Pattern.compile("[<>=]f([48])");
    private static final Pattern FORTRAN = Pattern.compile("'fortran_order':\\s*(True|False)");
    private static final Pattern SHAPE = Pattern.compile("'shape':\\s*\\(([0-9, ]*)\\)");

    /** Bytes of a number: 4 or 8. */
    final int size;
    final ByteOrder order;
    final boolean fortranOrder;
    final int[] shape;

    private NpyHeader(String text, String name) throws InputException {
        String type = find(TYPE, text, name);
        Matcher number = FLOAT.matcher(type);
        if (!number.matches()) {
            throw new InputException(name + " holds numbers of type " + type + ": a mel is of float32");
        }
        size = Integer.parseInt(number.group(1));
        order = type.startsWith(">") ? ByteOrder.BIG_ENDIAN : ByteOrder.LITTLE_ENDIAN;
        fortranOrder = find(FORTRAN, text, name).equals("True");
        shape = withoutBatch(find(SHAPE, text, name), name);
    }

    static NpyHeader read(DataInputStream stream, String name) throws IOException {
        try {
            byte[] magic = new byte[MAGIC.length];
            stream.readFully(magic);
            int version = stream.readUnsignedByte();
            stream.readUnsignedByte();
            if (!Arrays.equals(magic, MAGIC) || version < 1 || version > 3) {
                throw noNpy(name);
            }
            int length = version == 1
                    ? Short.reverseBytes(stream.readShort()) & 0xffff
                    : Integer.reverseBytes(stream.readInt());
            if (length < 0 || length > MAX_HEADER) {
                throw noNpy(name);
            }
            byte[] text = new byte[length];
            stream.readFully(text);
            return new NpyHeader(new String(text, StandardCharsets.UTF_8), name);
        } catch (EOFException e) {
            throw noNpy(name);
        }
    }

    /** The number at an index in the data. */
    float number(ByteBuffer data, int index) {
        return size == 4 ? data.getFloat(4 * index) : (float) data.getDouble(8 * index);
    }

    String shapeText() {
        return Arrays.toString(shape);
    }

    private static String find(Pattern pattern, String text, String name) throws InputException {
        Matcher matcher = pattern.matcher(text);
        if (!matcher.find()) {
            throw noNpy(name);
        }
        return matcher.group(1);
    }

    private static int[] withoutBatch(String text, String name) throws InputException {
        String[] axes = text.trim().isEmpty() ? new String[0] : text.trim().split("\\s*,\\s*");
        int first = 0;
        while (axes.length - first > 2 && axes[first].equals("1")) {
            first++;
        }
        try {
            int[] shape = new int[axes.length - first];
            for (int i = 0; i < shape.length; i++) {
                shape[i] = Integer.parseInt(axes[first + i]);
            }
            if (shape.length != 2 || shape[0] == 0 || shape[1] == 0) {
                throw new InputException(
                        name + " has shape " + Arrays.toString(shape) + ": a mel has [frames, num_mels]");
            }
            return shape;
        } catch (NumberFormatException e) {
            throw noNpy(name);
        }
    }

    private static InputException noNpy(String name) {
        return new InputException(name + " is no .npy array (cut short, or another kind of file): make it again");
    }
}
