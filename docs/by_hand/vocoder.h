/* A streaming vocoder of a .tflite: log-mel frames in, a few at a time, audio out. */
#ifndef VOCODER_H
#define VOCODER_H

#include <stddef.h>

struct vocoder;

/* What the contract says of the model. */
struct vocoder_audio {
    int sampling_rate, num_mels, hop_size;
};

/* Takes audio, `samples` floats in -1 to 1. */
typedef void vocoder_sink(const float *audio, size_t samples, void *data);

/* Opens a stateful model. A model that is none, or that cannot be used, ends the program with a line and code 2. */
struct vocoder *vocoder_open(const char *path);

struct vocoder_audio vocoder_audio(const struct vocoder *vocoder);

/* Takes frames [frames, num_mels]; gives the audio that they complete to the sink, which may be none. */
void vocoder_push(struct vocoder *vocoder, const float *mel, size_t frames, vocoder_sink *sink, void *data);

/* The end of an utterance: gives the rest of its audio, after which hop_size samples have come for every frame. The
 * next push begins another utterance. */
void vocoder_flush(struct vocoder *vocoder, vocoder_sink *sink, void *data);

void vocoder_close(struct vocoder *vocoder);

/* Ends the program with a line on standard error and code 2. */
_Noreturn void fail(const char *format, ...) __attribute__((format(printf, 1, 2)));

#endif
