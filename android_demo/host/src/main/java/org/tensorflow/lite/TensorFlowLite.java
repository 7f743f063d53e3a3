package org.tensorflow.lite;

/** Names the runtime. */
public final class TensorFlowLite {
    private TensorFlowLite() {}

    public static String runtimeVersion() {
        return "LiteRT on a computer"; // its C API has no version
    }
}
