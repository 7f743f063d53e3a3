package dev.hifigan.demo;

/** Everything that the screen shows; immutable. */
final class UiState {
    final Work work;
    /** What is being played; null for nothing. */
    final Playback playback;
    /** Null for none. */
    final Message message;
    /** The mode of the model that is chosen; null until the user or the fastest one has decided. */
    final String mode;

    UiState(Work work, Playback playback, Message message, String mode) {
        this.work = work;
        this.playback = playback;
        this.message = message;
        this.mode = mode;
    }

    UiState with(Work next) {
        return new UiState(next, playback, next.message == null ? message : next.message, mode);
    }

    UiState with(Playback next) {
        return new UiState(work, next, message, mode);
    }

    UiState with(Message next) {
        return new UiState(work, playback, next, mode);
    }

    UiState withMode(String next) {
        return new UiState(work, playback, message, next);
    }

    boolean isPlaying(Track track) {
        return playback != null && playback.track == track;
    }

    /** Not while recording, because the microphone would pick it up. */
    boolean isPlayable(Track track) {
        return work.phase != Work.Phase.RECORDING
                && (track == Track.ORIGINAL ? work.source.kind != Source.Kind.MEL_FILE : work.audio != null);
    }

    /** Seconds that the width of every picture stands for. */
    double span() {
        return Math.max(work.original.seconds, work.vocoded.seconds);
    }

    /** Playback position in a track; -1 if it is not playing. */
    double position(Track track) {
        return isPlaying(track) ? playback.seconds : -1;
    }

    /** A snapshot of playback. */
    static final class Playback {
        final Track track;
        /** Played so far. */
        final double seconds;

        Playback(Track track, double seconds) {
            this.track = track;
            this.seconds = seconds;
        }
    }
}
