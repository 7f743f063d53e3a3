package dev.hifigan.vocoder;

import java.io.FileInputStream;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.channels.FileChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.Paths;
import java.nio.file.StandardOpenOption;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Locale;
import java.util.stream.Collectors;
import java.util.stream.Stream;

/** The files of reference.py, and a report of figures to read. */
final class Reference {
    /** The vocoders that stream. */
    static final String[] VOCODERS = {
        "vocoder_float32", "vocoder_float16", "vocoder_int8",
        "live_float32", "live_int8",
        "hop_300_float32", "hop_300_int8",
    };

    private static final Path FOLDER = Paths.get(System.getProperty("reference"));
    private static final Path FIGURES = Paths.get(System.getProperty("figures"));

    private Reference() {}

    static Path file(String name) {
        return FOLDER.resolve(name);
    }

    /** A model as an app maps it from its assets. */
    static ByteBuffer model(String name) throws IOException {
        try (FileChannel channel = FileChannel.open(file("models/" + name + ".tflite"))) {
            return channel.map(FileChannel.MapMode.READ_ONLY, 0, channel.size());
        }
    }

    static byte[] modelBytes(String name) throws IOException {
        return Files.readAllBytes(file("models/" + name + ".tflite"));
    }

    static StreamingVocoder vocoder(String name, int chunk) throws IOException {
        return new StreamingVocoder(model(name), name + ".tflite", 1, chunk);
    }

    /** The lengths of a vocoder's chunks in frames. */
    static int[] chunks(String vocoder) throws IOException {
        return Contract.read(model(vocoder), vocoder).chunkFrames;
    }

    static MelAnalyzer analyzer() throws IOException {
        return analyzer("mel_frontend");
    }

    static MelAnalyzer analyzer(String name) throws IOException {
        return new MelAnalyzer(model(name), name + ".tflite", 1);
    }

    /** The names of the clips, in their order. */
    static List<String> clips() {
        return names("mels", ".f32");
    }

    static AudioInput clip(String name) {
        return new AudioInput() {
            @Override
            public String name() {
                return name;
            }

            @Override
            public AudioSource open() throws IOException {
                return new WavReader(new FileInputStream(file("clips/" + name + ".wav").toFile()), name);
            }
        };
    }

    static float[] samples(String clip) throws IOException {
        Floats samples = new Floats();
        try (AudioSource source = clip(clip).open()) {
            for (float[] piece = source.read(); piece != null; piece = source.read()) {
                samples.append(piece);
            }
        }
        return samples.toArray();
    }

    static NpyReader melFile(String clip) throws IOException {
        String name = clip + ".npy";
        return new NpyReader(new FileInputStream(file("clips/" + name).toFile()), name, settings("mel_frontend"));
    }

    /** The mel of a model. */
    static AudioSettings settings(String model) throws IOException {
        return Contract.read(model(model), model).audio;
    }

    /** The mel of a clip, all its frames. */
    static float[][] mel(String clip) throws IOException {
        List<float[]> frames = new ArrayList<>();
        try (NpyReader reader = melFile(clip)) {
            for (float[][] block = reader.next(); block != null; block = reader.next()) {
                frames.addAll(Arrays.asList(block));
            }
        }
        return frames.toArray(new float[0][]);
    }

    /** The names of the files of a folder, without their ending. */
    static List<String> names(String folder, String ending) {
        try (Stream<Path> files = Files.list(file(folder))) {
            return files.map(file -> file.getFileName().toString())
                    .filter(name -> name.endsWith(ending))
                    .map(name -> name.substring(0, name.length() - ending.length()))
                    .sorted()
                    .collect(Collectors.toList());
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    static ByteBuffer bytes(String name) throws IOException {
        return ByteBuffer.wrap(Files.readAllBytes(file(name))).order(ByteOrder.LITTLE_ENDIAN);
    }

    static float[] floats(String name) throws IOException {
        ByteBuffer bytes = bytes(name);
        float[] floats = new float[bytes.capacity() / 4];
        bytes.asFloatBuffer().get(floats);
        return floats;
    }

    /** Rows one after the other. */
    static float[] flat(float[][] rows) {
        Floats flat = new Floats();
        for (float[] row : rows) {
            flat.append(row);
        }
        return flat.toArray();
    }

    static double largestDifference(float[] expected, float[] actual) {
        if (expected.length != actual.length) {
            throw new AssertionError(actual.length + " numbers, not " + expected.length);
        }
        double largest = 0;
        for (int i = 0; i < expected.length; i++) {
            double difference = Math.abs((double) expected[i] - actual[i]);
            largest = difference <= largest ? largest : difference; // NaN is the largest of all
        }
        return largest;
    }

    /** Adds a line to the figures that the test run shows at its end. */
    static void figure(String format, Object... values) {
        String line = String.format(Locale.ROOT, format, values) + "\n";
        try {
            byte[] bytes = line.getBytes(StandardCharsets.UTF_8);
            Files.write(FIGURES, bytes, StandardOpenOption.CREATE, StandardOpenOption.APPEND);
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }
}
