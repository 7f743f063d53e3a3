package dev.hifigan.vocoder;

import java.nio.FloatBuffer;
import java.util.Arrays;

/** A queue of floats: grows at its end, shrinks from its front. */
final class Floats {
    private float[] values = new float[1024];
    private int start;
    private int end;

    int size() {
        return end - start;
    }

    float get(int index) {
        return values[start + index];
    }

    void append(float[] more) {
        makeRoom(more.length);
        System.arraycopy(more, 0, values, end, more.length);
        end += more.length;
    }

    void append(float value) {
        makeRoom(1);
        values[end++] = value;
    }

    void appendZeros(int count) {
        makeRoom(count);
        Arrays.fill(values, end, end + count, 0);
        end += count;
    }

    /** Appends {@code count} floats from the buffer's position. */
    void append(FloatBuffer buffer, int count) {
        makeRoom(count);
        buffer.get(values, end, count);
        end += count;
    }

    /** Copies the first {@code count} floats to the buffer's position. */
    void copyTo(FloatBuffer buffer, int count) {
        buffer.put(values, start, count);
    }

    /** The sum of the floats from {@code index} on, each times its weight. */
    double dot(float[] weights, int index) {
        double sum = 0;
        for (int i = 0; i < weights.length; i++) {
            sum += weights[i] * values[start + index + i];
        }
        return sum;
    }

    /** Drops the first {@code count}. */
    void drop(int count) {
        start += count;
    }

    void dropLast(int count) {
        end -= count;
    }

    void clear() {
        start = end = 0;
    }

    float[] toArray() {
        return Arrays.copyOfRange(values, start, end);
    }

    private void makeRoom(int count) {
        if (end + count > values.length) {
            float[] target = size() + count > values.length / 2 ? new float[2 * (size() + count)] : values;
            System.arraycopy(values, start, target, 0, size());
            values = target;
            end -= start;
            start = 0;
        }
    }
}
