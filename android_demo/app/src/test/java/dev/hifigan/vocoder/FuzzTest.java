package dev.hifigan.vocoder;

import static org.junit.Assert.assertFalse;
import static org.junit.Assert.assertThrows;
import static org.junit.Assert.assertTrue;

import java.io.ByteArrayInputStream;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.lang.management.ManagementFactory;
import java.lang.management.ThreadMXBean;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import java.util.Random;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import java.util.zip.ZipEntry;
import java.util.zip.ZipOutputStream;
import org.junit.Test;

/** Mutated files for every reader of files from outside: each is read, or refused with one line. */
public class FuzzTest {
    private static final int FILES = 10000; // of each reader
    private static final long LIMIT = 5_000_000_000L; // nanoseconds of the processor for a file
    private static final long PATIENCE = 30; // seconds for a file that waits, or for a busy machine
    private static final long MEMORY = 200 << 20; // bytes: a larger heap would hide a reader that takes too much
    private static final String CONTRACT = "{'kind': 'vocoder', 'mode': 'int8', 'audio': {'sampling_rate': 22050, "
            + "'num_mels': 80, 'n_fft': 1024, 'hop_size': 256, 'win_size': 1024, 'fmin': 0, 'fmax': null, "
            + "'mel_log': 'natural', 'mel_floor': 1e-5, 'mel_mean': 0}, 'stateful': true, 'chunk_frames': [16, 4], "
            + "'delay_samples': 2582, 'edge_frames': 11, 'states': {'state': [1, 1, 6, 80]}, 'initial_state': 'init', "
            + "'stream': {'4': 'stream_4', '16': 'stream_16'}, 'edge': 'edge', 'quality': {}, 'format': 2}";

    /** What reads a file. */
    private interface Reader {
        void read(byte[] file) throws IOException;
    }

    @Test
    public void recordings() throws Exception {
        WavBytes plain = new WavBytes();
        plain.data = WavBytes.shorts(new int[600]);
        WavBytes other = new WavBytes();
        other.extensible = true;
        other.channels = 2;
        other.chunkBefore = "a chunk";
        other.data = new byte[1200];
        WavBytes floats = new WavBytes();
        floats.encoding = 3;
        floats.bits = 32;
        floats.data = new byte[1200];
        WavBytes empty = new WavBytes();
        empty.declaredBytes = 0;
        empty.data = new byte[] {'L', 'I', 'S', 'T', 4, 0, 0, 0, 1, 2, 3, 4};
        fuzz(file -> {
            try (WavReader reader = new WavReader(new ByteArrayInputStream(file), "a.wav")) {
                while (reader.read() != null) {
                    assertTrue(reader.samplingRate() > 0);
                }
            }
        }, plain.toBytes(), other.toBytes(), floats.toBytes(), empty.toBytes());
    }

    @Test
    public void mels() throws Exception {
        AudioSettings audio = Contract.read(ByteBuffer.wrap(model(CONTRACT)), "a.tflite").audio;
        float[][] rows = new float[30][80];
        for (float[] row : rows) {
            for (int band = 0; band < row.length; band++) {
                row[band] = -3 - band / 10f;
            }
        }
        NpyBytes plain = NpyBytes.of(rows);
        NpyBytes other = NpyBytes.of(rows);
        other.version = 2;
        other.type = ">f8";
        other.fortranOrder = true;
        fuzz(file -> {
            try (NpyReader reader = new NpyReader(new ByteArrayInputStream(file), "a.npy", audio)) {
                while (reader.next() != null) {
                    assertTrue(reader.frames() > 0);
                }
            }
        }, plain.toBytes(), other.toBytes());
    }

    @Test
    public void contracts() throws Exception {
        fuzz(file -> Contract.read(ByteBuffer.wrap(file), "a.tflite"), model(CONTRACT));
    }

    /** As {@link #contracts}, whose checksum refuses most mutations before they are parsed. */
    @Test
    public void textsOfContracts() throws Exception {
        byte[] seed = CONTRACT.replace('\'', '"').getBytes(StandardCharsets.UTF_8);
        fuzz(file -> Contract.read(ByteBuffer.wrap(model(new String(file, StandardCharsets.UTF_8))), "a.tflite"), seed);
    }

    @Test
    public void faultsAreFound() throws Exception {
        assertFault("StackOverflowError", 30, new Reader() {
            @Override
            public void read(byte[] file) throws IOException {
                read(file);
            }
        });
        assertFault("OutOfMemoryError", 30, file -> Arrays.fill(new byte[(int) MEMORY], (byte) 1));
        assertFault("IOException", 30, file -> {
            throw new IOException("no InputException");
        });
        assertFault("AssertionError", 30, file -> {
            throw new InputException("two\nlines");
        });
        assertFault("nothing for 1 s", 1, file -> {
            try {
                Thread.sleep(60000);
            } catch (InterruptedException e) {
                throw new InputException("ended", e);
            }
        });
    }

    private static void assertFault(String what, long patience, Reader reader) {
        Reader good = file -> {
            if (file.length != 100) {
                reader.read(file);
            }
        };
        AssertionError fault = assertThrows(AssertionError.class, () -> fuzz(good, patience, new byte[100]));
        assertTrue(fault.toString() + fault.getCause(), (fault.toString() + fault.getCause()).contains(what));
    }

    private static void fuzz(Reader reader, byte[]... seeds) throws Exception {
        fuzz(reader, PATIENCE, seeds);
    }

    /** Reads the seeds, then their mutations, in a thread that may hang. */
    private static void fuzz(Reader reader, long patience, byte[]... seeds) throws Exception {
        assertTrue("run tests with -Xmx96m", Runtime.getRuntime().maxMemory() < MEMORY);
        ExecutorService thread = Executors.newSingleThreadExecutor();
        try {
            for (byte[] seed : seeds) {
                reader.read(seed);
            }
            Random random = new Random(1);
            for (int number = 0; number < FILES; number++) {
                byte[] file = mutated(seeds[random.nextInt(seeds.length)], random);
                Future<Long> time = thread.submit(() -> attempt(reader, file));
                try {
                    long took = time.get(patience, TimeUnit.SECONDS);
                    assertTrue("file " + number + " took " + took + " ns", took < LIMIT);
                } catch (TimeoutException e) {
                    throw new AssertionError("file " + number + ": nothing for " + patience + " s", e);
                } catch (ExecutionException e) {
                    throw new AssertionError("file " + number, e.getCause());
                }
            }
        } finally {
            thread.shutdownNow();
        }
    }

    /** Nanoseconds of the processor. */
    private static long attempt(Reader reader, byte[] file) throws IOException {
        ThreadMXBean clock = ManagementFactory.getThreadMXBean();
        long begin = clock.getCurrentThreadCpuTime();
        try {
            reader.read(file);
        } catch (InputException | ModelException e) {
            assertFalse(e.getMessage(), e.getMessage().contains("\n"));
        }
        return clock.getCurrentThreadCpuTime() - begin;
    }

    /** One to four changes: a byte, a number at the edge of its range, a part cut out, doubled, or all behind it gone. */
    private static byte[] mutated(byte[] seed, Random random) {
        byte[] file = seed.clone();
        for (int changes = 1 + random.nextInt(4); changes > 0 && file.length > 8; changes--) {
            int at = random.nextInt(random.nextBoolean() ? Math.min(64, file.length - 4) : file.length - 4);
            int end = Math.min(file.length, at + 1 + random.nextInt(40));
            switch (random.nextInt(5)) {
                case 0:
                    file[at] = (byte) random.nextInt();
                    break;
                case 1:
                    int[] edges = {0, -1, Integer.MAX_VALUE, Integer.MIN_VALUE, 0x7ffffff0};
                    ByteBuffer.wrap(file).putInt(at, edges[random.nextInt(edges.length)]);
                    break;
                case 2:
                    file = joined(Arrays.copyOf(file, at), Arrays.copyOfRange(file, end, file.length));
                    break;
                case 3:
                    file = joined(Arrays.copyOf(file, end), Arrays.copyOfRange(file, at, file.length));
                    break;
                default:
                    file = Arrays.copyOf(file, at);
            }
        }
        return file;
    }

    private static byte[] model(String contract) throws IOException {
        ByteArrayOutputStream bytes = new ByteArrayOutputStream();
        bytes.write(new byte[] {28, 0, 0, 0, 'T', 'F', 'L', '3'});
        bytes.write(new byte[200]);
        try (ZipOutputStream zip = new ZipOutputStream(bytes)) {
            zip.putNextEntry(new ZipEntry("contract.json"));
            zip.write(contract.replace('\'', '"').getBytes(StandardCharsets.UTF_8));
        }
        return bytes.toByteArray();
    }

    private static byte[] joined(byte[] first, byte[] second) {
        byte[] both = Arrays.copyOf(first, first.length + second.length);
        System.arraycopy(second, 0, both, first.length, second.length);
        return both;
    }
}
