/* The contract that every exported .tflite carries: a JSON in a zip archive behind the model. */
#ifndef CONTRACT_H
#define CONTRACT_H

#include <stddef.h>

/* The text of contract.json in the bytes of a .tflite, to be freed; NULL where there is none that can be read. */
char *contract_read(const unsigned char *file, size_t size);

/* The value of a key of a JSON object, NULL where the object lacks it. Both point into the text of the contract. */
const char *json_member(const char *object, const char *key);

/* Calls visit with each key of a JSON object, a string without escapes, and its value. */
void json_members(
    const char *object, void (*visit)(const char *key, size_t length, const char *value, void *data), void *data);

/* Whether a JSON value is this string. */
int json_is(const char *value, const char *text);

#endif
