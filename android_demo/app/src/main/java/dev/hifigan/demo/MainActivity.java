package dev.hifigan.demo;

import android.Manifest;
import android.app.Activity;
import android.content.ActivityNotFoundException;
import android.content.Intent;
import android.content.pm.PackageManager;
import android.media.AudioManager;
import android.net.Uri;
import android.os.Build;
import android.os.Bundle;
import android.provider.Settings;
import android.view.View;
import android.widget.AdapterView;
import android.widget.ArrayAdapter;
import android.widget.Button;
import android.widget.ProgressBar;
import android.widget.Spinner;
import android.widget.TextView;

/** The screen: it shows the state of the {@link Session} and passes on what the user does. It holds no state itself. */
public final class MainActivity extends Activity
        implements Session.Screen, View.OnClickListener, AdapterView.OnItemSelectedListener {
    private static final int PICK = 1;
    private static final int PERMISSION = 2;
    private static final String PICKED = "picked";
    static final String MODE = "mode";
    private static final int MAX_THREADS = 8;
    private static final double MEGABYTE = 1e6;
    private static final double MILLISECONDS = 1e3; // in a second

    private static final int[] BUTTONS = {
        R.id.bundled, R.id.file, R.id.record, R.id.vocode, R.id.play_original, R.id.play_vocoded,
        R.id.share_audio, R.id.share_figures, R.id.message_settings
    };

    private Session session;
    private UiState state; // what is shown
    private Spinner model;
    private ArrayAdapter<String> modes; // of the models
    private Spinner threads;
    private TrackViews original;
    private TrackViews vocoded;

    @Override
    protected void onCreate(Bundle saved) {
        super.onCreate(saved);
        setContentView(R.layout.main);
        if (Build.VERSION.SDK_INT >= Build.VERSION_CODES.VANILLA_ICE_CREAM) {
            WindowEdges.keepClear(this);
        }
        setVolumeControlStream(AudioManager.STREAM_MUSIC);
        session = ((DemoApplication) getApplication()).session();
        model = findViewById(R.id.model);
        threads = findViewById(R.id.threads);
        original = new TrackViews(this, Track.ORIGINAL);
        vocoded = new TrackViews(this, Track.VOCODED);
        fillSpinners();
        for (int button : BUTTONS) {
            findViewById(button).setOnClickListener(this);
        }
        if (saved != null && session.isFresh()) { // the system had ended the app meanwhile
            restore(saved);
        }
    }

    @Override
    protected void onStart() {
        super.onStart();
        session.attach(this);
    }

    @Override
    protected void onStop() {
        session.detach(this, !isChangingConfigurations());
        super.onStop();
    }

    @Override
    protected void onDestroy() {
        if (isFinishing()) {
            session.finish();
        }
        super.onDestroy();
    }

    /** The number of threads is kept by its spinner. */
    @Override
    protected void onSaveInstanceState(Bundle out) {
        super.onSaveInstanceState(out);
        Uri picked = session.picked();
        out.putString(PICKED, picked == null ? null : picked.toString());
        out.putString(MODE, session.mode());
    }

    @Override
    public void onClick(View view) {
        int id = view.getId();
        if (id == R.id.bundled) {
            session.chooseBundled();
        } else if (id == R.id.file) {
            pick();
        } else if (id == R.id.record) {
            record();
        } else if (id == R.id.vocode) {
            vocodeOrStop();
        } else if (id == R.id.play_original) {
            playOrStop(Track.ORIGINAL);
        } else if (id == R.id.play_vocoded) {
            playOrStop(Track.VOCODED);
        } else if (id == R.id.share_audio) {
            startActivity(ShareProvider.share(this, state.work.results.files.audio));
        } else if (id == R.id.share_figures) {
            startActivity(ShareProvider.share(this, state.work.results.files.json));
        } else if (id == R.id.message_settings) {
            startActivity(new Intent(
                    Settings.ACTION_APPLICATION_DETAILS_SETTINGS, Uri.fromParts("package", getPackageName(), null)));
        }
    }

    /** Called for the screen's own selection too, which is no choice of the user's. */
    @Override
    public void onItemSelected(AdapterView<?> spinner, View item, int position, long id) {
        String selected = (String) model.getSelectedItem();
        if (state != null && !selected.equals(shownMode(state))) {
            session.chooseMode(selected);
        }
    }

    @Override
    public void onNothingSelected(AdapterView<?> spinner) {}

    @Override
    protected void onActivityResult(int request, int result, Intent data) {
        super.onActivityResult(request, result, data);
        if (request == PICK && result == RESULT_OK && data != null && data.getData() != null) {
            session.choosePicked(data.getData());
        }
    }

    @Override
    public void onRequestPermissionsResult(int request, String[] permissions, int[] results) {
        super.onRequestPermissionsResult(request, permissions, results);
        if (request != PERMISSION || results.length == 0) { // none: the request was interrupted
            return;
        }
        if (results[0] == PackageManager.PERMISSION_GRANTED) {
            session.record();
        } else if (shouldShowRequestPermissionRationale(Manifest.permission.RECORD_AUDIO)) {
            session.tell(Message.of(R.string.error_microphone_refused));
        } else { // the system will not ask again
            session.tell(Message.toSettings(R.string.error_microphone_blocked));
        }
    }

    @Override
    public void show(UiState state) {
        String before = this.state == null ? null : shownMode(this.state);
        this.state = state;
        if (!shownMode(state).equals(before)) { // only then: the user's newest choice may be on its way here
            model.setSelection(modes.getPosition(shownMode(state)));
        }
        showMessage(state.message);
        showControls(state.work);
        showFigures(state.work.results);
        original.show(state);
        vocoded.show(state);
    }

    private void restore(Bundle saved) {
        String picked = saved.getString(PICKED);
        if (picked != null) {
            session.choosePicked(Uri.parse(picked));
        }
        String mode = saved.getString(MODE);
        if (modes.getPosition(mode) >= 0) { // an update may have taken the model away
            session.chooseMode(mode);
        }
    }

    private void fillSpinners() {
        modes = spinnerOf(Models.modes(this).toArray(new String[0]));
        model.setAdapter(modes);
        model.setOnItemSelectedListener(this);
        model.setSaveEnabled(false); // the session has the choice
        int cores = Math.min(MAX_THREADS, Runtime.getRuntime().availableProcessors());
        String[] counts = new String[cores];
        for (int i = 0; i < cores; i++) {
            counts[i] = String.valueOf(i + 1);
        }
        threads.setAdapter(spinnerOf(counts));
    }

    private ArrayAdapter<String> spinnerOf(String[] items) {
        ArrayAdapter<String> adapter = new ArrayAdapter<String>(this, android.R.layout.simple_spinner_item, items);
        adapter.setDropDownViewResource(android.R.layout.simple_spinner_dropdown_item);
        return adapter;
    }

    private void pick() {
        String[] types = {"audio/*", "application/ogg", "application/octet-stream"}; // the last for .npy
        Intent intent = new Intent(Intent.ACTION_OPEN_DOCUMENT)
                .addCategory(Intent.CATEGORY_OPENABLE)
                .setType("*/*")
                .putExtra(Intent.EXTRA_MIME_TYPES, types)
                .putExtra(Intent.EXTRA_LOCAL_ONLY, true);
        try {
            startActivityForResult(intent, PICK);
        } catch (ActivityNotFoundException e) {
            session.tell(Message.of(R.string.error_no_picker));
        }
    }

    private void record() {
        if (checkSelfPermission(Manifest.permission.RECORD_AUDIO) == PackageManager.PERMISSION_GRANTED) {
            session.record();
        } else {
            requestPermissions(new String[] {Manifest.permission.RECORD_AUDIO}, PERMISSION);
        }
    }

    private void vocodeOrStop() {
        if (state.work.isBusy()) {
            session.stop();
        } else {
            session.vocode((String) model.getSelectedItem(), Integer.parseInt((String) threads.getSelectedItem()));
        }
    }

    private void playOrStop(Track track) {
        if (state.isPlaying(track)) {
            session.stopPlaying();
        } else {
            session.play(track);
        }
    }

    private void showMessage(Message message) {
        findViewById(R.id.message_box).setVisibility(message == null ? View.GONE : View.VISIBLE);
        findViewById(R.id.message_settings).setVisibility(
                message != null && message.toSettings ? View.VISIBLE : View.GONE);
        setText(R.id.message, message == null ? "" : message.in(getResources()));
    }

    private void showControls(Work work) {
        boolean busy = work.isBusy();
        model.setEnabled(!busy);
        threads.setEnabled(!busy);
        findViewById(R.id.bundled).setEnabled(!busy);
        findViewById(R.id.file).setEnabled(!busy);
        findViewById(R.id.record).setEnabled(!busy);
        ((Button) findViewById(R.id.vocode)).setText(busy ? R.string.stop : R.string.vocode);
        setText(R.id.source, getString(R.string.source, nameOf(work.source)));
        setText(R.id.status, getString(statusOf(work.phase)));

        ProgressBar progress = findViewById(R.id.progress);
        progress.setVisibility(busy ? View.VISIBLE : View.INVISIBLE);
        progress.setIndeterminate(work.progress < 0);
        progress.setProgress((int) (work.progress * progress.getMax()));
    }

    private void showFigures(Results results) {
        findViewById(R.id.figures).setVisibility(results == null ? View.GONE : View.VISIBLE);
        if (results == null) {
            return;
        }
        double factor = results.figures.realTimeFactor();
        setText(R.id.load_time, getString(R.string.load_time, results.loadSeconds * MILLISECONDS));
        setText(R.id.first_audio, getString(R.string.first_audio, results.figures.firstAudioSeconds * MILLISECONDS));
        setText(R.id.real_time_factor, getString(R.string.real_time_factor, factor, 1 / factor));
        setText(R.id.peak_memory, getString(R.string.peak_memory, results.peakMemory / MEGABYTE));
        findViewById(R.id.first_audio).setVisibility(factor > 0 ? View.VISIBLE : View.GONE);
        findViewById(R.id.real_time_factor).setVisibility(factor > 0 ? View.VISIBLE : View.GONE);
        findViewById(R.id.peak_memory).setVisibility(results.peakMemory > 0 ? View.VISIBLE : View.GONE);
        findViewById(R.id.share_audio).setEnabled(results.files != null);
        findViewById(R.id.share_figures).setEnabled(results.files != null);
    }

    /** Sets a text only if it changes, because screen readers announce every new text of a status. */
    private void setText(int id, String text) {
        TextView view = findViewById(id);
        if (!text.contentEquals(view.getText())) {
            view.setText(text);
        }
    }

    /** Until something has decided, the first. */
    private String shownMode(UiState state) {
        return state.mode == null ? modes.getItem(0) : state.mode;
    }

    private String nameOf(Source source) {
        switch (source.kind) {
            case BUNDLED:
                return getString(R.string.bundled);
            case RECORDING:
                return getString(R.string.recording);
            default:
                return source.name;
        }
    }

    private static int statusOf(Work.Phase phase) {
        switch (phase) {
            case MEASURING:
                return R.string.status_measuring;
            case RECORDING:
                return R.string.status_recording;
            case LOADING:
                return R.string.status_loading;
            case READING:
                return R.string.status_reading;
            case VOCODING:
                return R.string.status_vocoding;
            case DONE:
                return R.string.status_done;
            case STOPPED:
                return R.string.status_stopped;
            case FAILED:
                return R.string.status_failed;
            default:
                return R.string.status_idle;
        }
    }
}
