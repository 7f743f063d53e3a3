package dev.hifigan.vocoder;

import static org.junit.Assert.assertEquals;
import static org.junit.Assert.assertFalse;
import static org.junit.Assert.assertThrows;
import static org.junit.Assert.assertTrue;

import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import java.util.zip.ZipEntry;
import java.util.zip.ZipOutputStream;
import org.junit.Test;

/** Models that cannot be used, each refused with one line. */
public class BadModelTest {
    @Test
    public void aModelWithoutContract() throws IOException {
        assertEquals("a.tflite carries no contract (another project's model, or cut short): export or copy it again",
                refusal(Reference.modelBytes("bare")));
    }

    @Test
    public void aModelCutAnywhere() throws IOException {
        byte[] whole = Reference.modelBytes("vocoder_int8");
        for (int part = 0; part < 40; part++) {
            refusal(Arrays.copyOf(whole, (int) ((long) whole.length * part / 40)));
        }
        for (int lacking = 1; lacking < 200; lacking++) {
            refusal(Arrays.copyOf(whole, whole.length - lacking));
        }
    }

    @Test
    public void aModelCutBeforeItsContract() throws IOException {
        byte[] whole = Reference.modelBytes("tiny_vocoder");
        byte[] bare = Reference.modelBytes("bare");
        byte[] archive = archive(contract(whole));
        byte[] earlier = archive(contract(whole).replaceFirst("\"model_sha256\": \"\\w+\"", "\"model_sha256\": \"\""));
        for (int part = 1; part < 20; part++) {
            byte[] cut = Arrays.copyOf(bare, bare.length * part / 20);
            assertEquals("a.tflite is damaged, its bytes are not those that were exported: copy it again",
                    refusal(joined(cut, archive)));
            String message = refusal(joined(cut, earlier));
            assertTrue(message, message.startsWith("a.tflite cannot be loaded (cut short?)"));
        }
        new StreamingVocoder(ByteBuffer.wrap(joined(bare, archive)), "a.tflite", 1).close(); // complete, it is valid
    }

    @Test
    public void aModelWithOneBitChanged() throws IOException {
        byte[] model = Reference.modelBytes("vocoder_int8");
        for (int at = 0; at < bare(model).length; at += 9973) {
            byte[] changed = model.clone();
            changed[at] ^= 1;
            refusal(changed);
        }
    }

    @Test
    public void aModelThatDoesNotKeepItsContract() throws IOException {
        assertContractRefused("\"edge\": \"edge\"", "\"edge\": \"rim\"", "Signature rim not found.)");
        assertContractRefused("\"num_mels\": 16", "\"num_mels\": 20", "mel has 1024 bytes, not 1280)");
        assertContractRefused("\"hop_size\": 64", "\"hop_size\": 32", "audio has 4096 bytes, not 2048)");
        assertContractRefused("\"state\"", "\"states\"", "input states of edge not found.)");
    }

    @Test
    public void aStatelessVocoder() throws IOException {
        assertEquals("a.tflite has no state, and cannot stream: export it with --float32, --float16 or --int8",
                refusal(Reference.modelBytes("stateless")));
    }

    @Test
    public void aMelFrontEndInPlaceOfAVocoderAndTheOtherWayRound() throws IOException {
        assertEquals("a.tflite is a mel_frontend: a vocoder is needed here",
                refusal(Reference.modelBytes("mel_frontend")));
        assertEquals("a.tflite is a vocoder: a mel_frontend is needed here",
                melRefusal(Reference.modelBytes("tiny_vocoder")));
    }

    @Test
    public void aMelFrontEndThatDoesNotKeepItsContract() throws IOException {
        byte[] model = Reference.modelBytes("tiny_mel_frontend");
        String contract = contract(model).replace("\"num_mels\": 16", "\"num_mels\": 20");
        assertEquals("a.tflite does not keep its contract (analyze: mel has 1024 bytes, not 1280): export it again",
                melRefusal(joined(bare(model), archive(contract))));
    }

    @Test
    public void invalidChunksAndThreads() throws IOException {
        ByteBuffer model = Reference.model("vocoder_int8");
        Exception chunk = assertThrows(ModelException.class, () -> new StreamingVocoder(model, "a.tflite", 1, 5));
        assertEquals("a.tflite has no chunk of 5 frames: it has [4, 16]", chunk.getMessage());
        Exception threads =
                assertThrows(IllegalArgumentException.class, () -> new StreamingVocoder(model, "a.tflite", 0));
        assertEquals("0 threads: it takes at least 1", threads.getMessage());
    }

    private static void assertContractRefused(String good, String bad, String reason) throws IOException {
        byte[] whole = Reference.modelBytes("tiny_vocoder");
        String contract = contract(whole);
        assertTrue(contract.contains(good));
        String message = refusal(joined(bare(whole), archive(contract.replace(good, bad))));
        assertTrue(message, message.startsWith("a.tflite does not keep its contract (") && message.contains(reason));
    }

    private static String refusal(byte[] model) {
        ByteBuffer bytes = ByteBuffer.wrap(model);
        String message =
                assertThrows(ModelException.class, () -> new StreamingVocoder(bytes, "a.tflite", 1)).getMessage();
        assertFalse(message, message.contains("\n"));
        assertTrue(message, message.startsWith("a.tflite "));
        return message;
    }

    private static String melRefusal(byte[] model) {
        ByteBuffer bytes = ByteBuffer.wrap(model);
        return assertThrows(ModelException.class, () -> new MelAnalyzer(bytes, "a.tflite", 1)).getMessage();
    }

    private static String contract(byte[] model) throws IOException {
        return new String(ZipTail.read(ByteBuffer.wrap(model), "contract.json"), StandardCharsets.UTF_8);
    }

    /** A model without its contract. */
    private static byte[] bare(byte[] model) throws IOException {
        return Arrays.copyOf(model, ZipTail.before(ByteBuffer.wrap(model)));
    }

    private static byte[] archive(String contract) throws IOException {
        ByteArrayOutputStream bytes = new ByteArrayOutputStream();
        try (ZipOutputStream zip = new ZipOutputStream(bytes)) {
            zip.putNextEntry(new ZipEntry("contract.json"));
            zip.write(contract.getBytes(StandardCharsets.UTF_8));
        }
        return bytes.toByteArray();
    }

    private static byte[] joined(byte[] model, byte[] archive) {
        return ByteBuffer.allocate(model.length + archive.length).put(model).put(archive).array();
    }
}
