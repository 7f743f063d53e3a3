"""The log-mel front end as a Keras layer, for data, loss and export; ``mel_numpy.py`` is the same in NumPy."""

from functools import lru_cache

import keras
import numpy as np

from hifigan_tf.audio.mel_numpy import MelSettings, hann_window, mel_basis
from hifigan_tf.audio.mel_scale import LN10, is_normalized, mean_and_scale
from hifigan_tf.audio.mel_stream import mel_spectrogram
from hifigan_tf.config import LOG_FLOOR

__all__ = ["MelSpectrogram", "mel_spectrogram"]


@lru_cache(maxsize=8)
def dft_basis(n_fft: int, win_size: int, symmetric_window: bool) -> np.ndarray:
    """Real and imaginary parts of the windowed DFT as one matrix, ``[n_fft, 2 * (n_fft // 2 + 1)]``.

    A product with it costs a GAN step nothing that could be measured, needs no complex numbers, and runs
    wherever a matrix product does, TFLite included.
    """
    # The angle modulo n_fft first: exact integers, no loss in the cosine of large arguments.
    turns = np.outer(np.arange(n_fft), np.arange(n_fft // 2 + 1)) % n_fft
    angle = 2 * np.pi * turns / n_fft
    window = hann_window(n_fft, win_size, symmetric_window)
    return (np.concatenate([np.cos(angle), -np.sin(angle)], axis=1) * window[:, None]).astype(np.float32)


@keras.saving.register_keras_serializable("hifigan_tf")
class MelSpectrogram(MelSettings, keras.layers.Layer):
    """Audio ``[batch, samples]`` to log-mel ``[batch, samples // hop_size, num_mels]``.

    Differentiable and without weights. The arguments are those of ``AudioConfig``, which explains them; those from
    ``mel_log`` on are the paper's by default. Audio must have at least ``min_samples``. ``MelSpectrogram.of`` makes
    one from a config.
    """

    def __init__(
        self,
        sampling_rate,
        num_mels,
        n_fft,
        hop_size,
        win_size,
        fmin,
        fmax,
        mel_log="natural",
        mel_floor=LOG_FLOOR,
        mel_centred=False,
        mel_symmetric_window=False,
        mel_mean=0.0,
        mel_scale=1.0,
        **kwargs,
    ):
        kwargs.setdefault("dtype", "float32")  # a log of small numbers: never in half precision
        super().__init__(**{**kwargs, "trainable": False})
        self.sampling_rate = sampling_rate
        self.num_mels = num_mels
        self.n_fft = n_fft
        self.hop_size = hop_size
        self.win_size = win_size
        self.fmin = fmin
        self.fmax = fmax
        self.mel_log = mel_log
        self.mel_floor = mel_floor
        self.mel_centred = mel_centred
        self.mel_symmetric_window = mel_symmetric_window
        self.mel_mean = mel_mean
        self.mel_scale = mel_scale
        self.built = True

    def call(self, audio):
        return self.analyze(keras.ops.pad(audio, [[0, 0], self.mirrored_samples], mode="reflect"))

    def analyze(self, audio):
        """Audio whose ends are mirrored already: ``[batch, (frames - 1) * hop_size + n_fft]``."""
        ops = keras.ops
        frames = ops.extract_sequences(audio, self.n_fft, self.hop_size)
        spectrum = ops.matmul(frames, dft_basis(self.n_fft, self.win_size, self.mel_symmetric_window))
        real, imaginary = ops.split(spectrum, 2, axis=-1)
        magnitude = ops.sqrt(ops.square(real) + ops.square(imaginary) + self.power_floor)
        basis = mel_basis(self.sampling_rate, self.n_fft, self.num_mels, self.fmin, self.fmax)
        mel = ops.log(ops.maximum(ops.matmul(magnitude, basis), self.mel_floor))
        if self.mel_log == "log10":
            mel = mel / LN10
        if is_normalized(self):
            mean, scale = mean_and_scale(self)
            mel = (mel - mean.astype(np.float32)) / scale.astype(np.float32)
        return mel

    def compute_output_shape(self, input_shape):
        samples = input_shape[1]
        return (input_shape[0], None if samples is None else samples // self.hop_size, self.num_mels)

    def get_config(self):
        return {**super().get_config(), **{key: getattr(self, key) for key in MelSettings.__annotations__}}
