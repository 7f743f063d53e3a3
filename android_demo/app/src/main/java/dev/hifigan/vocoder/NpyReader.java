package dev.hifigan.vocoder;

import java.io.DataInputStream;
import java.io.EOFException;
import java.io.IOException;
import java.io.InputStream;
import java.nio.ByteBuffer;
import java.util.Arrays;

/**
 * A model's mel in a NumPy {@code .npy} file, {@code [frames, numMels]}, checked, a block at a time.
 *
 * <p>The first three minutes are read at once, to detect the scale of the values ({@link MelScale}); the rest is read
 * when needed. A batch axis of one is dropped. An array in Fortran order is read whole.
 */
public final class NpyReader implements MelSource {
    private static final int BLOCK = 256; // frames
    private static final int SAMPLE = 16384; // frames from which the scale is detected
    private static final long MAX_WHOLE = 1 << 24; // numbers of an array that must be read whole

    private final DataInputStream stream;
    private final String name;
    private final NpyHeader header;
    private final int numMels;
    private final long frames;
    private final float[][] sample; // read ahead
    private long given;

    /**
     * Reads the header, and the first values.
     *
     * @param stream is closed with the reader, and at once if the file is refused
     * @param audio the mel that the model takes
     * @throws InputException for a file that is not such a mel, or on another scale
     */
    public NpyReader(InputStream stream, String name, AudioSettings audio) throws IOException {
        this.stream = new DataInputStream(stream);
        this.name = name;
        numMels = audio.numMels;
        boolean ready = false;
        try {
            header = NpyHeader.read(this.stream, name);
            frames = checkedFrames();
            sample = header.fortranOrder ? readWhole() : readRows((int) Math.min(frames, SAMPLE), 0);
            String foreign = MelScale.foreign(sample, audio);
            if (foreign != null) {
                throw new InputException(name + ": " + foreign + ": a mel has " + audio.melDescription());
            }
            ready = true;
        } finally {
            if (!ready) {
                stream.close();
            }
        }
    }

    /** Total number of frames. */
    public long frames() {
        return frames;
    }

    @Override
    public float[][] next() throws IOException {
        int count = (int) Math.min(BLOCK, frames - given);
        if (count == 0) {
            return null;
        }
        // Blocks do not cross the end of the sample: it is a whole number of blocks, or the whole file.
        float[][] rows = given < sample.length
                ? Arrays.copyOfRange(sample, (int) given, (int) given + count)
                : readRows(count, given);
        given += count;
        return rows;
    }

    @Override
    public long samples() {
        return -1;
    }

    @Override
    public double progress() {
        return (double) given / frames;
    }

    @Override
    public String warning() {
        return frames != numMels ? null : name + ": shape " + header.shapeText() + " is read as [frames, num_mels]; if it"
                + " is not, transpose it";
    }

    @Override
    public void close() throws IOException {
        stream.close();
    }

    private long checkedFrames() throws InputException {
        long rows = header.shape[0];
        long columns = header.shape[1];
        if (columns != numMels && rows == numMels) {
            throw new InputException(name + " has shape " + header.shapeText()
                    + ", which is [num_mels, frames]: transpose it");
        }
        if (columns != numMels) {
            throw new InputException(name + " has shape " + header.shapeText() + ": the model takes [frames, " + numMels
                    + "]");
        }
        return rows;
    }

    private float[][] readRows(int count, long first) throws IOException {
        float[][] rows = new float[count][numMels];
        ByteBuffer bytes = read(count * numMels);
        for (int row = 0; row < count; row++) {
            for (int band = 0; band < numMels; band++) {
                rows[row][band] = finite(header.number(bytes, row * numMels + band), first + row, band);
            }
        }
        return rows;
    }

    private float[][] readWhole() throws IOException {
        if (frames * numMels > MAX_WHOLE) {
            throw new InputException(name + " is long and in Fortran's order: save it with numpy.ascontiguousarray");
        }
        float[][] rows = new float[(int) frames][numMels];
        ByteBuffer bytes = read((int) frames * numMels);
        for (int row = 0; row < frames; row++) {
            for (int band = 0; band < numMels; band++) {
                rows[row][band] = finite(header.number(bytes, band * (int) frames + row), row, band);
            }
        }
        return rows;
    }

    private ByteBuffer read(int count) throws IOException {
        byte[] bytes = new byte[count * header.size];
        try {
            stream.readFully(bytes);
        } catch (EOFException e) {
            throw new InputException(name + " is cut short: " + header.shapeText() + " are declared; copy it again", e);
        }
        return ByteBuffer.wrap(bytes).order(header.order);
    }

    private float finite(float value, long frame, int band) throws InputException {
        if (Float.isNaN(value) || Float.isInfinite(value)) {
            throw new InputException(
                    name + " holds " + value + " (first at frame " + frame + ", band " + band + "): make it again");
        }
        return value;
    }
}
