"""Channel equalisation: the same function, with weights and activations that lose less in eight bits.

LeakyReLU is positively homogeneous, so a channel may be scaled by any positive factor in the layer that produces it,
and scaled back in the layers that read it, through every residual block of a stage. All channels of an 8-bit tensor
share one range, so quiet channels drown in the rounding noise of loud ones. Scaling each half-way to the loudest (in
decibels) is the compromise: scaling all the way would give the weights the spread that the activations lose.
"""

import itertools

import numpy as np
import tensorflow as tf

from hifigan_tf.export.graph import Deployment, WindowGraph
from hifigan_tf.export.network import Conv, Network

POWER = 0.5
QUIETEST = 1e-3  # relative to the loudest channel: limits the scaling of nearly silent channels


class Observer(WindowGraph):
    """Runs the network and sums the squares of every convolution's input, per channel."""

    def __init__(self, deployment: Deployment, squares: dict):
        super().__init__(deployment, None)
        self.squares = squares

    def convolve(self, x, conv, padding="VALID"):
        square = tf.reduce_mean(tf.square(x), axis=[0, 1, 2]).numpy()
        self.squares[conv.name] = self.squares.get(conv.name, 0) + square
        return super().convolve(x, conv, padding)


def equalize(network: Network, mels: list[np.ndarray]) -> None:
    """Rescales the channels of a network in place, by their loudness for ``mels`` ``[frames, num_mels]``."""
    squares: dict[str, np.ndarray] = {}
    deployment = Deployment(network)
    for mel in mels:
        Observer(deployment, squares).run(tf.constant(mel[None]))

    def loudness(*convs: Conv) -> np.ndarray:
        return np.sqrt(np.max([squares[conv.name] for conv in convs], axis=0))

    first = network.stages[0].up
    _scale([network.pre], [first], loudness(first))
    following = [stage.up for stage in network.stages[1:]] + [network.post]
    for stage, reader in zip(network.stages, following, strict=True):
        units = [unit for block in stage.blocks for unit in block]
        for unit in units:
            for before, after in itertools.pairwise(unit):
                _scale([before], [after], loudness(after))
        makers, readers = [stage.up, *(unit[-1] for unit in units)], [unit[0] for unit in units]
        _scale(makers, [*readers, reader], loudness(*readers))


def _scale(makers: list[Conv], readers: list[Conv], loudness: np.ndarray) -> None:
    """Scales the channels that ``makers`` produce and ``readers`` read half-way to the loudest one."""
    loudest = loudness.max()
    if loudest == 0:
        return
    factor = ((loudest / np.maximum(loudness, QUIETEST * loudest)) ** POWER).astype(np.float32)
    for conv in makers:
        tiled = np.tile(factor, len(conv.bias) // len(factor))  # an upsampling produces every channel once per phase
        conv.kernel, conv.bias = conv.kernel * tiled, conv.bias * tiled
    for conv in readers:
        conv.kernel = conv.kernel / factor[None, :, None]
