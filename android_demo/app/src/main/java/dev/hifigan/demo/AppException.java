package dev.hifigan.demo;

import java.io.IOException;

/** A problem for which the app has its own text, in the user's language. */
final class AppException extends IOException {
    final Message line;

    AppException(int text, Object... arguments) {
        line = Message.of(text, arguments);
    }

    AppException(Throwable cause, int text, Object... arguments) {
        super(cause);
        line = Message.of(text, arguments);
    }
}
