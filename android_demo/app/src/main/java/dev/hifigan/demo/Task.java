package dev.hifigan.demo;

import android.os.Handler;
import android.util.Log;

/** Work for the worker thread. Whatever goes wrong in it becomes a message on the screen. */
abstract class Task implements Runnable {
    /** Told on the main thread. */
    interface Listener {
        void onWork(Task task, Work work);
    }

    private static final String TAG = "HifiganDemo";

    private final Handler main;
    private final Listener listener;
    private volatile Work last;
    private volatile boolean stopped;
    private volatile Message stopReason;

    /** @param start what is known before it runs */
    Task(Handler main, Listener listener, Work start) {
        this.main = main;
        this.listener = listener;
        last = start;
    }

    /** Does the work, until it is done or {@link #isStopped}, and returns how it ended. */
    abstract Work work() throws Exception;

    @Override
    public final void run() {
        try {
            report(work());
        } catch (Throwable problem) { // the guard: nothing may end the app
            Log.w(TAG, "Failed: " + getClass().getSimpleName(), problem);
            report(last.ended(Work.Phase.FAILED, Message.of(problem)));
        }
    }

    /** Asks it to end soon; from any thread. @param why null where the user knows */
    final void stop(Message why) {
        stopReason = why;
        stopped = true;
    }

    final boolean isStopped() {
        return stopped;
    }

    final Message stopReason() {
        return stopReason;
    }

    final Work last() {
        return last;
    }

    final void report(final Work work) {
        last = work;
        main.post(new Runnable() {
            @Override
            public void run() {
                listener.onWork(Task.this, work);
            }
        });
    }
}
