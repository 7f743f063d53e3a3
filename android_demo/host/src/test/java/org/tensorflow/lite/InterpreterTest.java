package org.tensorflow.lite;

import static org.junit.Assert.assertArrayEquals;
import static org.junit.Assert.assertEquals;
import static org.junit.Assert.assertThrows;
import static org.junit.Assert.assertTrue;

import java.io.File;
import java.io.IOException;
import java.io.InputStream;
import java.lang.reflect.Constructor;
import java.lang.reflect.Executable;
import java.lang.reflect.Method;
import java.net.URL;
import java.net.URLClassLoader;
import java.nio.BufferOverflowException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.channels.FileChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.Paths;
import java.nio.file.StandardCopyOption;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.TreeSet;
import java.util.zip.ZipFile;
import org.junit.After;
import org.junit.Before;
import org.junit.Rule;
import org.junit.Test;
import org.junit.rules.TemporaryFolder;

/** The replacement has the rules of the phone's class. */
public class InterpreterTest {
    private static final int BLOCK = (15 * 64 + 256) * 4; // bytes, of the tiny mel front end
    private static final int MEL = 16 * 16 * 4;

    @Rule
    public final TemporaryFolder folder = new TemporaryFolder();

    private Interpreter interpreter;

    @Before
    public void load() throws IOException {
        interpreter = new Interpreter(model(), new Interpreter.Options().setNumThreads(1));
    }

    @After
    public void close() {
        interpreter.close();
    }

    /** Code that is compiled against the replacement runs on the phone. */
    @Test
    public void hasOnlyMethodsThatThePhoneHas() throws Exception {
        try (URLClassLoader phone = phoneClasses()) {
            for (Class<?> own : Arrays.asList(
                    Interpreter.class, Interpreter.Options.class, Tensor.class, DataType.class, TensorFlowLite.class)) {
                Class<?> real = phone.loadClass(own.getName());
                TreeSet<String> lacking = publicMembers(own);
                assertTrue(!lacking.isEmpty());
                lacking.removeAll(publicMembers(real));
                assertEquals(own.getName(), Collections.emptySet(), lacking);
            }
        }
    }

    @Test
    public void tellsItsSignatures() {
        assertArrayEquals(new String[] {"analyze"}, interpreter.getSignatureKeys());
        assertArrayEquals(new String[] {"audio"}, interpreter.getSignatureInputs("analyze"));
        assertArrayEquals(new String[] {"mel"}, interpreter.getSignatureOutputs("analyze"));
        Tensor mel = interpreter.getOutputTensorFromSignature("mel", "analyze");
        assertArrayEquals(new int[] {1, 16, 16}, mel.shape());
        assertEquals(DataType.FLOAT32, mel.dataType());
        assertEquals("mel", mel.name());
        assertEquals(MEL, mel.numBytes());
        assertEquals(BLOCK, interpreter.getInputTensorFromSignature("audio", "analyze").numBytes());
    }

    @Test
    public void readsWholeBuffersAndWritesFromTheirPositions() {
        ByteBuffer audio = direct(BLOCK);
        audio.position(BLOCK); // makes no difference
        ByteBuffer mel = direct(4 + MEL);
        mel.position(4);
        run(audio, mel);
        assertEquals("behind what was written", 4 + MEL, mel.position());
        assertEquals(0, mel.getFloat(0), 0);
        assertEquals(Math.log(1e-5), mel.getFloat(4), 1e-5);
        assertThrows(BufferOverflowException.class, () -> run(audio, mel));
    }

    @Test
    public void refusesBuffersOfOtherSizesAndKinds() {
        assertRefused(direct(BLOCK - 4), direct(MEL));
        assertRefused(direct(BLOCK + 4), direct(MEL));
        assertRefused(direct(BLOCK), direct(MEL - 4));
        assertRefused(ByteBuffer.allocate(BLOCK).order(ByteOrder.nativeOrder()), direct(MEL));
        assertRefused(ByteBuffer.allocateDirect(BLOCK).order(ByteOrder.BIG_ENDIAN), direct(MEL));
        assertRefused(direct(BLOCK), "mel");
    }

    @Test
    public void refusesUnknownNamesAndMissingInputs() {
        Map<String, Object> audio = Collections.singletonMap("audio", direct(BLOCK));
        Map<String, Object> mel = Collections.singletonMap("mel", direct(MEL));
        assertRefused(audio, mel, "synthesize");
        assertRefused(Collections.singletonMap("sound", direct(BLOCK)), mel, "analyze");
        assertRefused(audio, Collections.singletonMap("bark", direct(MEL)), "analyze");
        assertRefused(Collections.emptyMap(), mel, "analyze");
        assertRefused(null, mel, "analyze");
        assertRefused(audio, null, "analyze");
        assertThrows(IllegalArgumentException.class, () -> interpreter.getInputTensorFromSignature("mel", "analyze"));
    }

    @Test
    public void needsEveryInput() throws IOException {
        try (Interpreter vocoder = new Interpreter(model("tiny_vocoder"), new Interpreter.Options())) {
            Map<String, Object> mel = Collections.singletonMap("mel", direct(16 * 16 * 4));
            assertThrows(IllegalArgumentException.class, () -> vocoder.runSignature(mel, new HashMap<>(), "stream_16"));
        }
    }

    @Test
    public void refusesFilesThatAreNotModels() {
        ByteBuffer zeros = direct(10000);
        assertThrows(IllegalArgumentException.class, () -> new Interpreter(zeros, new Interpreter.Options()));
        ByteBuffer heap = ByteBuffer.allocate(10000);
        assertThrows(IllegalArgumentException.class, () -> new Interpreter(heap, new Interpreter.Options()));
        assertThrows(IllegalArgumentException.class, () -> new Interpreter(null, new Interpreter.Options()));
    }

    @Test
    public void refusesEverythingOnceClosed() {
        interpreter.close();
        interpreter.close();
        assertThrows(IllegalStateException.class, () -> run(direct(BLOCK), direct(MEL)));
        assertThrows(IllegalStateException.class, () -> interpreter.getSignatureKeys());
        assertThrows(IllegalStateException.class, () -> interpreter.getSignatureInputs("analyze"));
        assertThrows(IllegalStateException.class, () -> interpreter.getSignatureOutputs("analyze"));
        assertThrows(IllegalStateException.class, () -> interpreter.getInputTensorFromSignature("audio", "analyze"));
        assertThrows(IllegalStateException.class, () -> interpreter.getOutputTensorFromSignature("mel", "analyze"));
    }

    /** The runtime starts one thread fewer than requested, because the caller's thread works too. */
    @Test
    public void passesTheNumberOfThreadsOn() throws IOException {
        int before = threads();
        try (Interpreter four = new Interpreter(model("tiny_vocoder"), new Interpreter.Options().setNumThreads(4))) {
            assertEquals(4, new Interpreter.Options().setNumThreads(4).getNumThreads());
            assertEquals(before + 3, threads());
        }
        assertEquals(before, threads());
    }

    private void run(Object audio, Object mel) {
        interpreter.runSignature(
                Collections.singletonMap("audio", audio), Collections.singletonMap("mel", mel), "analyze");
    }

    private void assertRefused(Object audio, Object mel) {
        assertThrows(IllegalArgumentException.class, () -> run(audio, mel));
    }

    private void assertRefused(Map<String, Object> inputs, Map<String, Object> outputs, String signature) {
        assertThrows(IllegalArgumentException.class, () -> interpreter.runSignature(inputs, outputs, signature));
    }

    private static ByteBuffer direct(int bytes) {
        return ByteBuffer.allocateDirect(bytes).order(ByteOrder.nativeOrder());
    }

    private static ByteBuffer model() throws IOException {
        return model("tiny_mel_frontend");
    }

    private static ByteBuffer model(String name) throws IOException {
        Path path = Paths.get(System.getProperty("reference"), "models", name + ".tflite");
        try (FileChannel channel = FileChannel.open(path)) {
            return channel.map(FileChannel.MapMode.READ_ONLY, 0, channel.size()).order(ByteOrder.nativeOrder());
        }
    }

    /** Threads of this process with the name of this one, which those that the runtime starts inherit. */
    private static int threads() throws IOException {
        String own = name(Paths.get("/proc/thread-self"));
        int threads = 0;
        for (File task : new File("/proc/self/task").listFiles()) {
            threads += name(task.toPath()).equals(own) ? 1 : 0;
        }
        return threads;
    }

    private static String name(Path task) throws IOException {
        return new String(Files.readAllBytes(task.resolve("comm")), StandardCharsets.UTF_8);
    }

    /** The classes of the phone's two libraries, as they come from Maven Central. */
    private URLClassLoader phoneClasses() throws IOException {
        List<URL> jars = new ArrayList<>();
        for (File library : new File(System.getProperty("phone.libraries")).listFiles()) {
            Path jar = folder.newFile().toPath();
            try (ZipFile zip = new ZipFile(library)) {
                InputStream classes = zip.getInputStream(zip.getEntry("classes.jar"));
                Files.copy(classes, jar, StandardCopyOption.REPLACE_EXISTING);
            }
            jars.add(jar.toUri().toURL());
        }
        assertEquals(2, jars.size());
        return new URLClassLoader(jars.toArray(new URL[0]), ClassLoader.getSystemClassLoader().getParent());
    }

    /** Names, types of parameters and of results. */
    private static TreeSet<String> publicMembers(Class<?> type) {
        TreeSet<String> members = new TreeSet<>();
        for (Constructor<?> constructor : type.getConstructors()) {
            members.add("new" + parameters(constructor));
        }
        for (Method method : type.getMethods()) {
            if (!method.getDeclaringClass().equals(Object.class)) {
                members.add(method.getName() + parameters(method) + method.getReturnType().getName());
            }
        }
        return members;
    }

    private static String parameters(Executable executable) {
        StringBuilder names = new StringBuilder("(");
        for (Class<?> parameter : executable.getParameterTypes()) {
            names.append(parameter.getName()).append(' ');
        }
        return names.append(") ").toString();
    }
}
