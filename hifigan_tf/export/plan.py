"""The plan of an export, made before anything is computed: the folded network and the format of each layer."""

from dataclasses import dataclass

from hifigan_tf.config import AudioConfig, GeneratorConfig
from hifigan_tf.errors import UserError
from hifigan_tf.export.network import Network, fold
from hifigan_tf.export.options import INTEGERS, STREAMING, ExportOptions, option
from hifigan_tf.export.quantization.recipe import layer_formats
from hifigan_tf.models.generator import Generator
from hifigan_tf.streaming.windows import margin_frames


@dataclass(frozen=True)
class Plan:
    """A generator's network with its norms folded, ``{layer: weight format}``, and the margin of a window."""

    options: ExportOptions
    generator: GeneratorConfig
    audio: AudioConfig
    network: Network
    formats: dict[str, str]
    margin_frames: int

    @property
    def mode(self) -> str:
        return self.options.mode

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

    Raises ``UserError`` when a window is not longer than its two margins, for windows of a generator with
    ``lookahead_frames`` or ``samples_per_step``, for a recipe that does not fit, and for calibration data or
    distillation steps if nothing is quantized.
    """
    mode, frames, margin = options.mode, options.window_frames, margin_frames(generator.hyper_parameters)
    if frames is not None and (unknown := generator.hyper_parameters.beyond_paper):
        raise UserError(
            f"{option(mode) if mode in INTEGERS else '--stateless'} does not know a generator with {unknown} yet: "
            f"export a model with states, such as {' or '.join(map(option, STREAMING))}"
        )
    if frames is not None and frames <= 2 * margin:
        raise UserError(
            f"--frames {frames} is too few: this model's windows lose {margin} frames at either end, so it takes more "
            f"than {2 * margin}"
        )
    network = fold(generator)
    formats = layer_formats(network, mode, options.recipe)
    plan = Plan(options, generator.hyper_parameters, generator.audio, network, formats, margin)
    if options.calibration_data and not plan.is_quantized:
        raise UserError("there is nothing to calibrate, no layer is in int8: leave out --calibration-data")
    if options.distill_steps and "int8" not in formats.values():
        raise UserError("there is nothing to distil, no layer is in int8: leave out --distill-steps")
    return plan
