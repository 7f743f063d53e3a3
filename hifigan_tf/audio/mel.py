"""The log-mel front end: one definition for data, loss, analysis and evaluation.

The original's numbers: reflection by (n_fft - hop_size) / 2 at either end and no centring, a periodic Hann
window, magnitude sqrt(re² + im² + 1e-9), Slaney's mel filters (librosa's default; Keras and ``tf.signal``
have HTK's), natural logarithm of at least 1e-5.

         (n_fft - hop) / 2                            (n_fft - hop) / 2
        |<- mirrored ->|<---------- audio ----------->|<- mirrored ->|
        [----------- n_fft -----------]  frame 0 is centred on the middle of hop 0,
                  [----------- n_fft -----------]  so T * hop samples give exactly T frames
"""

from functools import lru_cache

import keras
import numpy as np

from hifigan_tf.audio.mel_stream import MelStream
from hifigan_tf.config import LOG_FLOOR, AudioConfig

MAGNITUDE_FLOOR = 1e-9
MOST_FRAMES = 4096  # analysed at once


@lru_cache(maxsize=8)
def dft_basis(n_fft: int, win_size: int) -> np.ndarray:
    """Real and imaginary parts of the windowed DFT as one matrix, ``[n_fft, 2 * (n_fft // 2 + 1)]``.

    A product with it costs a GAN step nothing that could be measured, needs no complex numbers, and runs
    wherever a matrix product does, TFLite included.
    """
    # Periodic Hann of win_size samples, centred in n_fft as torch.stft and librosa.stft do.
    window = np.zeros(n_fft)
    left = (n_fft - win_size) // 2
    window[left : left + win_size] = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(win_size) / win_size)
    # The angle modulo n_fft first: exact integers, no loss in the cosine of large arguments.
    turns = np.outer(np.arange(n_fft), np.arange(n_fft // 2 + 1)) % n_fft
    angle = 2 * np.pi * turns / n_fft
    basis = np.concatenate([np.cos(angle), -np.sin(angle)], axis=1) * window[:, None]
    return basis.astype(np.float32)


@lru_cache(maxsize=8)
def mel_basis(sampling_rate: int, n_fft: int, num_mels: int, fmin: float, fmax: float | None) -> np.ndarray:
    """Slaney's mel filters with Slaney's normalisation, ``[n_fft // 2 + 1, num_mels]``."""
    import librosa

    filters = librosa.filters.mel(sr=sampling_rate, n_fft=n_fft, n_mels=num_mels, fmin=fmin, fmax=fmax)
    return np.ascontiguousarray(filters.T, dtype=np.float32)


@keras.saving.register_keras_serializable("hifigan_tf")
class MelSpectrogram(keras.layers.Layer):
    """Audio ``[batch, samples]`` to log-mel ``[batch, samples // hop_size, num_mels]``, natural logarithm.

    Differentiable and without weights. Rates and frequencies in Hz, sizes in samples; ``fmax`` None is half
    the sampling rate. Audio must be longer than (n_fft - hop_size) / 2 samples. ``MelSpectrogram.of`` makes
    one from a config.
    """

    def __init__(self, sampling_rate, num_mels, n_fft, hop_size, win_size, fmin, fmax, **kwargs):
        kwargs.setdefault("dtype", "float32")  # a log of small numbers: never in half precision
        super().__init__(trainable=False, **kwargs)
        self.sampling_rate = sampling_rate
        self.num_mels = num_mels
        self.n_fft = n_fft
        self.hop_size = hop_size
        self.win_size = win_size
        self.fmin = fmin
        self.fmax = fmax
        self.built = True

    @classmethod
    def of(cls, audio: AudioConfig, for_loss: bool = False) -> "MelSpectrogram":
        """The front end of a config: that of the model's input, or that of the loss and the evaluation."""
        return cls(
            sampling_rate=audio.sampling_rate,
            num_mels=audio.num_mels,
            n_fft=audio.n_fft,
            hop_size=audio.hop_size,
            win_size=audio.win_size,
            fmin=audio.fmin,
            fmax=audio.fmax_for_loss if for_loss else audio.fmax,
        )

    @property
    def min_samples(self) -> int:
        """The shortest audio that the mirroring at the ends allows."""
        return max(self.hop_size, (self.n_fft - self.hop_size) // 2 + 1)

    def call(self, audio):
        padding = (self.n_fft - self.hop_size) // 2
        return self.analyze(keras.ops.pad(audio, [[0, 0], [padding, padding]], mode="reflect"))

    def analyze(self, audio):
        """Audio whose ends are mirrored already: ``[batch, (frames - 1) * hop_size + n_fft]``."""
        ops = keras.ops
        frames = ops.extract_sequences(audio, self.n_fft, self.hop_size)
        spectrum = ops.matmul(frames, dft_basis(self.n_fft, self.win_size))
        real, imaginary = ops.split(spectrum, 2, axis=-1)
        magnitude = ops.sqrt(ops.square(real) + ops.square(imaginary) + MAGNITUDE_FLOOR)
        basis = mel_basis(self.sampling_rate, self.n_fft, self.num_mels, self.fmin, self.fmax)
        return ops.log(ops.maximum(ops.matmul(magnitude, basis), LOG_FLOOR))

    def compute_output_shape(self, input_shape):
        samples = input_shape[1]
        return (input_shape[0], None if samples is None else samples // self.hop_size, self.num_mels)

    def get_config(self):
        return {
            **super().get_config(),
            "sampling_rate": self.sampling_rate,
            "num_mels": self.num_mels,
            "n_fft": self.n_fft,
            "hop_size": self.hop_size,
            "win_size": self.win_size,
            "fmin": self.fmin,
            "fmax": self.fmax,
        }


def mel_spectrogram(audio: np.ndarray, front_end: MelSpectrogram) -> np.ndarray:
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
    padding = max(frames * hop, front_end.min_samples) - len(audio)
    mel = front_end(np.pad(audio, (0, padding))[None].astype(np.float32))
    return keras.ops.convert_to_numpy(mel)[0, :frames]
