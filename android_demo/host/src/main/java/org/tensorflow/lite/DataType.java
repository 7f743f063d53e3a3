package org.tensorflow.lite;

/** The types of tensors that vocoders have. */
public enum DataType {
    FLOAT32,
    INT32;

    /** From LiteRtElementType, whose numbers are those of TfLiteType. */
    static DataType of(int elementType) {
        switch (elementType) {
            case 1:
                return FLOAT32;
            case 2:
                return INT32;
            default:
                throw new IllegalArgumentException("DataType error: type " + elementType + " is not supported here");
        }
    }

    public int byteSize() {
        return 4;
    }
}
