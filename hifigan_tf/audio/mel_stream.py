"""The mel of a recording: of all of it, or of any length in constant memory, a piece at a time."""

from typing import Protocol

import numpy as np

FRAMES = 512  # analysed at a time, at most
MOST_FRAMES = 4096  # of a recording that is analysed at once


class FrontEnd(Protocol):
    """``NumpyMelSpectrogram``, ``MelSpectrogram`` in Keras, or ``TfliteMelSpectrogram``, the same as a ``.tflite``."""

    @property
    def n_fft(self) -> int: ...
    @property
    def hop_size(self) -> int: ...
    @property
    def num_mels(self) -> int: ...
    @property
    def mel_centred(self) -> bool: ...
    @property
    def min_samples(self) -> int: ...
    @property
    def mirrored_samples(self) -> tuple[int, int]: ...

    def analyze(self, audio: np.ndarray) -> np.ndarray: ...


class MelStream:
    """Audio in pieces of any length to the same frames as ``mel_spectrogram`` of the whole."""

    def __init__(self, front_end: FrontEnd):
        self.front_end = front_end
        self.samples = 0
        self._begun = False
        self._kept = np.zeros(0, np.float32)  # audio from the start of the next frame on

    def push(self, audio: np.ndarray) -> np.ndarray:
        """Takes samples; returns the frames ``[frames, num_mels]`` that they complete."""
        self.samples += len(audio)
        self._append(audio)
        return self._analyze()

    def flush(self) -> np.ndarray:
        """The last frames, with an end as ``mel_spectrogram`` makes it."""
        frames = -(-self.samples // self.front_end.hop_size)
        if frames > 0:
            silence, mirrored = _end(self.front_end, self.samples)
            self._append(np.zeros(silence, np.float32))
            self._append(self._kept[-2 : -mirrored - 2 : -1])
        return self._analyze()[:frames]

    def _append(self, audio: np.ndarray) -> None:
        self._kept = np.concatenate([self._kept, audio])
        if not self._begun and len(self._kept) >= self.front_end.min_samples:
            before, _ = self.front_end.mirrored_samples
            self._kept = np.concatenate([self._kept[before:0:-1], self._kept])
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

    The paper's last hop is filled with silence; a mel with ``mel_centred`` is mirrored at its last sample. The mirrored
    ends need no minimum length: too short a recording is followed by silence. Long recordings are analysed a piece at a
    time: their frames all at once would take a hundred times the memory of the recording.
    """
    hop = front_end.hop_size
    frames = -(-len(audio) // hop)
    if frames > MOST_FRAMES:
        stream, length = MelStream(front_end), MOST_FRAMES * hop
        pieces = (audio[start : start + length].astype(np.float32) for start in range(0, len(audio), length))
        return np.concatenate([*map(stream.push, pieces), stream.flush()])
    (before, _), (silence, after) = front_end.mirrored_samples, _end(front_end, len(audio))
    padded = np.pad(np.pad(audio, (0, silence)), (before, after), mode="reflect")
    return np.asarray(front_end.analyze(padded[None].astype(np.float32)))[0, :frames]


def _end(front_end: FrontEnd, samples: int) -> tuple[int, int]:
    """How much silence, and then how many mirrored samples, follow this many samples of audio."""
    whole = -(-samples // front_end.hop_size) * front_end.hop_size
    filled = max(samples if front_end.mel_centred else whole, front_end.min_samples)
    return filled - samples, front_end.mirrored_samples[1] + max(0, whole - filled)
