package dev.hifigan.vocoder;

import java.util.LinkedHashMap;
import java.util.Map;

/** The speed of a job. Time spent waiting, for example for a loudspeaker that is playing, is not counted. */
public final class Figures {
    /** Seconds until the first samples were ready for the sink, including everything before them; NaN until then. */
    public final double firstAudioSeconds;
    /** Seconds of audio made. */
    public final double audioSeconds;
    /** Seconds that the mel took: reading, decoding and analysing. */
    public final double melSeconds;
    /** Seconds that the vocoder took. */
    public final double vocoderSeconds;

    Figures(double firstAudioSeconds, double audioSeconds, double melSeconds, double vocoderSeconds) {
        this.firstAudioSeconds = firstAudioSeconds;
        this.audioSeconds = audioSeconds;
        this.melSeconds = melSeconds;
        this.vocoderSeconds = vocoderSeconds;
    }

    /** Time of the vocoder divided by the length of its audio: below 1 is faster than real time. NaN without audio. */
    public double realTimeFactor() {
        return vocoderSeconds / audioSeconds;
    }

    /** For a JSON file ({@link Json#write}). */
    public Map<String, Object> toMap() {
        Map<String, Object> map = new LinkedHashMap<String, Object>();
        map.put("first_audio_seconds", firstAudioSeconds);
        map.put("audio_seconds", audioSeconds);
        map.put("mel_seconds", melSeconds);
        map.put("vocoder_seconds", vocoderSeconds);
        map.put("real_time_factor", realTimeFactor());
        return map;
    }
}
