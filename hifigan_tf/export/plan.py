"""The plan of an export, made before anything is computed: the folded network and the format of each layer."""

from dataclasses import dataclass

from hifigan_tf.config import AudioConfig, GeneratorConfig
from hifigan_tf.errors import UserError
from hifigan_tf.export.network import Network, fold
from hifigan_tf.export.options import BULK_FACTOR, CHUNK_FRAMES, INTEGERS, LOW_DELAY_CHUNK, ExportOptions
from hifigan_tf.export.quantization.recipe import layer_formats
from hifigan_tf.models.generator import Generator
from hifigan_tf.streaming.windows import Margins, margins_of


@dataclass(frozen=True)
class Plan:
    """A generator's network with its norms folded, ``{layer: weight format}``, and the margins of a window."""

    options: ExportOptions
    generator: GeneratorConfig
    audio: AudioConfig
    network: Network
    formats: dict[str, str]
    margins: Margins

    @property
    def mode(self) -> str:
        return self.options.mode

    @property
    def chunks(self) -> tuple[int, ...]:
        """Chunk sizes of a model with states, the smallest first; empty for a model without states."""
        if self.options.window_frames is not None:
            return ()
        smallest = LOW_DELAY_CHUNK if self.generator.low_delay else CHUNK_FRAMES
        return tuple(sorted(set(self.options.chunk_frames or (smallest, BULK_FACTOR * smallest))))

    @property
    def float_layers(self) -> tuple[str, ...]:
        """The layers computed in float."""
        return tuple(name for name, weight_format in self.formats.items() if weight_format != "int8")

    @property
    def is_quantized(self) -> bool:
        """Whether any layer, or any tensor between layers, is in integers."""
        return self.mode in INTEGERS or "int8" in self.formats.values()


def plan_export(generator: Generator, options: ExportOptions) -> Plan:
    """The plan for this generator with these options.

    Raises ``UserError`` when a window is not longer than its two margins, for a recipe that does not fit, and for
    calibration data or distillation steps if nothing is quantized.
    """
    frames, margins = options.window_frames, margins_of(generator.hyper_parameters)
    if frames is not None and frames <= sum(margins):
        raise UserError(
            f"--frames {frames} is too few: this model's windows lose {margins.left} frames on the left and "
            f"{margins.right} on the right, so it takes more than {sum(margins)}"
        )
    network = fold(generator)
    formats = layer_formats(network, options.mode, options.recipe)
    plan = Plan(options, generator.hyper_parameters, generator.audio, network, formats, margins)
    if options.calibration_data and not plan.is_quantized:
        raise UserError("there is nothing to calibrate, no layer is in int8: leave out --calibration-data")
    if options.distill_steps and "int8" not in formats.values():
        raise UserError("there is nothing to distil, no layer is in int8: leave out --distill-steps")
    return plan
