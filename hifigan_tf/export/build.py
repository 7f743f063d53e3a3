"""From a plan and its calibrated network to a finished model: the ``.tflite`` and the contract that describes it."""

import hashlib
from dataclasses import dataclass
from importlib import metadata
from typing import Generic

from hifigan_tf import __version__
from hifigan_tf.export.convert import (
    EDGE,
    INITIAL,
    WINDOW,
    WINDOW_EDGE,
    stateful_signatures,
    stateless_signatures,
    stream_name,
    to_tflite,
)
from hifigan_tf.export.fast_convolution import FastDeployment
from hifigan_tf.export.graph import Deployment, StreamSpec
from hifigan_tf.export.network import Network
from hifigan_tf.export.options import INTEGERS
from hifigan_tf.export.plan import Plan
from hifigan_tf.export.quantization.calibration import Calibrated, windows
from hifigan_tf.export.quantization.dynamic_range import quantize
from hifigan_tf.export.quantization.full_integer import full_int8, int16_activations, io_quantization
from hifigan_tf.export.tensor_names import with_tensor_names
from hifigan_tf.streaming.contract import FORMATS, Kind, VocoderContract, mel_fields, number_or_pair, pack
from hifigan_tf.streaming.litert import ContractVocoder, open_model

PACKAGES = ("tensorflow", "keras", "ai-edge-litert", "ai-edge-quantizer")
# The oldest runtime in which a full-size model of each mode has run: docs/runtimes.md. None older was tried than 2.7.
LEAST_RUNTIMES = {
    **dict.fromkeys(("float32", "float16", "int8", "int16"), "TFLite 2.7"),
    "full_int8": "TFLite 2.10",
    "full_int8 --integer-io": "LiteRT 2.2",
}


@dataclass(frozen=True)
class ExportedModel(Generic[Kind]):
    """A ``.tflite`` without its contract, and the contract; ``packed`` puts them together."""

    model: bytes
    contract: Kind

    def packed(self) -> bytes:
        """The file."""
        return pack(self.model, self.contract)


@dataclass(frozen=True)
class ExportedVocoder(ExportedModel[VocoderContract]):
    """A vocoder, to be evaluated before it is packed."""

    contract: VocoderContract

    def vocoder(self, chunk_frames: int | None = None) -> ContractVocoder:
        """The loaded model, with one of the contract's chunk sizes, by default the smallest."""
        return ContractVocoder(self.contract, open_model(self.model, "the model"), chunk_frames)


def build(plan: Plan, calibrated: Calibrated) -> ExportedVocoder:
    """The model of a plan; its contract does not have quality and speed yet."""
    deployment, options, frames = Deployment(calibrated.network), plan.options, plan.options.window_frames
    if plan.mode == "full_int8" and frames:
        model = full_int8(deployment, frames, calibrated.ranges, options.integer_io, plan.float_layers)
    elif plan.mode == "int16" and frames:
        mels = windows(calibrated.mels, frames, plan.audio)
        model = int16_activations(deployment, frames, mels, options.integer_io, plan.float_layers)
    else:
        if frames is not None:  # stateless models are for delegates, which support plain convolutions best
            signatures, module = stateless_signatures(deployment, frames), deployment
        else:
            module = FastDeployment(deployment, min(plan.chunks), plan.float_layers, options.rows)
            signatures = stateful_signatures(module, plan.chunks)
        model = quantize(to_tflite(module, signatures), plan.formats)
    model = with_tensor_names(model)
    states = _windows(plan, model) if frames is not None else _streams(plan, deployment.spec)
    return ExportedVocoder(model, _contract(plan, calibrated.network, states))


def _contract(plan: Plan, network: Network, states: dict) -> VocoderContract:
    how = f"{plan.mode if plan.mode in INTEGERS else 'formats'} {plan.options.window_frames} {plan.formats}"
    if plan.generator.of_other_libraries:
        how = f"{how} {plan.generator.of_other_libraries}"
    fields = {**mel_fields(plan.audio), **states}
    if isinstance(fields.get("margin_frames"), tuple):
        fields["format"] = FORMATS[1]
    return VocoderContract(
        mode=plan.mode,
        layers=plan.formats,
        generator=plan.generator.to_dict(),
        fingerprint=fingerprint(network, how),
        versions=versions(plan.mode, plan.options.integer_io),
        **fields,
    )


def _streams(plan: Plan, spec: StreamSpec) -> dict:
    """Fields of the contract for a model with states."""
    return {
        "stateful": True,
        "chunk_frames": plan.chunks,
        "delay_samples": spec.delay_samples,
        "delay_ms": round(1000 * spec.delay_samples / plan.audio.sampling_rate, 2),
        "edge_frames": spec.mask_frames,
        "states": {name: list(shape) for name, shape in spec.states.items()},
        "initial_state": INITIAL,
        "stream": {str(frames): stream_name(frames) for frames in plan.chunks},
        "edge": EDGE,
    }


def _windows(plan: Plan, model: bytes) -> dict:
    """Fields of the contract for a model without states."""
    return {
        "stateful": False,
        "window": WINDOW,
        "window_edge": None if plan.mode in INTEGERS else WINDOW_EDGE,
        "quantization": io_quantization(model) if plan.options.integer_io else {},
        "window_frames": plan.options.window_frames,
        "margin_frames": number_or_pair(*plan.margins),
    }


def versions(mode: str, integer_io: bool = False) -> dict[str, str]:
    """Versions of this project, of the packages that make its models, and of the oldest runtime for a mode."""
    packages = {name: metadata.version(name) for name in PACKAGES}
    least = (integer_io and LEAST_RUNTIMES.get(f"{mode} --integer-io")) or LEAST_RUNTIMES[mode]
    return {"hifigan_tf": __version__, **packages, "least_runtime": least}


def fingerprint(network: Network, how: str) -> str:
    """A hash that is equal for models that can continue from each other's states; ``how`` describes the arithmetic."""
    digest = hashlib.sha256(how.encode())
    for conv in network.convs():
        digest.update(conv.kernel.tobytes())
        digest.update(conv.bias.tobytes())
    return digest.hexdigest()
