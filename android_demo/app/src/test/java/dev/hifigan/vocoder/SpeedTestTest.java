package dev.hifigan.vocoder;

import static org.junit.Assert.assertEquals;
import static org.junit.Assert.assertNull;
import static org.junit.Assert.assertThrows;

import java.util.ArrayList;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.junit.Test;

public class SpeedTestTest {
    private static final double CHUNK = 0.05; // seconds of audio

    private final Map<String, SpeedTest.Candidate> candidates = new LinkedHashMap<>();
    private final List<String> runs = new ArrayList<>();
    private long now = 1_000_000_000_000L; // nanoseconds, moved by the candidates alone

    @Test
    public void theFastestWins() {
        add("int8", 20);
        add("float16", 10);
        add("float32", 11);
        Map<String, Double> factors = test().run(1);
        assertEquals(new ArrayList<>(candidates.keySet()), new ArrayList<>(factors.keySet()));
        assertEquals(0.4, factors.get("int8"), 1e-9);
        assertEquals(0.2, factors.get("float16"), 1e-9);
        assertEquals(0.22, factors.get("float32"), 1e-9);
        assertEquals("float16", SpeedTest.fastest(factors));
    }

    @Test
    public void ofEqualOnesTheFirstWins() {
        add("int8", 10);
        add("float16", 10);
        assertEquals("int8", SpeedTest.fastest(test().run(1)));
    }

    @Test
    public void itTakesTheGivenTime() {
        add("int8", 20);
        add("float16", 30);
        long start = now;
        test().run(1);
        assertEquals(1e9, now - start, 50e6); // a round more at most
    }

    @Test
    public void theyRunInTurn() {
        add("int8", 300);
        add("float16", 300);
        test().run(1);
        for (int i = 0; i < runs.size(); i++) {
            assertEquals(i % 2 == 0 ? "int8" : "float16", runs.get(i));
        }
    }

    @Test
    public void aSlowPhoneMeasuresEachThreeTimesAllTheSame() {
        add("int8", 3000);
        add("float16", 2000);
        assertEquals(60, test().run(1).get("int8"), 1e-9);
        assertEquals("a first round that does not count, and three", 2 * 4, runs.size());
    }

    @Test
    public void aSlowStartAndAnInterruptionDecideNothing() {
        add("int8", 1000, 10, 10, 900, 10); // the first while its memory is laid out, the fourth beside another app
        add("float16", 20);
        Map<String, Double> factors = test().run(3);
        assertEquals(0.2, factors.get("int8"), 1e-9);
        assertEquals("int8", SpeedTest.fastest(factors));
    }

    @Test
    public void aProcessorThatSlowsDownDecidesNothing() {
        for (String name : new String[] {"int8", "float16"}) {
            candidates.put(name, () -> {
                runs.add(name);
                int throttled = runs.size() < 40 ? 1 : 5;
                now += (name.equals("int8") ? 11_000_000L : 10_000_000L) * throttled;
                return CHUNK;
            });
        }
        assertEquals("float16", SpeedTest.fastest(test().run(1)));
    }

    @Test
    public void cancellingEndsItAtTheNextChunk() {
        SpeedTest[] test = new SpeedTest[1];
        add("int8", 10);
        candidates.put("float16", () -> {
            runs.add("float16");
            test[0].cancel();
            return CHUNK;
        });
        test[0] = test();
        assertNull(test[0].run(1));
        assertEquals(2, runs.size());
    }

    @Test
    public void itNeedsCandidates() {
        assertEquals("no models to measure: it takes at least 1",
                assertThrows(IllegalStateException.class, () -> new SpeedTest(Collections.emptyMap()).run(1))
                        .getMessage());
    }

    private SpeedTest test() {
        return new SpeedTest(candidates, () -> now);
    }

    /** @param milliseconds of its runs; the last is that of all later ones */
    private void add(String name, long... milliseconds) {
        int[] next = new int[1];
        candidates.put(name, () -> {
            runs.add(name);
            now += milliseconds[Math.min(next[0]++, milliseconds.length - 1)] * 1_000_000;
            return CHUNK;
        });
    }
}
