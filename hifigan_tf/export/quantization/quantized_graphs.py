"""The deployment graph as the quantized models compute it, simulated in float: for training and for tests."""

from collections.abc import Callable

import numpy as np
import tensorflow as tf

from hifigan_tf.export.graph import ChunkGraph, Deployment, WindowGraph
from hifigan_tf.export.network import Conv
from hifigan_tf.export.quantization.fake_quant import (
    LearnedRanges,
    ObservedRanges,
    Weights,
    with_dynamic_range,
    with_static_range,
)

# The last convolution of a full-integer model is split into five, each of which saturates outside of its piece of the
# waveform, as in A-law: together they have a resolution of 13 bits where speech is quiet.
#
#     reach      0.9     0.13    0.04   0.13     0.9
#            |=========|======|=|=|======|=========|      the sum of the five is the waveform before its tanh
REACHES = (0.04, 0.13, 0.9)
LOWER = 128 / 127  # an 8-bit range centred on zero goes one step further down than up


def _abutting(reaches: tuple[float, ...]) -> tuple[tuple[float, float], ...]:
    """Adjacent pieces ``(centre, reach)`` that add up to the whole range."""
    first, *others = reaches
    pieces, low, high = [(0.0, first)], -first * LOWER, first
    for reach in others:
        pieces.append((high + reach * LOWER, reach))
        high += reach * LOWER + reach
        below = reach * LOWER  # where both saturate, their contributions cancel
        pieces.append((low - below, below))
        low -= below + below * LOWER
    return tuple(pieces)


PIECES = _abutting(REACHES)


def piece_range(reach: float) -> tuple[float, float]:
    """The 8-bit range of a piece around its centre."""
    return -reach * LOWER, reach


class RoundedKernels(ChunkGraph):
    """Rounds the kernels of a graph, in both 8-bit modes; ``float_layers`` names the layers left in float."""

    weights: Callable
    float_layers: tuple[str, ...]

    def kernel(self, conv: Conv):
        kernel = self.deployment.kernels[conv.name]
        return kernel if conv.name in self.float_layers else self.weights(conv.name, kernel)


class DynamicRange(RoundedKernels):
    """A convolution as ``--int8`` computes it (dynamic-range quantization)."""

    def rounded(self, x):
        """The input of a convolution in 8 bits; subclasses choose what its range is taken over."""
        raise NotImplementedError

    def convolve(self, x, conv: Conv, padding="VALID"):
        return super().convolve(x if conv.name in self.float_layers else self.rounded(x), conv, padding)


class Differentiable:
    """A trainable graph: without oneDNN, TensorFlow has no gradient of a dilated CONV_2D on a CPU.

    Here it is a plain convolution over samples that are ``dilation`` apart.
    """

    def product(self, x, kernel, strides, padding, dilations):
        return tf.nn.convolution(x, kernel, strides, padding, dilations=dilations)


class DynamicRangeWindow(Differentiable, DynamicRange, WindowGraph):
    """The graph of ``--int8`` for training: batches of segments, with the ranges of chunks of ``chunk_frames``.

    A convolution in a stream also reads the end of the previous chunk, rounded in the range of the current one; here
    every step is rounded in the range of its own chunk, which saves half of the work.
    """

    def __init__(self, deployment: Deployment, weights: Weights, float_layers: tuple[str, ...], chunk_frames: int):
        super().__init__(deployment, None)
        self.weights = weights
        self.float_layers = float_layers
        self.chunk_frames = chunk_frames

    def rounded(self, x):
        steps = self.chunk_frames * self.rate
        chunks = tf.pad(x, [[0, 0], [0, 0], [0, -x.shape[2] % steps], [0, 0]])
        chunks = tf.reshape(chunks, [x.shape[0], -1, steps, x.shape[3]])
        chunks = with_dynamic_range(chunks, [2, 3])
        return tf.reshape(chunks, [x.shape[0], 1, -1, x.shape[3]])[:, :, : x.shape[2]]


class StaticWindow(RoundedKernels, WindowGraph):
    """The stateless full-integer graph: every computed tensor goes through ``quantize``, named by its number."""

    def __init__(self, deployment, quantize: Callable, weights: Callable, float_layers: tuple[str, ...] = ()):
        super().__init__(deployment, None)
        self.quantize = quantize
        self.weights = weights
        self.float_layers = float_layers

    def rounded(self, x, kind: str):
        self.count += 1
        return self.quantize(x, f"{self.count:03d}_{kind}")

    def run(self, mel):
        self.count = 0
        return super().run(self.rounded(mel, "mel"))

    def normalize(self, x):
        return x if self.network.mean is None else self.rounded(super().normalize(x), "normalized")

    def activate(self, x, slope=None):
        return self.rounded(super().activate(x, slope), "active")

    def add(self, x, y):
        return self.rounded(super().add(x, y), "sum")

    def convolve(self, x, conv: Conv, padding="VALID"):
        x = super().convolve(x, conv, padding)
        return x if conv is self.network.post else self.rounded(x, conv.name)

    def finish(self, x, post):
        x = super().finish(x, post)
        return tf.add_n(
            [with_static_range(x - centre, *map(tf.constant, piece_range(reach))) for centre, reach in PIECES]
        )


class TrainedStaticWindow(Differentiable, StaticWindow):
    """``StaticWindow`` for training."""


class DynamicRangeStudent:
    """The student of an ``--int8`` model: mels ``[batch, frames, num_mels]`` to audio ``[batch, samples]``."""

    learning_rate = 2e-5  # there is little to gain, and larger steps lose more than they gain

    def __init__(self, deployment: Deployment, float_layers: tuple[str, ...], chunk_frames: int):
        self.deployment = deployment
        self.float_layers = float_layers
        self.chunk_frames = chunk_frames
        self.weights = Weights(deployment)
        self.variables = deployment.parameters()

    def __call__(self, mel):
        return DynamicRangeWindow(self.deployment, self.weights, self.float_layers, self.chunk_frames).run(mel)

    @property
    def identity(self) -> str:
        """Distinguishes students of equal weights that would be trained differently."""
        return f"dynamic range {self.chunk_frames} {self.float_layers} {self.learning_rate}"


class StaticStudent:
    """The student of a ``--full-int8`` model, whose ``ranges`` are trained too."""

    learning_rate = 4e-5

    def __init__(self, deployment: Deployment, float_layers: tuple[str, ...], ranges: dict[str, tuple[float, float]]):
        self.deployment = deployment
        self.float_layers = float_layers
        self.weights = Weights(deployment)
        self.ranges = LearnedRanges(ranges)
        self.variables = [*deployment.parameters(), self.ranges.stretch]

    def __call__(self, mel):
        return TrainedStaticWindow(self.deployment, self.ranges, self.weights, self.float_layers).run(mel)

    @property
    def identity(self) -> str:
        return f"static ranges {self.ranges.first.numpy().tolist()} {self.float_layers} {self.learning_rate}"


def observed_ranges(deployment: Deployment, mels: list[np.ndarray]) -> dict[str, tuple[float, float]]:
    """The static ranges observed on mels ``[frames, num_mels]``, by the names of ``StaticWindow``."""
    observed = ObservedRanges()
    for mel in mels:
        StaticWindow(deployment, observed, lambda _, kernel: kernel).run(tf.constant(mel[None]))
    return observed.values()
