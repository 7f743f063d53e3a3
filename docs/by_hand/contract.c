#include "contract.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

static const char MEMBER[] = "contract.json";
enum { END_BYTES = 22, ENTRY_BYTES = 46, HEADER_BYTES = 30, STORED = 0, DEFLATED = 8 };
static const size_t LARGEST = 1 << 20; /* bytes of a contract; they have a few thousand */

static uint32_t number(const unsigned char *at, int bytes) {
    uint32_t value = 0;
    for (int i = bytes; i-- > 0;) value = value << 8 | at[i];
    return value;
}

static int begins_with(const unsigned char *at, const char *magic) { return memcmp(at, magic, 4) == 0; }

/* The text of a member of which the local header, at `place`, is followed by its bytes. */
static char *inflated(const unsigned char *file, size_t size, size_t place, int method, size_t packed, size_t length) {
    if (place + HEADER_BYTES > size || !begins_with(file + place, "PK\3\4")) return NULL;
    size_t start = place + HEADER_BYTES + number(file + place + 26, 2) + number(file + place + 28, 2);
    if (packed > size || start > size - packed || length > LARGEST) return NULL;
    char *text = calloc(length + 1, 1);
    if (text == NULL) return NULL;
    if (method == STORED && packed == length) {
        memcpy(text, file + start, length);
        return text;
    }
    z_stream stream = {
        .next_in = (unsigned char *)file + start, .avail_in = packed, .next_out = (unsigned char *)text,
        .avail_out = length};
    if (method == DEFLATED && inflateInit2(&stream, -MAX_WBITS) == Z_OK) {
        int result = inflate(&stream, Z_FINISH);
        inflateEnd(&stream);
        if (result == Z_STREAM_END && stream.total_out == length) return text;
    }
    free(text);
    return NULL;
}

char *contract_read(const unsigned char *file, size_t size) {
    if (size < END_BYTES || !begins_with(file + size - END_BYTES, "PK\5\6")) return NULL;
    const unsigned char *end = file + size - END_BYTES;
    size_t entry = number(end + 16, 4);
    for (uint32_t left = number(end + 10, 2); left-- > 0;) {
        if (entry > size - END_BYTES || size - entry < ENTRY_BYTES || !begins_with(file + entry, "PK\1\2")) return NULL;
        const unsigned char *at = file + entry;
        size_t name = number(at + 28, 2);
        if (size - entry - ENTRY_BYTES < name) return NULL;
        if (name == strlen(MEMBER) && memcmp(at + ENTRY_BYTES, MEMBER, name) == 0) {
            return inflated(file, size, number(at + 42, 4), number(at + 10, 2), number(at + 20, 4), number(at + 24, 4));
        }
        entry += ENTRY_BYTES + name + number(at + 30, 2) + number(at + 32, 2);
    }
    return NULL;
}

static const char *blank(const char *at) { return at + strspn(at, " \t\r\n"); }

static const char *after_string(const char *at) {
    for (at++; *at && *at != '"'; at++) {
        if (*at == '\\' && at[1]) at++;
    }
    return *at ? at + 1 : at;
}

/* What follows a JSON value. */
static const char *after_value(const char *at) {
    int depth = 0;
    do {
        at = blank(at);
        if (*at == '"') {
            at = after_string(at);
        } else if (*at == '{' || *at == '[') {
            depth++, at++;
        } else if (*at == '}' || *at == ']') {
            depth--, at++;
        } else if (*at == ',' || *at == ':') {
            at++;
        } else {
            at += strcspn(at, ",:]} \t\r\n");
        }
    } while (*at && depth > 0);
    return at;
}

void json_members(
    const char *object, void (*visit)(const char *key, size_t length, const char *value, void *data), void *data) {
    const char *at = blank(object);
    if (*at != '{') return;
    for (at = blank(at + 1); *at == '"'; at = blank(at + (*at == ','))) {
        const char *key = at + 1, *end = after_string(at);
        at = blank(end);
        if (*at != ':') return;
        at = blank(at + 1);
        visit(key, end - 1 - key, at, data);
        at = blank(after_value(at));
    }
}

struct wanted {
    const char *key, *value;
};

static void find(const char *key, size_t length, const char *value, void *data) {
    struct wanted *wanted = data;
    if (length == strlen(wanted->key) && memcmp(key, wanted->key, length) == 0) wanted->value = value;
}

const char *json_member(const char *object, const char *key) {
    struct wanted wanted = {key, NULL};
    if (object != NULL) json_members(object, find, &wanted);
    return wanted.value;
}

int json_is(const char *value, const char *text) {
    size_t length = strlen(text);
    return value != NULL && *value == '"' && strncmp(value + 1, text, length) == 0 && value[1 + length] == '"';
}
