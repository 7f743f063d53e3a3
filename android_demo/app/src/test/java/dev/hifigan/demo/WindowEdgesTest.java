package dev.hifigan.demo;

import static org.junit.Assert.assertEquals;
import static org.junit.Assert.assertTrue;

import android.graphics.Insets;
import android.graphics.Rect;
import android.view.View;
import android.view.ViewGroup;
import android.view.WindowInsets;
import android.widget.TextView;
import org.junit.Rule;
import org.junit.Test;
import org.junit.runner.RunWith;
import org.robolectric.RobolectricTestRunner;
import org.robolectric.RuntimeEnvironment;
import org.robolectric.annotation.Config;
import org.robolectric.annotation.GraphicsMode;

/** The window reaches behind the system's bars, a cutout and the keyboard; nothing to read or press does. */
@RunWith(RobolectricTestRunner.class)
@Config(sdk = {35, 36}, shadows = SpeakerTrack.class)
@GraphicsMode(GraphicsMode.Mode.NATIVE)
public class WindowEdgesTest {
    private static final int STATUS = 90; // pixels
    private static final int NAVIGATION = 144;
    private static final int CUTOUT = 120;
    private static final int KEYBOARD = 800;

    @Rule public final Phone phone = new Phone();

    @Test
    public void barsAboveAndBelow() throws Exception {
        start("en-w411dp-h891dp-port-notnight-xxhdpi");
        apply(bars(Insets.of(0, 0, 0, NAVIGATION)).build());
        assertClear(0, STATUS, 0, NAVIGATION);
        phone.photograph("edges_portrait_" + RuntimeEnvironment.getApiLevel());
    }

    @Test
    public void aCutoutAndABarAtTheSides() throws Exception {
        start("en-w891dp-h411dp-land-notnight-xxhdpi");
        apply(bars(Insets.of(0, 0, NAVIGATION, 0))
                .setInsets(WindowInsets.Type.displayCutout(), Insets.of(CUTOUT, 0, 0, 0))
                .build());
        assertClear(CUTOUT, STATUS, NAVIGATION, 0);
    }

    @Test
    public void theKeyboardComesAndGoes() {
        start("en-w411dp-h891dp-port-notnight-xxhdpi");
        apply(bars(Insets.of(0, 0, 0, NAVIGATION))
                .setInsets(WindowInsets.Type.ime(), Insets.of(0, 0, 0, KEYBOARD))
                .build());
        assertClear(0, STATUS, 0, KEYBOARD);
        apply(bars(Insets.of(0, 0, 0, NAVIGATION)).build());
        assertEquals(NAVIGATION, phone.view(android.R.id.content).getPaddingBottom());
    }

    /** Robolectric does not do what these systems do to every window of an app for them: let it reach to the edges. */
    @SuppressWarnings("deprecation")
    private void start(String qualifiers) {
        RuntimeEnvironment.setQualifiers(qualifiers);
        phone.start();
        phone.activity().getWindow().setDecorFitsSystemWindows(false);
        phone.vocode();
    }

    private static WindowInsets.Builder bars(Insets navigation) {
        return new WindowInsets.Builder()
                .setInsets(WindowInsets.Type.statusBars(), Insets.of(0, STATUS, 0, 0))
                .setInsets(WindowInsets.Type.navigationBars(), navigation);
    }

    /** Hands insets to the window, as the system does, and lays it out. */
    private void apply(WindowInsets insets) {
        View window = phone.activity().getWindow().getDecorView();
        int width = window.getWidth();
        int height = window.getHeight();
        window.dispatchApplyWindowInsets(insets);
        window.measure(
                View.MeasureSpec.makeMeasureSpec(width, View.MeasureSpec.EXACTLY),
                View.MeasureSpec.makeMeasureSpec(height, View.MeasureSpec.EXACTLY));
        window.layout(0, 0, width, height);
    }

    private void assertClear(int left, int top, int right, int bottom) {
        View window = phone.activity().getWindow().getDecorView();
        Rect clear = new Rect(left, top, window.getWidth() - right, window.getHeight() - bottom);
        int seen = check(window, clear);
        assertTrue(seen + " seen", seen > 5);
    }

    /** Checks all that can be read or pressed; returns how many things that were. */
    private static int check(View view, Rect clear) {
        int seen = 0;
        Rect visible = new Rect();
        boolean matters = view instanceof TextView || view instanceof PictureView || view.isClickable();
        if (matters && view.isShown() && view.getGlobalVisibleRect(visible)) {
            assertTrue(view + " at " + visible + ", not within " + clear, clear.contains(visible));
            seen++;
        }
        for (int i = 0; view instanceof ViewGroup && i < ((ViewGroup) view).getChildCount(); i++) {
            seen += check(((ViewGroup) view).getChildAt(i), clear);
        }
        return seen;
    }
}
