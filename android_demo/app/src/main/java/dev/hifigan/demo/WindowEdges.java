package dev.hifigan.demo;

import android.annotation.TargetApi;
import android.app.Activity;
import android.graphics.Insets;
import android.os.Build;
import android.view.View;
import android.view.WindowInsets;

/**
 * Keeps the content clear of the system's bars, a cutout in the display, and the keyboard.
 *
 * <p>For Android 15 and later, where every window reaches behind these; before, the system keeps the content clear.
 */
@TargetApi(Build.VERSION_CODES.VANILLA_ICE_CREAM)
final class WindowEdges implements View.OnApplyWindowInsetsListener {
    private WindowEdges() {}

    static void keepClear(Activity activity) {
        activity.findViewById(android.R.id.content).setOnApplyWindowInsetsListener(new WindowEdges());
    }

    @Override
    public WindowInsets onApplyWindowInsets(View content, WindowInsets window) {
        Insets covered = window.getInsets(
                WindowInsets.Type.systemBars() | WindowInsets.Type.displayCutout() | WindowInsets.Type.ime());
        content.setPadding(covered.left, covered.top, covered.right, covered.bottom);
        return WindowInsets.CONSUMED;
    }
}
