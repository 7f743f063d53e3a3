"""A generator as a finished model: graph, precision, contract."""

import dataclasses
import hashlib
from importlib import metadata
from pathlib import Path

import numpy as np

from export.convert import (
    EDGE,
    INITIAL,
    WINDOW,
    WINDOW_EDGE,
    save_model,
    stateful_signatures,
    stateless_signatures,
    stream_name,
    to_tflite,
)
from export.equalize import equalize
from export.graph import Deployment
from export.network import Network, fold
from export.quantize import dynamic_int8, float_layers
from hifigan_tf import __version__
from hifigan_tf.audio import find_audio, normalize, read_audio, resample
from hifigan_tf.config import LOG_FLOOR
from hifigan_tf.contract import VocoderContract, pack
from hifigan_tf.errors import UserError
from hifigan_tf.generator import Generator
from hifigan_tf.mel import MelSpectrogram, mel_spectrogram
from hifigan_tf.shipped import DEMO_TRAIN
from hifigan_tf.windows import margin_frames

MODES = ("float32", "float16", "int8")
CALIBRATION_CLIPS = 6  # which channels are loud hardly depends on the voice
PACKAGES = ("tensorflow", "keras", "ai-edge-litert", "ai-edge-quantizer")


class Build:
    """A generator as a graph with signatures, to be written in a mode.

    Stateful with the given chunks, or stateless with windows of ``stateless_frames``. Raises ``UserError`` when
    such a window is not longer than what is cut off its ends.
    """

    def __init__(
        self, generator: Generator, mode: str, chunk_frames: tuple[int, ...], stateless_frames: int | None = None
    ):
        self.generator = generator
        self.mode = mode
        self.chunk_frames = tuple(sorted(set(chunk_frames)))
        self.stateless_frames = stateless_frames
        self.margin = margin_frames(generator.hyper_parameters)
        if stateless_frames is not None and stateless_frames <= 2 * self.margin:
            raise UserError(
                f"--frames {stateless_frames} is too few: this model's windows lose {self.margin} frames at either "
                f"end, so it takes more than {2 * self.margin}"
            )
        self.network = fold(generator)
        if mode == "int8":
            equalize(self.network, calibration_mels(generator))
        self.deployment = Deployment(self.network)
        if stateless_frames is None:
            self.signatures = stateful_signatures(self.deployment, self.chunk_frames)
        else:
            self.signatures = stateless_signatures(self.deployment, stateless_frames)

    def tflite(self) -> bytes:
        """The ``.tflite`` in this mode, with its contract."""
        model = to_tflite(self.deployment, self.signatures, half=self.mode == "float16")
        if self.mode == "int8":
            model = dynamic_int8(model, float_layers(self.network))
        return pack(model, self.contract())

    def saved_model(self, folder: Path) -> None:
        """Writes a SavedModel, always float32."""
        save_model(self.deployment, self.signatures, folder)

    def contract(self) -> VocoderContract:
        """What ``VocoderContract`` says, without quality and speed as yet."""
        outline, audio = self.deployment.outline, self.generator.audio
        if self.stateless_frames is None:
            kind = {
                "stateful": True,
                "chunk_frames": self.chunk_frames,
                "delay_samples": outline.delay,
                "delay_ms": round(1000 * outline.delay / audio.sampling_rate, 2),
                "edge_frames": outline.mask_frames,
                "states": {name: list(shape) for name, shape in outline.states.items()},
                "initial_state": INITIAL,
                "stream": {str(frames): stream_name(frames) for frames in self.chunk_frames},
                "edge": EDGE,
            }
        else:
            kind = {
                "stateful": False,
                "window": WINDOW,
                "window_edge": WINDOW_EDGE,
                "window_frames": self.stateless_frames,
                "margin_frames": self.margin,
            }
        return VocoderContract(
            mode=self.mode,
            float_layers=float_layers(self.network) if self.mode == "int8" else (),
            audio=dataclasses.asdict(audio),
            generator=dataclasses.asdict(self.generator.hyper_parameters),
            fingerprint=fingerprint(self.network, self.mode),
            log_floor=LOG_FLOOR,
            versions=versions(),
            **kind,
        )


def calibration_mels(generator: Generator) -> list[np.ndarray]:
    """Log-mels ``[frames, num_mels]`` of a few clips that ship with the package: how loud channels are."""
    front_end = MelSpectrogram.of(generator.audio)
    paths = find_audio(DEMO_TRAIN)[:CALIBRATION_CLIPS]
    clips = [resample(*read_audio(path), generator.audio.sampling_rate) for path in paths]
    return [mel_spectrogram(normalize(clip), front_end) for clip in clips]


def versions() -> dict[str, str]:
    """Of this project and the packages that make its models, for the contract."""
    return {"hifigan_tf": __version__, **{name: metadata.version(name) for name in PACKAGES}}


def fingerprint(network: Network, mode: str) -> str:
    """The same for models that can go on from each other's states, and for no others."""
    digest = hashlib.sha256(mode.encode())
    for conv in network.convs():
        digest.update(conv.kernel.tobytes())
        digest.update(conv.bias.tobytes())
    return digest.hexdigest()
