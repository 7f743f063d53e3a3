package dev.hifigan.demo;

import dev.hifigan.vocoder.Figures;

/** What a run measured, and the files that can be shared once it has ended. */
final class Results {
    final double loadSeconds;
    final Figures figures;
    /** The peak memory in bytes while it ran; 0 if the system does not report it. */
    final long peakMemory;
    /** Null while they are being made. */
    final ResultFiles files;

    Results(double loadSeconds, Figures figures, long peakMemory, ResultFiles files) {
        this.loadSeconds = loadSeconds;
        this.figures = figures;
        this.peakMemory = peakMemory;
        this.files = files;
    }
}
