"""What to export and how: options that check themselves, before TensorFlow is loaded."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from hifigan_tf.audio.mel_formats import RECOGNIZE, MelFormat
from hifigan_tf.errors import UserError

STREAMING = ("float32", "float16", "int8")  # with states, or windows without states
INTEGERS = ("full_int8", "int16")  # full-integer quantization; windows without states
EIGHT_BITS = ("int8", "full_int8")  # the modes that can be distilled

CHUNK_FRAMES = 4
LOW_DELAY_CHUNK = 1  # of models with lookahead_frames: a longer one costs more than the lookahead saves
BULK_FACTOR = 4  # the large chunk, for throughput, is this many small ones
INTEGER_FRAMES = 64  # default window of the full-integer modes
SEED = 1234
# Processors, and the rows that a float32 matrix product of XNNPACK computes together there: tiles of the fast
# convolutions are chosen so that few of them stay empty. The time of a product rises in such steps on x86; for ARM, 6
# takes the fewest instructions (benchmarks/arm_instructions.py).
ROWS = {"avx512": 7, "avx2": 6, "arm": 6}
TARGET_CPU = "avx512"


def option(mode: str) -> str:
    """A mode's option on the command line."""
    return {"int16": "--int16-activations"}.get(mode, f"--{mode.replace('_', '-')}")


@dataclass(frozen=True, kw_only=True)
class ExportOptions:
    """The options of ``to_tflite.py`` for a vocoder, by their names there; ``UserError`` if they contradict.

    ``chunk_frames`` are the chunk sizes of a model with states, by default 4 and 16, or 1 and 4 with
    ``lookahead_frames``. ``frames`` is the window length of a model without states: with ``stateless``, or in the
    full-integer modes. ``target_cpu``, of ``ROWS``, is where a model with states is to be fast. ``recipe`` is
    ``{layer or pattern: weight format}`` (``quantization/recipe.py``). ``distill_steps`` is the number of
    distillation steps of an 8-bit model. ``calibration_data`` is a folder of recordings, or mels of ``mel_format``.
    The limits are the largest losses with which a model is written; None stands for those of the mode
    (``quality.py``).
    """

    mode: str = "float32"
    chunk_frames: tuple[int, ...] | None = None
    stateless: bool = False
    frames: int | None = None
    integer_io: bool = False
    target_cpu: str | None = None
    recipe: Mapping[str, str] = field(default_factory=dict)
    distill_steps: int | None = None
    seed: int | None = None
    calibration_data: Path | None = None
    mel_format: MelFormat = RECOGNIZE
    max_pesq_drop: float | None = None
    max_mel_difference: float | None = None

    def __post_init__(self):
        this = f"this is {option(self.mode)}"
        if self.mode not in (*STREAMING, *INTEGERS):
            raise UserError(f"mode {self.mode!r} is unknown: give one of {', '.join((*STREAMING, *INTEGERS))}")
        if self.distill_steps and self.mode not in EIGHT_BITS:
            raise UserError(f"--distill-steps {self.distill_steps} is for --int8 and --full-int8, and {this}")
        if self.calibration_data and self.mode not in (*EIGHT_BITS, *INTEGERS) and not self.recipe:
            raise UserError(f"--calibration-data {self.calibration_data} is for int8 layers, and {this}: leave it out")
        if self.mel_format != RECOGNIZE and not self.calibration_data:
            raise UserError("--mel-format and --mel-stats are for the mels of --calibration-data: give that too")
        if self.seed is not None and self.distill_steps is None:
            raise UserError(f"--seed {self.seed} is of --distill-steps N: give that too")
        if self.target_cpu is not None and (self.stateless or self.mode in INTEGERS):
            kind = "--stateless" if self.stateless else option(self.mode)
            raise UserError(f"--target-cpu {self.target_cpu} is for models with states, not {kind}: leave it out")
        if self.target_cpu not in (None, *ROWS):
            raise UserError(f"--target-cpu {self.target_cpu} is unknown: give one of {', '.join(ROWS)}")
        if self.integer_io and self.mode not in INTEGERS:
            raise UserError(f"--integer-io is for --full-int8 and --int16-activations, and {this}")
        if self.chunk_frames and (self.stateless or self.mode in INTEGERS):
            kind = "--stateless" if self.stateless else option(self.mode)
            raise UserError(
                f"--chunk-frames {min(self.chunk_frames)} is for models with states, not {kind}: give --frames N"
            )
        if self.mode in STREAMING and self.stateless != (self.frames is not None):
            raise UserError("--stateless and --frames N belong together: give both or neither")

    @property
    def window_frames(self) -> int | None:
        """Window length of a model without states; None for a model with states."""
        return self.frames or INTEGER_FRAMES if self.mode in INTEGERS else self.frames

    @property
    def rows(self) -> int:
        """The rows of a float32 matrix product on the processor that the model is for."""
        return ROWS[self.target_cpu or TARGET_CPU]

    @property
    def distill_seed(self) -> int:
        """The seed of the distillation."""
        return SEED if self.seed is None else self.seed
