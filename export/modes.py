"""The modes of an export. Without TensorFlow, so that command lines can check their options at once."""

STREAMING = ("float32", "float16", "int8")  # with states, or without
INTEGERS = ("full_int8", "int16")  # alone, without a float inside; windows without states
EIGHT_BITS = ("int8", "full_int8")  # what a recipe and distillation are for
