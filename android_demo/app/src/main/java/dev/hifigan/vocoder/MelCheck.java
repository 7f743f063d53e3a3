package dev.hifigan.vocoder;

import java.util.Arrays;

/** Looks at the frames of a stream as they come, until they are sure to be the model's mel. */
final class MelCheck {
    private static final int CHECKED_FRAMES = 4 * MelScale.SURE_FRAMES; // three seconds, in which there is speech

    private final AudioSettings audio;
    private float[][] head = {}; // the first frames
    private int next = 1; // the number of frames from which to look again
    private String foreign;

    MelCheck(AudioSettings audio) {
        this.audio = audio;
    }

    /** Takes frames; returns what they look like once they contradict the model's mel, or null. The answer stays. */
    String add(float[][] frames) {
        int count = Math.min(frames.length, CHECKED_FRAMES - head.length);
        if (foreign != null || count == 0) {
            return foreign;
        }
        int known = head.length;
        head = Arrays.copyOf(head, known + count);
        for (int i = 0; i < count; i++) {
            head[known + i] = frames[i].clone();
        }
        if (head.length >= next) {
            foreign = MelScale.foreign(head, audio);
            next = head.length + (head.length < MelScale.SURE_FRAMES ? 1 : MelScale.SURE_FRAMES);
        }
        return foreign;
    }
}
