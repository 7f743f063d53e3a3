package org.tensorflow.lite;

import com.sun.jna.Memory;

/** LiteRtEnvOption, an array of them: a tag, then a LiteRtAny of a type and a value. */
final class EnvironmentOptions {
    static final int COUNT = 2;

    private static final int BYTES = 24;
    private static final int TYPE = 8;
    private static final int VALUE = 16;
    private static final int INTEGER = 2; // LiteRtAnyType
    private static final int ACCELERATORS = 24; // LiteRtEnvOptionTag: accelerators to look for
    private static final int SEVERITY = 25; // lowest severity of messages
    private static final int ERROR = 3;

    private EnvironmentOptions() {}

    /** No search for GPUs, and only error messages. */
    static Memory quietOnCpu() {
        Memory options = new Memory((long) COUNT * BYTES);
        options.clear();
        set(options, 0, ACCELERATORS, LiteRt.CPU);
        set(options, 1, SEVERITY, ERROR);
        return options;
    }

    private static void set(Memory options, int index, int tag, long value) {
        long at = (long) index * BYTES;
        options.setInt(at, tag);
        options.setInt(at + TYPE, INTEGER);
        options.setLong(at + VALUE, value);
    }
}
