package dev.hifigan.demo;

import android.media.AudioTrack;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import org.robolectric.annotation.Implementation;
import org.robolectric.annotation.Implements;

/** The layer below {@code AudioTrack}: a buffer that plays into the {@link Loudspeaker}, with the real one's rules. */
@Implements(AudioTrack.class)
public final class SpeakerTrack {
    static final int FRAMES = 4096; // its buffer

    private final Loudspeaker loudspeaker = Loudspeaker.plugged;
    private final byte[] buffer = new byte[2 * FRAMES];
    private int buffered;
    private int sounded;
    private boolean playing;

    @Implementation
    protected static int native_get_min_buff_size(int samplingRate, int channels, int format) {
        return 2 * FRAMES;
    }

    @Implementation
    protected int native_get_buffer_size_frames() {
        return FRAMES;
    }

    @Implementation
    protected void native_start() {
        setPlaying(true);
    }

    @Implementation
    protected void native_pause() {
        setPlaying(false);
    }

    @Implementation
    protected void native_stop() {
        setPlaying(false);
    }

    @Implementation
    protected void native_flush() {
        synchronized (loudspeaker) {
            buffered = 0;
        }
    }

    @Implementation
    protected int native_write_short(short[] audio, int offset, int size, int format, boolean blocking) {
        if (loudspeaker.isDead()) {
            return AudioTrack.ERROR_DEAD_OBJECT;
        }
        ByteBuffer bytes = ByteBuffer.allocate(2 * size).order(ByteOrder.LITTLE_ENDIAN);
        bytes.asShortBuffer().put(audio, offset, size);
        return native_write_byte(bytes.array(), 0, 2 * size, format, blocking) / 2;
    }

    /** Waits for room, unless it is paused. */
    @Implementation
    protected int native_write_byte(byte[] audio, int offset, int size, int format, boolean blocking) {
        synchronized (loudspeaker) {
            int written = 0;
            while (written < size) {
                int piece = Math.min(size - written, buffer.length - buffered);
                System.arraycopy(audio, offset + written, buffer, buffered, piece);
                buffered += piece;
                written += piece;
                sound();
                if (buffered == buffer.length) {
                    if (!playing) {
                        return written;
                    }
                    await();
                }
            }
            return written;
        }
    }

    @Implementation
    protected int native_get_position() {
        synchronized (loudspeaker) {
            sound();
            return sounded / 2;
        }
    }

    private void setPlaying(boolean playing) {
        synchronized (loudspeaker) {
            this.playing = playing;
            loudspeaker.notifyAll();
        }
    }

    private void sound() {
        if (playing) {
            int count = loudspeaker.sound(buffer, buffered);
            System.arraycopy(buffer, count, buffer, 0, buffered - count);
            buffered -= count;
            sounded += count;
        }
    }

    /** The real one is not woken by an interrupt, but by pausing. */
    private void await() {
        boolean interrupted = false;
        try {
            loudspeaker.wait();
        } catch (InterruptedException e) {
            interrupted = true;
        }
        sound();
        if (interrupted) {
            Thread.currentThread().interrupt();
        }
    }
}
