package dev.hifigan.demo;

import android.content.Context;
import android.net.Uri;
import android.os.Handler;

/** Finds the name of the picked file, and whether it is audio or a mel. */
final class NameTask extends Task {
    private final Context context;
    private final Uri uri;

    /** @param before the previous source, which stays chosen when this fails */
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
