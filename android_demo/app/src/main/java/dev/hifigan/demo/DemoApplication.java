package dev.hifigan.demo;

import android.app.Application;
import android.content.pm.ApplicationInfo;
import android.os.StrictMode;

/** Holds the session, which outlives every activity: rotation and the background do not disturb its work. */
public final class DemoApplication extends Application {
    private Session session;

    @Override
    public void onCreate() {
        super.onCreate();
        if ((getApplicationInfo().flags & ApplicationInfo.FLAG_DEBUGGABLE) != 0) {
            StrictMode.enableDefaults(); // logs everything that would block the screen
        }
        session = new Session(this);
    }

    Session session() {
        return session;
    }

    @Override
    public void onTrimMemory(int level) {
        super.onTrimMemory(level);
        session.trimMemory(level);
    }
}
