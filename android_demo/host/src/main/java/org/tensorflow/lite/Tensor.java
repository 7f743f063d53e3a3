package org.tensorflow.lite;

/** A tensor of a signature. */
public interface Tensor {
    DataType dataType();

    int[] shape();

    int numElements();

    int numBytes();

    String name();
}
