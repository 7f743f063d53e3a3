package dev.hifigan.demo;

import static org.junit.Assert.assertEquals;
import static org.junit.Assert.assertFalse;
import static org.junit.Assert.assertNull;
import static org.junit.Assert.assertTrue;
import static org.robolectric.Shadows.shadowOf;

import android.content.ComponentCallbacks2;
import android.content.pm.PackageInfo;
import android.os.Bundle;
import android.os.Handler;
import android.os.Looper;
import android.widget.Spinner;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.function.BiConsumer;
import org.junit.Rule;
import org.junit.Test;
import org.junit.runner.RunWith;
import org.robolectric.RobolectricTestRunner;
import org.robolectric.annotation.Config;

/** The model that the app begins with. */
@RunWith(RobolectricTestRunner.class)
@Config(sdk = 35, shadows = SpeakerTrack.class)
public class FastestModelTest {
    @Rule public final Phone phone = new Phone();

    @Test
    public void theFirstStartMeasuresAndKeepsTheFastest() throws Exception {
        phone.kept().edit().clear().commit();
        phone.start();
        phone.await("the fastest", () -> phone.kept().contains(FastestTask.MODE));
        phone.awaitStatus(R.string.status_idle);
        String fastest = phone.kept().getString(FastestTask.MODE, null);
        assertTrue(fastest, Models.modes(Phone.app()).contains(fastest));
        assertEquals(key(), phone.kept().getString(FastestTask.MEASURED, null));
        assertEquals(fastest, selected());
        assertEquals("", phone.text(R.id.message));
    }

    @Test
    public void laterStartsDoNotMeasure() throws Exception {
        for (String mode : new String[] {"float16", "int8"}) {
            phone.keep(mode);
            phone.start();
            phone.await(mode, () -> selected().equals(mode));
            phone.end();
        }
    }

    @Test
    public void itSaysWhenItMeasures() {
        phone.kept().edit().clear().commit();
        List<String> fastest = new ArrayList<>();
        assertEquals(Arrays.asList(Work.Phase.MEASURING, Work.Phase.IDLE), phases(fastest));
        assertEquals(Arrays.asList(Work.Phase.IDLE), phases(fastest));
        assertEquals(fastest.get(0), fastest.get(1));
        phone.start();
        phone.activity().show(new UiState(Work.of(Work.Phase.MEASURING, Source.BUNDLED), null, null, null));
        assertEquals(phone.string(R.string.status_measuring), phone.text(R.id.status));
        assertTrue("doing something else is possible", phone.view(R.id.vocode).isEnabled());
        assertEquals(phone.string(R.string.vocode), phone.text(R.id.vocode));
    }

    @Test
    public void otherModelsAreMeasured() throws Exception {
        phone.keep(key().replaceFirst("[0-9a-f]{64}", "another model"), "float16");
        phone.start();
        phone.await("the key", () -> key().equals(phone.kept().getString(FastestTask.MEASURED, null)));
    }

    @Test
    public void theKeyIsOfTheUpdateAndOfEachModel() {
        int models = Models.modes(Phone.app()).size();
        PackageInfo installed =
                shadowOf(Phone.app().getPackageManager()).getInternalMutablePackageInfo(Phone.app().getPackageName());
        for (long update : new long[] {1_800_000_000_000L, 1_800_000_000_001L}) { // the version stays as it is
            installed.lastUpdateTime = update;
            assertTrue(key(), models >= 2 && key().matches(update + "( [0-9a-f]{64}){" + models + "}"));
        }
    }

    @Test
    public void theUsersChoiceHolds() throws Exception {
        theUsersChoiceHolds("int8", "float16");
        theUsersChoiceHolds("float16", "int8"); // the first, which is shown until something has decided
    }

    private void theUsersChoiceHolds(String fastest, String choice) throws Exception {
        phone.keep(fastest);
        phone.start();
        phone.await(fastest, () -> selected().equals(fastest) && fastest.equals(phone.session().mode()));
        phone.select(R.id.model, choice);
        phone.session().onFastest(fastest); // as from a measurement that ends now
        phone.idle();
        assertEquals(choice, selected());
        phone.rotate("+land");
        assertEquals(choice, selected());
        Bundle saved = phone.end();
        phone.start(saved);
        phone.session().onFastest(fastest);
        phone.idle();
        assertEquals(choice, selected());
        phone.end();
    }

    @Test
    public void aChoiceThatAnUpdateTookAwayIsForgotten() throws Exception {
        phone.keep("float16");
        phone.start();
        Bundle saved = phone.end();
        saved.putString(MainActivity.MODE, "int4");
        phone.start(saved);
        phone.await("float16", () -> selected().equals("float16"));
    }

    @Test
    public void whatIsStoppedIsNotKept() {
        phone.kept().edit().clear().commit();
        FastestTask task = new FastestTask(
                Phone.app(),
                new Handler(Looper.getMainLooper()),
                (from, work) -> {},
                mode -> {
                    throw new AssertionError(mode);
                },
                Source.BUNDLED);
        task.stop(null);
        task.run();
        phone.idle();
        assertNull(phone.kept().getString(FastestTask.MODE, null));
    }

    @Test
    public void playingEndsIt() throws Exception {
        endsIt((session, screen) -> session.play(Track.ORIGINAL));
    }

    @Test
    public void choosingAModelEndsIt() throws Exception {
        endsIt((session, screen) -> session.chooseMode("float16"));
    }

    @Test
    public void leavingTheAppEndsIt() throws Exception {
        endsIt((session, screen) -> {
            session.detach(screen, true);
            session.attach(screen);
        });
    }

    @Test
    @SuppressWarnings("deprecation") // it is for systems up to Android 13
    public void lowMemoryEndsIt() throws Exception {
        endsIt((session, screen) -> session.trimMemory(ComponentCallbacks2.TRIM_MEMORY_RUNNING_CRITICAL));
    }

    @Test
    public void turningThePhoneDoesNotEndIt() throws Exception {
        Session session = sessionOfAFirstStart();
        Session.Screen screen = state -> {};
        session.attach(screen);
        session.detach(screen, false);
        phone.await("the fastest", () -> phone.kept().contains(FastestTask.MODE));
        session.finish();
    }

    @Test
    public void vocodingAtOnceDoesNotWaitForIt() throws Exception {
        vocodesAtOnce(sessionOfAFirstStart());
    }

    @Test
    public void evenWhenItWaitsBehindARestoredFile() throws Exception {
        Session session = sessionOfAFirstStart();
        session.choosePicked(Files.put("short.wav", Files.wav(Files.noise(22050), 22050, 1)));
        vocodesAtOnce(session);
    }

    /** One that will measure, and a test that decides when something else happens. */
    private Session sessionOfAFirstStart() throws Exception {
        phone.start();
        phone.await("the session of the phone", () -> phone.session().mode() != null);
        phone.kept().edit().clear().commit();
        return new Session(Phone.app());
    }

    private void endsIt(BiConsumer<Session, Session.Screen> action) throws Exception {
        Session session = sessionOfAFirstStart();
        List<Work.Phase> phases = new ArrayList<>();
        Session.Screen screen = state -> phases.add(state.work.phase);
        session.attach(screen);
        action.accept(session, screen);
        phone.await("the end of the measurement", () ->
                phases.contains(Work.Phase.MEASURING) && phases.get(phases.size() - 1) == Work.Phase.IDLE);
        assertFalse(phone.kept().contains(FastestTask.MODE));
        session.finish();
    }

    private void vocodesAtOnce(Session session) {
        UiState[] shown = new UiState[1];
        session.attach(state -> shown[0] = state);
        session.vocode("int8", 1);
        phone.await("the vocoded audio", () -> shown[0].work.phase == Work.Phase.DONE);
        assertTrue(shown[0].work.vocoded.seconds > 0);
        assertNull(shown[0].message);
        assertFalse(phone.kept().contains(FastestTask.MODE));
        session.finish();
    }

    /** What a run tells of its progress; its answer is added. */
    private List<Work.Phase> phases(List<String> fastest) {
        List<Work.Phase> phases = new ArrayList<>();
        new FastestTask(
                Phone.app(),
                new Handler(Looper.getMainLooper()),
                (from, work) -> phases.add(work.phase),
                fastest::add,
                Source.BUNDLED).run();
        phone.idle();
        return phases;
    }

    private static String key() {
        try {
            return FastestTask.key(Phone.app(), Models.modes(Phone.app()));
        } catch (Exception e) {
            throw new AssertionError(e);
        }
    }

    private String selected() {
        return (String) ((Spinner) phone.view(R.id.model)).getSelectedItem();
    }
}
