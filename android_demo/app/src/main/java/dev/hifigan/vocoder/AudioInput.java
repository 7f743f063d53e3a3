package dev.hifigan.vocoder;

import java.io.IOException;

/** A recording that can be read from its start any number of times: once for its level, once for its mel. */
public interface AudioInput {
    /** For messages. */
    String name();

    /** @throws InputException for what cannot be decoded */
    AudioSource open() throws IOException;
}
