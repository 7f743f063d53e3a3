"""The streaming graph with fewer multiplications: Toom-Cook convolutions (Winograd, 1980; Lavin and Gray, 2016).

A tile of m outputs of a convolution with r taps is the transpose of a product of polynomials, so n = m + r - 1
multiplications are enough for it instead of m r. Its inputs d_0 ... d_(n-1) and the kernel g are evaluated at n points,
multiplied point by point, and combined into the outputs. The points are 0, infinity and pairs +a, -a. Q(z) is the
product of all (z - a²), and Q_a(z) the same without that pair:

    point     of the inputs                              of the kernel                             weight in output i
    0         Q's coefficients by d_0, d_2, d_4 ...      g_0 / Q(0)                                1 for the first only
    +a, -a    E + O, E - O                               sum of (+-a)^k g_k, over 2 a² Q_a(a²)     (+-a)^i
              E: Q_a's coefficients by d_2, d_4 ...
              O: a times these by d_1, d_3 ...
    infinity  Q's coefficients by d_1, d_3, d_5 ...      the last g                                1 for the last only

A dilated convolution is ``dilation`` interleaved convolutions; slot j holds the steps from j * dilation on.
A kernel of more than 7 taps is cut into pieces of m taps and a rest. Each piece needs the inputs of the tile after the
one that the previous piece needs, which are evaluated anyway: the product at a point is a short convolution over tiles.
"""

import math
from collections.abc import Collection

import numpy as np
import tensorflow as tf

from hifigan_tf.export.graph import ChunkGraph, Deployment, time_slice
from hifigan_tf.export.network import Conv

TILES = 4, 6  # outputs computed together: more lose digits and need larger kernels, fewer save little
LONGEST = 7  # taps in one piece

# The pairs for each number of points. Values near 1 lose the fewest digits: the error is up to 3e-6 of the output with
# twelve points, and 2e-7 for a plain convolution in float32.
PAIRS = {6: (2 / 3, 3 / 2), 8: (1 / 2, 1, 2), 10: (2 / 5, 5 / 6, 6 / 5, 5 / 2), 12: (1 / 3, 2 / 3, 1, 3 / 2, 3)}

# Cost model, measured with LiteRT 2.3 on x86 with AVX-512: a matrix product computes some rows together, which depends
# on the processor; transforming a value in and out costs AROUND multiplications, by tile; reading a weight from memory
# costs READ.
AROUND, READ = {4: 20, 6: 27}, 6
WIDE = 128  # channels; weighted sums over columns take one call, over rows one each, but wide ones need more weights


class FastConvolution(tf.Module):
    """A convolution that computes ``tile`` outputs at a time, with its kernel evaluated at every point."""

    def __init__(self, conv: Conv, tile: int):
        super().__init__()
        self.conv, self.tile, self.dilation = conv, tile, conv.dilation
        # Whether the steps of a slot lie side by side as channels, or one after the other.
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
        return time_slice(tf.reshape(y, [1, 1, self.tile * tiles * self.dilation, y.shape[3]]), 0, steps)

    def evaluate(self, x) -> list:
        """The inputs of every tile of ``[1, 1, slots * dilation, channels]``, evaluated at every point."""
        x = self.slots(x)
        odd = self.later(x, 1)
        # Up to four weights are computed together, but five cost as much as nine: there a copy without d_0 pays.
        even, skip = (self.later(x, 2), []) if len(self.pairs) == 4 else (x, [0])
        at_pairs = []
        for a, others in zip(self.pairs, self.other_pairs, strict=True):
            evens, odds = self.every_other(even, [*skip, *others]), self.every_other(odd, a * others)
            at_pairs += [evens + odds, evens - odds]
        return [self.every_other(x, self.all_pairs), *at_pairs, self.every_other(odd, self.all_pairs)]

    def later(self, x, slots: int):
        """``x`` without the first ``slots`` slots."""
        return x[:, :, slots:] if self.wide else x[:, slots:]

    def slots(self, x):
        """Steps ``[1, 1, slots * dilation, channels]``, with one slot in each row or column."""
        channels = x.shape[3]
        return tf.reshape(x, [1, 1, -1, self.dilation * channels] if self.wide else [1, -1, self.dilation, channels])

    def every_other(self, x, weights):
        """Weighted sums of slots 0, 2, 4 ... of the inputs of every tile; their starts are a tile apart."""
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
        """Weighted sums over the pairs of ``[1, tiles, pairs * dilation, filters]``, with the bias."""
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
    """How many pieces a kernel has before its last one."""
    return max(0, math.ceil((taps - LONGEST) / tile))


def coefficients(pairs) -> np.ndarray:
    """Coefficients of the product of all (z - a²), lowest power first."""
    return np.polynomial.polynomial.polyfromroots(np.square(pairs))


def depthwise(x, weights: np.ndarray, strides: list[int], dilations: list[int]):
    """A convolution with the same weights for every channel.

    Not by tf.nn.depthwise_conv2d, which requires equal strides, and no strides with dilations; TFLite does not.
    """
    kernel = np.tile(np.asarray(weights, np.float32)[:, :, None, None], (1, 1, x.shape[3], 1))
    return tf.raw_ops.DepthwiseConv2dNative(
        input=x, filter=kernel, strides=[1, *strides, 1], dilations=[1, *dilations, 1], padding="VALID"
    )


def best_tile(conv: Conv, steps: int, rows: int) -> int | None:
    """The tile with the least work for ``steps`` outputs; None if a plain convolution takes less.

    ``rows`` are those that a matrix product computes together.
    """

    def together(count: int) -> int:
        return math.ceil(count / rows) * rows

    taps, channels, filters = conv.kernel.shape
    weights = channels * filters
    if conv.stride > 1:
        return None
    best, least = None, taps * weights * (together(steps) + READ)
    for tile in TILES:
        earlier = earlier_pieces(taps, tile)
        last = taps - tile * earlier
        points = last + tile - 1
        if points not in PAIRS or (earlier and last < tile):
            continue
        computed = together(math.ceil(steps / (tile * conv.dilation)) * conv.dilation)
        products = (earlier + 1) * weights * (computed + READ)
        work = points * (products + computed * AROUND[tile] * (channels + filters))
        if work < 0.95 * least:  # a smaller gain is not worth a larger file
            best, least = tile, work
    return best


class FastDeployment(Deployment):
    """The graph of ``plain`` for chunks of ``frames`` or more, with fast convolutions for the ``layers`` that gain.

    ``rows`` as in ``best_tile``.
    It is only for conversion: TensorFlow itself cannot run it. The rest is as in ``Deployment``.
    """

    def __init__(self, plain: Deployment, frames: int, layers: Collection[str], rows: int):
        super().__init__(plain.network, plain.spec)
        self.fast = {}
        steps = frames
        for stage in plain.network.stages:
            steps *= stage.rate
            for conv in stage.inner():
                if conv.name in layers and (tile := best_tile(conv, steps, rows)):
                    self.fast[conv.name] = FastConvolution(conv, tile)

    def chunk_graph(self, states, valid):
        return FastChunkGraph(self, states, valid)


class FastChunkGraph(ChunkGraph):
    """The streaming graph of a ``FastDeployment``."""

    def convolve(self, x, conv, padding="VALID"):
        fast = self.deployment.fast.get(conv.name)
        if fast is None:
            return super().convolve(x, conv, padding)
        with tf.name_scope(conv.name):
            return fast(x, self.deployment.biases[conv.name])
