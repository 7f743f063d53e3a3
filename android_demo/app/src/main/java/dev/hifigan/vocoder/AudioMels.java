package dev.hifigan.vocoder;

import java.io.IOException;

/**
 * The mel of a recording of any length and rate, in constant memory, at the peak level used in training.
 *
 * <p>The recording is read twice: first for its level, while {@link #next} returns no frames, then for its mel.
 */
public final class AudioMels implements MelSource {
    private static final float[][] NO_FRAMES = {};
    private static final int LEAST_RATE = 1000; // Hz
    private static final int MOST_RATE = 768000;

    private final AudioInput input;
    private final MelAnalyzer analyzer;
    private final int samplingRate;
    private final Level level;
    private AudioSource source; // of the current pass
    private Resampler resampler;
    private boolean measured;
    private float gain;
    private boolean ended;

    /**
     * @param analyzer is reset; the caller closes it
     * @param vocoder that the mel is for
     * @throws ModelException when the analyzer's mels do not fit the vocoder
     */
    public AudioMels(AudioInput input, MelAnalyzer analyzer, Contract vocoder) throws ModelException {
        analyzer.requireFits(vocoder);
        analyzer.reset();
        this.input = input;
        this.analyzer = analyzer;
        samplingRate = vocoder.audio.samplingRate;
        level = new Level(input.name());
    }

    @Override
    public float[][] next() throws IOException {
        if (ended) {
            return null;
        }
        if (source == null) {
            source = input.open();
            resampler = resampler(source.samplingRate());
        }
        float[] piece = source.read();
        float[] audio = piece == null ? resampler.flush() : resampler.push(piece);
        if (piece == null) {
            close();
        }
        return measured ? analyze(audio, piece == null) : measure(audio, piece == null);
    }

    @Override
    public long samples() {
        return measured ? level.samples() : -1;
    }

    @Override
    public double progress() {
        return measured ? (double) analyzer.samples() / level.samples() : -1;
    }

    @Override
    public String warning() {
        return level.warning();
    }

    @Override
    public void close() throws IOException {
        if (source != null) {
            source.close();
            source = null;
        }
    }

    private Resampler resampler(int rate) throws InputException {
        if (rate < LEAST_RATE || rate > MOST_RATE) {
            throw new InputException(input.name() + " has a sampling rate of " + rate + " Hz: it must be from "
                    + LEAST_RATE + " to " + MOST_RATE);
        }
        return new Resampler(rate, samplingRate);
    }

    private float[][] measure(float[] audio, boolean last) throws IOException {
        level.add(audio);
        if (last) {
            gain = level.gain(analyzer.contract().audio.hopSize);
            measured = true;
        }
        return NO_FRAMES;
    }

    private float[][] analyze(float[] audio, boolean last) {
        for (int i = 0; i < audio.length; i++) {
            audio[i] *= gain;
        }
        float[][] frames = analyzer.push(audio);
        if (!last) {
            return frames;
        }
        ended = true;
        float[][] rest = analyzer.flush();
        float[][] all = new float[frames.length + rest.length][];
        System.arraycopy(frames, 0, all, 0, frames.length);
        System.arraycopy(rest, 0, all, frames.length, rest.length);
        return all;
    }
}
