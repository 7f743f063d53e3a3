package dev.hifigan.vocoder;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/**
 * Which of several models is the fastest on this processor.
 *
 * <p>That differs: 8-bit arithmetic is fast only where the processor has instructions for it. The models run in turn, a
 * chunk each, so that a processor that changes its clock rate meanwhile treats them alike. A model's speed is the median
 * of its chunks, the first left out, so that neither caches that fill nor another app that interferes decides.
 */
public final class SpeedTest {
    /** A model to be measured. */
    public interface Candidate {
        /** Computes a chunk of audio; returns its seconds. */
        double run();
    }

    interface Clock {
        long nanoTime();
    }

    /** Runs of each candidate that are counted, however slow it is. */
    private static final int LEAST = 3;

    private final Map<String, Candidate> candidates;
    private final Clock clock;
    private volatile boolean cancelled;

    public SpeedTest(Map<String, Candidate> candidates) {
        this(candidates, new Clock() {
            @Override
            public long nanoTime() {
                return System.nanoTime();
            }
        });
    }

    /** The clock is {@link System#nanoTime} everywhere but in tests. */
    SpeedTest(Map<String, Candidate> candidates, Clock clock) {
        this.candidates = candidates;
        this.clock = clock;
    }

    /**
     * A vocoder as a candidate. It takes these frames, over and over; so that its check of the mel does not refuse such a
     * mel, call {@link StreamingVocoder#checkMel}{@code (false)} before.
     */
    public static Candidate of(final StreamingVocoder vocoder, final float[][] frames) {
        if (frames.length == 0) {
            throw new IllegalArgumentException("no frames to measure with: it takes at least 1");
        }
        final int chunk = vocoder.chunkFrames();
        return new Candidate() {
            private int next;

            @Override
            public double run() {
                float[][] pushed = new float[chunk][];
                for (int i = 0; i < chunk; i++) {
                    pushed[i] = frames[next];
                    next = (next + 1) % frames.length;
                }
                vocoder.push(pushed);
                return vocoder.contract().audio.seconds((long) chunk * vocoder.contract().audio.hopSize);
            }
        };
    }

    /**
     * Measures for this time.
     *
     * @return real-time factors, in the order of the candidates; null after {@link #cancel}
     */
    public Map<String, Double> run(double seconds) {
        if (candidates.isEmpty()) {
            throw new IllegalStateException("no models to measure: it takes at least 1");
        }
        Map<String, List<Double>> factors = new LinkedHashMap<String, List<Double>>();
        for (String name : candidates.keySet()) {
            factors.put(name, new ArrayList<Double>());
        }
        long end = clock.nanoTime() + (long) (seconds * 1e9);
        for (int round = 0; round <= LEAST || clock.nanoTime() < end; round++) {
            for (Map.Entry<String, Candidate> candidate : candidates.entrySet()) {
                if (cancelled) {
                    return null;
                }
                long start = clock.nanoTime();
                double audio = candidate.getValue().run();
                double factor = (clock.nanoTime() - start) / 1e9 / audio;
                if (round > 0) {
                    factors.get(candidate.getKey()).add(factor);
                }
            }
        }
        Map<String, Double> medians = new LinkedHashMap<String, Double>();
        for (Map.Entry<String, List<Double>> measured : factors.entrySet()) {
            medians.put(measured.getKey(), median(measured.getValue()));
        }
        return medians;
    }

    /** Ends {@link #run} at the next chunk; from any thread. */
    public void cancel() {
        cancelled = true;
    }

    /** The model with the smallest real-time factor; of equal ones the first. */
    public static String fastest(Map<String, Double> factors) {
        String fastest = null;
        for (String name : factors.keySet()) {
            if (fastest == null || factors.get(name) < factors.get(fastest)) {
                fastest = name;
            }
        }
        return fastest;
    }

    private static double median(List<Double> values) {
        Double[] sorted = values.toArray(new Double[0]);
        Arrays.sort(sorted);
        return (sorted[(sorted.length - 1) / 2] + sorted[sorted.length / 2]) / 2;
    }
}
