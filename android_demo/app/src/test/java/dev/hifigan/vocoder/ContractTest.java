package dev.hifigan.vocoder;

import static org.junit.Assert.assertArrayEquals;
import static org.junit.Assert.assertEquals;
import static org.junit.Assert.assertFalse;
import static org.junit.Assert.assertThrows;
import static org.junit.Assert.assertTrue;

import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import java.util.zip.CRC32;
import java.util.zip.ZipEntry;
import java.util.zip.ZipOutputStream;
import org.junit.Test;

public class ContractTest {
    private static final String AUDIO = "'audio': {'sampling_rate': 22050, 'num_mels': 80, 'n_fft': 1024, "
            + "'hop_size': 256, 'win_size': 1024, 'fmin': 0, 'fmax': null}";
    private static final String VOCODER = "{'kind': 'vocoder', 'mode': 'int8', " + AUDIO + ", 'stateful': true, "
            + "'chunk_frames': [16, 4], 'delay_samples': 2582, 'edge_frames': 11, "
            + "'states': {'state_00': [1, 1, 6, 80], 'state_01': [1, 1, 1, 256]}, 'initial_state': 'initial_state', "
            + "'stream': {'4': 'stream_4', '16': 'stream_16'}, 'edge': 'edge', 'quality': {'clips': 24}, 'format': 1}";
    private static final String MEL_FRONTEND = "{'kind': 'mel_frontend', " + AUDIO + ", 'analyze': 'analyze', "
            + "'block_frames': 16, 'block_samples': 4864, 'mirrored_samples': 384, 'min_samples': 385, 'format': 1}";

    @Test
    public void readsThatOfAVocoder() throws Exception {
        Contract contract = read(VOCODER);
        assertEquals(Contract.VOCODER, contract.kind);
        assertEquals("int8", contract.mode);
        assertTrue(contract.stateful);
        assertArrayEquals(new int[] {4, 16}, contract.chunkFrames);
        assertEquals(2582, contract.delaySamples);
        assertEquals(11, contract.edgeFrames);
        assertEquals("{state_00=480, state_01=256}", contract.states.toString());
        assertEquals("{4=stream_4, 16=stream_16}", contract.stream.toString());
        assertEquals("edge", contract.edge);
        assertEquals("initial_state", contract.initialState);
        assertEquals("{clips=24.0}", contract.values.get("quality").toString());
    }

    @Test
    public void readsTheSettingsOfTheMel() throws Exception {
        AudioSettings audio = read(VOCODER).audio;
        assertEquals(22050, audio.samplingRate);
        assertEquals(80, audio.numMels);
        assertEquals(1024, audio.nFft);
        assertEquals(256, audio.hopSize);
        assertEquals(1024, audio.winSize);
        assertEquals(0, audio.fmin, 0);
        assertEquals("null is half the rate", 11025, audio.fmax, 0);
        assertEquals(2, audio.seconds(44100), 0);
    }

    @Test
    public void readsThatOfAMelFrontEnd() throws Exception {
        Contract contract = read(MEL_FRONTEND);
        assertEquals(Contract.MEL_FRONTEND, contract.kind);
        assertEquals("analyze", contract.analyze);
        assertEquals(16, contract.blockFrames);
        assertEquals(4864, contract.blockSamples);
        assertEquals(384, contract.mirroredBefore);
        assertEquals(384, contract.mirroredAfter);
        assertEquals(385, contract.minSamples);
    }

    @Test
    public void readsAMelOfAnotherLibrary() throws Exception {
        String mel = "'fmax': null, 'mel_log': 'log10', 'mel_floor': 1e-10, 'mel_centred': true, 'mel_mean': -2.5, "
                + "'mel_scale': " + list(80, 0.5) + "}";
        String format2 = MEL_FRONTEND.replace("'fmax': null}", mel).replace("'format': 1", "'format': 2")
                .replace("'mirrored_samples': 384", "'mirrored_samples': [512, 256]").replace("385", "513");
        Contract contract = read(format2);
        assertEquals(512, contract.mirroredBefore);
        assertEquals(256, contract.mirroredAfter);
        AudioSettings audio = contract.audio;
        assertTrue(audio.melLog10 && audio.melCentred && audio.melNormalized);
        assertEquals("base-10 logarithms of at least 1e-10 with the model's mean and scale", audio.melDescription());
        assertEquals(-15, audio.silentFrame()[79], 0);
        assertEquals(-2.5 * Math.log(10), audio.naturalLog(new float[1][80])[0][3], 1e-6);
        AudioSettings paper = read(MEL_FRONTEND).audio;
        assertEquals("natural logarithms of at least 1e-5", paper.melDescription());
        float[][] same = new float[2][80];
        assertTrue(same == paper.naturalLog(same));
        assertEquals("mel_floor 1.0E-10, not 1.0E-5", audio.difference(paper));
        assertEquals(null, audio.difference(read(format2).audio));
        assertEquals("another mel_mean or mel_scale, not such",
                audio.difference(read(format2.replace("-2.5", "-2.4")).audio));
        assertEquals("mel_log log10, not natural", audio.difference(read(format2.replace("log10", "natural")).audio));
        assertEquals("mel_centred true, not false", audio.difference(read(format2.replace("true", "false")).audio));
    }

    @Test
    public void refusesAMelThatContradictsItself() throws Exception {
        String[][] bad = {
            {"'mel_log': 'ln'", "its mel_log is ln"},
            {"'mel_floor': 0", "its mel_floor is 0.0"},
            {"'mel_centred': 1", "its mel_centred is 1.0"},
            {"'mel_mean': [1, 2]", "its mel_mean is [1.0, 2.0]"},
            {"'mel_mean': 'x'", "its mel_mean is x"},
            {"'mel_scale': 0", "its mel_scale is 0.0 in band 0"},
            {"'mel_scale': -1", "its mel_scale is -1.0 in band 0"},
        };
        for (String[] one : bad) {
            assertDoesNotFit("'fmax': null", "'fmax': null, " + one[0], one[1]);
        }
        assertRefused(packed(MEL_FRONTEND.replace("384", "[384]")), "a.tflite carries a contract that does not fit "
                + "(its mirrored_samples is [384.0]): export it again");
        assertRefused(packed(MEL_FRONTEND.replace("384", "[256, 512]")), "a.tflite carries a contract that does not fit "
                + "(its mirrored_samples is 256.0, 512.0): export it again");
    }

    @Test
    public void takesAModelWithoutKindForAVocoder() throws Exception {
        assertEquals(Contract.VOCODER, read(VOCODER.replace("'kind': 'vocoder', ", "")).kind);
    }

    @Test
    public void readsAStatelessVocoder() throws Exception {
        assertFalse(read("{'mode': 'int8', " + AUDIO + ", 'stateful': false, 'format': 1}").stateful);
    }

    @Test
    public void readsAnArchiveWithCommentOtherMembersAndNoCompression() throws Exception {
        byte[] json = json(VOCODER);
        ByteArrayOutputStream bytes = new ByteArrayOutputStream();
        try (ZipOutputStream zip = new ZipOutputStream(bytes)) {
            zip.setComment("made by hand");
            zip.putNextEntry(new ZipEntry("labels.txt"));
            zip.write(new byte[100]);
            ZipEntry stored = new ZipEntry("contract.json");
            stored.setMethod(ZipEntry.STORED);
            stored.setSize(json.length);
            stored.setCrc(crc(json));
            zip.putNextEntry(stored);
            zip.write(json);
        }
        assertEquals("int8", Contract.read(ByteBuffer.wrap(model(bytes.toByteArray())), "a.tflite").mode);
    }

    @Test
    public void leavesTheBufferAlone() throws Exception {
        ByteBuffer model = ByteBuffer.wrap(packed(VOCODER));
        model.position(3).limit(5);
        Contract.read(model, "a.tflite");
        assertEquals(3, model.position());
        assertEquals(5, model.limit());
    }

    @Test
    public void refusesFilesThatAreNotModels() {
        assertRefused(new byte[3], "a.tflite is no TFLite model: export it with export/to_tflite.py");
        assertRefused(new byte[1000], "a.tflite is no TFLite model: export it with export/to_tflite.py");
    }

    @Test
    public void refusesAModelWithoutContract() {
        assertRefused(model(new byte[0]), "a.tflite carries no contract (another project's model, or cut short): "
                + "export or copy it again");
    }

    @Test
    public void refusesAModelCutAnywhere() throws Exception {
        byte[] whole = packed(VOCODER);
        for (int size = 0; size < whole.length; size++) {
            byte[] cut = Arrays.copyOf(whole, size);
            assertThrows("cut to " + size, ModelException.class, () -> Contract.read(ByteBuffer.wrap(cut), "a.tflite"));
        }
    }

    @Test
    public void neverFailsOtherwiseWhicheverByteIsDamaged() throws Exception {
        byte[] whole = packed(VOCODER);
        int refused = 0;
        for (int at = 0; at < whole.length; at++) {
            byte[] damaged = whole.clone();
            damaged[at] ^= 0x55;
            try {
                Contract.read(ByteBuffer.wrap(damaged), "a.tflite");
            } catch (ModelException e) {
                assertFalse(e.getMessage(), e.getMessage().contains("\n"));
                refused++;
            }
        }
        assertTrue("the model itself and the headers' dates do not matter: " + refused, refused > whole.length / 2);
    }

    @Test
    public void refusesANewerFormat() throws Exception {
        for (int format : new int[] {0, 3}) {
            assertRefused(packed(VOCODER.replace("'format': 1", "'format': " + format)), "a.tflite has a contract of "
                    + "format " + format + ", this app reads 1 and 2: export it again, or update the app");
        }
    }

    @Test
    public void refusesAContractThatDoesNotFit() throws Exception {
        assertDoesNotFit("'mode': 'int8', ", "", "it has no mode");
        assertDoesNotFit("'mode': 'int8'", "'mode': 8", "its mode is 8.0");
        assertDoesNotFit("[16, 4]", "[]", "its chunk_frames are none");
        assertDoesNotFit("[16, 4]", "[16, 4.5]", "its chunk_frames is 4.5");
        assertDoesNotFit("[16, 4]", "[16, 8]", "it has no 8");
        assertDoesNotFit("'stateful': true", "'stateful': null", "its stateful is null");
        assertDoesNotFit("[1, 1, 6, 80]", "[65536, 65536, 65536]", "its state_00 is too large");
        assertDoesNotFit("'hop_size': 256", "'hop_size': 0", "its hop_size is 0.0");
        assertDoesNotFit("'num_mels': 80", "'num_mels': 1e9", "its num_mels is 1.0E9");
        assertDoesNotFit("'delay_samples': 2582", "'delay_samples': -1", "its delay_samples is -1.0");
        assertDoesNotFit("'format': 1}", "'format': 1", "cut short, at character");
        assertRefused(packed("[]"), "a.tflite carries a contract that does not fit (it is no object): export it again");
        assertRefused(packed(MEL_FRONTEND.replace("4864", "4865")),
                "a.tflite carries a contract that does not fit (its block_samples is 4865): export it again");
    }

    @Test
    public void tellsTheDifferenceOfSettings() throws Exception {
        AudioSettings audio = read(VOCODER).audio;
        assertEquals(null, audio.difference(read(VOCODER).audio));
        assertEquals("sampling_rate 22050, not 16000",
                audio.difference(read(VOCODER.replace("22050", "16000")).audio));
        assertEquals("fmax 11025, not 7600.5",
                audio.difference(read(VOCODER.replace("'fmax': null", "'fmax': 7600.5")).audio));
    }

    private static String list(int count, double number) {
        StringBuilder list = new StringBuilder("[" + number);
        for (int i = 1; i < count; i++) {
            list.append(", ").append(number);
        }
        return list.append("]").toString();
    }

    private static void assertDoesNotFit(String good, String bad, String reason) throws Exception {
        assertTrue(VOCODER.contains(good));
        byte[] model = packed(VOCODER.replace(good, bad));
        String message = refusal(model);
        assertTrue(message, message.startsWith("a.tflite carries a contract that does not fit (" + reason));
    }

    private static void assertRefused(byte[] model, String message) {
        assertEquals(message, refusal(model));
    }

    private static String refusal(byte[] model) {
        ByteBuffer bytes = ByteBuffer.wrap(model);
        return assertThrows(ModelException.class, () -> Contract.read(bytes, "a.tflite")).getMessage();
    }

    private static Contract read(String contract) throws IOException {
        return Contract.read(ByteBuffer.wrap(packed(contract)), "a.tflite");
    }

    /** A model with a contract in an archive whose offsets do not count the model, as some tools write them. */
    private static byte[] packed(String contract) throws IOException {
        ByteArrayOutputStream bytes = new ByteArrayOutputStream();
        try (ZipOutputStream zip = new ZipOutputStream(bytes)) {
            zip.putNextEntry(new ZipEntry("contract.json"));
            zip.write(json(contract));
        }
        return model(bytes.toByteArray());
    }

    private static byte[] model(byte[] archive) {
        return ByteBuffer.allocate(64 + archive.length)
                .putInt(28)
                .put("TFL3".getBytes(StandardCharsets.US_ASCII))
                .put(new byte[56])
                .put(archive)
                .array();
    }

    private static byte[] json(String contract) {
        return contract.replace('\'', '"').getBytes(StandardCharsets.UTF_8);
    }

    private static long crc(byte[] bytes) {
        CRC32 crc = new CRC32();
        crc.update(bytes);
        return crc.getValue();
    }
}
