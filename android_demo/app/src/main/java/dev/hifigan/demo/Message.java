package dev.hifigan.demo;

import android.content.res.Resources;
import android.system.ErrnoException;
import android.system.OsConstants;
import dev.hifigan.vocoder.InputException;
import dev.hifigan.vocoder.ModelException;
import java.io.IOException;

/** A line for the user, translated when it is shown. */
final class Message {
    private final int text; // a string resource
    private final Object[] arguments;
    /** Whether to offer the app's page in the system's settings. */
    final boolean toSettings;

    private Message(int text, boolean toSettings, Object... arguments) {
        this.text = text;
        this.toSettings = toSettings;
        this.arguments = arguments;
    }

    static Message of(int text, Object... arguments) {
        return new Message(text, false, arguments);
    }

    static Message toSettings(int text) {
        return new Message(text, true);
    }

    /** The message for any exception in a thread. */
    static Message of(Throwable problem) {
        if (problem instanceof AppException) {
            return ((AppException) problem).line;
        } else if (problem instanceof ModelException) {
            return of(R.string.error_model, problem.getMessage());
        } else if (problem instanceof InputException) {
            return of(R.string.error_input, problem.getMessage());
        } else if (isFull(problem)) {
            return of(R.string.error_no_space);
        } else if (problem instanceof IOException) {
            return of(R.string.error_storage, String.valueOf(problem.getMessage()));
        } else if (problem instanceof OutOfMemoryError) {
            return of(R.string.error_memory);
        }
        return of(R.string.error_unexpected, problem.toString());
    }

    String in(Resources resources) {
        return resources.getString(text, arguments);
    }

    private static boolean isFull(Throwable problem) {
        Throwable cause = problem.getCause();
        return cause instanceof ErrnoException && ((ErrnoException) cause).errno == OsConstants.ENOSPC;
    }
}
