package dev.hifigan.vocoder;

import java.io.IOException;

/** From a mel to a sink, chunk after chunk: the first is heard while the last is not yet computed. */
public final class VocodingJob {
    /** Told on the thread of the job. */
    public interface Listener {
        /** @param done 0 to 1; -1 where the length is not known */
        void onProgress(double done, Figures figures);
    }

    /** Nothing is closed by the job: source, vocoder and sink stay the caller's. */
    public VocodingJob(MelSource source, StreamingVocoder vocoder, AudioSink sink, Listener listener) {
        throw new UnsupportedOperationException("skeleton");
    }

    /** Runs to the end, or until {@link #cancel}. The vocoder is reset first. */
    public Figures run() throws IOException {
        throw new UnsupportedOperationException("skeleton");
    }

    /** Ends {@link #run} at the next chunk; from any thread. */
    public void cancel() {
        throw new UnsupportedOperationException("skeleton");
    }

    public boolean isCancelled() {
        throw new UnsupportedOperationException("skeleton");
    }
}
