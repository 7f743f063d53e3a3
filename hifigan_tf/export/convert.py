"""The deployment graph as a float ``.tflite`` with several signatures over one set of weights."""

import contextlib
import os
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import tensorflow as tf

from hifigan_tf.export.graph import Deployment
from hifigan_tf.streaming.contract import AUDIO, MEL, UNUSED, VALID

INITIAL, EDGE, WINDOW, WINDOW_EDGE = "initial_state", "edge", "window", "window_edge"


def stream_name(frames: int) -> str:
    """The signature for a chunk of ``frames`` frames."""
    return f"stream_{frames}"


def stateful_signatures(deployment: Deployment, chunk_frames: tuple[int, ...]) -> dict:
    """``{name: concrete function}``: a stream for each chunk size, ``edge`` for the smallest, the initial state."""
    shapes = deployment.spec.states
    states = {name: tf.TensorSpec(shape, name=name) for name, shape in shapes.items()}

    def stream(**inputs):
        audio, new = deployment.stream(inputs[MEL], {name: inputs[name] for name in states}, inputs.get(VALID))
        return {AUDIO: audio, **new}

    def initial(**inputs):
        # 0 for any input: as constants, the zeros would be stored in the file one by one.
        zero = tf.nn.relu(-tf.nn.relu(inputs[UNUSED]))
        return {name: tf.fill(shape, zero[0]) for name, shape in shapes.items()}

    result = {
        stream_name(frames): _function(stream, {MEL: mel_spec(deployment, frames), **states}) for frames in chunk_frames
    }
    result[EDGE] = _function(stream, {MEL: mel_spec(deployment, min(chunk_frames)), VALID: _valid(), **states})
    result[INITIAL] = _function(initial, {UNUSED: tf.TensorSpec([1], name=UNUSED)})
    return result


def stateless_signatures(deployment: Deployment, frames: int) -> dict:
    """``{name: concrete function}`` for windows of ``frames`` frames."""

    def window(**inputs):
        return {AUDIO: deployment.whole(inputs[MEL], inputs.get(VALID))}

    mel = mel_spec(deployment, frames)
    return {WINDOW: _function(window, {MEL: mel}), WINDOW_EDGE: _function(window, {MEL: mel, VALID: _valid()})}


def mel_spec(deployment: Deployment, frames: int) -> tf.TensorSpec:
    return tf.TensorSpec([1, frames, deployment.network.pre.kernel.shape[1]], name=MEL)


def _valid() -> tf.TensorSpec:
    return tf.TensorSpec([2], tf.int32, name=VALID)


def _function(function, specs: dict):
    return tf.function(function).get_concrete_function(**specs)


def to_tflite(module: tf.Module, signatures: dict, configure: Callable | None = None) -> bytes:
    """The ``.tflite``, in float32 unless ``configure`` sets the converter otherwise."""
    with tempfile.TemporaryDirectory() as folder, quiet():
        # Through a SavedModel, because only that keeps several signatures and stores their weights once.
        tf.saved_model.save(module, folder, signatures=signatures)
        converter = tf.lite.TFLiteConverter.from_saved_model(folder, signature_keys=list(signatures))
        if configure:
            configure(converter)
        return converter.convert()


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Suppresses what native code prints inside the block; errors are raised as exceptions anyway."""
    sys.stdout.flush()
    kept = [os.dup(descriptor) for descriptor in (1, 2)]
    with Path(os.devnull).open("w") as nowhere:
        try:
            for descriptor in (1, 2):
                os.dup2(nowhere.fileno(), descriptor)
            yield
        finally:
            for descriptor, copy in zip((1, 2), kept, strict=True):
                os.dup2(copy, descriptor)
                os.close(copy)
