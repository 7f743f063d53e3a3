"""Whether frames can be speech in a model's mel, and if not, what they look like.

An array on another scale becomes noise, so mels are looked at before they are heard. A mel is converted to natural
logarithms of magnitudes as if it were the model's own, and then judged by what is known of speech on that scale. The
limits follow from the definition of each scale where possible, and otherwise from 46 clips of real and synthetic
speech: at peaks from 0 to -40 dBFS, clipped, in noise, and smoothed as by an acoustic model. If in doubt, a mel is
taken for the model's own.
"""

from functools import lru_cache
from typing import NamedTuple

import numpy as np

from hifigan_tf.audio.mel_numpy import mel_edges
from hifigan_tf.audio.mel_scale import LN10, is_normalized, silent_frame, to_natural_log
from hifigan_tf.config import LOG_MIN, AudioConfig

# From each scale to natural logarithms. Decibels are those of magnitudes, 20 * log10.
TO_NATURAL = {
    "log": lambda mel: mel,
    "log10": lambda mel: mel * LN10,
    "db": lambda mel: mel * (LN10 / 20),
    "linear": lambda mel: np.log(np.maximum(mel, np.finfo(np.float32).tiny)),
}
OWN = "model"  # the model's own mel, which has a mean or a scale that no other name tells
LOOKS_LIKE = {
    "log": "look like natural logarithms",
    "log10": "look like base-10 logarithms",
    "db": "look like decibels",
    "linear": "look like magnitudes without a logarithm",
    "power": "look like logarithms of powers",
    "normalized": "look normalised",
    "loud": "are louder than audio can be",
    "unknown": "are on no scale known here",
}
# A sine of full scale gives 2.6 and silence the floor; the rest is a margin for acoustic models that overshoot.
BELOW_FLOOR, NATURAL_MAX = 2.0, 4.0
# Audio from -1 to 1 has a level of at most 1, a square wave's. Frames of speech with a peak of 1 reach 0.7.
LEVEL_MAX = 1.5
# Silence is at -100 dB (-80 with librosa's top_db), and even a loud vowel has bands below -40.
DECIBEL_BELOW, DECIBEL_MAX = -30.0, 40.0
LOG10_MAX = 1.2  # a sine of full scale in base 10
# By number of frames, a minimum above which there is no speech: speech 10 dB above white noise has -5.0. The largest
# minimum of any 8, 16 and 64 frames of clean speech at 0 dBFS is -5.9, -6.5 and -7.9.
NARROW_ABOVE = {8: -2.0, 16: -3.0, 64: -4.1}
MEDIAN_MAX = -1.8  # of 64 frames; speech 10 dB above white noise has -3.1
# The lowest value occurs more than once in many frames of a mel with a floor, and hardly in others.
FLOOR_FRAMES, FLOOR_COUNT = 4, 8
# Magnitudes of speech span decades, so their median lies far below the largest.
LINEAR_MEDIAN = 0.2
# Texture: between overlapping frames, and between neighbouring bands, of a noise-like sound the differences do not
# depend on its level, only on the logarithm's base. Medians over whole clips, natural logarithms, base 10, and natural
# logarithms of powers: second difference over time 0.26 to 0.61, 0.14 to 0.21, 0.30 to 0.90; difference of neighbouring
# bands 0.34 to 0.51, 0.16 to 0.22, 0.69 to 1.16. Smoothing lowers the first, but hardly the second. Base 10 spans
# at most 3.4 from the 5th to the 95th percentile, smoothed natural logarithms of clean speech 4.8 and more.
LOG10_ROUGHNESS, LOG10_CONTRAST, LOG10_SPREAD, LOG10_EARLY_MIN = 0.24, 0.25, 3.6, -5.5
POWER_CONTRAST, POWER_ROUGHNESS, POWER_CONTRAST_ALONE, POWER_CONTRAST_MAX = 0.56, 0.55, 0.68, 1.6
# They hold for 40 to 128 bands, and hops of a half to an eighth of the window; wider bands differ more.
TEXTURE_BANDS, TEXTURE_OVERLAP = 40, 8
EARLY_FRAMES = 16
# Fewer frames (0.74 s at the paper's hop) may be one loud vowel or pause, whose range and texture are not conclusive.
SURE_FRAMES = 64


def own_scale(audio: AudioConfig) -> str:
    """The name of the model's own scale: ``log``, ``log10`` or, with a mean and a scale, ``OWN``."""
    return OWN if is_normalized(audio) else {"natural": "log", "log10": "log10"}[audio.mel_log]


def recognize(mel: np.ndarray, audio: AudioConfig) -> str:
    """The scale of a mel ``[frames, num_mels]`` for a model: ``own_scale``, or a key of ``LOOKS_LIKE``."""
    own, low, high = own_scale(audio), float(mel.min()), float(mel.max())
    base_10_floor = own != "log10" and _has_floor_of_base_10(mel, audio)
    fault = "base 10" if base_10_floor else _fault(to_natural_log(mel, audio), audio, np.log(audio.mel_floor))
    if fault is None and low >= 0 and (len(mel) >= 8 or own != OWN):
        fault = "normalized"  # or magnitudes: no logarithm of speech is as loud in every band
    if fault is None and own == OWN and _is_not_normalized(mel, audio):
        fault = "unknown"
    if fault is None:
        return own
    if low >= 0:
        return "linear" if np.median(mel) <= LINEAR_MEDIAN * high else "normalized"
    if low < DECIBEL_BELOW:
        return "db" if high <= DECIBEL_MAX else "unknown"
    if base_10_floor or (fault == "base 10" and own == "log"):
        return "log10"
    for scale in ("log10", "log"):
        sure = len(mel) >= EARLY_FRAMES or (scale == "log" and low < -6)
        if scale != own and sure and _fault(TO_NATURAL[scale](mel), audio, 2 * LOG_MIN) is None:
            return scale
    return fault if fault in LOOKS_LIKE else "normalized"


def levels(natural: np.ndarray, audio: AudioConfig) -> np.ndarray:
    """The level ``[frames]`` of audio with these logarithms, 1 for a square wave of full scale, from their bands."""
    power = np.exp(2 * np.minimum(natural, 20.0)) @ _band_power(
        audio.sampling_rate, audio.num_mels, audio.n_fft, audio.win_size, audio.fmin, audio.fmax
    )
    return np.sqrt(power)


class Texture(NamedTuple):
    """Medians over values above the floor: of second differences over time, of differences between bands; and the span
    from the 5th to the 95th percentile."""

    roughness: float
    contrast: float
    spread: float


def texture(natural: np.ndarray) -> Texture | None:
    """The texture of a mel ``[frames, num_mels]``, or None where too little of it lies above its floor."""
    free = natural > natural.min() + 1e-4
    bends, steps = np.abs(np.diff(natural, 2, axis=0)), np.abs(np.diff(natural, axis=1))
    bends, steps = bends[free[2:] & free[1:-1] & free[:-2]], steps[free[:, 1:] & free[:, :-1]]
    if min(bends.size, steps.size) < natural.shape[1] * EARLY_FRAMES // 2:
        return None
    low, high = np.percentile(natural[free], [5, 95])
    return Texture(float(np.median(bends)), float(np.median(steps)), float(high - low))


def _fault(natural: np.ndarray, audio: AudioConfig, floor: float) -> str | None:
    """Why natural logarithms ``[frames, num_mels]`` are no speech: a key of ``LOOKS_LIKE`` or ``base 10``; or None."""
    frames, low, high = len(natural), float(natural.min()), float(natural.max())
    if low < floor - BELOW_FLOOR:
        return "unknown"
    narrow = frames >= FLOOR_FRAMES and low > NARROW_ABOVE[64] and np.count_nonzero(natural == low) >= FLOOR_COUNT
    if narrow or any(frames >= least and low > limit for least, limit in NARROW_ABOVE.items()):
        return "normalized"
    if high > NATURAL_MAX:
        return "unknown"
    if levels(natural, audio).max() > LEVEL_MAX:
        return "loud"
    if frames >= SURE_FRAMES and np.median(natural) > MEDIAN_MAX:
        return "normalized"
    textured = audio.num_mels >= TEXTURE_BANDS and audio.win_size <= TEXTURE_OVERLAP * audio.hop_size
    found = texture(natural) if textured and frames >= EARLY_FRAMES else None
    if found is None:
        return None
    early = low > LOG10_EARLY_MIN and high <= LOG10_MAX
    if (frames >= SURE_FRAMES or early) and (
        found.roughness < LOG10_ROUGHNESS and found.contrast < LOG10_CONTRAST and found.spread < LOG10_SPREAD
    ):
        return "base 10"
    least = POWER_CONTRAST if found.roughness > POWER_ROUGHNESS else POWER_CONTRAST_ALONE
    return "power" if frames >= SURE_FRAMES and least < found.contrast < POWER_CONTRAST_MAX else None


def _has_floor_of_base_10(mel: np.ndarray, audio: AudioConfig) -> bool:
    """Whether the minimum is a whole power of ten, and occurs more than once: a floor, not chance nor the model's."""
    low = float(mel.min())
    whole = -10 <= round(low) <= -5 and abs(low - round(low)) < 1e-4
    if np.abs(silent_frame(audio) - low).min() < 1e-4:
        return False
    return whole and float(mel.max()) <= LOG10_MAX and np.count_nonzero(mel == mel.min()) > 1


def _is_not_normalized(mel: np.ndarray, audio: AudioConfig) -> bool:
    """Whether bands differ as they do before a mean for each is taken off, and far less after taking it off."""
    if len(mel) < SURE_FRAMES or not isinstance(audio.mel_mean, tuple):
        return False
    bands, mean = mel.mean(axis=0), np.array(audio.mel_mean)
    return bool(np.var(bands - mean) < 0.5 * np.var(bands) and bands.mean() < -1)


@lru_cache(maxsize=8)
def _band_power(
    sampling_rate: int, num_mels: int, n_fft: int, win_size: int, fmin: float, fmax: float | None
) -> np.ndarray:
    """What a squared magnitude of each band, ``[num_mels]``, adds to the squared level."""
    # A magnitude of a bin is that of its band, which is one over Hz, times the bins' distance; a band stands for half
    # its width; Parseval's sum over a Hann window has 3/8 of win_size * n_fft.
    edges = mel_edges(sampling_rate, num_mels, fmin, fmax)
    return (edges[2:] - edges[:-2]) * sampling_rate / (0.375 * win_size * n_fft**2)
