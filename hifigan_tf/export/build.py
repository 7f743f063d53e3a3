"""A generator as a finished model: graph, precision, contract."""

import dataclasses
import hashlib
from importlib import metadata
from pathlib import Path

import numpy as np

from hifigan_tf import __version__
from hifigan_tf.audio.audio_files import find_audio, normalize, read_audio, resample
from hifigan_tf.audio.mel import MelSpectrogram, mel_spectrogram
from hifigan_tf.config import LOG_FLOOR
from hifigan_tf.errors import UserError
from hifigan_tf.export.convert import (
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
from hifigan_tf.export.fast_convolution import FastDeployment
from hifigan_tf.export.graph import Deployment
from hifigan_tf.export.modes import EIGHT_BITS, INTEGERS, STREAMING, option
from hifigan_tf.export.network import Network, fold
from hifigan_tf.export.quantization.distill import Distillation, Settings
from hifigan_tf.export.quantization.dynamic_range import quantize
from hifigan_tf.export.quantization.equalize import equalize
from hifigan_tf.export.quantization.full_integer import full_int8, int16_activations, io_quantization
from hifigan_tf.export.quantization.quantized_graphs import RuntimeStudent, StaticStudent, observed_ranges
from hifigan_tf.export.quantization.recipe import layer_formats
from hifigan_tf.models.generator import Generator
from hifigan_tf.resources import DEMO_TRAIN
from hifigan_tf.streaming.contract import VocoderContract, pack
from hifigan_tf.streaming.windows import margin_frames

CALIBRATION_CLIPS = 6  # which channels are loud hardly depends on the voice
PACKAGES = ("tensorflow", "keras", "ai-edge-litert", "ai-edge-quantizer")


class Build:
    """A generator as a graph with signatures, to be written in a mode.

    Stateful with the given chunks, or stateless with windows of ``stateless_frames``, as models of integers alone
    always are. ``mels`` ``[frames, num_mels]`` show a quantized model what it will have to say; by default they are
    those of a few clips that ship with the package. ``integer_io`` leaves mel and audio of those alone in integers.
    ``recipe`` (``recipe.py``) changes the formats of layers; ``formats`` is what all of them have.
    Raises ``UserError`` when a window is not longer than what is cut off its ends, and for windows of a generator
    with ``lookahead_frames`` or ``samples_per_step``.
    """

    def __init__(
        self,
        generator: Generator,
        mode: str,
        chunk_frames: tuple[int, ...],
        stateless_frames: int | None = None,
        mels: list[np.ndarray] | None = None,
        integer_io: bool = False,
        recipe: dict[str, str] | None = None,
    ):
        self.generator = generator
        self.mode = mode
        self.chunk_frames = tuple(sorted(set(chunk_frames)))
        self.stateless_frames = stateless_frames
        self.integer_io = integer_io
        self.margin = margin_frames(generator.hyper_parameters)
        windows = mode in INTEGERS or stateless_frames is not None
        if windows and (unknown := generator.hyper_parameters.beyond_paper):
            raise UserError(
                f"{option(mode) if mode in INTEGERS else '--stateless'} does not know a generator with {unknown} yet: "
                f"export a model with states, such as {' or '.join(map(option, STREAMING))}"
            )
        if mode in INTEGERS and stateless_frames is None:
            raise UserError(f"{option(mode)} makes a model of windows: say how many frames long")
        if stateless_frames is not None and stateless_frames <= 2 * self.margin:
            raise UserError(
                f"--frames {stateless_frames} is too few: this model's windows lose {self.margin} frames at either "
                f"end, so it takes more than {2 * self.margin}"
            )
        self.network = fold(generator)
        self.formats = layer_formats(self.network, mode, recipe or {})
        if mode in INTEGERS or "int8" in self.formats.values():
            self.mels = mels or calibration_mels(generator)
            equalize(self.network, self.mels)
        elif mels:
            raise UserError("there is nothing to calibrate, no layer is in int8: leave out --calibration-data")
        self.deployment = Deployment(self.network)
        self.ranges = observed_ranges(self.deployment, self.mels) if mode == "full_int8" else {}

    @property
    def exact(self) -> tuple[str, ...]:
        """The layers that do not compute in integers."""
        return tuple(name for name, form in self.formats.items() if form != "int8")

    def distill(self, settings: Settings, progress: Path | None = None) -> None:
        """Teaches an 8-bit model to sound like the float one (``distill.py``), on the calibration mels."""
        if self.mode not in EIGHT_BITS:
            raise UserError(f"{' and '.join(map(option, EIGHT_BITS))} can be distilled, and this is {self.mode}")
        if self.mode == "int8":
            frames = self.stateless_frames or min(self.chunk_frames)
            student = RuntimeStudent(self.deployment, self.exact, frames)
        else:
            student = StaticStudent(self.deployment, self.exact, self.ranges)
        teacher = Deployment(fold(self.generator))
        Distillation(teacher, student, self.generator.audio, self.mels, settings, progress).run()
        self.deployment.store()
        if self.mode == "full_int8":
            self.ranges = student.ranges.values()

    def signatures(self, deployment: Deployment) -> dict:
        if self.stateless_frames is None:
            return stateful_signatures(deployment, self.chunk_frames)
        return stateless_signatures(deployment, self.stateless_frames)

    def tflite(self) -> bytes:
        """The ``.tflite`` in this mode, with its contract."""
        if self.mode == "full_int8":
            model = full_int8(self.deployment, self.stateless_frames, self.ranges, self.integer_io, self.exact)
        elif self.mode == "int16":
            model = int16_activations(self.deployment, self.stateless_frames, self.mels, self.integer_io, self.exact)
        else:
            deployment = self.deployment
            if self.stateless_frames is None:  # delegates, for which stateless models are, know plain convolutions best
                deployment = FastDeployment(self.deployment, min(self.chunk_frames), self.exact)
            model = quantize(to_tflite(deployment, self.signatures(deployment)), self.formats)
        return pack(model, self.contract(model))

    def saved_model(self, folder: Path) -> None:
        """Writes a SavedModel, always float32."""
        save_model(self.deployment, self.signatures(self.deployment), folder)

    def contract(self, model: bytes = b"") -> VocoderContract:
        """What ``VocoderContract`` says of the finished model, without quality and speed as yet."""
        outline, audio = self.deployment.outline, self.generator.audio
        arithmetic = self.mode if self.mode in INTEGERS else "formats"
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
                "window_edge": None if self.mode in INTEGERS else WINDOW_EDGE,
                "quantization": io_quantization(model) if self.integer_io else {},
                "window_frames": self.stateless_frames,
                "margin_frames": self.margin,
            }
        return VocoderContract(
            mode=self.mode,
            layers=self.formats,
            audio=dataclasses.asdict(audio),
            generator=dataclasses.asdict(self.generator.hyper_parameters),
            fingerprint=fingerprint(self.network, f"{arithmetic} {self.stateless_frames} {self.formats}"),
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


def fingerprint(network: Network, how: str) -> str:
    """The same for models that can go on from each other's states, and for no others; ``how`` they compute."""
    digest = hashlib.sha256(how.encode())
    for conv in network.convs():
        digest.update(conv.kernel.tobytes())
        digest.update(conv.bias.tobytes())
    return digest.hexdigest()
