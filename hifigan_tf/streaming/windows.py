"""Streaming with a model that has no state: overlapping windows, whose wrong ends are cut off.

A generator pads its ends with zeros, so the audio of a window is that of the whole utterance only further
than the receptive field from either end of the window, or where the utterance itself ends:

    utterance  |==============================================|
    window 1   |.................:///|                          /// margin: wrong, cut off
    window 2             |///:.......:///|
    window 3                    |///:.......:///|
    last                              |///:...................|   moved back, so that it ends with the utterance
"""

from dataclasses import dataclass
from typing import Protocol

import numpy as np

from hifigan_tf.config import EDGE_TAPS, GeneratorConfig


def margin_frames(generator: GeneratorConfig) -> int:
    """Frames that a sample's receptive field reaches to either side, at most.

    From the waveform back to the mel, on the left, where it reaches further: a convolution adds what it does not see
    ahead; an upsampling of kernel k and rate u reads (k + u) / 2 - 1 finer steps at most.
    """
    reach = EDGE_TAPS // 2
    stages = zip(generator.upsample_rates, generator.upsample_kernel_sizes, strict=True)
    for stage, (rate, kernel) in reversed(list(enumerate(stages))):
        reach += generator.resblock_reach - generator.resblock_steps_ahead(stage)
        reach = -(-(reach + (kernel + rate) // 2 - 1) // rate)
    return reach + EDGE_TAPS - 1 - generator.frames_ahead


class WindowModel(Protocol):
    """``run`` makes ``[frames * hop_size]`` of ``[frames, num_mels]`` with up to ``window_frames`` frames."""

    window_frames: int
    margin_frames: int

    def run(self, mel: np.ndarray) -> np.ndarray: ...


@dataclass(frozen=True)
class WindowProgress:
    """Between two pushes: the frames still needed, where among them the next window begins, how many are heard."""

    frames: np.ndarray
    start: int = 0
    heard: int = 0


class WindowStream:
    """One utterance through a model without state. ``push`` and ``flush`` as in ``StreamingVocoder``."""

    def __init__(self, model: WindowModel, num_mels: int, hop_size: int):
        self.model = model
        self.hop_size = hop_size
        # The first window needs a margin at either end, and no chunk is complete before it.
        self.delay_samples = 2 * model.margin_frames * hop_size
        self.chunk_frames = model.window_frames - 2 * model.margin_frames
        self.progress = WindowProgress(np.zeros([0, num_mels], np.float32))

    def push(self, frames: np.ndarray) -> np.ndarray:
        window, margin = self.model.window_frames, self.model.margin_frames
        kept = np.concatenate([self.progress.frames, frames])
        start, heard = self.progress.start, self.progress.heard
        pieces = [np.zeros(0, np.float32)]
        while len(kept) - start >= window:
            audio = self.model.run(kept[start : start + window])
            end = start + window - margin
            pieces.append(audio[(heard - start) * self.hop_size : (end - start) * self.hop_size])
            start, heard = end - margin, end
        # The last window will be a whole one that ends with the utterance: it may reach back that far.
        done = max(0, start - window)
        self.progress = WindowProgress(kept[done:].copy(), start - done, heard - done)
        return np.concatenate(pieces)

    def flush(self) -> np.ndarray:
        frames, heard = self.progress.frames, self.progress.heard
        if heard == len(frames):
            return np.zeros(0, np.float32)
        start = max(0, len(frames) - self.model.window_frames)
        return self.model.run(frames[start:])[(heard - start) * self.hop_size :]
