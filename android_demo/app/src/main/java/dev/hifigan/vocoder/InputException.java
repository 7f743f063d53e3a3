package dev.hifigan.vocoder;

import java.io.IOException;

/** A recording or a mel that cannot be used. The message is one line for the screen: what is wrong, and what to do. */
public final class InputException extends IOException {
    public InputException(String message) {
        super(message);
    }

    public InputException(String message, Throwable cause) {
        super(message, cause);
    }
}
