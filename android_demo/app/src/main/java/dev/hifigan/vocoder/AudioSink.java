package dev.hifigan.vocoder;

import java.io.Closeable;
import java.io.IOException;

/** Where vocoded audio goes: a loudspeaker, a file. */
public interface AudioSink extends Closeable {
    /** Takes mono samples in -1 to 1; it may block. The caller may reuse the array afterwards. */
    void write(float[] samples) throws IOException;
}
