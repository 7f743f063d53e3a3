package dev.hifigan.demo;

import java.io.ByteArrayOutputStream;

/** A fake loudspeaker: takes all audio at once, or, if {@link #slow}, only as much as the test allows. */
final class Loudspeaker {
    /** The phone's. */
    static Loudspeaker plugged;

    private final ByteArrayOutputStream heard = new ByteArrayOutputStream();
    private long allowed; // bytes that it may play yet
    private Runnable onFirst = () -> {};

    private Loudspeaker(long allowed) {
        this.allowed = allowed;
        plugged = this;
    }

    static Loudspeaker fast() {
        return new Loudspeaker(Long.MAX_VALUE);
    }

    static Loudspeaker slow() {
        return new Loudspeaker(0);
    }

    /** One whose driver has ended. */
    static Loudspeaker dead() {
        return new Loudspeaker(-1);
    }

    boolean isDead() {
        return allowed < 0;
    }

    /** Runs this, on the player's thread, before the first samples are played. */
    synchronized void onFirst(Runnable onFirst) {
        this.onFirst = onFirst;
    }

    synchronized void play(double seconds, int samplingRate) {
        allowed += 2 * (long) (seconds * samplingRate);
        notifyAll();
    }

    /** 16-bit samples as bytes. */
    synchronized byte[] heard() {
        return heard.toByteArray();
    }

    synchronized int size() {
        return heard.size();
    }

    /** Plays the beginning of these bytes; returns how many. The caller holds the lock. */
    int sound(byte[] bytes, int count) {
        int sounded = (int) Math.min(allowed, count);
        if (sounded > 0 && heard.size() == 0) {
            onFirst.run();
        }
        heard.write(bytes, 0, sounded);
        allowed -= sounded;
        return sounded;
    }
}
