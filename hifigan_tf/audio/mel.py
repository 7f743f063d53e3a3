"""The log-mel front end as a Keras layer, for data, loss and export; ``mel_numpy.py`` is the same in NumPy."""

from functools import lru_cache

import keras
import numpy as np

from hifigan_tf.audio.mel_numpy import MAGNITUDE_FLOOR, MelSettings, hann_window, mel_basis
from hifigan_tf.audio.mel_stream import mel_spectrogram
from hifigan_tf.config import LOG_FLOOR

__all__ = ["MelSpectrogram", "mel_spectrogram"]


@lru_cache(maxsize=8)
def dft_basis(n_fft: int, win_size: int) -> np.ndarray:
    """Real and imaginary parts of the windowed DFT as one matrix, ``[n_fft, 2 * (n_fft // 2 + 1)]``.

    A product with it costs a GAN step nothing that could be measured, needs no complex numbers, and runs
    wherever a matrix product does, TFLite included.
    """
    # The angle modulo n_fft first: exact integers, no loss in the cosine of large arguments.
    turns = np.outer(np.arange(n_fft), np.arange(n_fft // 2 + 1)) % n_fft
    angle = 2 * np.pi * turns / n_fft
    basis = np.concatenate([np.cos(angle), -np.sin(angle)], axis=1) * hann_window(n_fft, win_size)[:, None]
    return basis.astype(np.float32)


@keras.saving.register_keras_serializable("hifigan_tf")
class MelSpectrogram(MelSettings, keras.layers.Layer):
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
