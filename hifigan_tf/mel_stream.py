"""The mel of a recording of any length in constant memory, a piece at a time."""

import keras
import numpy as np

from hifigan_tf.mel import MelSpectrogram, mel_spectrogram

FRAMES = 512  # analysed at a time, at most


class MelStream:
    """Audio in pieces of any length to the frames that ``mel_spectrogram`` makes of all of it."""

    def __init__(self, front_end: MelSpectrogram):
        self.front_end = front_end
        self.padding = (front_end.n_fft - front_end.hop_size) // 2
        self.samples = 0
        self._begun = False
        self._kept = np.zeros(0, np.float32)  # from where the next frame begins

    def push(self, audio: np.ndarray) -> np.ndarray:
        """The frames ``[frames, num_mels]`` that these samples complete."""
        self.samples += len(audio)
        self._kept = np.concatenate([self._kept, audio])
        if not self._begun:
            if self.samples < self.front_end.min_samples:
                return self._analyze()
            self._kept = np.concatenate([self._kept[self.padding : 0 : -1], self._kept])
            self._begun = True
        return self._analyze()

    def flush(self) -> np.ndarray:
        """The last frames: silence fills the last hop, and the end is mirrored."""
        if not self._begun:
            if self.samples == 0:
                return self._analyze()
            return mel_spectrogram(self._kept, self.front_end)
        audio = np.pad(self._kept, [0, -self.samples % self.front_end.hop_size])
        self._kept = np.concatenate([audio, audio[-2 : -self.padding - 2 : -1]])
        return self._analyze()

    def _analyze(self) -> np.ndarray:
        n_fft, hop = self.front_end.n_fft, self.front_end.hop_size
        mels = [np.zeros([0, self.front_end.num_mels], np.float32)]
        while self._begun and len(self._kept) >= n_fft:
            frames = min((len(self._kept) - n_fft) // hop + 1, FRAMES)
            mel = self.front_end.analyze(self._kept[None, : (frames - 1) * hop + n_fft])
            mels.append(keras.ops.convert_to_numpy(mel)[0])
            self._kept = self._kept[frames * hop :].copy()
        return np.concatenate(mels)
