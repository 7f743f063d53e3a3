"""The log-mel front end in NumPy, and the numbers that it shares with its Keras twin ``mel.py``.

The original's numbers: reflection by (n_fft - hop_size) / 2 at either end and no centring, a periodic Hann
window, magnitude sqrt(re² + im² + 1e-9), Slaney's mel filters (librosa's default; Keras and ``tf.signal``
have HTK's), natural logarithm of at least 1e-5.

         (n_fft - hop) / 2                            (n_fft - hop) / 2
        |<- mirrored ->|<---------- audio ----------->|<- mirrored ->|
        [----------- n_fft -----------]  frame 0 is centred on the middle of hop 0,
                  [----------- n_fft -----------]  so T * hop samples give exactly T frames

With ``mel_centred``, as librosa and most libraries do, frame t is centred on the first sample of hop t instead:

             n_fft / 2                                  n_fft / 2 - hop
        |<--- mirrored --->|<---------- audio ----------->|<-mirrored->|
        [------------- n_fft -------------]  T * hop samples give T frames here too.

N samples give ceil(N / hop) frames either way, because a vocoder makes a hop of each. The paper's last hop is filled
with silence before the end is mirrored; a centred mel is mirrored at its last sample. So the latter has librosa's
frames, without the last of its floor(N / hop) + 1 where hop divides N: that is centred on what comes after the end.
"""

import dataclasses
import logging
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np

from hifigan_tf.audio.mel_scale import to_model_mel
from hifigan_tf.config import LOG_FLOOR, AudioConfig, mirrored_samples

log = logging.getLogger(__name__)

# Added to the power of every bin, so that its root has a gradient in silence.
POWER_FLOOR = 1e-9
BLOCK = 512  # frames transformed at once: 8 MB of complex numbers at n_fft 1024

# Slaney's mel scale (Auditory Toolbox, 1998): a band is 200 / 3 Hz wide up to 1 kHz, a 27th of ln 6.4 above.
HZ_PER_MEL = 200 / 3
LOG_FROM_HZ = 1000.0
LOG_FROM_MEL = LOG_FROM_HZ / HZ_PER_MEL
LOG_STEP = np.log(6.4) / 27


@lru_cache(maxsize=8)
def hann_window(n_fft: int, win_size: int, symmetric: bool = False) -> np.ndarray:
    """A Hann window of ``win_size`` samples, centred in ``n_fft`` as torch.stft and librosa.stft do."""
    window = np.zeros(n_fft)
    left = (n_fft - win_size) // 2
    window[left : left + win_size] = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(win_size) / (win_size - symmetric))
    return window


def mel_edges(sampling_rate: int, num_mels: int, fmin: float, fmax: float | None) -> np.ndarray:
    """Where the triangles of the mel filters begin, peak and end, ``[num_mels + 2]`` in Hz.

    Filter m begins at edge m, peaks at edge m + 1 and ends at edge m + 2. ``fmax`` None is half the sampling rate.
    """
    low, high = _to_mel(fmin), _to_mel(sampling_rate / 2 if fmax is None else fmax)
    mels = np.linspace(low, high, num_mels + 2)
    above = LOG_FROM_HZ * np.exp(LOG_STEP * np.maximum(mels - LOG_FROM_MEL, 0))
    return np.where(mels < LOG_FROM_MEL, HZ_PER_MEL * mels, above)


def _to_mel(hertz: float) -> float:
    if hertz < LOG_FROM_HZ:
        return hertz / HZ_PER_MEL
    return LOG_FROM_MEL + np.log(hertz / LOG_FROM_HZ) / LOG_STEP


@lru_cache(maxsize=8)
def mel_basis(sampling_rate: int, n_fft: int, num_mels: int, fmin: float, fmax: float | None) -> np.ndarray:
    """Slaney's mel filters, each of area 1 over Hz, ``[n_fft // 2 + 1, num_mels]`` float32."""
    edges = mel_edges(sampling_rate, num_mels, fmin, fmax)
    bins = np.arange(n_fft // 2 + 1)[:, None] * (sampling_rate / n_fft)
    begin, peak, end = edges[:-2], edges[1:-1], edges[2:]
    triangles = np.minimum((bins - begin) / (peak - begin), (end - bins) / (end - peak))
    return (np.maximum(triangles, 0) * (2 / (end - begin))).astype(np.float32)


def warn_of_empty_bands(audio: AudioConfig) -> None:
    """Warns where mel bands are so narrow that no bin of the FFT lies in them: they always stay at the floor."""
    for fmax in dict.fromkeys((audio.fmax, audio.fmax_for_loss)):
        basis = mel_basis(audio.sampling_rate, audio.n_fft, audio.num_mels, audio.fmin, fmax)
        if empty := int(np.count_nonzero(~basis.any(axis=0))):
            log.warning(
                "warning: %d of %d mel bands up to %g Hz hold no bin of n_fft %d at %d Hz and stay at the floor: set a "
                "larger n_fft or fewer num_mels",
                *(empty, audio.num_mels, fmax or audio.sampling_rate / 2, audio.n_fft, audio.sampling_rate),
            )


class MelSettings:
    """What both twins take from a config, and how short their audio may be."""

    sampling_rate: int
    num_mels: int
    n_fft: int
    hop_size: int
    win_size: int
    fmin: float
    fmax: float | None
    mel_log: str
    mel_floor: float
    mel_centred: bool
    mel_symmetric_window: bool
    mel_mean: float | tuple[float, ...]
    mel_scale: float | tuple[float, ...]

    @classmethod
    def of(cls, audio: AudioConfig, for_loss: bool = False):
        """The front end of a config: that of the model's input, or that of the loss and the evaluation.

        The latter has the model's bands, up to ``fmax_for_loss``, and its centring, but always the paper's logarithm
        and floor: so the weight of the loss means the same for every model, errors of different models compare, and
        magnitudes that nobody hears, down to a floor of 1e-10, do not outweigh speech.
        """
        if for_loss:
            audio = dataclasses.replace(
                audio, fmax=audio.fmax_for_loss, mel_log="natural", mel_floor=LOG_FLOOR, mel_mean=0.0, mel_scale=1.0
            )
        front_end: Any = cls
        return front_end(**{key: getattr(audio, key) for key in MelSettings.__annotations__})

    @property
    def power_floor(self) -> float:
        """``POWER_FLOOR``, and less for mels of a lower floor, which it would hide."""
        return POWER_FLOOR * min(1.0, self.mel_floor / LOG_FLOOR) ** 2

    @property
    def mirrored_samples(self) -> tuple[int, int]:
        """How many samples are mirrored before the first and after the last."""
        return mirrored_samples(self.n_fft, self.hop_size, self.mel_centred)

    @property
    def min_samples(self) -> int:
        """The shortest audio that the mirroring at the ends allows."""
        return max(self.hop_size, max(self.mirrored_samples) + 1)

    def analyze(self, audio):
        """The log-mel of audio whose ends are mirrored already; every twin has its own."""
        raise NotImplementedError


@dataclass(frozen=True, kw_only=True)
class NumpyMelSpectrogram(MelSettings):
    """The log-mel of ``MelSpectrogram`` without TensorFlow and Keras, for ``mel_spectrogram`` and ``MelStream``.

    The fields are those of ``AudioConfig``, which explains them. Computed in float64 by
    FFT; the Keras layer adds up in float32, and differs by up to 3e-4 where a band lies just above the floor.
    ``NumpyMelSpectrogram.of`` makes one from a config.
    """

    sampling_rate: int
    num_mels: int
    n_fft: int
    hop_size: int
    win_size: int
    fmin: float
    fmax: float | None
    mel_log: str = "natural"
    mel_floor: float = LOG_FLOOR
    mel_centred: bool = False
    mel_symmetric_window: bool = False
    mel_mean: float | tuple[float, ...] = 0.0
    mel_scale: float | tuple[float, ...] = 1.0

    def analyze(self, audio: np.ndarray) -> np.ndarray:
        """Audio whose ends are mirrored already, ``[batch, (frames - 1) * hop_size + n_fft]``, to log-mel.

        Returns float32 ``[batch, frames, num_mels]``.
        """
        audio = np.asarray(audio, np.float64)
        frames = np.lib.stride_tricks.sliding_window_view(audio, self.n_fft, axis=-1)[:, :: self.hop_size]
        blocks = [self._log_mel(frames[:, start : start + BLOCK]) for start in range(0, frames.shape[1], BLOCK)]
        return np.concatenate(blocks, axis=1)

    def _log_mel(self, frames: np.ndarray) -> np.ndarray:
        spectrum = np.fft.rfft(frames * hann_window(self.n_fft, self.win_size, self.mel_symmetric_window))
        magnitude = np.sqrt(np.square(spectrum.real) + np.square(spectrum.imag) + self.power_floor)
        basis = mel_basis(self.sampling_rate, self.n_fft, self.num_mels, self.fmin, self.fmax)
        return to_model_mel(np.log(np.maximum(magnitude @ basis, self.mel_floor)), self)
