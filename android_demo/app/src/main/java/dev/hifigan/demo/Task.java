package dev.hifigan.demo;

import android.os.Handler;
import android.util.Log;

/** Work for the worker thread. Whatever goes wrong in it becomes a message on the screen. */
abstract class Task implements Runnable {
    /** Called on the main thread. */
    interface Listener {
        void onWork(Task task, Work work);
    }

    private static final String TAG = "HifiganDemo";

    private final Handler main;
    private final Listener listener;
    private volatile Work last;
    private volatile boolean stopped;
    private volatile Message stopReason;

    /** @param start the state before it runs */
    Task(Handler main, Listener listener, Work start) {
        this.main = main;
        this.listener = listener;
        last = start;
    }

    /** Does the work, until it is done or {@link #isStopped}, and returns the final state. */
    abstract Work work() throws Exception;

    @Override
    public final void run() {
        try {
            report(work());
        } catch (Throwable problem) { // nothing may crash the app
            Log.w(TAG, "Failed: " + getClass().getSimpleName(), problem);
            report(last.ended(Work.Phase.FAILED, Message.of(problem)));
        }
    }

    /** Asks it to end soon; from any thread. @param why null if the user asked for it */
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
