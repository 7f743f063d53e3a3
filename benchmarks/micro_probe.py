"""Runs a model in TensorFlow Lite Micro, in whose environment ``accelerators.py`` starts it.

    python micro_probe.py MODEL INPUTS OUTPUT

INPUTS is an array ``.npy`` whose first axis counts inputs; OUTPUT becomes a ``.npz`` of the ``audio`` of each, and the
``version`` of the package. Prints what the arena holds.
"""

import sys
from importlib import metadata

import numpy as np
from tflite_micro import runtime

ARENA = 2**28  # bytes; far more than needed, and only what is used is printed


def main() -> None:
    model, inputs, output = sys.argv[1:]
    interpreter = runtime.Interpreter.from_file(model, arena_size=ARENA)
    audio = []
    for values in np.load(inputs):
        interpreter.set_input(values, 0)
        interpreter.invoke()
        audio.append(interpreter.get_output(0))
    interpreter.print_allocations()
    np.savez(output, audio=np.concatenate(audio), version=metadata.version("tflite-micro"))


if __name__ == "__main__":
    main()
