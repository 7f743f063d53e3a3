#include "vocoder.h"

#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "contract.h"
#include "litert.h"

enum { MOST_TENSORS = 64, POSITION_LIMIT = 1 << 16 };

/* One signature, and which of its inputs and outputs is which; -1 for what it has not. */
struct signature {
    size_t index, inputs, outputs;
    LiteRtSignature handle;
    int mel, valid, audio;
    int state_input[MOST_TENSORS], state_output[MOST_TENSORS]; /* of each state of the vocoder */
};

struct vocoder {
    unsigned char *file; /* the model's memory, which must live as long as the model */
    LiteRtEnvironment environment;
    LiteRtModel model;
    LiteRtCompiledModel compiled;
    struct signature edge, stream; /* edge takes the same and `valid` */

    struct vocoder_audio format;
    long delay_samples, edge_frames;
    size_t chunk;

    LiteRtTensorBuffer mel, valid, audio;
    size_t states;
    const char *state_name[MOST_TENSORS];
    LiteRtTensorBuffer state[MOST_TENSORS], next_state[MOST_TENSORS];
    size_t state_bytes[MOST_TENSORS];

    float *waiting; /* frames that fill no chunk yet, with room for one */
    size_t waiting_frames;
    long done, late; /* frames run, samples of the delay still to drop */
};

void fail(const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    fputs("vocode: ", stderr);
    vfprintf(stderr, format, arguments);
    fputc('\n', stderr);
    va_end(arguments);
    exit(2);
}

static void check(LiteRtStatus status, const char *what) {
    if (status != 0) fail("LiteRT refused %s (status %d)", what, status);
}

static void *allocate(size_t count, size_t size) {
    void *memory = calloc(count ? count : 1, size);
    if (memory == NULL) fail("no memory for %zu times %zu bytes", count, size);
    return memory;
}

static unsigned char *read_file(const char *path, size_t *size) {
    FILE *file = fopen(path, "rb");
    if (file == NULL) fail("%s cannot be opened: check the path", path);
    if (fseek(file, 0, SEEK_END) != 0 || ftell(file) < 0) fail("%s cannot be read", path);
    *size = ftell(file);
    rewind(file);
    unsigned char *bytes = allocate(*size, 1);
    if (fread(bytes, 1, *size, file) != *size) fail("%s cannot be read", path);
    fclose(file);
    return bytes;
}

static long integer(const char *object, const char *key, const char *path) {
    const char *value = json_member(object, key);
    char *end = NULL;
    long number = value ? strtol(value, &end, 10) : 0;
    if (value == NULL || end == value) fail("%s: its contract lacks %s: export it again", path, key);
    return number;
}

/* The smallest chunk of the contract, whose signature is the value. */
static void smaller(const char *key, size_t length, const char *value, void *data) {
    struct {
        long frames;
        const char *signature;
    } *found = data;
    long frames = strtol(key, NULL, 10);
    (void)length;
    if (found->signature == NULL || frames < found->frames) found->frames = frames, found->signature = value;
}

static int position(LiteRtSignature handle, const char *name, size_t count, int is_input) {
    for (size_t i = 0; i < count; i++) {
        const char *other;
        check(
            is_input ? LiteRtGetSignatureInputName(handle, i, &other) : LiteRtGetSignatureOutputName(handle, i, &other),
            "a tensor's name");
        if (strcmp(name, other) == 0) return (int)i;
    }
    return -1;
}

/* The signature that a string of the contract names. */
static struct signature signature_of(const struct vocoder *vocoder, const char *name, const char *path) {
    struct signature signature = {0};
    size_t count;
    check(LiteRtGetNumModelSignatures(vocoder->model, &count), "the signatures");
    for (size_t i = 0; i < count; i++) {
        const char *key;
        check(LiteRtGetModelSignature(vocoder->model, i, &signature.handle), "a signature");
        check(LiteRtGetSignatureKey(signature.handle, &key), "a signature's name");
        if (!json_is(name, key)) continue;
        signature.index = i;
        check(LiteRtGetNumSignatureInputs(signature.handle, &signature.inputs), key);
        check(LiteRtGetNumSignatureOutputs(signature.handle, &signature.outputs), key);
        if (signature.inputs > MOST_TENSORS || signature.outputs > MOST_TENSORS) fail("%s has too many tensors", path);
        signature.mel = position(signature.handle, "mel", signature.inputs, 1);
        signature.valid = position(signature.handle, "valid", signature.inputs, 1);
        signature.audio = position(signature.handle, "audio", signature.outputs, 0);
        if (signature.mel < 0 || signature.audio < 0) fail("%s: signature %s lacks mel or audio", path, key);
        return signature;
    }
    fail("%s lacks the signature that its contract names: export it again", path);
}

static LiteRtTensorBuffer buffer_of(
    const struct vocoder *vocoder, const struct signature *signature, int index, int is_input,
    LiteRtRankedTensorType *type) {
    LiteRtTensor tensor;
    LiteRtTensorBufferRequirements requirements;
    LiteRtTensorBuffer buffer;
    if (is_input) {
        check(LiteRtGetSignatureInputTensorByIndex(signature->handle, index, &tensor), "an input");
        check(
            LiteRtGetCompiledModelInputBufferRequirements(vocoder->compiled, signature->index, index, &requirements),
            "an input");
    } else {
        check(LiteRtGetSignatureOutputTensorByIndex(signature->handle, index, &tensor), "an output");
        check(
            LiteRtGetCompiledModelOutputBufferRequirements(vocoder->compiled, signature->index, index, &requirements),
            "an output");
    }
    check(LiteRtGetRankedTensorType(tensor, type), "a tensor's type");
    check(LiteRtCreateManagedTensorBufferFromRequirements(vocoder->environment, type, requirements, &buffer), "a buffer");
    return buffer;
}

static size_t elements(const LiteRtRankedTensorType *type) {
    size_t count = 1;
    for (unsigned i = 0; i < type->layout.rank; i++) count *= type->layout.dimensions[i];
    return count;
}

/* Every input of the edge but the mel and `valid` is a state: zero at the start, and an output of the same name. */
static void find_states(struct vocoder *vocoder, const char *path) {
    struct signature *edge = &vocoder->edge, *stream = &vocoder->stream;
    LiteRtRankedTensorType type;
    for (size_t i = 0; i < edge->inputs; i++) {
        const char *name;
        if ((int)i == edge->mel || (int)i == edge->valid) continue;
        size_t s = vocoder->states++;
        check(LiteRtGetSignatureInputName(edge->handle, i, &name), "a state");
        edge->state_input[s] = (int)i;
        edge->state_output[s] = position(edge->handle, name, edge->outputs, 0);
        stream->state_input[s] = position(stream->handle, name, stream->inputs, 1);
        stream->state_output[s] = position(stream->handle, name, stream->outputs, 0);
        if (edge->state_output[s] < 0 || stream->state_input[s] < 0 || stream->state_output[s] < 0) {
            fail("%s: its state %s is no output", path, name);
        }
        vocoder->state[s] = buffer_of(vocoder, edge, (int)i, 1, &type);
        vocoder->next_state[s] = buffer_of(vocoder, edge, edge->state_output[s], 0, &type);
        vocoder->state_bytes[s] = 4 * elements(&type);
    }
}

static void *lock(LiteRtTensorBuffer buffer, int mode) {
    void *address;
    check(LiteRtLockTensorBuffer(buffer, &address, mode), "access to a buffer");
    return address;
}

static void unlock(LiteRtTensorBuffer buffer) { check(LiteRtUnlockTensorBuffer(buffer), "access to a buffer"); }

static void begin(struct vocoder *vocoder) {
    for (size_t s = 0; s < vocoder->states; s++) {
        memset(lock(vocoder->state[s], kLiteRtTensorBufferLockModeWrite), 0, vocoder->state_bytes[s]);
        unlock(vocoder->state[s]);
    }
    vocoder->waiting_frames = 0;
    vocoder->done = 0;
    vocoder->late = vocoder->delay_samples;
}

static void load(struct vocoder *vocoder, size_t size) {
    const LiteRtEnvOption quiet_on_cpu[] = {
        {kLiteRtEnvOptionTagAutoRegisterAccelerators, {kLiteRtAnyTypeInt, kLiteRtHwAcceleratorCpu}},
        {kLiteRtEnvOptionTagMinLoggerSeverity, {kLiteRtAnyTypeInt, 3}}};
    LiteRtOptions options;
    check(LiteRtCreateEnvironment(2, quiet_on_cpu, &vocoder->environment), "an environment");
    check(LiteRtCreateModelFromBuffer(vocoder->environment, vocoder->file, size, &vocoder->model), "the model");
    check(LiteRtCreateOptions(&options), "options");
    check(LiteRtSetOptionsHardwareAccelerators(options, kLiteRtHwAcceleratorCpu), "the CPU");
    check(
        LiteRtCreateCompiledModel(vocoder->environment, vocoder->model, options, &vocoder->compiled),
        "to prepare the model");
    LiteRtDestroyOptions(options);
}

struct vocoder *vocoder_open(const char *path) {
    struct vocoder *vocoder = allocate(1, sizeof *vocoder);
    size_t size;
    vocoder->file = read_file(path, &size);
    if (size < 8 || memcmp(vocoder->file + 4, "TFL3", 4) != 0) fail("%s is no TFLite model", path);
    char *contract = contract_read(vocoder->file, size);
    if (contract == NULL) fail("%s carries no contract: export it with hifigan-tf export", path);
    long format = integer(contract, "format", path);
    if (format != 1 && format != 2) fail("%s has a contract of format %ld, this reads 1 and 2", path, format);
    const char *kind = json_member(contract, "kind"), *stateful = json_member(contract, "stateful");
    if (kind && !json_is(kind, "vocoder")) fail("%s is no vocoder: export one with hifigan-tf export", path);
    if (stateful == NULL || strncmp(stateful, "true", 4) != 0) fail("%s has no states: export it without --stateless", path);

    const char *audio = json_member(contract, "audio");
    vocoder->format.sampling_rate = (int)integer(audio, "sampling_rate", path);
    vocoder->format.num_mels = (int)integer(audio, "num_mels", path);
    vocoder->format.hop_size = (int)integer(audio, "hop_size", path);
    vocoder->delay_samples = integer(contract, "delay_samples", path);
    vocoder->edge_frames = integer(contract, "edge_frames", path);
    struct {
        long frames;
        const char *signature;
    } smallest = {0, NULL};
    const char *chunks = json_member(contract, "stream");
    if (chunks) json_members(chunks, smaller, &smallest);
    if (smallest.frames < 1) fail("%s: its contract lacks stream: export it again", path);
    vocoder->chunk = smallest.frames;

    load(vocoder, size);
    vocoder->edge = signature_of(vocoder, json_member(contract, "edge"), path);
    vocoder->stream = signature_of(vocoder, smallest.signature, path);
    free(contract);

    LiteRtRankedTensorType type;
    if (vocoder->edge.valid < 0) fail("%s: its edge lacks valid: export it again", path);
    vocoder->mel = buffer_of(vocoder, &vocoder->edge, vocoder->edge.mel, 1, &type);
    if (elements(&type) != vocoder->chunk * vocoder->format.num_mels) fail("%s is not what its contract says", path);
    vocoder->valid = buffer_of(vocoder, &vocoder->edge, vocoder->edge.valid, 1, &type);
    vocoder->audio = buffer_of(vocoder, &vocoder->edge, vocoder->edge.audio, 0, &type);
    if (elements(&type) != vocoder->chunk * vocoder->format.hop_size) fail("%s is not what its contract says", path);
    find_states(vocoder, path);
    vocoder->waiting = allocate(vocoder->chunk * vocoder->format.num_mels, sizeof(float));
    begin(vocoder);
    return vocoder;
}

struct vocoder_audio vocoder_audio(const struct vocoder *vocoder) { return vocoder->format; }

/* Runs a signature on the buffers, then swaps the states with their successors: nothing is copied. */
static void run(struct vocoder *vocoder, const struct signature *signature) {
    LiteRtTensorBuffer inputs[MOST_TENSORS], outputs[MOST_TENSORS];
    inputs[signature->mel] = vocoder->mel;
    if (signature->valid >= 0) inputs[signature->valid] = vocoder->valid;
    outputs[signature->audio] = vocoder->audio;
    for (size_t s = 0; s < vocoder->states; s++) {
        inputs[signature->state_input[s]] = vocoder->state[s];
        outputs[signature->state_output[s]] = vocoder->next_state[s];
    }
    check(
        LiteRtRunCompiledModel(
            vocoder->compiled, signature->index, signature->inputs, inputs, signature->outputs, outputs),
        "to run the model");
    for (size_t s = 0; s < vocoder->states; s++) {
        LiteRtTensorBuffer state = vocoder->state[s];
        vocoder->state[s] = vocoder->next_state[s];
        vocoder->next_state[s] = state;
    }
}

/* Runs a chunk of which the first `frames` frames are given and the rest are zero; the utterance ends `end` frames
 * after its first. Gives the audio without the delay at the start, and without the last `surplus` samples. */
static void run_chunk(
    struct vocoder *vocoder, const float *mel, size_t frames, long end, size_t surplus, vocoder_sink *sink, void *data) {
    size_t bands = vocoder->format.num_mels, samples = vocoder->chunk * vocoder->format.hop_size;
    float *input = lock(vocoder->mel, kLiteRtTensorBufferLockModeWrite);
    memset(input, 0, vocoder->chunk * bands * sizeof *input);
    if (frames) memcpy(input, mel, frames * bands * sizeof *input);
    unlock(vocoder->mel);

    int at_edge = vocoder->done < vocoder->edge_frames || end < (long)vocoder->chunk;
    if (at_edge) {
        int32_t *valid = lock(vocoder->valid, kLiteRtTensorBufferLockModeWrite);
        valid[0] = (int32_t)-(vocoder->done < POSITION_LIMIT ? vocoder->done : POSITION_LIMIT);
        valid[1] = (int32_t)(end > -POSITION_LIMIT ? end : -POSITION_LIMIT);
        unlock(vocoder->valid);
    }
    run(vocoder, at_edge ? &vocoder->edge : &vocoder->stream);
    vocoder->done += (long)vocoder->chunk;

    size_t late = vocoder->late < (long)samples ? (size_t)vocoder->late : samples;
    vocoder->late -= (long)late;
    if (late + surplus < samples) {
        sink((float *)lock(vocoder->audio, kLiteRtTensorBufferLockModeRead) + late, samples - late - surplus, data);
        unlock(vocoder->audio);
    }
}

void vocoder_push(struct vocoder *vocoder, const float *mel, size_t frames, vocoder_sink *sink, void *data) {
    size_t bands = vocoder->format.num_mels, chunk = vocoder->chunk;
    while (frames > 0) {
        size_t taken = chunk - vocoder->waiting_frames < frames ? chunk - vocoder->waiting_frames : frames;
        memcpy(vocoder->waiting + vocoder->waiting_frames * bands, mel, taken * bands * sizeof *mel);
        vocoder->waiting_frames += taken, mel += taken * bands, frames -= taken;
        if (vocoder->waiting_frames == chunk) {
            /* Where the utterance ends is not known yet: not within this chunk. */
            run_chunk(vocoder, vocoder->waiting, chunk, (long)chunk, 0, sink, data);
            vocoder->waiting_frames = 0;
        }
    }
}

void vocoder_flush(struct vocoder *vocoder, vocoder_sink *sink, void *data) {
    long end = (long)vocoder->waiting_frames, hop = vocoder->format.hop_size, chunk = (long)vocoder->chunk;
    if (vocoder->done + end > 0) {
        /* The audio of the frames that wait, and what is still on its way through the states. */
        long missing = end * hop + vocoder->delay_samples;
        for (long fed = 0; fed * hop < missing; fed += chunk) {
            long surplus = (fed + chunk) * hop - missing;
            size_t frames = fed == 0 ? vocoder->waiting_frames : 0;
            run_chunk(vocoder, vocoder->waiting, frames, end - fed, surplus > 0 ? surplus : 0, sink, data);
        }
    }
    begin(vocoder);
}

void vocoder_close(struct vocoder *vocoder) {
    for (size_t s = 0; s < vocoder->states; s++) {
        LiteRtDestroyTensorBuffer(vocoder->state[s]);
        LiteRtDestroyTensorBuffer(vocoder->next_state[s]);
    }
    LiteRtDestroyTensorBuffer(vocoder->mel);
    LiteRtDestroyTensorBuffer(vocoder->valid);
    LiteRtDestroyTensorBuffer(vocoder->audio);
    LiteRtDestroyCompiledModel(vocoder->compiled);
    LiteRtDestroyModel(vocoder->model);
    LiteRtDestroyEnvironment(vocoder->environment);
    free(vocoder->waiting);
    free(vocoder->file);
    free(vocoder);
}
