package dev.hifigan.vocoder;

import java.util.Map;

/** How fast a job was. What it waited for, such as a loudspeaker that takes audio as it plays, is not counted. */
public final class Figures {
    /** Seconds until the first samples were handed to the sink, all computing before them included; NaN before that. */
    public final double firstAudioSeconds;
    /** Seconds of audio made. */
    public final double audioSeconds;
    /** Seconds that reading, decoding and the mel front end took. */
    public final double melSeconds;
    /** Seconds that the vocoder took. */
    public final double vocoderSeconds;

    Figures(double firstAudioSeconds, double audioSeconds, double melSeconds, double vocoderSeconds) {
        this.firstAudioSeconds = firstAudioSeconds;
        this.audioSeconds = audioSeconds;
        this.melSeconds = melSeconds;
        this.vocoderSeconds = vocoderSeconds;
    }

    /** Computing time of the vocoder over the length of its audio: below 1 is faster than it plays. */
    public double realTimeFactor() {
        return vocoderSeconds / audioSeconds;
    }

    /** For a JSON file ({@link Json#write}): names as above, in snake case, with their unit. */
    public Map<String, Object> toMap() {
        throw new UnsupportedOperationException("skeleton");
    }
}
