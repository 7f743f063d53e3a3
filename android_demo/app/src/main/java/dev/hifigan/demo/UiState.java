package dev.hifigan.demo;

/** Everything that the screen shows; immutable. */
final class UiState {
    final Work work;
    /** What is being played; null for nothing. */
    final Playback playback;
    /** Null for none. */
    final Message message;

    UiState(Work work, Playback playback, Message message) {
        this.work = work;
        this.playback = playback;
        this.message = message;
    }

    UiState with(Work next) {
        return new UiState(next, playback, next.message == null ? message : next.message);
    }

    UiState with(Playback next) {
        return new UiState(work, next, message);
    }

    UiState with(Message next) {
        return new UiState(work, playback, next);
    }

    boolean isPlaying(Track track) {
        return playback != null && playback.track == track;
    }

    /** While recording, the microphone would hear it. */
    boolean isPlayable(Track track) {
        return work.phase != Work.Phase.RECORDING
                && (track == Track.ORIGINAL ? work.source.kind != Source.Kind.MEL_FILE : work.audio != null);
    }

    /** Seconds that the width of every picture stands for. */
    double span() {
        return Math.max(work.original.seconds, work.vocoded.seconds);
    }

    /** How far into a track playback is; -1 where it does not play. */
    double position(Track track) {
        return isPlaying(track) ? playback.seconds : -1;
    }

    /** Playback, a moment of it. */
    static final class Playback {
        final Track track;
        /** Heard so far. */
        final double seconds;

        Playback(Track track, double seconds) {
            this.track = track;
            this.seconds = seconds;
        }
    }
}
