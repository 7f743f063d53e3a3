package org.tensorflow.lite;

/** Tells what runs the models. */
public final class TensorFlowLite {
    private TensorFlowLite() {}

    public static String runtimeVersion() {
        return "LiteRT on a computer"; // its C API does not tell a version
    }
}
