"""The streaming graph with fewer multiplications: Toom-Cook convolutions (Winograd, 1980; Lavin and Gray, 2016).

A tile of m outputs of a convolution is a product of polynomials in disguise: with r taps, n = m + r - 1 products are
enough for it instead of m r. Its window d_0 ... d_(n-1) and the kernel g are evaluated at n points, multiplied point by
point, and brought back. The points are 0, infinity and pairs +a, -a. Q(z) is the product of all (z - a²), and Q_a(z)
the same without that pair:

    point     of the window                              of the kernel                             of output i
    0         Q's coefficients by d_0, d_2, d_4 ...      g_0 / Q(0)                                all of the first
    +a, -a    E + O, E - O                               sum of (+-a)^k g_k, over 2 a² Q_a(a²)     (+-a)^i
              E: Q_a's coefficients by d_2, d_4 ...
              O: a times these by d_1, d_3 ...
    infinity  Q's coefficients by d_1, d_3, d_5 ...      the last g                                all of the last

A dilated convolution is ``dilation`` such convolutions beside each other, slot j of which is step j * dilation and on.
A kernel of more than 7 taps is cut into pieces of m taps, and what is left. Each piece meets the window of the tile
after that of the piece before, which is there already: the product at a point is a short convolution over the tiles.
"""

import math
from collections.abc import Collection

import numpy as np
import tensorflow as tf

from hifigan_tf.export.graph import Deployment, Step, window
from hifigan_tf.export.network import Conv

TILES = 4, 6  # outputs at a time: more lose digits and need larger kernels, fewer save little
LONGEST = 7  # taps in one piece

# The pairs for each number of points. Numbers about 1 lose the fewest digits: up to 3e-6 of the output with twelve
# points, where a plain convolution in float32 loses 2e-7.
PAIRS = {6: (2 / 3, 3 / 2), 8: (1 / 2, 1, 2), 10: (2 / 5, 5 / 6, 6 / 5, 5 / 2), 12: (1 / 3, 2 / 3, 1, 3 / 2, 3)}

# Measured with LiteRT 2.3 on x86 with AVX-512. A matrix product computes so many rows together; a number's way to it
# and from it takes the time of so many multiplications, by the tile; and so do weights on their way from memory.
ROWS, AROUND, READ = 7, {4: 20, 6: 27}, 6
WIDE = 128  # channels; weighted sums over columns are one call, over rows one each, but wide ones need more weights


class FastConvolution(tf.Module):
    """A convolution by ``tile`` outputs at a time, with its kernel at every point."""

    def __init__(self, conv: Conv, tile: int):
        super().__init__()
        self.conv, self.tile, self.dilation = conv, tile, conv.dilation
        # Whether the steps of a slot lie beside each other as channels, or one after the other.
        self.wide = conv.dilation * max(conv.kernel.shape[1:]) <= WIDE
        pieces = split(conv.kernel, tile)
        powers = np.arange(pieces.shape[1])
        self.pairs = PAIRS[len(powers) + tile - 1]
        self.all_pairs = coefficients(self.pairs)
        self.other_pairs = [coefficients([b for b in self.pairs if b != a]) for a in self.pairs]
        rows = [(powers == 0) / self.all_pairs[0]]
        for a, others in zip(self.pairs, self.other_pairs, strict=True):
            norm = 2 * a**2 * np.polynomial.polynomial.polyval(a**2, others)
            rows += [a**powers / norm, (-a) ** powers / norm]
        rows.append(powers == powers[-1])
        kernels = np.einsum("pk,tkcf->ptcf", rows, pieces).astype(np.float32)
        self.kernels = [tf.Variable(kernel[:, None], trainable=False) for kernel in kernels]

    def __call__(self, x, bias):
        """``[1, 1, steps + reach, channels]`` to ``[1, 1, steps, filters]``."""
        steps, channels = x.shape[2] - self.conv.reach, x.shape[3]
        tiles = math.ceil(steps / (self.tile * self.dilation))
        length = (self.tile * tiles + len(self.conv.kernel) - 1) * self.dilation
        if missing := length - x.shape[2]:
            x = tf.concat([x, tf.zeros([1, 1, missing, channels])], axis=2)  # several times as fast as tf.pad
        products = [
            tf.nn.conv2d(tf.reshape(at_point, [1, -1, self.dilation, channels]), kernel, 1, "VALID")
            for at_point, kernel in zip(self.evaluate(x), self.kernels, strict=True)
        ]
        y = tf.concat(self.outputs(products, bias), axis=2)
        return window(tf.reshape(y, [1, 1, self.tile * tiles * self.dilation, y.shape[3]]), 0, steps)

    def evaluate(self, x) -> list:
        """The windows of ``[1, 1, slots * dilation, channels]`` at every point."""
        x = self.slots(x)
        odd = self.later(x, 1)
        # Up to four weights are computed together, and five as nine: there a copy without d_0 saves more than it costs.
        even, skip = (self.later(x, 2), []) if len(self.pairs) == 4 else (x, [0])
        at_pairs = []
        for a, others in zip(self.pairs, self.other_pairs, strict=True):
            evens, odds = self.every_other(even, [*skip, *others]), self.every_other(odd, a * others)
            at_pairs += [evens + odds, evens - odds]
        return [self.every_other(x, self.all_pairs), *at_pairs, self.every_other(odd, self.all_pairs)]

    def later(self, x, slots: int):
        """Without the first ``slots``."""
        return x[:, :, slots:] if self.wide else x[:, slots:]

    def slots(self, x):
        """Steps ``[1, 1, slots * dilation, channels]``, a slot in each row or column."""
        channels = x.shape[3]
        return tf.reshape(x, [1, 1, -1, self.dilation * channels] if self.wide else [1, -1, self.dilation, channels])

    def every_other(self, x, weights):
        """Weighted sums of slots 0, 2, 4 ... of every window, a tile apart."""
        if self.wide:
            return depthwise(x, np.reshape(weights, [1, -1]), strides=[1, self.tile], dilations=[1, 2])
        return depthwise(x, np.reshape(weights, [-1, 1]), strides=[self.tile, 1], dilations=[2, 1])

    def outputs(self, products: list, bias) -> list:
        """The outputs of every tile, ``[1, tiles, dilation, filters]`` each, from the products at every point."""
        first, *at_pairs, last = products
        plus, minus = tf.concat(at_pairs[::2], axis=2), tf.concat(at_pairs[1::2], axis=2)
        even, odd = plus + minus, plus - minus
        y = [self.over_pairs(odd if i % 2 else even, [a**i for a in self.pairs], bias) for i in range(self.tile)]
        return [y[0] + first, *y[1:-1], y[-1] + last]

    def over_pairs(self, x, weights, bias):
        """Weighted sums, and the bias, of ``[1, tiles, pairs * dilation, filters]``, where the pairs are in line."""
        filters, weights = x.shape[3], np.reshape(weights, [1, -1])
        if not self.wide:
            return tf.nn.bias_add(depthwise(x, weights, strides=[1, 1], dilations=[1, self.dilation]), bias)
        x = tf.reshape(x, [1, 1, -1, self.dilation * filters])
        y = depthwise(x, weights, strides=[1, len(self.pairs)], dilations=[1, 1])
        return tf.reshape(tf.nn.bias_add(y, tf.tile(bias, [self.dilation])), [1, -1, self.dilation, filters])


def split(kernel: np.ndarray, tile: int) -> np.ndarray:
    """A kernel ``[taps, channels, filters]`` as ``[pieces, r, ...]``: ``tile`` taps, then zeros, in all but one."""
    earlier = earlier_pieces(len(kernel), tile)
    last = kernel[tile * earlier :]
    pieces = np.zeros((earlier + 1, *last.shape), np.float32)
    for i in range(earlier):
        pieces[i, :tile] = kernel[tile * i :][:tile]
    pieces[-1] = last
    return pieces


def earlier_pieces(taps: int, tile: int) -> int:
    """How many there are before the last piece."""
    return max(0, math.ceil((taps - LONGEST) / tile))


def coefficients(pairs) -> np.ndarray:
    """Of the product of all (z - a²), lowest power first."""
    return np.polynomial.polynomial.polyfromroots(np.square(pairs))


def depthwise(x, weights: np.ndarray, strides: list[int], dilations: list[int]):
    """The same weights for every channel.

    Not by tf.nn.depthwise_conv2d, which wants strides that are equal and dilations without strides; TFLite does not.
    """
    kernel = np.tile(np.asarray(weights, np.float32)[:, :, None, None], (1, 1, x.shape[3], 1))
    return tf.raw_ops.DepthwiseConv2dNative(
        input=x, filter=kernel, strides=[1, *strides, 1], dilations=[1, *dilations, 1], padding="VALID"
    )


def best_tile(conv: Conv, steps: int) -> int | None:
    """How many outputs at a time are the least work for ``steps`` of them; None where a plain convolution is."""
    taps, channels, filters = conv.kernel.shape
    weights = channels * filters
    if conv.stride > 1:
        return None
    best, least = None, taps * weights * (_together(steps) + READ)
    for tile in TILES:
        earlier = earlier_pieces(taps, tile)
        last = taps - tile * earlier
        points = last + tile - 1
        if points not in PAIRS or (earlier and last < tile):
            continue
        rows = _together(math.ceil(steps / (tile * conv.dilation)) * conv.dilation)
        products = (earlier + 1) * weights * (rows + READ)
        work = points * (products + rows * AROUND[tile] * (channels + filters))
        if work < 0.95 * least:  # less is not worth a larger file
            best, least = tile, work
    return best


def _together(rows: int) -> int:
    return math.ceil(rows / ROWS) * ROWS


class FastDeployment(Deployment):
    """The graph of ``plain`` to convert, for chunks of ``frames`` or more: ``layers`` that gain from it by tiles.

    TensorFlow itself cannot run it. The rest is as in ``Deployment``.
    """

    def __init__(self, plain: Deployment, frames: int, layers: Collection[str]):
        super().__init__(plain.network, plain.spec)
        self.fast = {}
        steps = frames
        for stage in plain.network.stages:
            steps *= stage.rate
            for conv in stage.inner():
                if conv.name in layers and (tile := best_tile(conv, steps)):
                    self.fast[conv.name] = FastConvolution(conv, tile)

    def step(self, states, valid):
        return FastStep(self, states, valid)


class FastStep(Step):
    """The streaming graph of a ``FastDeployment``."""

    def convolve(self, x, conv, padding="VALID"):
        fast = self.deployment.fast.get(conv.name)
        if fast is None:
            return super().convolve(x, conv, padding)
        with tf.name_scope(conv.name):
            return fast(x, self.deployment.biases[conv.name])
