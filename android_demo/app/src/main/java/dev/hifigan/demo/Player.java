package dev.hifigan.demo;

import android.content.BroadcastReceiver;
import android.content.Context;
import android.content.Intent;
import android.content.IntentFilter;
import android.media.AudioAttributes;
import android.media.AudioFocusRequest;
import android.media.AudioManager;
import android.os.Handler;
import dev.hifigan.vocoder.AudioInput;

/**
 * Plays a track by Android's rules: with audio focus, silent while another app speaks, while this one is in the
 * background, and after headphones are unplugged. Runs on the main thread; {@link PlayThread} does the work.
 */
final class Player implements PlayThread.Listener, AudioManager.OnAudioFocusChangeListener {
    interface Listener {
        void onPlaying(UiState.Playback playback);

        /** @param problem null if the track ended, or was stopped */
        void onSilent(Message problem);
    }

    static final AudioAttributes ATTRIBUTES = new AudioAttributes.Builder()
            .setUsage(AudioAttributes.USAGE_MEDIA)
            .setContentType(AudioAttributes.CONTENT_TYPE_SPEECH)
            .build();

    private final Context context;
    private final Handler main;
    private final Listener listener;
    private final AudioManager audio;
    private final AudioFocusRequest focus;
    private final BroadcastReceiver unplugged = new BroadcastReceiver() {
        @Override
        public void onReceive(Context context, Intent intent) {
            end(null);
        }
    };

    private PlayThread thread; // null while nothing plays
    private boolean inBackground;
    private boolean outspoken; // another app has the focus temporarily

    Player(Context context, Handler main, Listener listener) {
        this.context = context;
        this.main = main;
        this.listener = listener;
        audio = context.getSystemService(AudioManager.class);
        focus = new AudioFocusRequest.Builder(AudioManager.AUDIOFOCUS_GAIN)
                .setAudioAttributes(ATTRIBUTES)
                .setWillPauseWhenDucked(true) // overlapping speech is unintelligible
                .setOnAudioFocusChangeListener(this, main)
                .build();
    }

    /** Plays this and nothing else. */
    void play(Track track, AudioInput input) {
        end(null);
        if (audio.requestAudioFocus(focus) != AudioManager.AUDIOFOCUS_REQUEST_GRANTED) {
            listener.onSilent(Message.of(R.string.error_no_focus));
            return;
        }
        outspoken = false;
        context.registerReceiver(unplugged, new IntentFilter(AudioManager.ACTION_AUDIO_BECOMING_NOISY));
        thread = new PlayThread(track, input, main, this);
        thread.hold(inBackground);
        thread.start();
        listener.onPlaying(new UiState.Playback(track, 0));
    }

    void stop() {
        end(null);
    }

    void setInBackground(boolean inBackground) {
        this.inBackground = inBackground;
        hold();
    }

    @Override
    public void onAudioFocusChange(int change) {
        if (change == AudioManager.AUDIOFOCUS_LOSS) {
            end(Message.of(R.string.error_lost_focus));
        } else {
            outspoken = change != AudioManager.AUDIOFOCUS_GAIN;
            hold();
        }
    }

    @Override
    public void onPosition(PlayThread from, double seconds) {
        if (from == thread) {
            listener.onPlaying(new UiState.Playback(from.track, seconds));
        }
    }

    @Override
    public void onEnd(PlayThread from, Message problem) {
        if (from == thread) {
            end(problem);
        }
    }

    private void hold() {
        if (thread != null) {
            thread.hold(inBackground || outspoken);
        }
    }

    private void end(Message problem) {
        if (thread == null) {
            return;
        }
        thread.end();
        thread = null;
        context.unregisterReceiver(unplugged);
        audio.abandonAudioFocusRequest(focus);
        listener.onSilent(problem);
    }
}
