package dev.hifigan.demo;

import dev.hifigan.vocoder.AudioInput;

/** The progress of a task: an immutable snapshot. */
final class Work {
    /** What is going on. */
    enum Phase {
        IDLE,
        MEASURING,
        RECORDING,
        LOADING,
        READING,
        VOCODING,
        DONE,
        STOPPED,
        FAILED
    }

    final Phase phase;
    final Source source;
    /** 0 to 1; -1 if unknown. */
    final double progress;
    final Picture original;
    final Picture vocoded;
    /** The vocoded audio, available from its first sample on; null before. */
    final AudioInput audio;
    /** Null before there are any. */
    final Results results;
    /** Null if there is none. */
    final Message message;

    Work(
            Phase phase,
            Source source,
            double progress,
            Picture original,
            Picture vocoded,
            AudioInput audio,
            Results results,
            Message message) {
        this.phase = phase;
        this.source = source;
        this.progress = progress;
        this.original = original;
        this.vocoded = vocoded;
        this.audio = audio;
        this.results = results;
        this.message = message;
    }

    /** Only a source. */
    static Work of(Phase phase, Source source) {
        return new Work(phase, source, -1, Picture.NONE, Picture.NONE, null, null, null);
    }

    /** The same in another phase, with a message. */
    Work ended(Phase end, Message why) {
        return new Work(end, source, -1, original, vocoded, audio, results, why);
    }

    boolean isBusy() {
        return phase == Phase.RECORDING || phase == Phase.LOADING || phase == Phase.READING || phase == Phase.VOCODING;
    }
}
