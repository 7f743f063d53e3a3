package dev.hifigan.vocoder;

import java.io.Closeable;
import java.io.IOException;

/** A recording, decoded a piece at a time. */
public interface AudioSource extends Closeable {
    /** In Hz. */
    int samplingRate();

    /** Total samples; -1 if not known before the end. Used for progress only, so an estimate is enough. */
    long samples();

    /**
     * The next samples, mono in -1 to 1; null at the end.
     *
     * @throws InputException for a recording that is corrupt or cut short
     */
    float[] read() throws IOException;
}
