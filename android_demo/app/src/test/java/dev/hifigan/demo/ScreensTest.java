package dev.hifigan.demo;

import static org.junit.Assert.assertEquals;
import static org.junit.Assert.assertFalse;
import static org.junit.Assert.assertTrue;

import android.graphics.Bitmap;
import android.graphics.Canvas;
import android.graphics.Color;
import android.text.TextUtils;
import android.view.View;
import android.view.ViewGroup;
import android.widget.TextView;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collection;
import java.util.List;
import org.junit.Rule;
import org.junit.Test;
import org.junit.runner.RunWith;
import org.robolectric.ParameterizedRobolectricTestRunner;
import org.robolectric.RuntimeEnvironment;
import org.robolectric.annotation.Config;
import org.robolectric.annotation.GraphicsMode;

/** The screen in both orientations, languages and themes, and with large letters on a small phone. */
@RunWith(ParameterizedRobolectricTestRunner.class)
@Config(sdk = {26, 35, 36}, shadows = SpeakerTrack.class)
@GraphicsMode(GraphicsMode.Mode.NATIVE)
public class ScreensTest {
    @Rule public final Phone phone = new Phone();

    private static final int TOUCHABLE = 48; // dp
    private static final double READABLE = 4.5; // contrast that WCAG requires for text

    @ParameterizedRobolectricTestRunner.Parameters(name = "{0}")
    public static Collection<Object[]> screens() {
        return Arrays.asList(new Object[][] {
            {"english_portrait_day", "en-w411dp-h891dp-port-notnight-xxhdpi", 1f},
            {"english_portrait_night", "en-w411dp-h891dp-port-night-xxhdpi", 1f},
            {"english_landscape_day", "en-w891dp-h411dp-land-notnight-xxhdpi", 1f},
            {"english_landscape_night", "en-w891dp-h411dp-land-night-xxhdpi", 1f},
            {"korean_portrait_day", "ko-w411dp-h891dp-port-notnight-xxhdpi", 1f},
            {"korean_portrait_night", "ko-w411dp-h891dp-port-night-xxhdpi", 1f},
            {"korean_landscape_day", "ko-w891dp-h411dp-land-notnight-xxhdpi", 1f},
            {"korean_landscape_night", "ko-w891dp-h411dp-land-night-xxhdpi", 1f},
            {"large_letters_on_a_small_phone", "en-w320dp-h533dp-port-notnight-hdpi", 1.5f},
        });
    }

    private final String name;
    private final String qualifiers;
    private final float fontScale;

    public ScreensTest(String name, String qualifiers, float fontScale) {
        this.name = name;
        this.qualifiers = qualifiers;
        this.fontScale = fontScale;
    }

    @Test
    public void everythingIsThereAndReadable() throws Exception {
        RuntimeEnvironment.setQualifiers(qualifiers);
        RuntimeEnvironment.setFontScale(fontScale);
        phone.start();
        assertEquals(phone.string(R.string.no_picture), phone.view(R.id.vocoded_mel).getContentDescription());
        Loudspeaker loudspeaker = Loudspeaker.slow();
        phone.vocode();
        loudspeaker.play(1.5, 22050);
        phone.await("a second of it", () -> phone.text(R.id.vocoded_time).startsWith("00:01"));

        for (View view : shown(phone.activity().getWindow().getDecorView())) {
            checkText(view);
            checkTouch(view);
            checkScreenReader(view);
        }
        checkContrast();
        checkPictures();
        if (RuntimeEnvironment.getApiLevel() == 35) {
            phone.photograph(name);
        }
    }

    private static List<View> shown(View view) {
        List<View> all = new ArrayList<>();
        if (view.isShown()) {
            all.add(view);
            for (int i = 0; view instanceof ViewGroup && i < ((ViewGroup) view).getChildCount(); i++) {
                all.addAll(shown(((ViewGroup) view).getChildAt(i)));
            }
        }
        return all;
    }

    /** Its text is completely visible. */
    private static void checkText(View view) {
        if (view instanceof TextView && !TextUtils.isEmpty(((TextView) view).getText())) {
            TextView text = (TextView) view;
            int lines = text.getLayout().getLineCount();
            assertEquals(text.getText() + " is cut", 0, text.getLayout().getEllipsisCount(lines - 1));
            int room = text.getHeight() - text.getCompoundPaddingTop() - text.getCompoundPaddingBottom();
            for (int line = 0; line < lines - 1; line++) {
                int next = text.getLayout().getLineEnd(line);
                String around = text.getText().toString().substring(next - 1, next + 1);
                assertFalse(text.getText() + " is broken inside a word", around.matches("[A-Za-z]{2}"));
            }
            assertTrue(text.getText() + " needs " + text.getLayout().getHeight() + " pixels, has " + room,
                    text.getLayout().getHeight() <= room);
        }
    }

    private static void checkTouch(View view) {
        if (view.isClickable()) {
            float density = view.getResources().getDisplayMetrics().density;
            String size = view.getWidth() / density + " x " + view.getHeight() / density + " dp for " + view;
            assertTrue(size, view.getWidth() >= TOUCHABLE * density && view.getHeight() >= TOUCHABLE * density);
        }
    }

    private static void checkScreenReader(View view) {
        boolean speaks = view instanceof TextView && !TextUtils.isEmpty(((TextView) view).getText());
        if (view instanceof PictureView || view.isClickable() && !(view instanceof ViewGroup)) {
            assertTrue(view + " says nothing", speaks || !TextUtils.isEmpty(view.getContentDescription()));
        }
    }

    private void checkContrast() {
        for (int[] pair : new int[][] {
            {R.color.text, R.color.screen},
            {R.color.text_quiet, R.color.screen},
            {R.color.primary, R.color.screen},
            {R.color.on_primary, R.color.primary},
            {R.color.message_text, R.color.message_background},
        }) {
            int ink = phone.activity().getColor(pair[0]);
            int paper = phone.activity().getColor(pair[1]);
            double light = Math.max(Color.luminance(ink), Color.luminance(paper));
            double dark = Math.min(Color.luminance(ink), Color.luminance(paper));
            assertTrue(Integer.toHexString(ink), (light + 0.05) / (dark + 0.05) >= READABLE);
        }
    }

    /** Speech is drawn from the left edge to the right one, in the colours of the theme. */
    private void checkPictures() {
        int wave = phone.activity().getColor(R.color.waveform);
        for (int id : new int[] {R.id.original_waveform, R.id.vocoded_waveform, R.id.original_mel, R.id.vocoded_mel}) {
            View view = phone.view(id);
            assertFalse(phone.string(R.string.no_picture).contentEquals(view.getContentDescription()));
            Bitmap picture = Bitmap.createBitmap(view.getWidth(), view.getHeight(), Bitmap.Config.ARGB_8888);
            view.draw(new Canvas(picture));
            boolean mel = view instanceof MelView;
            int y = mel ? picture.getHeight() * 3 / 4 : picture.getHeight() / 2;
            for (int tenth = 1; tenth < 10; tenth++) {
                int x = picture.getWidth() * tenth / 10;
                if (isNear(picture.getPixel(x, 0), phone.activity().getColor(R.color.playhead))) {
                    continue;
                }
                int background = phone.activity().getColor(R.color.picture_background);
                assertTrue(view + " is empty at " + tenth, picture.getPixel(x, y) != background);
                assertTrue(mel || isNear(picture.getPixel(x, y), wave));
            }
        }
    }

    /** Equal except for rounding. */
    private static boolean isNear(int color, int other) {
        return Math.abs(Color.red(color) - Color.red(other)) <= 2
                && Math.abs(Color.green(color) - Color.green(other)) <= 2
                && Math.abs(Color.blue(color) - Color.blue(other)) <= 2;
    }
}
