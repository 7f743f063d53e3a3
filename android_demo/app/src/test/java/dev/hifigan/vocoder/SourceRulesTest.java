package dev.hifigan.vocoder;

import static org.junit.Assert.assertEquals;
import static org.junit.Assert.assertTrue;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.Paths;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.junit.Test;

/** Rules that the compiler does not check. */
public class SourceRulesTest {
    /** The sources of the app; Gradle runs tests in the folder above them. */
    private static final Path SOURCES = Paths.get(System.getProperty("app.sources", "src"), "main", "java");

    @Test
    public void theCoreKnowsNothingOfAndroid() throws IOException {
        Pattern foreign = Pattern.compile("\\b(androidx?\\.|dev\\.hifigan\\.demo)");
        assertNothingFound(foreign, SOURCES.resolve("dev/hifigan/vocoder"));
    }

    /** The dexer of `make android` cannot compile them. */
    @Test
    public void thereIsNoLambdaAndNoMethodReference() throws IOException {
        assertNothingFound(Pattern.compile("->|::"), SOURCES);
    }

    /**
     * Newer class libraries override these in ByteBuffer and similar classes with another return type. A call compiled
     * against those that does not name Buffer fails on Android 8.
     */
    @Test
    public void methodsOfBufferAreCalledOnBuffer() throws IOException {
        Pattern call = Pattern.compile("\\b(\\w+)\\.((clear|flip|rewind|mark|reset)\\(\\)|(limit|position)\\([^)])");
        List<String> found = new ArrayList<>();
        for (Path file : javaFiles(SOURCES)) {
            String code = code(file);
            Matcher matcher = call.matcher(code);
            while (matcher.find()) {
                if (Pattern.compile("[a-z]Buffer " + matcher.group(1) + "\\b").matcher(code).find()) {
                    found.add(file.getFileName() + ": " + matcher.group());
                }
            }
        }
        assertEquals(Collections.emptyList(), found);
    }

    private static void assertNothingFound(Pattern pattern, Path folder) throws IOException {
        List<Path> files = javaFiles(folder);
        assertTrue("sources in " + folder.toAbsolutePath(), files.size() > 10);
        List<String> found = new ArrayList<>();
        for (Path file : files) {
            Matcher matcher = pattern.matcher(code(file));
            while (matcher.find()) {
                found.add(file.getFileName() + ": " + matcher.group());
            }
        }
        assertEquals(Collections.emptyList(), found);
    }

    /** A file without comments and strings. */
    private static String code(Path file) throws IOException {
        String text = new String(Files.readAllBytes(file), StandardCharsets.UTF_8);
        return text.replaceAll("(?s)/\\*.*?\\*/", "")
                .replaceAll("//[^\n]*", "")
                .replaceAll("\"(\\\\.|[^\"\\\\])*\"", "\"\"");
    }

    private static List<Path> javaFiles(Path folder) throws IOException {
        try (Stream<Path> files = Files.walk(folder)) {
            return files.filter(file -> file.toString().endsWith(".java")).collect(Collectors.toList());
        }
    }
}
