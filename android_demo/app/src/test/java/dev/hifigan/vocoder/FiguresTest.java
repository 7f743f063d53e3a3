package dev.hifigan.vocoder;

import static org.junit.Assert.assertEquals;

import org.junit.Test;

public class FiguresTest {
    @Test
    public void relatesTheVocodersTimeToItsAudio() {
        assertEquals(0.25, new Figures(0.01, 4, 9, 1).realTimeFactor(), 0);
    }

    @Test
    public void goesIntoAJson() {
        assertEquals("{first_audio_seconds=0.01, audio_seconds=4.0, mel_seconds=9.0, vocoder_seconds=1.0, "
                + "real_time_factor=0.25}", new Figures(0.01, 4, 9, 1).toMap().toString());
        String before = Json.write(new Figures(Double.NaN, 0, 0, 0).toMap());
        assertEquals("nothing known yet", "null", before.replaceAll("(?s).*\"real_time_factor\": (\\w+).*", "$1"));
    }
}
