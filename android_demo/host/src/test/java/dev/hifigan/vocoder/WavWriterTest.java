package dev.hifigan.vocoder;

import static org.junit.Assert.assertArrayEquals;
import static org.junit.Assert.assertEquals;
import static org.junit.Assert.assertNull;

import java.io.File;
import java.io.FileInputStream;
import java.io.IOException;
import java.nio.file.Files;
import javax.sound.sampled.AudioFormat;
import javax.sound.sampled.AudioInputStream;
import javax.sound.sampled.AudioSystem;
import org.junit.Rule;
import org.junit.Test;
import org.junit.rules.TemporaryFolder;

public class WavWriterTest {
    @Rule
    public final TemporaryFolder folder = new TemporaryFolder();

    @Test
    public void writesFilesThatOthersRead() throws Exception {
        File file = write(16000, new float[] {0.5f, -1}, new float[0], new float[] {2, 0.25f});
        try (AudioInputStream audio = AudioSystem.getAudioInputStream(file)) {
            assertEquals(new AudioFormat(16000, 16, 1, true, false).toString(), audio.getFormat().toString());
            assertEquals(4, audio.getFrameLength());
        }
        try (WavReader reader = new WavReader(new FileInputStream(file), "a.wav")) {
            assertEquals(16000, reader.samplingRate());
            assertArrayEquals(new float[] {0.5f, -1, 1, 0.25f}, reader.read(), 1e-4f);
            assertNull(reader.read());
        }
    }

    @Test
    public void replacesALongerFile() throws IOException {
        File file = folder.newFile();
        Files.write(file.toPath(), new byte[1000]);
        new WavWriter(file, 8000).close();
        assertEquals(44, file.length());
    }

    @Test
    public void canBePlayedWhileItGrows() throws IOException {
        File file = folder.newFile();
        try (WavWriter writer = new WavWriter(file, 8000)) {
            writer.write(new float[100]);
            assertEquals(44 + 200, file.length());
        }
    }

    @Test
    public void mayBeClosedTwice() throws IOException {
        WavWriter writer = new WavWriter(folder.newFile(), 8000);
        writer.close();
        writer.close();
    }

    private File write(int samplingRate, float[]... pieces) throws IOException {
        File file = folder.newFile();
        try (WavWriter writer = new WavWriter(file, samplingRate)) {
            for (float[] piece : pieces) {
                writer.write(piece);
            }
        }
        return file;
    }
}
