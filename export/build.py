"""A generator as a finished ``.tflite``: graph, precision, contract."""

import dataclasses
import hashlib
from importlib import metadata

import numpy as np

from export.convert import (
    EDGE,
    INITIAL,
    WINDOW,
    WINDOW_EDGE,
    stateful_signatures,
    stateless_signatures,
    stream_name,
    to_tflite,
)
from export.equalize import equalize
from export.graph import Deployment
from export.network import fold
from export.quantize import dynamic_int8, float_layers
from hifigan_tf import __version__
from hifigan_tf.audio import find_audio, normalize, read_audio, resample
from hifigan_tf.contract import Contract, pack
from hifigan_tf.errors import UserError
from hifigan_tf.generator import Generator
from hifigan_tf.mel import LOG_FLOOR, MelSpectrogram, mel_spectrogram
from hifigan_tf.shipped import DEMO_TRAIN
from hifigan_tf.windows import margin_frames

MODES = ("float32", "float16", "int8")
CALIBRATION_CLIPS = 6  # seconds would do: the order of channels by loudness hardly depends on the voice
PACKAGES = ("tensorflow", "keras", "ai-edge-litert", "ai-edge-quantizer")


def build(
    generator: Generator, mode: str, chunk_frames: tuple[int, ...], stateless_frames: int | None = None
) -> tuple[bytes, Contract]:
    """The model of a mode, its contract packed inside; and the contract, without quality and speed as yet.

    Stateful with the given chunks, or stateless with windows of ``stateless_frames``. Raises ``UserError``
    when such a window is shorter than what it must cut off.
    """
    network = fold(generator)
    if mode == "int8":
        equalize(network, calibration_mels(generator))
    deployment = Deployment(network)
    if stateless_frames is None:
        signatures = stateful_signatures(deployment, chunk_frames)
    else:
        margin = margin_frames(generator.hyper_parameters)
        if stateless_frames <= 2 * margin:
            raise UserError(
                f"--frames {stateless_frames} is too few: {margin} at either end of a window are cut off for this "
                f"model, so it must be more than {2 * margin}"
            )
        signatures = stateless_signatures(deployment, stateless_frames)
    model = to_tflite(deployment, signatures, half=mode == "float16")
    if mode == "int8":
        model = dynamic_int8(model, float_layers(network))
    contract = make_contract(generator, deployment, mode, model, chunk_frames, stateless_frames)
    return pack(model, contract), contract


def calibration_mels(generator: Generator) -> list[np.ndarray]:
    """Log-mels ``[frames, num_mels]`` of a few clips that ship with the package, for how loud channels are."""
    front_end = MelSpectrogram.of(generator.audio)
    clips = [resample(*read_audio(path), generator.audio.sampling_rate) for path in find_audio(DEMO_TRAIN)]
    return [mel_spectrogram(normalize(clip), front_end) for clip in clips[:CALIBRATION_CLIPS]]


def make_contract(generator, deployment, mode, model: bytes, chunk_frames, stateless_frames) -> Contract:
    """What ``Contract`` says of a model that ``build`` made."""
    outline = deployment.outline
    if stateless_frames is None:
        kind = {
            "stateful": True,
            "chunk_frames": tuple(sorted(chunk_frames)),
            "delay_samples": outline.delay,
            "delay_ms": round(1000 * outline.delay / generator.audio.sampling_rate, 2),
            "edge_frames": outline.mask_frames,
            "states": {name: list(shape) for name, shape in outline.states.items()},
            "initial_state": INITIAL,
            "stream": {str(frames): stream_name(frames) for frames in sorted(chunk_frames)},
            "edge": EDGE,
        }
    else:
        kind = {
            "stateful": False,
            "window": WINDOW,
            "window_edge": WINDOW_EDGE,
            "window_frames": stateless_frames,
            "margin_frames": margin_frames(generator.hyper_parameters),
        }
    return Contract(
        mode=mode,
        float_layers=float_layers(deployment.network) if mode == "int8" else (),
        audio=dataclasses.asdict(generator.audio),
        fingerprint=hashlib.sha256(model).hexdigest(),
        log_floor=LOG_FLOOR,
        versions={"hifigan_tf": __version__, **{name: metadata.version(name) for name in PACKAGES}},
        **kind,
    )
