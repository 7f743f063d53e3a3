package dev.hifigan.demo;

import android.content.ComponentCallbacks2;
import android.content.Context;
import android.net.Uri;
import android.os.Handler;
import android.os.Looper;
import dev.hifigan.vocoder.AudioInput;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;

/**
 * The state of the app, independent of the activity that shows it: one task at a time on a worker thread, one track at
 * a time on a player. All methods are for the main thread, and none blocks.
 */
final class Session implements Task.Listener, FastestTask.Listener, Player.Listener {
    /** The activity that shows it. */
    interface Screen {
        void show(UiState state);
    }

    private final Context context;
    private final Handler main = new Handler(Looper.getMainLooper());
    private final ExecutorService worker = Executors.newSingleThreadExecutor();
    private final Player player;
    private UiState state = new UiState(Work.of(Work.Phase.IDLE, Source.BUNDLED), null, null, null);
    private Task task; // the newest; reports of older ones are ignored
    private FastestTask fastest; // null before the first screen
    private Screen screen; // null while there is none
    private boolean inBackground;

    Session(Context context) {
        this.context = context;
        player = new Player(context, main, this);
    }

    void attach(Screen screen) {
        this.screen = screen;
        setInBackground(false);
        if (fastest == null) {
            findFastest();
        }
        screen.show(state);
    }

    /** @param background whether the app is left, rather than turned by 90 degrees */
    void detach(Screen screen, boolean background) {
        if (screen == this.screen) {
            this.screen = null;
            setInBackground(background);
        }
    }

    /** The user's choice; it holds, whichever is the fastest. */
    void chooseMode(String mode) {
        stopMeasuring();
        show(state.withMode(mode));
    }

    /** Of the chosen model; null until the user or the fastest one has decided. */
    String mode() {
        return state.mode;
    }

    /** Whether nothing has been chosen or done yet. */
    boolean isFresh() {
        return task == null;
    }

    /** The file that is the source; null where it is something else. */
    Uri picked() {
        return state.work.source.uri;
    }

    void chooseBundled() {
        begin(null, Work.of(Work.Phase.IDLE, Source.BUNDLED));
    }

    void choosePicked(Uri uri) {
        begin(new NameTask(context, main, this, uri, state.work.source), null);
    }

    void record() {
        begin(new RecordTask(context, main, this, state.work.source), null);
    }

    /** @param mode of the model, for example {@code "int8"} */
    void vocode(String mode, int threads) {
        begin(new VocodeTask(context, main, this, state.work.source, mode, threads), null);
    }

    /** Ends the current task and playback. */
    void stop() {
        task.stop(null);
        player.stop();
    }

    void play(Track track) {
        stopMeasuring();
        show(state.with((Message) null));
        AudioInput input = track == Track.ORIGINAL ? state.work.source.audio(context) : state.work.audio;
        player.play(track, input);
    }

    void stopPlaying() {
        player.stop();
    }

    void tell(Message message) {
        show(state.with(message));
    }

    /** The user has closed the app. */
    void finish() {
        chooseBundled();
    }

    /** Up to Android 13 the system says when memory runs short; later ones end apps instead. */
    @SuppressWarnings("deprecation")
    void trimMemory(int level) {
        boolean urgent = level == ComponentCallbacks2.TRIM_MEMORY_RUNNING_CRITICAL
                || level >= ComponentCallbacks2.TRIM_MEMORY_MODERATE;
        if (urgent) {
            stopMeasuring();
            if (state.work.isBusy()) {
                task.stop(Message.of(R.string.error_memory));
            }
        }
    }

    @Override
    public void onWork(Task from, Work work) {
        if (from != task) {
            return;
        }
        boolean first = work.audio != null && state.work.audio == null;
        show(state.with(work));
        if (first && !inBackground && !from.isStopped()) {
            play(Track.VOCODED);
        }
    }

    @Override
    public void onFastest(String mode) {
        if (state.mode == null) {
            show(state.withMode(mode));
        }
    }

    @Override
    public void onPlaying(UiState.Playback playback) {
        show(state.with(playback));
    }

    @Override
    public void onSilent(Message problem) {
        show(new UiState(state.work, null, problem == null ? state.message : problem, state.mode));
    }

    /** Ends the current task, and begins the next. */
    private void begin(Task next, Work idle) {
        if (task != null) {
            task.stop(null);
        }
        if (next != fastest) {
            stopMeasuring();
        }
        player.stop();
        task = next;
        show(new UiState(next == null ? idle : next.last(), null, null, state.mode));
        if (next != null) {
            worker.execute(next);
        }
    }

    /** It may wait behind the task of a restored file, or be the task itself. */
    private void findFastest() {
        fastest = new FastestTask(context, main, this, this, state.work.source);
        if (task == null) {
            begin(fastest, null);
        } else {
            worker.execute(fastest);
        }
    }

    /** Other things come first; the next start of the app takes it up again. */
    private void stopMeasuring() {
        if (fastest != null) {
            fastest.stop(null);
        }
    }

    private void setInBackground(boolean inBackground) {
        this.inBackground = inBackground;
        player.setInBackground(inBackground);
        if (inBackground) {
            stopMeasuring(); // the system slows down what is in the background
            if (state.work.phase == Work.Phase.RECORDING) {
                task.stop(null); // an app in the background records only silence
            }
        }
    }

    private void show(UiState next) {
        state = next;
        if (screen != null) {
            screen.show(next);
        }
    }
}
