package dev.hifigan.vocoder;

import java.io.EOFException;
import java.io.IOException;
import java.io.InputStream;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;

/**
 * A WAV file, a piece at a time, as mono: PCM of 8, 16, 24 or 32 bits, or float of 32 or 64.
 *
 * <p>Chunks other than the format and the data are skipped; a file that ends before its data does is refused. Files
 * that were written to a pipe do not state their length: they are read to their end.
 */
public final class WavReader implements AudioSource {
    private static final int RIFF = 0x52494646;
    private static final int WAVE = 0x57415645;
    private static final int FMT = 0x666d7420;
    private static final int DATA = 0x64617461;
    private static final int PCM = 1;
    private static final int FLOAT = 3;
    private static final int EXTENSIBLE = 0xfffe;
    private static final long UNKNOWN = 0x7ffff000L; // programs that write to a pipe leave 0, or a number of this size
    private static final int PIECE = 1 << 14; // samples
    private static final int MAX_CHANNELS = 64;

    private final InputStream stream;
    private final String name;
    private int encoding;
    private int channels;
    private int samplingRate;
    private int bytesPerSample;
    private long dataBytes; // -1 where unknown
    private long readBytes;

    /** Reads the header; the stream is closed with the reader, and at once if the header is refused. */
    public WavReader(InputStream stream, String name) throws IOException {
        this.stream = stream;
        this.name = name;
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
        return dataBytes < 0 ? -1 : dataBytes / (bytesPerSample * channels);
    }

    @Override
    public float[] read() throws IOException {
        int frameBytes = bytesPerSample * channels;
        long left = dataBytes < 0 ? Long.MAX_VALUE : dataBytes - readBytes;
        ByteBuffer bytes = ByteBuffer.allocate((int) Math.min(PIECE * frameBytes, left)).order(ByteOrder.LITTLE_ENDIAN);
        int count = fill(bytes.array());
        readBytes += count;
        if (dataBytes >= 0 && count < bytes.capacity()) {
            throw new InputException(name + " is cut short: " + readBytes / frameBytes + " of " + samples()
                    + " samples are there; copy it again");
        }
        if (count < frameBytes) {
            return null;
        }
        float[] mono = new float[count / frameBytes];
        for (int i = 0; i < mono.length; i++) {
            float sum = 0;
            for (int channel = 0; channel < channels; channel++) {
                sum += sample(bytes, (i * channels + channel) * bytesPerSample);
            }
            mono[i] = sum / channels;
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
        integer(ByteOrder.LITTLE_ENDIAN); // the size of the rest, which is unknown when writing to a pipe
        if (integer(ByteOrder.BIG_ENDIAN) != WAVE) {
            throw undecodable("it does not begin as a WAV file");
        }
        while (true) {
            int chunk = integer(ByteOrder.BIG_ENDIAN);
            long size = integer(ByteOrder.LITTLE_ENDIAN) & 0xffffffffL;
            if (chunk == DATA) {
                readDataSize(size);
                return;
            } else if (chunk == FMT) {
                readFormat(size);
            } else {
                skip(size + size % 2);
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

    private void readDataSize(long size) throws InputException {
        if (bytesPerSample == 0) {
            throw undecodable("its data come before its format");
        }
        boolean unknown = size == 0 || size >= UNKNOWN;
        dataBytes = unknown ? -1 : size - size % (bytesPerSample * channels);
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

    private void skip(long size) throws IOException {
        byte[] bytes = new byte[(int) Math.min(size, 1 << 14)];
        for (long left = size; left > 0; ) {
            int count = stream.read(bytes, 0, (int) Math.min(left, bytes.length));
            if (count < 0) {
                throw new EOFException();
            }
            left -= count;
        }
    }

    /** Reads until the array is full or the stream ends; returns the number of bytes read. */
    private int fill(byte[] bytes) throws IOException {
        int count = 0;
        for (int more = 0; more >= 0 && count < bytes.length; count += Math.max(0, more)) {
            more = stream.read(bytes, count, bytes.length - count);
        }
        return count;
    }

    private InputException undecodable(String reason) {
        return new InputException(name + " cannot be decoded (" + reason + "): is it really a WAV file?");
    }
}
