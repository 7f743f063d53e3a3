package dev.hifigan.vocoder;

import static org.junit.Assert.assertFalse;
import static org.junit.Assert.assertThrows;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.Paths;
import java.util.List;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.codehaus.groovy.control.CompilationFailedException;
import org.codehaus.groovy.control.CompilationUnit;
import org.codehaus.groovy.control.Phases;
import org.junit.Test;

/** The files that Android Studio opens are read here by Groovy alone. */
public class GradleFilesTest {
    private static final Path PROJECT = Paths.get(System.getProperty("gradle.project"));

    @Test
    public void theyParse() throws IOException {
        try (Stream<Path> files = Files.walk(PROJECT, 2)) {
            List<Path> scripts =
                    files.filter(file -> file.toString().endsWith(".gradle")).collect(Collectors.toList());
            assertFalse(scripts.isEmpty());
            for (Path script : scripts) {
                parse(script.getFileName().toString(), new String(Files.readAllBytes(script), "UTF-8"));
            }
        }
    }

    @Test
    public void anUnfinishedOneWouldNot() {
        assertThrows(CompilationFailedException.class, () -> parse("build.gradle", "android { compileSdk 34"));
    }

    private static void parse(String name, String script) {
        CompilationUnit unit = new CompilationUnit();
        unit.addSource(name, script);
        unit.compile(Phases.CONVERSION);
    }
}
