"""The modes of an export. Without TensorFlow, so that command lines can check their options at once."""

STREAMING = ("float32", "float16", "int8")  # with states, or without
INTEGERS = ("full_int8", "int16")  # from layer to layer; windows without states
EIGHT_BITS = ("int8", "full_int8")  # what distillation is for


def option(mode: str) -> str:
    """A mode's option on the command line."""
    return {"int16": "--int16-activations"}.get(mode, f"--{mode.replace('_', '-')}")
