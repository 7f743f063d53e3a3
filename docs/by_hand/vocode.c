/* vocode MODEL.tflite MEL.npy OUT.wav: a mel [frames, num_mels] of the model's kind to speech, as 32-bit float WAV.
 *
 * The mel is pushed eight frames at a time, as an acoustic model would. */
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "vocoder.h"

enum { FRAMES_PER_PUSH = 8, LONGEST_HEADER = 4096 };

struct wav {
    FILE *file;
    const char *path;
    uint32_t samples;
};

static void put(FILE *file, uint32_t value, int bytes) {
    for (; bytes-- > 0; value >>= 8) fputc(value & 0xff, file);
}

/* The header of a mono WAV of 32-bit floats. */
static void write_header(struct wav *wav, int rate) {
    uint32_t bytes = 4 * wav->samples;
    rewind(wav->file);
    fputs("RIFF", wav->file), put(wav->file, 36 + bytes, 4), fputs("WAVEfmt ", wav->file), put(wav->file, 16, 4);
    put(wav->file, 3, 2), put(wav->file, 1, 2), put(wav->file, rate, 4), put(wav->file, 4 * rate, 4);
    put(wav->file, 4, 2), put(wav->file, 32, 2), fputs("data", wav->file), put(wav->file, bytes, 4);
}

static void write_audio(const float *audio, size_t samples, void *data) {
    struct wav *wav = data;
    if (samples > (UINT32_MAX - 36) / 4 - wav->samples) fail("%s would be larger than a WAV can be", wav->path);
    if (fwrite(audio, sizeof *audio, samples, wav->file) != samples) fail("%s: %s", wav->path, strerror(errno));
    wav->samples += (uint32_t)samples;
}

/* Opens a .npy of float32 [frames, num_mels]; returns its frames. */
static size_t open_mel(const char *path, int num_mels, FILE **file) {
    unsigned char start[10];
    char header[LONGEST_HEADER + 1];
    *file = fopen(path, "rb");
    if (*file == NULL) fail("%s: %s", path, strerror(errno));
    if (fread(start, 1, sizeof start, *file) != sizeof start || memcmp(start, "\x93NUMPY\1", 7) != 0) {
        fail("%s is no .npy file of version 1: save it with numpy.save", path);
    }
    size_t length = start[8] | start[9] << 8, frames, bands;
    if (length > LONGEST_HEADER || fread(header, 1, length, *file) != length) fail("%s is cut short", path);
    header[length] = '\0';
    const char *shape = strstr(header, "'shape': (");
    if (strstr(header, "'<f4'") == NULL || strstr(header, "'fortran_order': False") == NULL) {
        fail("%s does not hold float32 by rows: save numpy.ascontiguousarray(mel, numpy.float32)", path);
    }
    if (shape == NULL || sscanf(shape, "'shape': (%zu, %zu)", &frames, &bands) != 2 || bands != (size_t)num_mels) {
        fail("%s: the model takes [frames, %d], and this has %.40s", path, num_mels, shape ? shape : "no shape");
    }
    return frames;
}

int main(int count, char **arguments) {
    if (count != 4) fail("usage: vocode MODEL.tflite MEL.npy OUT.wav");
    struct vocoder *vocoder = vocoder_open(arguments[1]);
    struct vocoder_audio format = vocoder_audio(vocoder);
    FILE *mel;
    size_t left = open_mel(arguments[2], format.num_mels, &mel);
    struct wav wav = {fopen(arguments[3], "wb"), arguments[3], 0};
    if (wav.file == NULL) fail("%s: %s", wav.path, strerror(errno));
    write_header(&wav, format.sampling_rate);

    float *frames = calloc(FRAMES_PER_PUSH * (size_t)format.num_mels, sizeof *frames);
    if (frames == NULL) fail("no memory");
    while (left > 0) {
        size_t wanted = left < FRAMES_PER_PUSH ? left : FRAMES_PER_PUSH;
        if (fread(frames, sizeof(float) * format.num_mels, wanted, mel) != wanted) fail("%s is cut short", arguments[2]);
        vocoder_push(vocoder, frames, wanted, write_audio, &wav);
        left -= wanted;
    }
    vocoder_flush(vocoder, write_audio, &wav);
    write_header(&wav, format.sampling_rate);
    if (fclose(wav.file) != 0) fail("%s: %s", wav.path, strerror(errno));
    fclose(mel);
    free(frames);
    vocoder_close(vocoder);
    printf("%s: %.3f s at %d Hz\n", wav.path, (double)wav.samples / format.sampling_rate, format.sampling_rate);
    return 0;
}
