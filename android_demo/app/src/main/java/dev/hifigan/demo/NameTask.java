package dev.hifigan.demo;

import android.content.Context;
import android.net.Uri;
import android.os.Handler;

/** Finds out what the file is that the user has picked: its name, and whether it is audio or a mel. */
final class NameTask extends Task {
    private final Context context;
    private final Uri uri;

    /** @param before what was chosen before, and stays chosen when this fails */
    NameTask(Context context, Handler main, Listener listener, Uri uri, Source before) {
        super(main, listener, Work.of(Work.Phase.READING, before));
        this.context = context;
        this.uri = uri;
    }

    @Override
    Work work() throws Exception {
        String name = PickedFile.nameOf(context, uri);
        boolean mel = new PickedFile(context, uri, name).isMel();
        return Work.of(Work.Phase.IDLE, Source.picked(mel ? Source.Kind.MEL_FILE : Source.Kind.AUDIO_FILE, uri, name));
    }
}
