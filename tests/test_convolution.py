"""Every way of computing a convolution gives the results and gradients of the plain one."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from conftest import relative_error

from hifigan_tf.models.convolution import WIDE, convolution


def block_diagonal(kernel, groups: int):
    """The plain kernel ``[taps, channels, filters]`` of a grouped one."""
    taps, channels, filters = kernel.shape
    columns = np.split(kernel, groups, axis=-1)
    full = np.zeros((taps, groups * channels, filters), np.float32)
    for group, part in enumerate(columns):
        width = filters // groups
        full[:, group * channels : (group + 1) * channels, group * width : (group + 1) * width] = part
    return full


def run(convolve, x, kernel, weights):
    """The result of a convolution, and the gradients of a weighted sum of it by both arguments."""
    x, kernel = tf.constant(x), tf.constant(kernel)
    with tf.GradientTape() as tape:
        tape.watch([x, kernel])
        y = convolve(x, kernel)
        loss = tf.reduce_sum(y * weights(y.shape))
    return [y, *tape.gradient(loss, [x, kernel])]


@pytest.mark.processors
@pytest.mark.parametrize("length", [41, 50, 67])
@pytest.mark.parametrize(
    ("channels", "filters", "taps", "stride", "dilation", "groups"),
    [
        (WIDE, 6, 5, 1, 1, 1),  # a matrix product
        (WIDE, 6, 5, 3, 1, 1),
        (WIDE, 1, 3, 1, 1, 1),
        (64, 32, 41, 2, 1, 4),  # in blocks
        (64, 128, 41, 4, 1, 4),
        (96, 96, 5, 2, 1, 2),
        (64, 64, 41, 1, 1, 4),  # side by side
        (32, 64, 5, 1, 3, 4),
        (16, 32, 5, 5, 1, 2),
        (16, 32, 41, 4, 1, 16),  # narrow groups joined
        (8, 16, 3, 1, 1, 8),
        (3, 4, 7, 2, 1, 1),  # plain
    ],
)
def test_equals_the_plain_convolution(length, channels, filters, taps, stride, dilation, groups):
    rng = np.random.default_rng(length)
    x = rng.standard_normal((2, length, channels)).astype(np.float32)
    kernel = rng.standard_normal((taps, channels // groups, filters)).astype(np.float32)
    padding = (taps - 1) * dilation // 2

    def weights(shape):
        return np.random.default_rng(1).standard_normal(shape).astype(np.float32)

    def plain(x, kernel):
        x = tf.pad(x, [[0, 0], [padding, padding], [0, 0]])
        return keras.ops.conv(x, kernel, strides=stride, dilation_rate=dilation)

    y, by_x, by_kernel = run(lambda x, k: convolution(x, k, stride, dilation, groups, padding), x, kernel, weights)
    expected, expected_by_x, by_full = run(plain, x, block_diagonal(kernel, groups), weights)
    assert y.shape == (2, (length + 2 * padding - (taps - 1) * dilation - 1) // stride + 1, filters)
    assert relative_error(y, expected) < 1e-5
    assert relative_error(by_x, expected_by_x) < 1e-5
    inputs, outputs = channels // groups, filters // groups
    parts = [by_full.numpy()[:, g * inputs : (g + 1) * inputs, g * outputs : (g + 1) * outputs] for g in range(groups)]
    assert relative_error(by_kernel, np.concatenate(parts, axis=-1)) < 1e-5


def test_of_unknown_length():
    rng = np.random.default_rng(0)
    x = rng.standard_normal((1, 20, WIDE)).astype(np.float32)
    kernel = rng.standard_normal((3, WIDE, 2)).astype(np.float32)
    of_any_length = tf.function(
        convolution, input_signature=[tf.TensorSpec([None, None, WIDE]), tf.TensorSpec([3, WIDE, 2])]
    )
    np.testing.assert_allclose(of_any_length(x, kernel), convolution(x, kernel), atol=1e-3)
