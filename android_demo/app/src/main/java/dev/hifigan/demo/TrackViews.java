package dev.hifigan.demo;

import android.app.Activity;
import android.content.res.Resources;
import android.text.format.DateUtils;
import android.view.View;
import android.widget.Button;
import android.widget.TextView;

/** The part of the screen that belongs to one track: its pictures, its time and its button. */
final class TrackViews {
    private final Track track;
    private final TextView time;
    private final Button play;
    private final WaveformView waveform;
    private final MelView mel;
    private final Resources resources;

    TrackViews(Activity screen, Track track) {
        this.track = track;
        boolean original = track == Track.ORIGINAL;
        time = screen.findViewById(original ? R.id.original_time : R.id.vocoded_time);
        play = screen.findViewById(original ? R.id.play_original : R.id.play_vocoded);
        waveform = screen.findViewById(original ? R.id.original_waveform : R.id.vocoded_waveform);
        mel = screen.findViewById(original ? R.id.original_mel : R.id.vocoded_mel);
        resources = screen.getResources();
    }

    void show(UiState state) {
        boolean original = track == Track.ORIGINAL;
        boolean playing = state.isPlaying(track);
        Picture picture = original ? state.work.original : state.work.vocoded;
        double position = Math.min(state.position(track), picture.seconds);

        play.setEnabled(playing || state.isPlayable(track));
        play.setText(playing ? R.string.stop : R.string.play);
        int toPlay = original ? R.string.play_original : R.string.play_vocoded;
        play.setContentDescription(resources.getString(playing ? R.string.stop_playing : toPlay));
        time.setText(picture.seconds == 0 ? "" : resources.getString(R.string.time, clock(position), clock(picture.seconds)));

        waveform.setExtremes(picture.extremes);
        waveform.setTimes(picture.waveSeconds, position, state.span());
        mel.setColumns(picture.columns);
        mel.setTimes(picture.melSeconds, position, state.span());
        describe(waveform, original ? R.string.waveform_original : R.string.waveform_vocoded, picture.waveSeconds);
        describe(mel, original ? R.string.mel_original : R.string.mel_vocoded, picture.melSeconds);
    }

    private void describe(View view, int text, double seconds) {
        view.setContentDescription(
                seconds > 0 ? resources.getString(text, seconds) : resources.getString(R.string.no_picture));
    }

    private static String clock(double seconds) {
        return DateUtils.formatElapsedTime((long) Math.max(0, seconds));
    }
}
