package dev.hifigan.vocoder;

import java.io.IOException;

/** A model that cannot be used. The message is one line for the screen: what is wrong, and what to do. */
public final class ModelException extends IOException {
    public ModelException(String message) {
        super(message);
    }

    public ModelException(String message, Throwable cause) {
        super(message, cause);
    }
}
