package dev.hifigan.vocoder;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.util.zip.CRC32;
import java.util.zip.DataFormatException;
import java.util.zip.Inflater;

/**
 * A member of a zip archive that was appended to another file.
 *
 * <pre>
 *   | model | local header, data of a member | ... | directory: entry, entry, ... | end record |
 * </pre>
 */
final class ZipTail {
    private static final int LOCAL = 0x04034b50;
    private static final int ENTRY = 0x02014b50;
    private static final int END = 0x06054b50;
    private static final int LOCAL_SIZE = 30;
    private static final int ENTRY_SIZE = 46;
    private static final int END_SIZE = 22;
    private static final int STORED = 0;
    private static final int DEFLATED = 8;
    private static final int MAX_COMMENT = 0xffff;
    private static final int MAX_MEMBER = 1 << 24; // a contract has a few kilobytes

    private ZipTail() {}

    /** How many bytes lie before the archive; all of them when the file does not end in one. */
    static int before(ByteBuffer file) throws IOException {
        ByteBuffer bytes = file.duplicate().order(ByteOrder.LITTLE_ENDIAN);
        try {
            int end = findEnd(bytes);
            if (end < 0) {
                return bytes.limit();
            }
            int at = end - bytes.getInt(end + 12);
            int first = at;
            for (int i = 0; i < unsigned(bytes, end + 10) && bytes.getInt(at) == ENTRY; i++) {
                first = Math.min(first, archiveStart(bytes, end) + bytes.getInt(at + 42));
                at += ENTRY_SIZE + unsigned(bytes, at + 28) + unsigned(bytes, at + 30) + unsigned(bytes, at + 32);
            }
            return first;
        } catch (IndexOutOfBoundsException e) {
            throw new IOException("its archive is damaged", e);
        }
    }

    /** Where the offsets in an archive count from: the start of the file, unless something was prepended later. */
    private static int archiveStart(ByteBuffer bytes, int end) {
        return end - bytes.getInt(end + 12) - bytes.getInt(end + 16);
    }

    /** The bytes of a member; null when the file does not end in an archive, or the archive has no such member. */
    static byte[] read(ByteBuffer file, String member) throws IOException {
        ByteBuffer bytes = file.duplicate().order(ByteOrder.LITTLE_ENDIAN);
        try {
            int end = findEnd(bytes);
            return end < 0 ? null : find(bytes, end, member);
        } catch (IndexOutOfBoundsException e) {
            throw new IOException("its archive is damaged", e);
        }
    }

    private static int findEnd(ByteBuffer bytes) {
        int last = bytes.limit() - END_SIZE;
        for (int at = last; at >= Math.max(0, last - MAX_COMMENT); at--) {
            if (bytes.getInt(at) == END && at + END_SIZE + unsigned(bytes, at + 20) == bytes.limit()) {
                return at;
            }
        }
        return -1;
    }

    private static byte[] find(ByteBuffer bytes, int end, String member) throws IOException {
        int entries = unsigned(bytes, end + 10);
        int at = end - bytes.getInt(end + 12);
        int start = archiveStart(bytes, end);
        for (int i = 0; i < entries && bytes.getInt(at) == ENTRY; i++) {
            int nameSize = unsigned(bytes, at + 28);
            if (new String(slice(bytes, at + ENTRY_SIZE, nameSize), StandardCharsets.UTF_8).equals(member)) {
                return unpack(bytes, at, start + bytes.getInt(at + 42));
            }
            at += ENTRY_SIZE + nameSize + unsigned(bytes, at + 30) + unsigned(bytes, at + 32);
        }
        return null;
    }

    private static byte[] unpack(ByteBuffer bytes, int entry, int local) throws IOException {
        int method = unsigned(bytes, entry + 10);
        int size = bytes.getInt(entry + 24);
        if (bytes.getInt(local) != LOCAL || size < 0 || size > MAX_MEMBER) {
            throw new IOException("its archive is damaged");
        }
        int data = local + LOCAL_SIZE + unsigned(bytes, local + 26) + unsigned(bytes, local + 28);
        byte[] packed = slice(bytes, data, bytes.getInt(entry + 20));
        byte[] member;
        if (method == DEFLATED) {
            member = inflate(packed, size);
        } else if (method == STORED) {
            member = packed;
        } else {
            throw new IOException("its archive uses method " + method);
        }
        CRC32 sum = new CRC32();
        sum.update(member);
        if ((int) sum.getValue() != bytes.getInt(entry + 16)) {
            throw new IOException("its archive is damaged");
        }
        return member;
    }

    private static byte[] inflate(byte[] packed, int size) throws IOException {
        Inflater inflater = new Inflater(true);
        byte[] member = new byte[size];
        try {
            inflater.setInput(packed);
            int done = 0;
            for (int more = 1; done < size && more > 0; done += more) {
                more = inflater.inflate(member, done, size - done);
            }
            if (done < size) {
                throw new IOException("its archive is damaged");
            }
            return member;
        } catch (DataFormatException e) {
            throw new IOException("its archive is damaged", e);
        } finally {
            inflater.end();
        }
    }

    private static byte[] slice(ByteBuffer bytes, int start, int size) {
        if (start < 0 || size < 0 || size > bytes.limit() - start) {
            throw new IndexOutOfBoundsException();
        }
        byte[] slice = new byte[size];
        for (int i = 0; i < size; i++) {
            slice[i] = bytes.get(start + i);
        }
        return slice;
    }

    private static int unsigned(ByteBuffer bytes, int at) {
        return bytes.getShort(at) & 0xffff;
    }
}
