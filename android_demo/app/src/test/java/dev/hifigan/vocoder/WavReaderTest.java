package dev.hifigan.vocoder;

import static org.junit.Assert.assertArrayEquals;
import static org.junit.Assert.assertEquals;
import static org.junit.Assert.assertNull;
import static org.junit.Assert.assertThrows;
import static org.junit.Assert.assertTrue;

import java.io.ByteArrayInputStream;
import java.io.IOException;
import java.io.InputStream;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.Arrays;
import org.junit.Test;

public class WavReaderTest {
    private final WavBytes wav = new WavBytes();

    @Test
    public void readsEveryEncoding() throws IOException {
        assertReads(1, 8, new byte[] {0, (byte) 128, (byte) 255}, -1, 0, 127 / 128f);
        assertReads(1, 16, WavBytes.shorts(-32768, 0, 16384), -1, 0, 0.5f);
        assertReads(1, 24, new byte[] {0, 0, (byte) 0x80, 0, 0, 0x40, -1, -1, -1}, -1, 0.5f, -1 / 8388608f);
        assertReads(1, 32, new byte[] {0, 0, 0, (byte) 0x80, 0, 0, 0, 0x40}, -1, 0.5f);
        ByteBuffer floats = ByteBuffer.allocate(8).order(ByteOrder.LITTLE_ENDIAN).putFloat(-1.5f).putFloat(0.25f);
        assertReads(3, 32, floats.array(), -1.5f, 0.25f);
        assertReads(3, 64, ByteBuffer.allocate(8).order(ByteOrder.LITTLE_ENDIAN).putDouble(0.125).array(), 0.125f);
    }

    @Test
    public void readsTheHeader() throws IOException {
        wav.samplingRate = 48000;
        wav.channels = 2;
        wav.data = WavBytes.shorts(1, 2, 3, 4, 5, 6);
        WavReader reader = reader(wav.toBytes());
        assertEquals(48000, reader.samplingRate());
        assertEquals(3, reader.samples());
    }

    @Test
    public void mixesChannels() throws IOException {
        wav.channels = 2;
        assertReads(1, 16, WavBytes.shorts(16384, 0, -16384, -32768), 0.25f, -0.75f);
    }

    @Test
    public void readsTheExtensibleFormat() throws IOException {
        wav.extensible = true;
        assertReads(1, 16, WavBytes.shorts(16384), 0.5f);
    }

    @Test
    public void skipsOtherChunksAndTheirPadding() throws IOException {
        wav.chunkBefore = "an odd number of bytes.";
        assertReads(1, 16, WavBytes.shorts(16384), 0.5f);
    }

    @Test
    public void readsFilesWrittenToAPipe() throws IOException {
        for (long unknown : new long[] {0x7ffff000L, 0x7fffffffL, 0x80000000L, 0x800000ffL, 0xfffff000L, 0xffffffffL}) {
            wav.declaredBytes = unknown;
            wav.data = Arrays.copyOf(WavBytes.shorts(16384, -16384), 5); // and half a sample
            WavReader reader = reader(wav.toBytes());
            assertEquals(-1, reader.samples());
            assertArrayEquals(new float[] {0.5f, -0.5f}, reader.read(), 0);
            assertNull(reader.read());
        }
    }

    @Test
    public void readsLongFilesInPiecesAndStopsAtTheEndOfTheData() throws IOException {
        int[] samples = new int[50001];
        for (int i = 0; i < samples.length; i++) {
            samples[i] = i % 1000;
        }
        wav.data = WavBytes.shorts(samples);
        byte[] withTail = Arrays.copyOf(wav.toBytes(), wav.toBytes().length + 77);
        WavReader reader = reader(withTail);
        int count = 0;
        for (float[] piece = reader.read(); piece != null; piece = reader.read()) {
            for (float sample : piece) {
                assertEquals(samples[count++] / 32768f, sample, 0);
            }
        }
        assertEquals(samples.length, count);
    }

    @Test
    public void refusesALargeSizeOverAShortFile() throws IOException {
        wav.data = WavBytes.shorts(1, 2, 3, 4);
        for (long size : new long[] {0x7fffeffeL, 0x80000100L, 3_000_000_000L, 0xffffeffeL, 1_000_000}) {
            wav.declaredBytes = size;
            assertEquals("a.wav is cut short: 4 of " + size / 2 + " samples are there; copy it again",
                    assertThrows(InputException.class, () -> readAll(wav.toBytes())).getMessage());
            assertEquals(size / 2, reader(wav.toBytes()).samples());
        }
    }

    @Test
    public void refusesARecordingThatWasNotFinished() {
        wav.data = WavBytes.shorts(new int[4000]);
        wav.declaredBytes = 0;
        for (long riffBytes : new long[] {0, 36, -1}) {
            wav.riffBytes = riffBytes;
            assertRefused(wav.toBytes(), "a.wav says that it holds no samples, and 8000 bytes follow: the recorder did not"
                    + " finish it; repair its header with ffmpeg or sox, or record it again");
        }
        wav.data = new byte[] {'L', 'I', 'S', 'T', 9, 0, 0, 9, 1, 2, 3, 4}; // a name, and a size beyond the end
        assertTrue(assertThrows(InputException.class, () -> reader(wav.toBytes())).getMessage().contains("12 bytes follow"));
        wav.data = new byte[] {1, 2, 3};
        assertTrue(assertThrows(InputException.class, () -> reader(wav.toBytes())).getMessage().contains("3 bytes follow"));
    }

    @Test
    public void readsAFileWithoutSamples() throws IOException {
        WavReader reader = reader(wav.toBytes());
        assertEquals(0, reader.samples());
        assertNull(reader.read());
        wav.declaredBytes = 0;
        wav.data = new byte[] {'L', 'I', 'S', 'T', 4, 0, 0, 0, 1, 2, 3, 4}; // a whole chunk
        assertNull(reader(wav.toBytes()).read());
        wav.data = new byte[] {'L', 'I', 'S', 'T', 0, 0, 0, 4, 1, 2, 3, 4}; // in the other order
        assertNull(reader(wav.toBytes()).read());
    }

    @Test
    public void refusesTwoFilesJoinedIntoOne() throws IOException {
        String message = "a.wav is two files joined into one, and only the first would be read: make one recording of"
                + " them, or two files";
        for (int samples : new int[] {100, 50000}) {
            wav.data = WavBytes.shorts(new int[samples]);
            byte[] one = wav.toBytes();
            byte[] padded = Arrays.copyOf(one, one.length + 1);
            for (byte[] first : new byte[][] {one, padded}) {
                byte[] both = joined(first, one);
                assertEquals(message, assertThrows(InputException.class, () -> readAll(both)).getMessage());
            }
            readAll(joined(one, new byte[20]));
            readAll(joined(one, Arrays.copyOf(one, 8))); // half a header
        }
        wav.data = WavBytes.shorts(new int[100]);
        wav.riffBytes = 36 + 200 + 12; // with a chunk behind the data
        byte[] first = joined(wav.toBytes(), new byte[] {'L', 'I', 'S', 'T', 4, 0, 0, 0, 1, 2, 3, 4});
        byte[] listed = joined(first, first);
        assertEquals(message, assertThrows(InputException.class, () -> readAll(listed)).getMessage());
    }

    @Test
    public void readsASizeThatCountsItself() throws IOException {
        wav.data = WavBytes.shorts(16384, 8192);
        wav.riffBytes = wav.toBytes().length;
        assertArrayEquals(new float[] {0.5f, 0.25f}, reader(wav.toBytes()).read(), 0);
        readAll(wav.toBytes());
    }

    @Test
    public void refusesChannelsThatCancel() throws IOException {
        wav.channels = 2;
        wav.data = WavBytes.shorts(1000, -1000, -500, 501, 700, -700);
        assertEquals("a.wav has channels that cancel each other when they are mixed to mono: invert one of them, or take"
                + " one alone", assertThrows(InputException.class, () -> readAll(wav.toBytes())).getMessage());
        wav.data = WavBytes.shorts(1000, 0, -500, 0);
        readAll(wav.toBytes());
        wav.data = WavBytes.shorts(0, 0, 0, 0); // the level says that it is silent
        readAll(wav.toBytes());
    }

    @Test
    public void readsStreamsThatGiveLittleAtATime() throws IOException {
        wav.data = WavBytes.shorts(16384, 8192);
        InputStream slow = new ByteArrayInputStream(wav.toBytes()) {
            @Override
            public synchronized int read(byte[] bytes, int offset, int length) {
                return super.read(bytes, offset, Math.min(length, 1));
            }
        };
        assertArrayEquals(new float[] {0.5f, 0.25f}, new WavReader(slow, "a.wav").read(), 0);
    }

    @Test
    public void refusesAFileCutAnywhere() {
        wav.data = WavBytes.shorts(1, 2, 3, 4);
        byte[] whole = wav.toBytes();
        for (int size = 0; size < whole.length; size++) {
            byte[] cut = Arrays.copyOf(whole, size);
            String message = assertThrows("cut to " + size, InputException.class, () -> readAll(cut)).getMessage();
            assertTrue(message, message.contains("cut short"));
        }
        byte[] cut = Arrays.copyOf(whole, whole.length - 3);
        assertEquals("a.wav is cut short: 2 of 4 samples are there; copy it again",
                assertThrows(InputException.class, () -> readAll(cut)).getMessage());
    }

    @Test
    public void refusesUnsupportedEncodings() {
        byte[] text = "This is a text, and by no means a recording of any kind.".getBytes();
        assertRefused(text, "a.wav cannot be decoded (it does not begin as a WAV file): is it really a WAV file?");
        byte[] other = new WavBytes().toBytes();
        other[8] = 'A'; // another kind of RIFF
        assertRefused(other, "a.wav cannot be decoded (it does not begin as a WAV file): is it really a WAV file?");
        wav.encoding = 85;
        assertRefused(wav.toBytes(),
                "a.wav cannot be decoded (encoding 85 of 16 bits is neither PCM nor float): is it really a WAV file?");
        wav.encoding = 1;
        wav.bits = 12;
        assertRefused(wav.toBytes(),
                "a.wav cannot be decoded (encoding 1 of 12 bits is neither PCM nor float): is it really a WAV file?");
        wav.bits = 16;
        wav.channels = 0;
        assertRefused(wav.toBytes(), "a.wav cannot be decoded (0 channels at 22050 Hz): is it really a WAV file?");
        wav.channels = 65535;
        assertRefused(wav.toBytes(), "a.wav cannot be decoded (65535 channels at 22050 Hz): is it really a WAV file?");
    }

    @Test
    public void refusesDamagedHeaders() {
        byte[] tiny = wav.toBytes();
        tiny[16] = 2; // the size of the format
        assertRefused(tiny, "a.wav cannot be decoded (its format has 2 bytes): is it really a WAV file?");
        byte[] early = wav.toBytes();
        System.arraycopy("data".getBytes(), 0, early, 12, 4); // instead of the format
        assertRefused(early, "a.wav cannot be decoded (its data come before its format): is it really a WAV file?");
    }

    @Test
    public void closesTheStream() throws IOException {
        int[] closed = {0};
        class Stream extends ByteArrayInputStream {
            Stream(byte[] bytes) {
                super(bytes);
            }

            @Override
            public void close() {
                closed[0]++;
            }
        }
        new WavReader(new Stream(wav.toBytes()), "a.wav").close();
        assertEquals(1, closed[0]);
        assertThrows(InputException.class, () -> new WavReader(new Stream(new byte[100]), "a.wav"));
        assertEquals("a refused one at once", 2, closed[0]);
    }

    private void assertReads(int encoding, int bits, byte[] data, float... samples) throws IOException {
        wav.encoding = encoding;
        wav.bits = bits;
        wav.data = data;
        assertArrayEquals(samples, reader(wav.toBytes()).read(), 0);
    }

    private static void assertRefused(byte[] file, String message) {
        assertEquals(message, assertThrows(InputException.class, () -> reader(file)).getMessage());
    }

    private static byte[] joined(byte[] first, byte[] second) {
        byte[] both = Arrays.copyOf(first, first.length + second.length);
        System.arraycopy(second, 0, both, first.length, second.length);
        return both;
    }

    private static void readAll(byte[] file) throws IOException {
        WavReader reader = reader(file);
        while (reader.read() != null) {}
    }

    private static WavReader reader(byte[] file) throws IOException {
        return new WavReader(new ByteArrayInputStream(file), "a.wav");
    }
}
