package dev.hifigan.vocoder;

import static org.junit.Assert.assertArrayEquals;
import static org.junit.Assert.assertEquals;

import java.nio.FloatBuffer;
import java.util.ArrayDeque;
import java.util.Random;
import org.junit.Test;

public class FloatsTest {
    @Test
    public void isAQueue() {
        Floats floats = new Floats();
        floats.append(new float[] {1, 2, 3});
        floats.append(4);
        floats.appendZeros(2);
        floats.append(FloatBuffer.wrap(new float[] {5, 6, 7}), 2);
        floats.drop(1);
        floats.dropLast(1);
        assertArrayEquals(new float[] {2, 3, 4, 0, 0, 5}, floats.toArray(), 0);
        assertEquals(4, floats.get(2), 0);
        FloatBuffer target = FloatBuffer.allocate(3);
        floats.copyTo(target, 3);
        assertArrayEquals(new float[] {2, 3, 4}, target.array(), 0);
        assertEquals(2 * 3 + 3 * 4, floats.dot(new float[] {2, 3}, 1), 0);
        floats.clear();
        assertEquals(0, floats.size());
    }

    @Test
    public void keepsEveryValueWhileItGrowsAndShrinks() {
        Floats floats = new Floats();
        ArrayDeque<Float> expected = new ArrayDeque<>();
        Random random = new Random(1);
        for (int step = 0; step < 2000; step++) {
            float[] more = new float[random.nextInt(300)];
            for (int i = 0; i < more.length; i++) {
                more[i] = random.nextFloat();
                expected.add(more[i]);
            }
            floats.append(more);
            int fewer = random.nextInt(Math.min(300, floats.size() + 1));
            floats.drop(fewer);
            for (int i = 0; i < fewer; i++) {
                expected.remove();
            }
        }
        float[] values = floats.toArray();
        assertEquals(expected.size(), values.length);
        for (float value : values) {
            assertEquals(expected.remove(), value, 0);
        }
    }
}
