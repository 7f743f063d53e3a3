package dev.hifigan.demo;

import android.content.Context;
import android.net.Uri;
import dev.hifigan.vocoder.AudioInput;
import java.io.File;

/** Where the audio or the mel comes from. */
final class Source {
    /** The names in the JSON of figures. */
    enum Kind {
        BUNDLED,
        AUDIO_FILE,
        MEL_FILE,
        RECORDING
    }

    static final Source BUNDLED = new Source(Kind.BUNDLED, null, null, null);

    final Kind kind;
    /** Of a file that was picked. */
    final Uri uri;
    /** The file name; null for the other kinds, whose names are translated. */
    final String name;
    /** Of a recording. */
    final File file;

    private Source(Kind kind, Uri uri, String name, File file) {
        this.kind = kind;
        this.uri = uri;
        this.name = name;
        this.file = file;
    }

    static Source picked(Kind kind, Uri uri, String name) {
        return new Source(kind, uri, name, null);
    }

    static Source recording(File file) {
        return new Source(Kind.RECORDING, null, null, file);
    }

    /** The audio; null for a mel. */
    AudioInput audio(Context context) {
        switch (kind) {
            case BUNDLED:
                return new BundledSpeech(context);
            case RECORDING:
                return new WavFile(file);
            case AUDIO_FILE:
                return new PickedFile(context, uri, name);
            default:
                return null;
        }
    }
}
