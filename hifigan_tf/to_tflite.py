"""``hifigan-tf export``: a trained generator as a streaming ``.tflite``, evaluated before it is written."""

import argparse
import dataclasses
import logging
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from hifigan_tf import cli, extras
from hifigan_tf.audio.mel_formats import add_mel_options, mel_format_of
from hifigan_tf.config import AudioConfig, Config
from hifigan_tf.errors import UserError
from hifigan_tf.export.options import (
    BULK_FACTOR,
    CHUNK_FRAMES,
    EIGHT_BITS,
    INTEGER_FRAMES,
    LOW_DELAY_CHUNK,
    ROWS,
    SEED,
    TARGET_CPU,
    ExportOptions,
    option,
)
from hifigan_tf.export.quantization.recipe import load_recipe
from hifigan_tf.files import write_bytes
from hifigan_tf.processor import instructions, machine
from hifigan_tf.resources import DEMO_HELD_OUT, VOICE

if TYPE_CHECKING:
    from hifigan_tf.export.export_vocoder import Export

log = logging.getLogger(__name__)

DESCRIPTION = """Exports a generator as one .tflite file that streams exactly: chunks of any size give the same samples
as the whole utterance. The file carries its contract (rate, mel settings, names, delay) as a zip at its end:

    unzip -p model.tflite contract.json

Every export runs the float model and the exported one over evaluation clips and prints what the export costs.
A model that loses more than the limits is not written, and the exit code is 1.

--mel-frontend exports the mel front end instead, from a checkpoint or a config, and compares it with mel.py."""

RUNS = Path("runs")
MEL_FRONTEND = "mel_frontend"
CHECKPOINT_HELP = "a .keras file or a run folder; default: the newest run, else the voice of hifigan_tf"
VOCODER_OPTIONS = (
    "chunk_frames",
    "stateless",
    "frames",
    "integer_io",
    "target_cpu",
    "distill_steps",
    "calibration_data",
    "mel_format",
    "mel_stats",
    "seed",
    "recipe",
    "max_pesq_drop",
    "max_mel_difference",
)


def parse(argv=None):
    parser = cli.parser("to_tflite", DESCRIPTION)
    source = parser.add_mutually_exclusive_group()
    source.add_argument("--checkpoint", metavar="CKPT", help=CHECKPOINT_HELP)
    source.add_argument("--config", metavar="FILE", help="for --mel-frontend: a config with the audio settings instead")
    add_mode_options(parser)
    add_quality_options(parser)
    parser.set_defaults(mode="float32")
    args = parser.parse_args(argv)
    if args.mode == MEL_FRONTEND:
        for name in VOCODER_OPTIONS:
            if getattr(args, name) is not parser.get_default(name):
                raise UserError(f"--{name.replace('_', '-')} is for vocoders: leave it out with --mel-frontend")
    elif args.config:
        raise UserError(f"--config {args.config} is for --mel-frontend: a vocoder has weights, give --checkpoint")
    return args


def add_mode_options(parser: argparse.ArgumentParser) -> None:
    """What kind of model, in chunks or windows."""
    mode = parser.add_mutually_exclusive_group()
    for name, text in (
        ("float32", "exact to rounding (the default)"),
        ("float16", "half the size, computed in float32"),
        ("int8", "dynamic-range quantization: 8-bit weights and arithmetic, activation ranges found at run time"),
        ("full_int8", "full-integer quantization: fixed ranges, windows without states; for accelerators"),
        ("int16", "full-integer quantization with 16-bit activations: for quality where speed does not matter"),
    ):
        mode.add_argument(option(name), dest="mode", action="store_const", const=name, help=text)
    mode.add_argument(
        "--mel-frontend", dest="mode", action="store_const", const=MEL_FRONTEND, help="audio to log-mel, no vocoder"
    )
    parser.add_argument(
        "--chunk-frames",
        type=cli.positive,
        metavar="N",
        help=f"frames of the small chunk; default: {CHUNK_FRAMES}, or {LOW_DELAY_CHUNK} with lookahead_frames",
    )
    parser.add_argument("--stateless", action="store_true", help="windows of static length without states")
    parser.add_argument(
        "--frames",
        type=cli.positive,
        metavar="N",
        help=f"length of the windows of a model without states; default of the integer modes: {INTEGER_FRAMES}",
    )
    parser.add_argument("--integer-io", action="store_true", help="integers for mel and audio too: no float tensors")
    parser.add_argument(
        "--target-cpu",
        choices=ROWS,
        help="where float layers of a model with states are to be the fastest: fast convolutions compute as many "
        f"outputs together as its matrix products have rows ({', '.join(f'{n} {name}' for name, n in ROWS.items())}); "
        f"the samples are the same to rounding; default: {TARGET_CPU}",
    )


def add_quality_options(parser: argparse.ArgumentParser) -> None:
    """What a quantized model is fitted to, where it goes, and what it may lose."""
    parser.add_argument(
        "--distill-steps",
        type=cli.positive,
        metavar="N",
        help="train the 8-bit model to sound like the float one: 800 take seven minutes for a V3 on two cores",
    )
    parser.add_argument(
        "--calibration-data",
        metavar="DIR",
        help="recordings, or mels as .npy, for calibration and distillation; default: six demo clips",
    )
    add_mel_options(parser, "mels of --calibration-data", transposed=False)
    parser.add_argument(
        "--recipe",
        metavar="F.json",
        type=Path,
        help="format of each layer, from hifigan-tf sensitivity",
    )
    parser.add_argument("--seed", type=cli.not_negative, metavar="N", help=f"of the distillation; default: {SEED}")
    parser.add_argument(
        "--output", metavar="F", type=Path, help="default: <checkpoint>_<mode>.tflite, with the name of a recipe"
    )
    parser.add_argument("--evaluation-data", metavar="DIR", help="recordings of speech; default: the demo corpus")
    parser.add_argument(
        "--max-pesq-drop",
        type=float,
        metavar="X",
        help="default: 0.15 with int8 layers and for --int16-activations, 0.4 for --full-int8, 0.02 or less else",
    )
    parser.add_argument(
        "--max-mel-difference",
        type=float,
        metavar="X",
        help="limit on the log-mel L1 between float and exported output; default: 0.25 with int8 layers and for "
        "--int16-activations, 0.5 for --full-int8, 0.02 or less else",
    )


def options_of(args) -> ExportOptions:
    """The export options that the command line gives. Raises ``UserError`` for options that do not go together."""
    calibration = cli.existing_folder(args.calibration_data, "--calibration-data") if args.calibration_data else None
    return ExportOptions(
        mode=args.mode,
        chunk_frames=(args.chunk_frames, BULK_FACTOR * args.chunk_frames) if args.chunk_frames else None,
        stateless=args.stateless,
        frames=args.frames,
        integer_io=args.integer_io,
        target_cpu=args.target_cpu,
        recipe=load_recipe(args.recipe) if args.recipe else {},
        distill_steps=args.distill_steps,
        seed=args.seed,
        calibration_data=calibration,
        mel_format=mel_format_of(args, "calibration takes mels in either order of axes"),
        max_pesq_drop=args.max_pesq_drop,
        max_mel_difference=args.max_mel_difference,
    )


def newest_run(runs: Path = RUNS) -> Path:
    """The most recently saved generator under ``runs``; the voice of the package when there is none."""
    saved = [path for name in ("best.keras", "last.keras") for path in runs.glob(f"*/{name}")]
    if not saved:
        return VOICE
    return cli.checkpoint(str(max(saved, key=lambda path: path.stat().st_mtime).parent))


def output_path(args, source: Path, window_frames: int | None) -> Path:
    """Path of the model to write, checked to be writable before the work starts. Raises ``UserError`` if it is not."""
    recipe = f"_{args.recipe.stem}" if args.recipe else ""
    stateless = f"_stateless{window_frames}" if window_frames else ""
    folder = Path() if source.resolve() == VOICE else source.parent  # not among the files of the package
    output = args.output or folder / f"{source.stem}{stateless}_{args.mode}{recipe}.tflite"
    if output.is_dir():
        raise UserError(f"--output {output} is a folder: give the name of a file")
    cli.writable_folder(output.parent)
    return output


def main(argv=None) -> int:
    args = parse(argv)
    extras.require("hifigan-tf export")
    options = None if args.mode == MEL_FRONTEND else options_of(args)
    data = cli.existing_folder(args.evaluation_data, "--evaluation-data") if args.evaluation_data else DEMO_HELD_OUT
    if args.config:
        source, audio = Path(args.config), Config.load(args.config).audio
    else:
        source, audio = cli.checkpoint(args.checkpoint) if args.checkpoint else newest_run(), None
    output = output_path(args, source, options.window_frames if options else None)
    if options is None:
        return write_mel_frontend(source, audio, data, output)
    return write_vocoder(source, options, data, output)


def write_mel_frontend(source: Path, audio: AudioConfig | None, data: Path, output: Path) -> int:
    """Writes the front end of these settings, or of a checkpoint. Exit code 1 if its mels differ from ``mel.py``'s."""
    from hifigan_tf.export.mel_frontend import MAX_DIFFERENCE, build, largest_difference
    from hifigan_tf.export.quality import evaluation_clips
    from hifigan_tf.models.generator import load_generator
    from hifigan_tf.streaming.mel_frontend import TfliteMelSpectrogram

    audio = audio or load_generator(source).audio
    clips = evaluation_clips(data, audio)
    log.info("exporting the mel front end of %s", source)
    exported = build(audio)
    difference = largest_difference(TfliteMelSpectrogram(exported.packed()), clips)
    size = len(exported.model) / 1e6
    print(f"largest difference of a log-mel {difference:.1e}, over {len(clips)} clips; {size:.2f} MB")
    if not difference <= MAX_DIFFERENCE:
        print(f"not written: a log-mel differs by {difference:.1e}, the limit is {MAX_DIFFERENCE:.0e}", file=sys.stderr)
        return 1
    quality = {"clips": len(clips), "largest_difference": difference}
    contract = dataclasses.replace(exported.contract, quality=quality)
    write_bytes(output, dataclasses.replace(exported, contract=contract).packed())
    log.info("wrote %s", output)
    return 0


def write_vocoder(checkpoint: Path, options: ExportOptions, data: Path, output: Path) -> int:
    """Exports the generator of a checkpoint with these options. Exit code 1 if it loses too much quality."""
    from hifigan_tf.export.export_vocoder import export_vocoder
    from hifigan_tf.export.quality import evaluation_clips
    from hifigan_tf.models.generator import load_generator

    generator = load_generator(checkpoint)
    clips = evaluation_clips(data, generator.audio)
    log.info("exporting %s as %s", checkpoint, options.mode)
    progress = output.with_name(f".{output.name}.distilling")
    export = export_vocoder(generator, options, clips, progress)
    print(summary(export))
    if export.failures:
        repairable = options.mode in EIGHT_BITS and not options.distill_steps
        advice = " (--distill-steps 1500 may repair it)" if repairable else ""
        print(f"not written: {'; '.join(export.failures)}{advice}", file=sys.stderr)
        return 1
    write_bytes(output, export.exported.packed())
    log.info("wrote %s", output)
    return 0


def no_gain(mode: str) -> str:
    """A warning where 8 bits are not faster than float32 on this processor, else nothing."""
    name, fast = instructions()
    if mode != "int8" or fast is not False:
        return ""
    return f": {name} has no fast 8-bit products, so that int8 is smaller here, but hardly faster than float32"


def summary(export: "Export") -> str:
    """The quality cost, speed and size of an export, as text."""
    from hifigan_tf.export.quality import table

    report, contract, size = export.report, export.exported.contract, len(export.exported.model) / 1e6
    lines = [
        table(report, contract.mode),
        f"log-mel L1 between the two outputs {report.mel_difference:.4f}, over {report.clips} clips",
        *(f"{rate:.1f} x real time on one thread, {frames} frames a step" for frames, rate in export.speeds.items()),
        f"on this processor ({machine()}){no_gain(contract.mode)}",
    ]
    if contract.stateful:
        lines.append(f"{size:.2f} MB, delay {contract.delay_ms} ms")
    else:
        left, right = contract.margins
        lines.append(f"{size:.2f} MB, windows that lose {left} frames on the left and {right} on the right")
    return "\n".join(lines)


if __name__ == "__main__":
    cli.run(main)
