"""The mel of a recording: of all of it, or of any length in constant memory, a piece at a time."""

from typing import Protocol

import numpy as np

FRAMES = 512  # analysed at a time, at most
MOST_FRAMES = 4096  # of a recording that is analysed at once


class FrontEnd(Protocol):
    """``NumpyMelSpectrogram``, ``MelSpectrogram`` in Keras, or ``TfliteMelSpectrogram``, the same as a ``.tflite``."""

    n_fft: int
    hop_size: int
    num_mels: int

    @property
    def min_samples(self) -> int: ...

    def analyze(self, audio: np.ndarray) -> np.ndarray: ...


class MelStream:
    """Audio in pieces of any length to the same frames as ``mel_spectrogram`` of the whole."""

    def __init__(self, front_end: FrontEnd):
        self.front_end = front_end
        self.padding = (front_end.n_fft - front_end.hop_size) // 2
        self.samples = 0
        self._begun = False
        self._kept = np.zeros(0, np.float32)  # audio from the start of the next frame on

    def push(self, audio: np.ndarray) -> np.ndarray:
        """Takes samples; returns the frames ``[frames, num_mels]`` that they complete."""
        self.samples += len(audio)
        self._append(audio)
        return self._analyze()

    def flush(self) -> np.ndarray:
        """The last frames: the last hop is padded with silence, and the end is mirrored."""
        hop = self.front_end.hop_size
        frames = -(-self.samples // hop)
        if frames > 0:
            # More silence if there is too little audio to mirror; the surplus frames of silence are dropped.
            self._append(np.zeros(max(frames * hop, self.front_end.min_samples) - self.samples, np.float32))
            self._append(self._kept[-2 : -self.padding - 2 : -1])
        return self._analyze()[:frames]

    def _append(self, audio: np.ndarray) -> None:
        self._kept = np.concatenate([self._kept, audio])
        if not self._begun and len(self._kept) >= self.front_end.min_samples:
            self._kept = np.concatenate([self._kept[self.padding : 0 : -1], self._kept])
            self._begun = True

    def _analyze(self) -> np.ndarray:
        n_fft, hop = self.front_end.n_fft, self.front_end.hop_size
        mels = [np.zeros([0, self.front_end.num_mels], np.float32)]
        while self._begun and len(self._kept) >= n_fft:
            frames = min((len(self._kept) - n_fft) // hop + 1, FRAMES)
            mels.append(np.asarray(self.front_end.analyze(self._kept[None, : (frames - 1) * hop + n_fft]))[0])
            self._kept = self._kept[frames * hop :].copy()
        return np.concatenate(mels)


def mel_spectrogram(audio: np.ndarray, front_end: FrontEnd) -> np.ndarray:
    """Audio ``[samples]`` of any length to log-mel ``[ceil(samples / hop_size), num_mels]``, in NumPy.

    The last partial hop is filled with silence; the mirrored ends need no minimum length either. Long recordings are
    analysed a piece at a time: their frames all at once would take a hundred times the memory of the recording.
    """
    hop = front_end.hop_size
    frames = -(-len(audio) // hop)
    if frames > MOST_FRAMES:
        stream, length = MelStream(front_end), MOST_FRAMES * hop
        pieces = (audio[start : start + length].astype(np.float32) for start in range(0, len(audio), length))
        return np.concatenate([*map(stream.push, pieces), stream.flush()])
    silence, mirrored = max(frames * hop, front_end.min_samples) - len(audio), (front_end.n_fft - hop) // 2
    padded = np.pad(np.pad(audio, (0, silence)), mirrored, mode="reflect")
    return np.asarray(front_end.analyze(padded[None].astype(np.float32)))[0, :frames]
