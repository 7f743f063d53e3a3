package dev.hifigan.demo;

import android.content.Context;
import android.media.AudioFormat;
import android.media.MediaCodec;
import android.media.MediaExtractor;
import android.media.MediaFormat;
import android.net.Uri;
import dev.hifigan.vocoder.AudioSource;
import dev.hifigan.vocoder.MonoMix;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;

/** The first audio track of a file through the phone's own decoders, a buffer at a time. */
final class MediaDecoder implements AudioSource {
    private static final long WAIT = 10_000; // microseconds for a buffer
    private static final long STALLED = 10_000_000_000L; // nanoseconds without one, after which a decoder has failed

    private final String name;
    private final MonoMix mix;
    private final MediaExtractor extractor = new MediaExtractor();
    private final MediaCodec.BufferInfo info = new MediaCodec.BufferInfo();
    private MediaCodec codec;
    private long durationMicros;
    private boolean fed; // to the end
    private boolean ended;
    private boolean decoded; // something

    private int samplingRate;
    private int channels;
    private int encoding;
    private float[] first; // decoded at once, because only then the rate is certain

    MediaDecoder(Context context, Uri uri, String name) throws IOException {
        this.name = name;
        mix = new MonoMix(name);
        boolean opened = false;
        try {
            extractor.setDataSource(context, uri, null);
            begin();
            first = decode();
            if (first == null) {
                throw undecodable(null);
            }
            opened = true;
        } catch (AppException e) {
            throw e;
        } catch (IOException | RuntimeException e) { // MediaCodec reports faults of a file by both kinds of exceptions
            throw undecodable(e);
        } finally {
            if (!opened) {
                close();
            }
        }
    }

    @Override
    public int samplingRate() {
        return samplingRate;
    }

    @Override
    public long samples() {
        return durationMicros > 0 ? durationMicros * samplingRate / 1_000_000 : -1;
    }

    @Override
    public float[] read() throws IOException {
        if (first != null) {
            float[] piece = first;
            first = null;
            return piece;
        }
        try {
            return decode();
        } catch (RuntimeException e) { // MediaCodec.CodecException is one
            throw undecodable(e);
        }
    }

    @Override
    public void close() {
        if (codec != null) {
            codec.release();
            codec = null;
        }
        extractor.release();
    }

    private void begin() throws IOException {
        for (int track = 0; track < extractor.getTrackCount(); track++) {
            MediaFormat format = extractor.getTrackFormat(track);
            String type = format.getString(MediaFormat.KEY_MIME);
            if (type != null && type.startsWith("audio/")) {
                extractor.selectTrack(track);
                durationMicros = format.containsKey(MediaFormat.KEY_DURATION) ? format.getLong(MediaFormat.KEY_DURATION) : -1;
                codec = MediaCodec.createDecoderByType(type);
                codec.configure(format, null, null, 0);
                codec.start();
                return;
            }
        }
        throw undecodable(null);
    }

    /** The next samples, mono; null at the end. */
    private float[] decode() throws IOException {
        long stalled = System.nanoTime() + STALLED;
        while (!ended) {
            feed();
            int index = codec.dequeueOutputBuffer(info, WAIT);
            if (index == MediaCodec.INFO_OUTPUT_FORMAT_CHANGED) {
                readFormat(codec.getOutputFormat());
            } else if (index >= 0) {
                if (samplingRate == 0) {
                    readFormat(codec.getOutputFormat());
                }
                ended = (info.flags & MediaCodec.BUFFER_FLAG_END_OF_STREAM) != 0;
                float[] samples = info.size == 0 ? null : toMono(codec.getOutputBuffer(index));
                codec.releaseOutputBuffer(index, false);
                if (samples != null) {
                    decoded = true;
                    return samples;
                }
            }
            if (System.nanoTime() > stalled) {
                throw undecodable(null);
            }
        }
        mix.checkEnd();
        return null;
    }

    /** Gives the codec data of the file, as much as it accepts now. */
    private void feed() {
        while (!fed) {
            int index = codec.dequeueInputBuffer(0);
            if (index < 0) {
                return;
            }
            int size = extractor.readSampleData(codec.getInputBuffer(index), 0);
            if (size < 0) {
                fed = true;
                codec.queueInputBuffer(index, 0, 0, 0, MediaCodec.BUFFER_FLAG_END_OF_STREAM);
            } else {
                codec.queueInputBuffer(index, 0, size, extractor.getSampleTime(), 0);
                extractor.advance();
            }
        }
    }

    private void readFormat(MediaFormat format) throws IOException {
        int rate = format.getInteger(MediaFormat.KEY_SAMPLE_RATE);
        if (decoded && rate != samplingRate) {
            throw undecodable(null); // broadcast streams change their rate on the way, recordings do not
        }
        samplingRate = rate;
        channels = format.getInteger(MediaFormat.KEY_CHANNEL_COUNT);
        boolean told = format.containsKey(MediaFormat.KEY_PCM_ENCODING);
        encoding = told ? format.getInteger(MediaFormat.KEY_PCM_ENCODING) : AudioFormat.ENCODING_PCM_16BIT;
        if (encoding != AudioFormat.ENCODING_PCM_16BIT && encoding != AudioFormat.ENCODING_PCM_FLOAT) {
            throw undecodable(null);
        }
    }

    private float[] toMono(ByteBuffer buffer) {
        ByteBuffer pcm = buffer.duplicate().order(ByteOrder.nativeOrder());
        boolean floats = encoding == AudioFormat.ENCODING_PCM_FLOAT;
        int bytes = floats ? 4 : 2;
        float[] frame = new float[channels];
        float[] mono = new float[info.size / (bytes * channels)];
        for (int i = 0, at = info.offset; i < mono.length; i++) {
            for (int channel = 0; channel < channels; channel++, at += bytes) {
                frame[channel] = floats ? pcm.getFloat(at) : pcm.getShort(at) / 32768f;
            }
            mono[i] = mix.mix(frame);
        }
        return mono;
    }

    private AppException undecodable(Throwable cause) {
        return new AppException(cause, R.string.error_undecodable, name);
    }
}
