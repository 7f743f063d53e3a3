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
from typing import Protocol

import numpy as np

from hifigan_tf.config import EDGE_TAPS, GeneratorConfig


def margin_frames(generator: GeneratorConfig) -> int:
    """The largest number of frames that a sample's receptive field extends to either side.

    Computed from the waveform back to the mel, on the left, where it extends further: a convolution adds the steps that
    it sees back; an upsampling of kernel k and rate u reads at most (k + u) / 2 - 1 finer steps.
    """
    reach = EDGE_TAPS // 2
    stages = zip(generator.upsample_rates, generator.upsample_kernel_sizes, strict=True)
    for stage, (rate, kernel) in reversed(list(enumerate(stages))):
        reach += generator.resblock_reach - generator.resblock_steps_ahead(stage)
        reach = -(-(reach + (kernel + rate) // 2 - 1) // rate)
    return reach + EDGE_TAPS - 1 - generator.frames_ahead


class WindowModel(Protocol):
    """``run`` maps ``[frames, num_mels]`` of up to ``window_frames`` frames to ``[frames * hop_size]``."""

    window_frames: int
    margin_frames: int

    def run(self, mel: np.ndarray) -> np.ndarray: ...


@dataclass(frozen=True)
class WindowProgress:
    """Between two pushes: the frames still needed, the start of the next window in them, how many are vocoded."""

    frames: np.ndarray
    start: int = 0
    vocoded: int = 0


class WindowStream:
    """One utterance through a model without state. ``push`` and ``flush`` as in ``StreamingVocoder``."""

    def __init__(self, model: WindowModel, num_mels: int, hop_size: int):
        self.model = model
        self.hop_size = hop_size
        # The first window needs a margin at either end before any audio is complete.
        self.delay_samples = 2 * model.margin_frames * hop_size
        self.chunk_frames = model.window_frames - 2 * model.margin_frames
        self.progress = WindowProgress(np.zeros([0, num_mels], np.float32))

    def push(self, frames: np.ndarray) -> np.ndarray:
        window, margin = self.model.window_frames, self.model.margin_frames
        kept = np.concatenate([self.progress.frames, frames])
        start, vocoded = self.progress.start, self.progress.vocoded
        pieces = [np.zeros(0, np.float32)]
        while len(kept) - start >= window:
            audio = self.model.run(kept[start : start + window])
            end = start + window - margin
            pieces.append(audio[(vocoded - start) * self.hop_size : (end - start) * self.hop_size])
            start, vocoded = end - margin, end
        # The last window is a full one that ends with the utterance, so it may begin this far back.
        done = max(0, start - window)
        self.progress = WindowProgress(kept[done:].copy(), start - done, vocoded - done)
        return np.concatenate(pieces)

    def flush(self) -> np.ndarray:
        frames, vocoded = self.progress.frames, self.progress.vocoded
        if vocoded == len(frames):
            return np.zeros(0, np.float32)
        start = max(0, len(frames) - self.model.window_frames)
        return self.model.run(frames[start:])[(vocoded - start) * self.hop_size :]
