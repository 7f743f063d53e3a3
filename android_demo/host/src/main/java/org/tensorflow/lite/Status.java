package org.tensorflow.lite;

/** Status codes of LiteRT's functions. */
final class Status {
    private Status() {}

    static void check(int status, String what) {
        if (status != 0) {
            throw new IllegalStateException("Internal error: LiteRT refused " + what + " (status " + status + ")");
        }
    }
}
