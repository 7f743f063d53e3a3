package dev.hifigan.demo;

import android.media.AudioFormat;
import android.media.AudioTrack;
import android.os.Handler;
import android.os.Process;
import android.util.Log;
import dev.hifigan.vocoder.AudioInput;
import dev.hifigan.vocoder.AudioSource;
import dev.hifigan.vocoder.Pcm;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;

/** Plays one track to its end, a piece at a time. Whatever goes wrong becomes a message. */
final class PlayThread extends Thread {
    /** Called on the main thread. */
    interface Listener {
        void onPosition(PlayThread from, double seconds);

        /** @param problem null if the track ended, or was stopped */
        void onEnd(PlayThread from, Message problem);
    }

    private static final double BUFFER = 0.25; // seconds
    private static final double PIECE = 0.05; // seconds between reports of the position
    private static final long PAUSE = 20; // milliseconds
    private static final int BYTES = 2; // a sample

    final Track track;
    private final AudioInput input;
    private final Handler main;
    private final Listener listener;

    private final Object lock = new Object(); // for the fields below
    private AudioTrack speaker; // null before and after
    private boolean held;
    private boolean ended;

    PlayThread(Track track, AudioInput input, Handler main, Listener listener) {
        super("player");
        this.track = track;
        this.input = input;
        this.main = main;
        this.listener = listener;
    }

    /** Pauses, or continues from there. */
    void hold(boolean held) {
        synchronized (lock) {
            this.held = held;
            if (speaker != null) {
                if (held) {
                    speaker.pause();
                } else {
                    speaker.play();
                }
            }
            lock.notifyAll();
        }
    }

    /** Stops for good, without waiting for the end. */
    void end() {
        synchronized (lock) {
            ended = true;
            if (speaker != null) {
                speaker.pause();
                speaker.flush();
            }
            lock.notifyAll();
        }
        interrupt(); // it may be waiting for audio that is not yet made
    }

    @Override
    public void run() {
        Message problem = null;
        try (AudioSource source = input.open()) {
            Process.setThreadPriority(Process.THREAD_PRIORITY_AUDIO);
            play(source);
        } catch (Throwable e) { // nothing may crash the app
            if (!isEnded()) {
                Log.w("PlayThread", "Cannot play " + track, e);
                problem = Message.of(e);
            }
        } finally {
            close();
        }
        tellEnd(problem);
    }

    private void play(AudioSource source) throws IOException, InterruptedException {
        int rate = source.samplingRate();
        open(rate);
        for (float[] samples = source.read(); samples != null; samples = source.read()) {
            write(Pcm.toShorts(samples), rate);
        }
        // Silence of the buffer's length pushes the last sample out, however short the track.
        int buffered;
        synchronized (lock) {
            buffered = speaker.getBufferSizeInFrames();
        }
        write(new short[buffered], rate);
    }

    private void open(int rate) throws IOException {
        int least = AudioTrack.getMinBufferSize(rate, AudioFormat.CHANNEL_OUT_MONO, AudioFormat.ENCODING_PCM_16BIT);
        AudioTrack opened;
        try {
            opened = new AudioTrack.Builder()
                    .setAudioAttributes(Player.ATTRIBUTES)
                    .setAudioFormat(new AudioFormat.Builder()
                            .setEncoding(AudioFormat.ENCODING_PCM_16BIT)
                            .setSampleRate(rate)
                            .setChannelMask(AudioFormat.CHANNEL_OUT_MONO)
                            .build())
                    .setBufferSizeInBytes(Math.max(least, BYTES * (int) (BUFFER * rate)))
                    .build();
        } catch (IllegalArgumentException | UnsupportedOperationException e) { // a rate that the phone cannot play
            throw new AppException(e, R.string.error_playback, rate + " Hz");
        }
        synchronized (lock) {
            speaker = opened;
            if (!held) {
                speaker.play();
            }
        }
    }

    /** Writes everything. */
    private void write(short[] samples, int rate) throws IOException, InterruptedException {
        ByteBuffer bytes = ByteBuffer.allocate(BYTES * samples.length).order(ByteOrder.nativeOrder());
        bytes.asShortBuffer().put(samples);
        int piece = BYTES * (int) (PIECE * rate);
        int count = piece;
        for (int from = 0; from < bytes.capacity(); from += count) {
            AudioTrack speaker = awaitSpeaker(count == 0);
            count = speaker.write(bytes.array(), from, Math.min(piece, bytes.capacity() - from));
            if (count < 0) {
                throw new AppException(R.string.error_playback, "AudioTrack " + count);
            }
            tellPosition((speaker.getPlaybackHeadPosition() & 0xffffffffL) / (double) rate);
        }
    }

    /** Waits while paused; and briefly if it has just taken nothing, which happens while it changes state. */
    private AudioTrack awaitSpeaker(boolean tookNothing) throws InterruptedException {
        synchronized (lock) {
            if (tookNothing) {
                lock.wait(PAUSE);
            }
            while (held && !ended) {
                lock.wait();
            }
            if (ended) {
                throw new InterruptedException();
            }
            return speaker;
        }
    }

    private void close() {
        synchronized (lock) {
            if (speaker != null) {
                speaker.release();
                speaker = null;
            }
        }
    }

    private boolean isEnded() {
        synchronized (lock) {
            return ended;
        }
    }

    private void tellPosition(final double seconds) {
        main.post(new Runnable() {
            @Override
            public void run() {
                listener.onPosition(PlayThread.this, seconds);
            }
        });
    }

    private void tellEnd(final Message problem) {
        main.post(new Runnable() {
            @Override
            public void run() {
                listener.onEnd(PlayThread.this, problem);
            }
        });
    }
}
