"""Streaming with a model that has no state: overlapping windows whose invalid ends are cut off.

A generator pads its input with zeros, so the audio of a window equals that of the whole utterance only further
than the receptive field from either end of the window, or where the utterance itself begins or ends:

    utterance  |==============================================|
    window 1   |.................:///|                          /// margin: invalid, cut off
    window 2             |///:.......:///|
    window 3                    |///:.......:///|
    last                              |///:...................|   moved back, so that it ends with the utterance
"""

from dataclasses import dataclass
from typing import NamedTuple, Protocol

import numpy as np

from hifigan_tf.config import EDGE_TAPS, GeneratorConfig


class Margins(NamedTuple):
    """Frames at the left and the right end of a window whose audio is invalid, unless the utterance ends there."""

    left: int
    right: int


def margins_of(generator: GeneratorConfig) -> Margins:
    """How many frames the receptive field of one frame's audio extends to the left and to the right.

    The steps that frame 0 makes, followed from the waveform back to the mel: a convolution adds the steps that it sees
    back and ahead; step t of an upsampling of kernel k and rate u that cuts off ``shift`` steps is made of those from
    ceil((t + shift - k + 1) / u) to floor((t + shift) / u) of its input.
    """
    first, last = -(EDGE_TAPS // 2), generator.hop_size // generator.samples_per_step - 1 + EDGE_TAPS // 2
    stages = zip(generator.upsample_rates, generator.upsample_kernel_sizes, strict=True)
    for stage, (rate, kernel) in reversed(list(enumerate(stages))):
        ahead, shift = generator.resblock_steps_ahead(stage), generator.upsample_shift(rate, kernel)
        first -= generator.resblock_reach - ahead
        first, last = -((kernel - 1 - shift - first) // rate), (last + ahead + shift) // rate
    return Margins(EDGE_TAPS - 1 - generator.frames_ahead - first, last + generator.frames_ahead)


class WindowModel(Protocol):
    """``run`` maps ``[frames, num_mels]`` of up to ``window_frames`` frames to ``[frames * hop_size]``."""

    window_frames: int
    margins: Margins

    def run(self, mel: np.ndarray) -> np.ndarray: ...


@dataclass(frozen=True)
class WindowProgress:
    """Between two pushes: the frames still needed, and how many of them are vocoded already."""

    frames: np.ndarray
    vocoded: int = 0


class WindowStream:
    """One utterance through a model without state. ``push`` and ``flush`` as in ``StreamingVocoder``."""

    def __init__(self, model: WindowModel, num_mels: int, hop_size: int):
        self.model = model
        self.hop_size = hop_size
        self.chunk_frames = model.window_frames - sum(model.margins)
        self.delay_samples = model.margins.right * hop_size
        self.progress = WindowProgress(np.zeros([0, num_mels], np.float32))

    def push(self, frames: np.ndarray) -> np.ndarray:
        (left, right), hop = self.model.margins, self.hop_size
        kept, vocoded = np.concatenate([self.progress.frames, frames]), self.progress.vocoded
        pieces = [np.zeros(0, np.float32)]
        while len(kept) - vocoded >= self.chunk_frames + right:
            # Where the utterance begins, the window is shorter: there is nothing before it.
            start, end = max(0, vocoded - left), vocoded + self.chunk_frames
            audio = self.model.run(kept[start : end + right])
            pieces.append(audio[(vocoded - start) * hop : (end - start) * hop])
            vocoded = end
        # The last window is a full one that ends with the utterance, so it may begin this far back.
        done = max(0, vocoded - self.model.window_frames)
        self.progress = WindowProgress(kept[done:].copy(), vocoded - done)
        return np.concatenate(pieces)

    def flush(self) -> np.ndarray:
        frames, vocoded = self.progress.frames, self.progress.vocoded
        if vocoded == len(frames):
            return np.zeros(0, np.float32)
        start = max(0, len(frames) - self.model.window_frames)
        return self.model.run(frames[start:])[(vocoded - start) * self.hop_size :]
