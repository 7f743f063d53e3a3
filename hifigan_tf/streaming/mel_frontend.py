"""The mel front end as a ``.tflite``, run by LiteRT; no TensorFlow is needed."""

from pathlib import Path

import numpy as np

from hifigan_tf.streaming.contract import MelContract
from hifigan_tf.streaming.litert import ContractModel, open_tflite


class TfliteMelSpectrogram(ContractModel[MelContract]):
    """The log-mel of an exported front end, for ``MelStream``: whole recordings, or live audio in pieces.

        mels = MelStream(TfliteMelSpectrogram("mel_frontend.tflite"))
        mel = np.concatenate([mels.push(audio), mels.flush()])    # [frames, num_mels]

    ``model`` and ``interpreter`` as for ``load_tflite``. Raises ``UserError`` for a file that is not a front end.
    """

    def __init__(self, model: str | Path | bytes, threads: int = 1, interpreter=None):
        super().__init__(*open_tflite(model, MelContract, threads, interpreter))
        self.n_fft = self.audio.n_fft
        self.hop_size = self.audio.hop_size
        self.num_mels = self.audio.num_mels
        self.mel_centred = self.audio.mel_centred
        self.min_samples = self.contract.min_samples
        self.mirrored_samples = self.contract.mirrored

    def analyze(self, audio: np.ndarray) -> np.ndarray:
        """Audio with mirrored ends, ``[1, (frames - 1) * hop_size + n_fft]``, to log-mel."""
        frames = (audio.shape[1] - self.n_fft) // self.hop_size + 1
        block, size = self.contract.block_frames, self.contract.block_samples
        mels = []
        for first in range(0, frames, block):
            piece = audio[:, first * self.hop_size :][:, :size]
            piece = np.pad(piece, [[0, 0], [0, size - piece.shape[1]]])
            mels.append(self.call(self.contract.analyze, audio=piece)["mel"][:, : frames - first])
        return np.concatenate(mels, axis=1)
