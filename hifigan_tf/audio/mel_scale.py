"""Between the natural logarithm of mel magnitudes and the mel that a model takes; and silence in a model's mel.

A model's mel is ``(logarithm - mel_mean) / mel_scale``, with the base and the floor of its ``AudioConfig``. For the
paper's mel both directions return what they are given.
"""

from typing import Protocol

import numpy as np

from hifigan_tf.config import AudioConfig

LN10 = float(np.log(10))


class MelScale(Protocol):
    """The scale of a mel: an ``AudioConfig`` or a front end."""

    @property
    def mel_log(self) -> str: ...
    @property
    def mel_floor(self) -> float: ...
    @property
    def mel_mean(self) -> float | tuple[float, ...]: ...
    @property
    def mel_scale(self) -> float | tuple[float, ...]: ...


def mean_and_scale(scale: MelScale) -> tuple[np.ndarray, np.ndarray]:
    """``mel_mean`` and ``mel_scale``, each float64 ``[1]`` or ``[num_mels]``."""
    return np.array(scale.mel_mean, np.float64, ndmin=1), np.array(scale.mel_scale, np.float64, ndmin=1)


def is_normalized(scale: MelScale) -> bool:
    """Whether the mel has a mean or a scale of its own, and so is no plain logarithm."""
    mean, deviation = mean_and_scale(scale)
    return bool(np.any(mean != 0) or np.any(deviation != 1))


def to_model_mel(natural: np.ndarray, scale: MelScale) -> np.ndarray:
    """Natural logarithms ``[..., num_mels]`` as the model's mel, float32; magnitudes below its floor are raised."""
    mel = np.maximum(natural, np.log(scale.mel_floor))
    if scale.mel_log == "log10":
        mel = mel / LN10
    if is_normalized(scale):
        mean, deviation = mean_and_scale(scale)
        mel = (mel - mean) / deviation
    return mel.astype(np.float32)


def to_natural_log(mel: np.ndarray, scale: MelScale) -> np.ndarray:
    """A model's mel ``[..., num_mels]`` as natural logarithms, float32."""
    if is_normalized(scale):
        mean, deviation = mean_and_scale(scale)
        mel = mel * deviation + mean
    return (mel * LN10 if scale.mel_log == "log10" else mel).astype(np.float32)


def silent_frame(audio: AudioConfig) -> np.ndarray:
    """A frame of digital silence in a model's mel, float32 ``[num_mels]``: the floor of every band."""
    return to_model_mel(np.full(audio.num_mels, np.log(audio.mel_floor)), audio)


def pad_with_silence(mel: np.ndarray, frames: int, audio: AudioConfig) -> np.ndarray:
    """A model's mel, with silence at its end up to this many frames."""
    return np.concatenate([mel, np.tile(silent_frame(audio), [max(0, frames - len(mel)), 1])])
