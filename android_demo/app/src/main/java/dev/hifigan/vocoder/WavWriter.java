package dev.hifigan.vocoder;

import java.io.File;
import java.io.IOException;
import java.io.RandomAccessFile;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;

/** A 16-bit mono WAV file, written a piece at a time; its header is complete once it is closed. */
public final class WavWriter implements AudioSink {
    private static final int HEADER = 44;

    private final RandomAccessFile file;
    private final int samplingRate;
    private int dataBytes;
    private boolean closed;

    /** Replaces an existing file. */
    public WavWriter(File file, int samplingRate) throws IOException {
        this.file = new RandomAccessFile(file, "rw");
        this.samplingRate = samplingRate;
        this.file.setLength(0);
        this.file.write(header());
    }

    @Override
    public void write(float[] samples) throws IOException {
        ByteBuffer bytes = ByteBuffer.allocate(2 * samples.length).order(ByteOrder.LITTLE_ENDIAN);
        for (short sample : Pcm.toShorts(samples)) {
            bytes.putShort(sample);
        }
        file.write(bytes.array());
        dataBytes += bytes.capacity();
    }

    @Override
    public void close() throws IOException {
        if (closed) {
            return;
        }
        closed = true;
        try {
            file.seek(0);
            file.write(header());
        } finally {
            file.close();
        }
    }

    private byte[] header() {
        return ByteBuffer.allocate(HEADER)
                .order(ByteOrder.LITTLE_ENDIAN)
                .put(ascii("RIFF"))
                .putInt(HEADER - 8 + dataBytes)
                .put(ascii("WAVEfmt "))
                .putInt(16)
                .putShort((short) 1) // PCM
                .putShort((short) 1) // channel
                .putInt(samplingRate)
                .putInt(2 * samplingRate) // bytes a second
                .putShort((short) 2) // bytes a sample
                .putShort((short) 16) // bits a sample
                .put(ascii("data"))
                .putInt(dataBytes)
                .array();
    }

    private static byte[] ascii(String text) {
        byte[] bytes = new byte[text.length()];
        for (int i = 0; i < bytes.length; i++) {
            bytes[i] = (byte) text.charAt(i);
        }
        return bytes;
    }
}
