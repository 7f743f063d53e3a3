package dev.hifigan.vocoder;

import static org.junit.Assert.assertArrayEquals;
import static org.junit.Assert.assertEquals;
import static org.junit.Assert.assertNull;
import static org.junit.Assert.assertThrows;
import static org.junit.Assert.assertTrue;

import java.io.ByteArrayInputStream;
import java.io.IOException;
import java.io.InputStream;
import java.io.SequenceInputStream;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Random;
import org.junit.Test;

public class NpyReaderTest {
    private static final int BANDS = 4;
    private static final AudioSettings PAPER = Settings.of(BANDS);

    private final float[][] mel = mel(300);
    private final NpyBytes npy = NpyBytes.of(mel);

    @Test
    public void readsEveryVersionTypeAndByteOrder() throws IOException {
        for (int version = 1; version <= 3; version++) {
            for (String type : new String[] {"<f4", ">f4", "<f8", ">f8"}) {
                npy.version = version;
                npy.type = type;
                assertReads(npy.toBytes());
            }
        }
    }

    @Test
    public void readsFortransOrder() throws IOException {
        npy.fortranOrder = true;
        for (int frame = 0; frame < mel.length; frame++) {
            for (int band = 0; band < BANDS; band++) {
                npy.values[band * mel.length + frame] = mel[frame][band];
            }
        }
        assertReads(npy.toBytes());
    }

    @Test
    public void dropsABatchAxisOfOne() throws IOException {
        npy.shape = "(1, 1, 300, 4)";
        assertReads(npy.toBytes());
    }

    @Test
    public void warnsOfAsManyFramesAsBands() throws IOException {
        assertNull(reader(npy.toBytes()).warning());
        NpyBytes square = NpyBytes.of(mel(4));
        assertEquals("a.npy: shape [4, 4] is read as [frames, num_mels]; if it is not, transpose it",
                reader(square.toBytes()).warning());
        square.shape = "(1, 4, 4)";
        assertEquals("a.npy: shape [4, 4] is read as [frames, num_mels]; if it is not, transpose it",
                reader(square.toBytes()).warning());
    }

    @Test
    public void tellsProgress() throws IOException {
        NpyReader reader = reader(npy.toBytes());
        assertEquals(300, reader.frames());
        assertEquals(0, reader.progress(), 0);
        reader.next();
        assertEquals(256 / 300.0, reader.progress(), 1e-9);
        reader.next();
        assertEquals(1, reader.progress(), 0);
        assertEquals("every frame stands for a whole hop", -1, reader.samples());
    }

    @Test
    public void readsHoursInConstantMemory() throws IOException {
        int frames = 5_000_000; // 16 hours of 86 frames a second; 80 MB
        NpyBytes header = new NpyBytes();
        header.shape = "(" + frames + ", 4)";
        InputStream quiet = new InputStream() {
            private long left = 16L * frames;

            @Override
            public int read() {
                throw new AssertionError("one byte at a time");
            }

            @Override
            public int read(byte[] bytes, int offset, int length) {
                int count = (int) Math.min(left, length);
                for (int i = 0; i < count; i++) {
                    bytes[offset + i] = (byte) (0xc1300000 >> 8 * (i % 4)); // -11 as a float
                }
                left -= count;
                return count == 0 ? -1 : count;
            }
        };
        InputStream file = new SequenceInputStream(new ByteArrayInputStream(header.toBytes()), quiet);
        long count = 0;
        try (NpyReader reader = new NpyReader(file, "long.npy", PAPER)) {
            for (float[][] block = reader.next(); block != null; block = reader.next()) {
                count += block.length;
                assertEquals(-11, block[block.length - 1][3], 0);
            }
        }
        assertEquals(frames, count);
    }

    @Test
    public void refusesTheWrongNumberOfBands() {
        npy.shape = "(400, 3)";
        assertRefused("a.npy has shape [400, 3]: the model takes [frames, 4]");
    }

    @Test
    public void refusesTheWrongOrderOfAxes() {
        npy.shape = "(4, 300)";
        assertRefused("a.npy has shape [4, 300], which is [num_mels, frames]: transpose it");
    }

    @Test
    public void refusesTheWrongNumberOfAxes() {
        npy.shape = "(1200,)";
        assertRefused("a.npy has shape [1200]: a mel has [frames, num_mels]");
        npy.shape = "(2, 150, 4)";
        assertRefused("a.npy has shape [2, 150, 4]: a mel has [frames, num_mels]");
        npy.shape = "()";
        assertRefused("a.npy has shape []: a mel has [frames, num_mels]");
        npy.shape = "(0, 4)";
        assertRefused("a.npy has shape [0, 4]: a mel has [frames, num_mels]");
    }

    @Test
    public void refusesTheWrongType() {
        for (String type : new String[] {"<i2", "|u1", "<f2", "<c8", "|O", "<U5"}) {
            npy.type = type;
            assertRefused("a.npy holds numbers of type " + type + ": a mel is of float32");
        }
    }

    @Test
    public void refusesNonFiniteValues() {
        npy.values[4 * 250 + 2] = Float.NaN;
        assertRefused("a.npy holds NaN (first at frame 250, band 2): make it again");
        npy.values[4 * 250 + 2] = Float.POSITIVE_INFINITY;
        assertRefused("a.npy holds Infinity (first at frame 250, band 2): make it again");
    }

    @Test
    public void refusesAnotherScale() {
        for (int i = 0; i < npy.values.length; i++) {
            npy.values[i] = (float) Math.exp(npy.values[i]);
        }
        String message = assertThrows(InputException.class, () -> reader(npy.toBytes())).getMessage();
        assertEquals("a.npy: values from 0.0 to 2.7 look like magnitudes without a logarithm: "
                + "a mel has natural logarithms of at least 1e-5", message);
    }

    @Test
    public void namesTheMelOfTheModel() {
        AudioSettings audio = Settings.of(BANDS, "'mel_log': 'log10'", "'mel_floor': 1e-10", "'mel_mean': -2");
        for (int i = 0; i < npy.values.length; i++) {
            npy.values[i] *= 8; // decibels
        }
        String message = assertThrows(InputException.class,
                () -> new NpyReader(new ByteArrayInputStream(npy.toBytes()), "a.npy", audio)).getMessage();
        assertTrue(message, message.endsWith("look like decibels: a mel has base-10 logarithms of at least 1e-10 "
                + "with the model's mean and scale"));
    }

    @Test
    public void refusesAFileCutAnywhere() {
        byte[] whole = npy.toBytes();
        for (int size = 0; size < whole.length; size++) {
            byte[] cut = Arrays.copyOf(whole, size);
            assertThrows("cut to " + size, InputException.class, () -> reader(cut));
        }
        assertEquals("a.npy is cut short: [300, 4] are declared; copy it again",
                assertThrows(InputException.class, () -> reader(Arrays.copyOf(whole, whole.length - 1))).getMessage());
    }

    @Test
    public void refusesFilesThatAreNotNpy() {
        String message = "a.npy is no .npy array (cut short, or another kind of file): make it again";
        npy.version = 4;
        assertRefused(message);
        npy.version = 1;
        npy.shape = "(99999999999, 4)";
        assertRefused(message);
        npy.shape = "'none'";
        assertRefused(message);
        byte[] text = new byte[500];
        assertEquals(message, assertThrows(InputException.class, () -> reader(text)).getMessage());
        npy.version = 2;
        npy.shape = "(300, 4)";
        byte[] endless = npy.toBytes();
        endless[11] = 0x7f; // a header of gigabytes
        assertEquals(message, assertThrows(InputException.class, () -> reader(endless)).getMessage());
    }

    @Test
    public void refusesToHoldHoursInFortransOrder() {
        npy.fortranOrder = true;
        npy.shape = "(9000000, 4)";
        assertRefused("a.npy is long and in Fortran's order: save it with numpy.ascontiguousarray");
    }

    private void assertReads(byte[] file) throws IOException {
        List<float[]> rows = new ArrayList<>();
        try (NpyReader reader = reader(file)) {
            for (float[][] block = reader.next(); block != null; block = reader.next()) {
                rows.addAll(Arrays.asList(block));
            }
            assertNull(reader.next());
        }
        assertArrayEquals(mel, rows.toArray(new float[0][]));
    }

    private void assertRefused(String message) {
        assertEquals(message, assertThrows(InputException.class, () -> reader(npy.toBytes())).getMessage());
    }

    private static NpyReader reader(byte[] file) throws IOException {
        return new NpyReader(new ByteArrayInputStream(file), "a.npy", PAPER);
    }

    /** Noise with the range of a mel in natural logarithms. */
    private static float[][] mel(int frames) {
        Random random = new Random(1);
        float[][] mel = new float[frames][BANDS];
        for (float[] frame : mel) {
            for (int band = 0; band < BANDS; band++) {
                frame[band] = -11.5f + 12.5f * random.nextFloat();
            }
        }
        return mel;
    }
}
