package dev.hifigan.demo;

import static org.junit.Assert.assertEquals;
import static org.junit.Assert.assertTrue;
import static org.robolectric.Shadows.shadowOf;

import android.app.Application;
import android.content.Context;
import android.content.Intent;
import android.content.SharedPreferences;
import android.graphics.Bitmap;
import android.graphics.Canvas;
import android.net.Uri;
import android.os.Bundle;
import android.os.Looper;
import android.view.View;
import android.widget.Spinner;
import android.widget.TextView;
import java.io.File;
import java.io.FileOutputStream;
import java.io.IOException;
import java.util.function.BooleanSupplier;
import org.junit.rules.ExternalResource;
import org.robolectric.Robolectric;
import org.robolectric.RuntimeEnvironment;
import org.robolectric.android.controller.ActivityController;

/** The app as a user sees it: presses buttons, reads the screen. */
public final class Phone extends ExternalResource {
    private static final long PATIENCE = 120_000_000_000L; // nanoseconds

    private ActivityController<MainActivity> controller;

    @Override
    protected void before() throws Exception {
        Loudspeaker.fast();
        keep("int8");
    }

    @Override
    protected void after() {
        if (controller != null) {
            session().finish();
            idle();
        }
    }

    /** The fastest model, as an earlier start has measured. */
    void keep(String mode) throws Exception {
        keep(FastestTask.key(app(), Models.modes(app())), mode);
    }

    /** What an earlier start has measured. */
    void keep(String measured, String mode) {
        kept().edit().putString(FastestTask.MEASURED, measured).putString(FastestTask.MODE, mode).commit();
    }

    SharedPreferences kept() {
        return app().getSharedPreferences(FastestTask.PREFERENCES, Context.MODE_PRIVATE);
    }

    static Application app() {
        return RuntimeEnvironment.getApplication();
    }

    /** Opens the app. */
    void start() {
        start(null);
    }

    /** Opens it with its saved state. */
    void start(Bundle saved) {
        controller = Robolectric.buildActivity(MainActivity.class).create(saved).start();
        if (saved != null) {
            controller.restoreInstanceState(saved);
        }
        controller.postCreate(saved).resume().visible();
        idle();
    }

    /** The system ends the app in the background; returns the saved state. */
    Bundle end() {
        Bundle saved = new Bundle();
        controller.pause().stop().saveInstanceState(saved).destroy();
        session().finish();
        RuntimeEnvironment.getApplication().onCreate(); // of a new process
        return saved;
    }

    Session session() {
        return ((DemoApplication) RuntimeEnvironment.getApplication()).session();
    }

    MainActivity activity() {
        return controller.get();
    }

    <T extends View> T view(int id) {
        T view = activity().findViewById(id);
        return view;
    }

    String text(int id) {
        return view(id).isShown() ? ((TextView) view(id)).getText().toString() : "";
    }

    String string(int id, Object... arguments) {
        return activity().getString(id, arguments);
    }

    /** Presses a button, which must be visible and enabled. */
    void press(int id) {
        assertTrue("hidden", view(id).isShown());
        assertTrue("disabled", view(id).isEnabled());
        view(id).performClick();
        idle();
    }

    void select(int spinner, String item) {
        Spinner view = view(spinner);
        for (int i = 0; i < view.getCount(); i++) {
            if (view.getItemAtPosition(i).equals(item)) {
                view.setSelection(i);
                idle();
                return;
            }
        }
        throw new AssertionError("no " + item);
    }

    void awaitStatus(int status) {
        String wanted = string(status);
        await(wanted, () -> text(R.id.status).equals(wanted));
    }

    void await(String what, BooleanSupplier condition) {
        for (long end = System.nanoTime() + PATIENCE; !condition.getAsBoolean(); idle()) {
            assertTrue("Waited for: " + what + "; status: " + text(R.id.status) + "; message: " + text(R.id.message),
                    System.nanoTime() < end);
            sleep(5);
        }
    }

    /** Presses Vocode and waits until it is done. */
    void vocode() {
        press(R.id.vocode);
        awaitStatus(R.string.status_done);
    }

    /** Chooses a file as the system's picker hands it over. */
    void pick(Uri uri) {
        press(R.id.file);
        Intent asked = shadowOf(activity()).getNextStartedActivity();
        assertEquals(Intent.ACTION_OPEN_DOCUMENT, asked.getAction());
        shadowOf(activity()).receiveResult(asked, MainActivity.RESULT_OK, new Intent().setData(uri));
        idle();
        await("the file's name", () -> !text(R.id.status).equals(string(R.string.status_reading)));
    }

    void rotate(String qualifiers) {
        RuntimeEnvironment.setQualifiers(qualifiers);
        controller.recreate();
        idle();
    }

    void leave() {
        controller.pause().stop();
        idle();
    }

    void comeBack() {
        controller.restart().resume();
        idle();
    }

    void leaveForGood() {
        activity().finish();
        controller.pause().stop().destroy();
        idle();
    }

    void idle() {
        shadowOf(Looper.getMainLooper()).idle();
    }

    Bitmap picture() {
        View window = activity().getWindow().getDecorView();
        Bitmap bitmap = Bitmap.createBitmap(window.getWidth(), window.getHeight(), Bitmap.Config.ARGB_8888);
        window.draw(new Canvas(bitmap));
        return bitmap;
    }

    void photograph(String name) throws IOException {
        try (FileOutputStream file = new FileOutputStream(new File(System.getProperty("screens"), name + ".png"))) {
            picture().compress(Bitmap.CompressFormat.PNG, 100, file);
        }
    }

    static void sleep(long milliseconds) {
        try {
            Thread.sleep(milliseconds);
        } catch (InterruptedException e) {
            throw new AssertionError(e);
        }
    }
}
