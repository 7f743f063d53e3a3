package dev.hifigan.vocoder;

import java.io.Closeable;
import java.io.IOException;

/** A mel, read or computed a few frames at a time. */
public interface MelSource extends Closeable {
    /** The next frames {@code [none or more][numMels]}, the mel of a model; null at the end. */
    float[][] next() throws IOException;

    /** Length of the audio at the model's rate, known at the end; -1 if every frame is a whole hop. */
    long samples();

    /** How much has been read, 0 to 1; -1 if the length is not known. */
    double progress();

    /** What is odd about the source, on one line, known at the end; null if nothing is. */
    String warning();
}
