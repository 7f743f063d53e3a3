package dev.hifigan.vocoder;

/** The mel front end that a model was made for. Rates and frequencies in Hz, sizes in samples. */
public final class AudioSettings {
    public final int samplingRate;
    public final int numMels;
    public final int nFft;
    public final int hopSize;
    public final int winSize;
    public final double fmin;
    /** Half the sampling rate where the contract says null. */
    public final double fmax;

    AudioSettings(int samplingRate, int numMels, int nFft, int hopSize, int winSize, double fmin, double fmax) {
        this.samplingRate = samplingRate;
        this.numMels = numMels;
        this.nFft = nFft;
        this.hopSize = hopSize;
        this.winSize = winSize;
        this.fmin = fmin;
        this.fmax = fmax;
    }

    /** Samples as seconds. */
    public double seconds(long samples) {
        return (double) samples / samplingRate;
    }
}
