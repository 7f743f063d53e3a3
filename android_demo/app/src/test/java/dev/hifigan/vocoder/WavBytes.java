package dev.hifigan.vocoder;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;

/** Makes WAV files, valid and invalid ones. */
final class WavBytes {
    int encoding = 1;
    int channels = 1;
    int samplingRate = 22050;
    int bits = 16;
    boolean extensible;
    String chunkBefore; // its data, of a chunk before the format's
    long declaredBytes = -1; // of the data; the true number by default
    long riffBytes = -1; // of what follows the first eight; the true number by default
    byte[] data = new byte[0];

    byte[] toBytes() {
        ByteBuffer file = ByteBuffer.allocate(200 + data.length).order(ByteOrder.LITTLE_ENDIAN);
        file.put(ascii("RIFF")).putInt(0).put(ascii("WAVE"));
        if (chunkBefore != null) {
            file.put(ascii("LIST")).putInt(chunkBefore.length()).put(ascii(chunkBefore));
            file.put(new byte[chunkBefore.length() % 2]);
        }
        file.put(ascii("fmt ")).putInt(extensible ? 40 : 16);
        file.putShort((short) (extensible ? 0xfffe : encoding)).putShort((short) channels);
        file.putInt(samplingRate).putInt(samplingRate * channels * bits / 8);
        file.putShort((short) (channels * bits / 8)).putShort((short) bits);
        if (extensible) {
            file.putShort((short) 22).putShort((short) bits).putInt(0);
            file.putShort((short) encoding).put(new byte[14]);
        }
        file.put(ascii("data")).putInt((int) (declaredBytes < 0 ? data.length : declaredBytes)).put(data);
        file.putInt(4, (int) (riffBytes < 0 ? file.position() - 8 : riffBytes));
        byte[] bytes = new byte[file.position()];
        System.arraycopy(file.array(), 0, bytes, 0, bytes.length);
        return bytes;
    }

    static byte[] shorts(int... samples) {
        ByteBuffer bytes = ByteBuffer.allocate(2 * samples.length).order(ByteOrder.LITTLE_ENDIAN);
        for (int sample : samples) {
            bytes.putShort((short) sample);
        }
        return bytes.array();
    }

    private static byte[] ascii(String text) {
        return text.getBytes(StandardCharsets.US_ASCII);
    }
}
