package dev.hifigan.vocoder;

import java.io.EOFException;
import java.io.IOException;
import java.io.InputStream;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;

/**
 * A WAV file, a piece at a time, as mono: PCM of 8, 16, 24 or 32 bits, or float of 32 or 64.
 *
 * <p>Chunks other than the format and the data are skipped. Refused are a file that ends before its data does, one
 * whose recorder did not finish it, two files joined into one, and channels that cancel each other. Files that were
 * written to a pipe do not state their length: they are read to their end.
 */
public final class WavReader implements AudioSource {
    private static final int RIFF = 0x52494646;
    private static final int WAVE = 0x57415645;
    private static final int FMT = 0x666d7420;
    private static final int DATA = 0x64617461;
    private static final int PCM = 1;
    private static final int FLOAT = 3;
    private static final int EXTENSIBLE = 0xfffe;
    // Sizes that programs write which cannot seek back to correct them: from the first to before the second. Another
    // large number is that of a large file.
    private static final long[][] PIPE_SIZES = {{0x7ffff000L, 0x80000100L}, {0xfffff000L, 0x100000000L}};
    private static final int PIECE = 1 << 14; // samples
    private static final int MAX_CHANNELS = 64;
    private static final int HEADER = 8; // bytes of a chunk: its name and its size

    private final InputStream stream;
    private final String name;
    private final MonoMix mix;
    private final byte[] following = new byte[13]; // where the header says that the file ends; some omit the pad byte
    private long position; // in the stream
    private long end = 1L << 62; // of the file, as the header says; later than any
    private int encoding;
    private int channels;
    private int samplingRate;
    private int bytesPerSample;
    private long dataBytes; // the most that are read
    private boolean endless; // the data end with the file, at the latest
    private long readBytes;

    /** Reads the header; the stream is closed with the reader, and at once if the header is refused. */
    public WavReader(InputStream stream, String name) throws IOException {
        this.stream = stream;
        this.name = name;
        mix = new MonoMix(name);
        boolean ready = false;
        try {
            readHeader();
            ready = true;
        } catch (EOFException e) {
            throw new InputException(name + " is cut short inside its header: record or copy it again", e);
        } finally {
            if (!ready) {
                stream.close();
            }
        }
    }

    @Override
    public int samplingRate() {
        return samplingRate;
    }

    @Override
    public long samples() {
        return endless ? -1 : dataBytes / (bytesPerSample * channels);
    }

    @Override
    public float[] read() throws IOException {
        int frameBytes = bytesPerSample * channels;
        long left = dataBytes - readBytes;
        ByteBuffer bytes = ByteBuffer.allocate((int) Math.min(PIECE * frameBytes, left)).order(ByteOrder.LITTLE_ENDIAN);
        int count = fill(bytes.array());
        readBytes += count;
        if (!endless && count < bytes.capacity()) {
            throw new InputException(name + " is cut short: " + readBytes / frameBytes + " of " + samples()
                    + " samples are there; copy it again");
        }
        if (count < frameBytes) {
            checkEnd();
            return null;
        }
        float[] frame = new float[channels];
        float[] mono = new float[count / frameBytes];
        for (int i = 0; i < mono.length; i++) {
            for (int channel = 0; channel < channels; channel++) {
                frame[channel] = sample(bytes, (i * channels + channel) * bytesPerSample);
            }
            mono[i] = mix.mix(frame);
        }
        return mono;
    }

    @Override
    public void close() throws IOException {
        stream.close();
    }

    private void readHeader() throws IOException {
        if (integer(ByteOrder.BIG_ENDIAN) != RIFF) {
            throw undecodable("it does not begin as a WAV file");
        }
        long size = integer(ByteOrder.LITTLE_ENDIAN) & 0xffffffffL; // of the rest; another number of one from a pipe
        if (integer(ByteOrder.BIG_ENDIAN) != WAVE) {
            throw undecodable("it does not begin as a WAV file");
        }
        end = Math.max(position, HEADER + size);
        while (true) {
            int chunk = integer(ByteOrder.BIG_ENDIAN);
            long chunkSize = integer(ByteOrder.LITTLE_ENDIAN) & 0xffffffffL;
            if (chunk == DATA) {
                readDataSize(chunkSize);
                return;
            } else if (chunk == FMT) {
                readFormat(chunkSize);
            } else if (skip(chunkSize + chunkSize % 2) < chunkSize + chunkSize % 2) {
                throw new EOFException();
            }
        }
    }

    private void readFormat(long size) throws IOException {
        if (size < 16 || size > 1 << 16) {
            throw undecodable("its format has " + size + " bytes");
        }
        byte[] bytes = new byte[(int) (size + size % 2)];
        if (fill(bytes) < bytes.length) {
            throw new EOFException();
        }
        ByteBuffer format = ByteBuffer.wrap(bytes).order(ByteOrder.LITTLE_ENDIAN);
        encoding = format.getShort(0) & 0xffff;
        channels = format.getShort(2) & 0xffff;
        samplingRate = format.getInt(4);
        int bits = format.getShort(14) & 0xffff;
        if (encoding == EXTENSIBLE && size >= 40) {
            encoding = format.getShort(24) & 0xffff; // the first two bytes of its GUID
        }
        bytesPerSample = bits / 8;
        boolean integers = encoding == PCM && (bits == 8 || bits == 16 || bits == 24 || bits == 32);
        boolean floats = encoding == FLOAT && (bits == 32 || bits == 64);
        if (!integers && !floats) {
            throw undecodable("encoding " + encoding + " of " + bits + " bits is neither PCM nor float");
        }
        if (channels < 1 || channels > MAX_CHANNELS || samplingRate <= 0) {
            throw undecodable(channels + " channels at " + samplingRate + " Hz");
        }
    }

    private void readDataSize(long size) throws IOException {
        if (bytesPerSample == 0) {
            throw undecodable("its data come before its format");
        }
        for (long[] sizes : PIPE_SIZES) {
            endless |= sizes[0] <= size && size < sizes[1];
        }
        dataBytes = size - size % (bytesPerSample * channels);
        if (size == 0) {
            checkNothingFollows();
        }
    }

    /** Behind data without samples there may be another chunk, and no samples. */
    private void checkNothingFollows() throws IOException {
        byte[] header = new byte[HEADER];
        int there = fill(header);
        long rest = skip(Long.MAX_VALUE);
        boolean named = there == HEADER;
        for (int i = 0; i < 4; i++) {
            named &= header[i] >= 32 && header[i] < 127;
        }
        ByteBuffer bytes = ByteBuffer.wrap(header);
        long big = bytes.getInt(4) & 0xffffffffL;
        long little = Integer.reverseBytes(bytes.getInt(4)) & 0xffffffffL;
        if (there > 0 && !(named && Math.min(big, little) <= rest)) {
            throw new InputException(name + " says that it holds no samples, and " + (there + rest) + " bytes follow: the"
                    + " recorder did not finish it; repair its header with ffmpeg or sox, or record it again");
        }
    }

    /** Looks at what follows the data, and at the mix of all of them. */
    private void checkEnd() throws IOException {
        skip(end + following.length - position);
        for (int start = 0; start < 2; start++) {
            ByteBuffer bytes = ByteBuffer.wrap(following);
            if (bytes.getInt(start) == RIFF && bytes.getInt(start + 8) == WAVE) {
                throw new InputException(name + " is two files joined into one, and only the first would be read: make"
                        + " one recording of them, or two files");
            }
        }
        mix.checkEnd();
    }

    private float sample(ByteBuffer bytes, int at) {
        if (encoding == FLOAT) {
            return bytesPerSample == 4 ? bytes.getFloat(at) : (float) bytes.getDouble(at);
        }
        switch (bytesPerSample) {
            case 1:
                return ((bytes.get(at) & 0xff) - 128) / 128f;
            case 2:
                return bytes.getShort(at) / 32768f;
            case 3:
                return (bytes.getShort(at) & 0xffff | bytes.get(at + 2) << 16) / 8388608f;
            default:
                return bytes.getInt(at) / 2147483648f;
        }
    }

    private int integer(ByteOrder order) throws IOException {
        byte[] bytes = new byte[4];
        if (fill(bytes) < 4) {
            throw new EOFException();
        }
        return ByteBuffer.wrap(bytes).order(order).getInt();
    }

    /** Reads this many bytes, or to the end; returns how many there were. */
    private long skip(long size) throws IOException {
        byte[] bytes = new byte[1 << 14];
        long left = size;
        while (left > 0) {
            int count = read(bytes, 0, (int) Math.min(left, bytes.length));
            if (count < 0) {
                break;
            }
            left -= count;
        }
        return size - Math.max(0, left);
    }

    /** Reads until the array is full or the stream ends; returns the number of bytes read. */
    private int fill(byte[] bytes) throws IOException {
        int count = 0;
        for (int more = 0; more >= 0 && count < bytes.length; count += Math.max(0, more)) {
            more = read(bytes, count, bytes.length - count);
        }
        return count;
    }

    /** Reads as the stream does, and keeps the bytes that follow the end of the file. */
    private int read(byte[] bytes, int offset, int length) throws IOException {
        int count = stream.read(bytes, offset, length);
        for (long at = Math.max(end, position); at < Math.min(end + following.length, position + count); at++) {
            following[(int) (at - end)] = bytes[offset + (int) (at - position)];
        }
        position += Math.max(0, count);
        return count;
    }

    private InputException undecodable(String reason) {
        return new InputException(name + " cannot be decoded (" + reason + "): is it really a WAV file?");
    }
}
