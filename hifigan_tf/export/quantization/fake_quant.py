"""Quantized arithmetic in float: values rounded as in an exported model, with gradients for training.

Rounding has no useful gradient; all functions here pass gradients through as if they had not rounded (the
straight-through estimator, Bengio et al., 2013), except for values that a fixed range clips.
"""

import numpy as np
import tensorflow as tf
from tensorflow_model_optimization.quantization.keras import quantizers

from hifigan_tf.export.graph import Deployment

STEPS = 255  # quantization steps between the ends of an 8-bit range


class Weights:
    """The kernels of a deployment in 8 bits: symmetric, a scale for each filter, as TFLite requires."""

    def __init__(self, deployment: Deployment):
        self.quantizer = quantizers.LastValueQuantizer(num_bits=8, per_axis=True, symmetric=True, narrow_range=True)
        self.ranges = {
            name: self.quantizer.build(kernel.shape, name, self) for name, kernel in deployment.kernels.items()
        }

    def add_weight(self, name, shape=None, initializer=None, trainable=False):
        """A variable for a range; the quantizer calls this method of a Keras layer, whose place this object takes."""
        return tf.Variable(initializer(shape), trainable=trainable, name=name)

    def __call__(self, name: str, kernel):
        return self.quantizer(kernel, training=True, weights=self.ranges[name])


def with_dynamic_range(x, axes: list[int]):
    """``x`` in 8 bits over its range along ``axes``, including zero, as LiteRT finds it in every call."""
    low = tf.minimum(tf.reduce_min(x, axes, keepdims=True), 0.0)
    high = tf.maximum(tf.reduce_max(x, axes, keepdims=True), 0.0)
    scale = (high - low) / STEPS
    inverse = tf.math.divide_no_nan(1.0, scale)
    # The zero point is an integer, so that zero stays zero.
    zero = tf.round(low * inverse)
    rounded = (tf.clip_by_value(tf.round(x * inverse) - zero, 0.0, STEPS) + zero) * scale
    return x + tf.stop_gradient(rounded - x)


@tf.custom_gradient
def with_static_range(x, low, high):
    """``x`` in 8 bits between scalars ``low`` (at most 0) and ``high``, which are trained (LSQ, Esser et al., 2020)."""
    rounded = tf.quantization.fake_quant_with_min_max_vars(x, low, high)

    def gradient(upstream):
        inside, to_low, to_high = tf.quantization.fake_quant_with_min_max_vars_gradient(upstream, x, low, high)
        # A wider range makes every step coarser, which changes a value in proportion to its rounding error.
        coarser = tf.reduce_sum(inside * (rounded - x)) / (high - low)
        return inside, to_low - coarser, to_high + coarser

    return rounded, gradient


class LearnedRanges:
    """Static ranges, one for each tensor of a graph; ``stretch``, the log of a factor on each end, is trained."""

    SPEED = 250.0  # learning rate relative to the weights': ranges change by factors, weights by hundredths

    def __init__(self, first: dict[str, tuple[float, float]]):
        self.names = list(first)
        self.first = tf.constant(list(first.values()), tf.float32)
        self.stretch = tf.Variable(tf.zeros_like(self.first), trainable=False)

    def __call__(self, x, name: str):
        index = self.names.index(name)
        low, high = tf.unstack(self._now()[index])
        return with_static_range(x, low, high)

    def values(self) -> dict[str, tuple[float, float]]:
        return {name: (float(low), float(high)) for name, (low, high) in zip(self.names, self._now(), strict=True)}

    def _now(self):
        return self.first * tf.exp(self.SPEED * self.stretch)


class ObservedRanges:
    """Finds the initial ranges: between the percentiles that cut ``CUT`` per cent off either end."""

    CUT = 0.01

    def __init__(self):
        self.seen: dict[str, list[np.ndarray]] = {}

    def __call__(self, x, name: str):
        self.seen.setdefault(name, []).append(np.percentile(x.numpy(), [self.CUT, 100 - self.CUT]))
        return x

    def values(self) -> dict[str, tuple[float, float]]:
        ends = {name: np.mean(pairs, axis=0) for name, pairs in self.seen.items()}
        return {name: (min(0.0, float(low)), max(1e-6, float(high))) for name, (low, high) in ends.items()}
