"""1-D convolution, computed in the fastest of several equivalent ways on a CPU, with its gradients.

Plain convolution primitives are fastest with a few dozen channels and a few taps. The discriminators have
a thousand channels at a few positions, and 41 taps in groups of eight channels: there the same sums are computed
as one matrix product, or as a shorter convolution over wider blocks.
"""

import keras
import numpy as np

# With this many input channels or more, a matrix product beats the primitives: threefold in the kernel's gradient.
WIDE = 512
# Input channels below which a convolution leaves a CPU's vector units idle.
MIN_GROUP_CHANNELS = 8
# Samples per block of a strided grouped convolution: its 41 taps become 11.
BLOCK = 4


def convolution(x, kernel, stride: int = 1, dilation: int = 1, groups: int = 1, padding: int = 0):
    """``x`` ``[batch, length, channels]``, zero-padded, convolved with ``[taps, channels / groups, filters]``.

    The result is ``[batch, (length + 2 * padding - (taps - 1) * dilation - 1) // stride + 1, filters]``.
    """
    ops = keras.ops
    if dilation == 1 and x.shape[1] is not None:
        kernel, groups = _join_narrow_groups(kernel, groups)
        if groups == 1 and kernel.shape[1] >= WIDE:
            return _matrix_product(x, kernel, stride, padding)
        if groups > 1 and 1 < stride <= BLOCK:
            return _grouped_in_blocks(x, kernel, stride, groups, padding)
    x = ops.pad(x, [[0, 0], [padding, padding], [0, 0]])
    if groups == 1:
        return ops.conv(x, kernel, strides=stride, padding="valid", dilation_rate=dilation)
    return _grouped(x, kernel, groups, strides=(1, stride), dilation_rate=(1, dilation))


def _grouped(x, kernel, groups: int, **settings):
    """One plain convolution per group; Keras passes grouped ones to XLA, which takes a hundred times as long.

    They are 2-D convolutions of one row, so that the reshapes around a 1-D convolution are done once, not per group.
    """
    ops = keras.ops
    parts = zip(ops.split(x[:, None], groups, axis=-1), ops.split(kernel[None], groups, axis=-1), strict=True)
    outputs = [ops.conv(part, weights, padding="valid", **settings) for part, weights in parts]
    return ops.squeeze(ops.concatenate(outputs, axis=-1), 1)


def _matrix_product(x, kernel, stride: int, padding: int):
    """The convolution as one matrix product: each row of the matrix holds the inputs of one output position.

    In rows of ``stride`` samples, position i reads rows i, i + 1, …, and a part of the last one:

        row i      [a b c]    [a b c d e] of 5 taps and stride 3
        row i + 1  [d e .]
    """
    ops = keras.ops
    taps, channels, filters = kernel.shape
    length = (x.shape[1] + 2 * padding - taps) // stride + 1
    x = _blocks(x, stride, length - 1 + -(-taps // stride), padding)
    seen = [
        ops.slice(x, (0, row, 0), (ops.shape(x)[0], length, min(stride, taps - start) * channels))
        for row, start in enumerate(range(0, taps, stride))
    ]
    positions = ops.reshape(ops.concatenate(seen, axis=-1), (-1, taps * channels))
    product = ops.matmul(positions, ops.reshape(kernel, (taps * channels, filters)))
    return ops.reshape(product, (-1, length, filters))


def _grouped_in_blocks(x, kernel, stride: int, groups: int, padding: int):
    """A grouped convolution with stride 1 over blocks of several samples; each block gives several output positions.

    The kernel over blocks holds a shifted copy of the kernel for each position; with 5 taps, stride 2 and blocks of 4:

        position 0  [a b c d|e . . .]
        position 1  [. . a b|c d e .]    few zeros beside 41 taps
    """
    ops = keras.ops
    taps, channels, filters = kernel.shape
    length = (x.shape[1] + 2 * padding - taps) // stride + 1
    positions = BLOCK // stride
    block, count = positions * stride, -(-length // positions)
    block_taps = -(-(taps + block - stride) // block)
    kernels = []
    for shift in range(0, block, stride):
        shifted = ops.pad(kernel, [[shift, block_taps * block - taps - shift], [0, 0], [0, 0]])
        kernels.append(ops.reshape(shifted, (block_taps, block * channels, groups, -1)))
    kernel = ops.reshape(ops.stack(kernels, axis=3), (block_taps, block * channels, -1))
    # Within each block, the channels of a group lie together, over all samples of the block.
    x = _blocks(x, block, count - 1 + block_taps, padding)
    x = ops.reshape(x, (ops.shape(x)[0], -1, block, groups, channels))
    x = ops.reshape(ops.transpose(x, (0, 1, 3, 2, 4)), (ops.shape(x)[0], -1, groups * block * channels))
    y = _grouped(x, kernel, groups)
    y = ops.reshape(y, (ops.shape(x)[0], -1, groups, positions, filters // groups))
    y = ops.reshape(ops.transpose(y, (0, 1, 3, 2, 4)), (ops.shape(x)[0], -1, filters))
    return ops.slice(y, (0, 0, 0), (ops.shape(y)[0], length, filters))


def _blocks(x, block: int, count: int, padding: int):
    """Padded ``x`` ``[batch, length, channels]`` as ``[batch, blocks, block * channels]``, at least ``count``."""
    ops = keras.ops
    length, channels = x.shape[1:]
    count = max(count, -(-(length + padding) // block))
    x = ops.pad(x, [[0, 0], [padding, count * block - length - padding], [0, 0]])
    return ops.reshape(x, (-1, count, block * channels))


def _join_narrow_groups(kernel, groups: int):
    """An equivalent block-diagonal kernel of fewer groups, and their number."""
    channels, filters = kernel.shape[1:]
    joined = next(
        n for n in range(1, groups + 1) if groups % n == 0 and (n * channels >= MIN_GROUP_CHANNELS or n == groups)
    )
    if joined == 1:
        return kernel, groups
    block_of_row = np.arange(joined * channels) // channels
    block_of_column = np.arange(filters) // (filters // groups) % joined
    mask = (block_of_row[:, None] == block_of_column).astype(np.float32)
    return keras.ops.tile(kernel, (1, joined, 1)) * keras.ops.cast(mask, kernel.dtype), groups // joined
