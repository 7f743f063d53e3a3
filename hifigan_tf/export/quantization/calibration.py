"""Calibration: mels of speech, and the loudness of a network's channels and tensors for them."""

import copy
import logging
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from hifigan_tf.audio.audio_files import find_audio, normalize, read_audio, resample
from hifigan_tf.audio.mel import MelSpectrogram, mel_spectrogram
from hifigan_tf.audio.mel_formats import RECOGNIZE, MelConversion, MelFormat, load_given_mel
from hifigan_tf.audio.mel_scale import pad_with_silence, to_natural_log
from hifigan_tf.config import LOG_MIN, AudioConfig
from hifigan_tf.evaluation.metrics import log_mel_l1
from hifigan_tf.export.graph import Deployment
from hifigan_tf.export.network import Network
from hifigan_tf.export.plan import Plan
from hifigan_tf.export.quality import load_clips
from hifigan_tf.export.quantization.equalize import equalize
from hifigan_tf.export.quantization.quantized_graphs import observed_ranges
from hifigan_tf.files import find_files
from hifigan_tf.models.generator import Generator
from hifigan_tf.resources import DEMO_TRAIN
from hifigan_tf.streaming import load_vocoder, vocode

log = logging.getLogger(__name__)

DEMO_CLIPS = 6  # enough, because the loudness of channels hardly depends on the voice
FAR_RATIO = 1.5  # times the error on evaluation clips: another voice has 1.1, another kind of sound 2 or more


@dataclass(frozen=True)
class Calibrated:
    """A network ready to be quantized, its calibration mels ``[frames, num_mels]``, and its static ranges.

    Float models have no mels; only ``--full-int8`` has ``ranges``, by the names of ``StaticWindow``.
    """

    network: Network
    mels: list[np.ndarray] = field(default_factory=list)
    ranges: dict[str, tuple[float, float]] = field(default_factory=dict)


def calibrate(plan: Plan, mels: list[np.ndarray] | None = None) -> Calibrated:
    """The plan's network with channels equalised for ``mels``, by default those of the demo corpus."""
    if not plan.is_quantized:
        return Calibrated(plan.network)
    mels = mels or demo_mels(plan.audio)
    network = copy.deepcopy(plan.network)
    equalize(network, mels)
    ranges = observed_ranges(Deployment(network), mels) if plan.mode == "full_int8" else {}
    return Calibrated(network, mels, ranges)


def demo_mels(audio: AudioConfig) -> list[np.ndarray]:
    """Log-mels ``[frames, num_mels]`` of a few clips that ship with the package."""
    front_end = MelSpectrogram.of(audio)
    paths = find_audio(DEMO_TRAIN)[:DEMO_CLIPS]
    clips = [resample(*read_audio(path), audio.sampling_rate) for path in paths]
    return [mel_spectrogram(normalize(clip), front_end) for clip in clips]


def load_mels(folder: Path, audio: AudioConfig, mel_format: MelFormat = RECOGNIZE) -> list[np.ndarray]:
    """The mels ``[frames, num_mels]`` of a calibration folder: from its recordings, and ``.npy`` files of a format.

    Raises ``UserError`` when it holds neither, or one of them cannot be used.
    """
    conversion = MelConversion(audio, mel_format)
    mels = [load_given_mel(path, conversion) for path in find_files(folder, (".npy",))]
    if not mels or find_audio(folder):
        front_end = MelSpectrogram.of(audio)
        mels += [mel_spectrogram(clip, front_end) for clip in load_clips(folder, audio, what="calibration").values()]
    return mels


def warn_if_far(generator: Generator, mels: list[np.ndarray], clips: dict[str, np.ndarray]) -> None:
    """Warns if the generator reproduces these mels much worse than those of evaluation ``clips`` ``[samples]``."""
    front_end = MelSpectrogram.of(generator.audio)
    theirs = round_trip_error(generator, mels)
    known = round_trip_error(generator, [mel_spectrogram(clip, front_end) for clip in clips.values()])
    if theirs > FAR_RATIO * known:
        log.warning(
            "the float model makes a log-mel L1 of %.3f on the calibration mels and %.3f on the evaluation clips: "
            "they are far from what it was trained on, and what it learns from them may not help",
            theirs,
            known,
        )


def round_trip_error(generator: Generator, mels: list[np.ndarray]) -> float:
    """The error of the float model on mels, log-mel L1; small when they resemble its training data."""
    front_end, vocoder = MelSpectrogram.of(generator.audio), load_vocoder(generator)

    def audible(mel: np.ndarray) -> np.ndarray:
        return np.maximum(to_natural_log(mel, generator.audio), LOG_MIN)

    vocoded = [mel_spectrogram(vocode(vocoder, mel, check_mel=False), front_end) for mel in mels]
    return float(np.mean([log_mel_l1(audible(mel), audible(other)) for mel, other in zip(mels, vocoded, strict=True)]))


def windows(mels: list[np.ndarray], frames: int, audio: AudioConfig) -> list[np.ndarray]:
    """The mels in pieces of ``frames``, the last of each padded with silence."""
    return [
        pad_with_silence(mel[start : start + frames], frames, audio)
        for mel in mels
        for start in range(0, len(mel), frames)
    ]
