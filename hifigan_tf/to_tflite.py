"""``python export/to_tflite.py``: a trained generator as a ``.tflite`` that streams, judged before it is written."""

import argparse
import dataclasses
import logging
import sys
import tempfile
from pathlib import Path

from hifigan_tf import cli
from hifigan_tf.config import AudioConfig, Config
from hifigan_tf.errors import UserError
from hifigan_tf.export.modes import EIGHT_BITS, INTEGERS, STREAMING, option
from hifigan_tf.resources import DEMO_HELD_OUT

log = logging.getLogger(__name__)

DESCRIPTION = """Exports a generator as one .tflite file that streams exactly: any chunks give the samples of the
whole utterance. The file carries its contract (rate, mel settings, names, delay) as a zip at its end:

    unzip -p model.tflite contract.json

Every export runs the float model and the exported one over evaluation clips and prints what the export costs.
A model that loses more than the limits is not written, and the exit code is 1.

--mel-frontend exports what makes the mel instead, from a checkpoint or a config, and compares it with mel.py."""

RUNS = Path("runs")
MEL_FRONTEND = "mel_frontend"
CHUNK_FRAMES = 4
BULK = 4  # the chunk for throughput, in small chunks
INTEGER_FRAMES = 64
SEED = 1234
FAR = 1.5  # times the log-mel error on the evaluation clips: another voice has 1.1, another kind of sound 2 and more
VOCODER_OPTIONS = (
    "chunk_frames",
    "stateless",
    "frames",
    "integer_io",
    "distill_steps",
    "calibration_data",
    "seed",
    "recipe",
    "max_pesq_drop",
    "max_mel_difference",
)


def parse(argv=None):
    parser = argparse.ArgumentParser(
        prog="python export/to_tflite.py", description=DESCRIPTION, formatter_class=cli.Formatter
    )
    source = parser.add_mutually_exclusive_group()
    source.add_argument("--checkpoint", metavar="CKPT", help="a .keras file or a run folder; default: the newest run")
    source.add_argument("--config", metavar="FILE", help="for --mel-frontend: a config with the audio settings instead")
    mode = parser.add_mutually_exclusive_group()
    for name, text in (
        ("float32", "exact to rounding (the default)"),
        ("float16", "half the size, computed in float32"),
        ("int8", "8-bit weights and arithmetic, ranges found at run time"),
        ("full_int8", "8-bit integers alone, fixed ranges, windows without states: for accelerators"),
        ("int16", "the same with 16-bit activations: for quality where speed does not matter"),
    ):
        mode.add_argument(option(name), dest="mode", action="store_const", const=name, help=text)
    mode.add_argument("--saved-model", action="store_true", help="write a TensorFlow SavedModel folder instead")
    mode.add_argument(
        "--mel-frontend", dest="mode", action="store_const", const=MEL_FRONTEND, help="audio to log-mel, no vocoder"
    )
    parser.add_argument(
        "--chunk-frames", type=cli.positive, metavar="N", help=f"frames of the small chunk; default: {CHUNK_FRAMES}"
    )
    parser.add_argument("--stateless", action="store_true", help="windows of static length without states")
    parser.add_argument(
        "--frames",
        type=cli.positive,
        metavar="N",
        help=f"length of the windows of a model without states; default of the integer modes: {INTEGER_FRAMES}",
    )
    parser.add_argument("--integer-io", action="store_true", help="integers for mel and audio too: no float at all")
    parser.add_argument(
        "--distill-steps",
        type=cli.positive,
        metavar="N",
        help="teach the 8-bit model to sound like the float one: 800 take seven minutes for a V3 on two cores",
    )
    parser.add_argument(
        "--calibration-data",
        metavar="DIR",
        help="recordings, or mels as .npy, to fit a quantized model to and distil it on; default: six demo clips",
    )
    parser.add_argument(
        "--recipe", metavar="F.json", type=Path, help="which layers are int8, float16 or float32 (sensitivity.py)"
    )
    parser.add_argument("--seed", type=cli.not_negative, metavar="N", help=f"of the distillation; default: {SEED}")
    parser.add_argument(
        "--output", metavar="F", type=Path, help="default: <checkpoint>_<mode>.tflite, its name saying how it was made"
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
    parser.set_defaults(mode="float32")
    args = parser.parse_args(argv)
    if args.mode == MEL_FRONTEND:
        for name in VOCODER_OPTIONS:
            if getattr(args, name) is not parser.get_default(name):
                raise UserError(f"--{name.replace('_', '-')} is for vocoders: leave it out with --mel-frontend")
    elif args.config:
        raise UserError(f"--config {args.config} is for --mel-frontend: a vocoder has weights, give --checkpoint")
    check_mode(args)
    return args


def check_mode(args) -> None:
    """Raises ``UserError`` for options that do not go together; sets the length of the windows."""
    mode = "this is " + ("--saved-model" if args.saved_model else option(args.mode))
    if args.distill_steps and args.mode not in EIGHT_BITS:
        raise UserError(f"--distill-steps {args.distill_steps} is for --int8 and --full-int8, and {mode}")
    if args.recipe and args.saved_model:
        raise UserError(f"--recipe {args.recipe} is for .tflite models, and {mode}, all float32")
    if args.calibration_data and args.mode not in (*EIGHT_BITS, *INTEGERS) and not args.recipe:
        raise UserError(f"--calibration-data {args.calibration_data} is for int8 layers, and {mode}: leave it out")
    if args.seed is not None and args.distill_steps is None:
        raise UserError(f"--seed {args.seed} is of --distill-steps N: give that too")
    if args.integer_io and args.mode not in INTEGERS:
        raise UserError(f"--integer-io is for --full-int8 and --int16-activations, and {mode}")
    if args.chunk_frames and (args.stateless or args.mode in INTEGERS):
        kind = "--stateless" if args.stateless else option(args.mode)
        raise UserError(f"--chunk-frames {args.chunk_frames} is for models with states, not {kind}: give --frames N")
    if args.mode in INTEGERS:
        args.frames = args.frames or INTEGER_FRAMES
    elif args.stateless != (args.frames is not None):
        raise UserError("--stateless and --frames N belong together: give both or neither")


def newest_run(runs: Path = RUNS) -> Path:
    """The generator saved last under ``runs``. Raises ``UserError`` when there is none."""
    saved = [path for name in ("best.keras", "last.keras") for path in runs.glob(f"*/{name}")]
    if not saved:
        raise UserError(f"no run in {runs}/ yet: run make demo or python -m hifigan_tf.train, or give --checkpoint")
    return cli.checkpoint(str(max(saved, key=lambda path: path.stat().st_mtime).parent))


def output_path(args, source: Path) -> Path:
    """Where the model goes, proven writable before the work. Raises ``UserError`` when it cannot go there."""
    recipe = f"_{args.recipe.stem}" if args.recipe else ""
    kind = "saved_model" if args.saved_model else f"{args.mode}{recipe}.tflite"
    stateless = f"_stateless{args.frames}" if args.frames else ""
    output = args.output or source.with_name(f"{source.stem}{stateless}_{kind}")
    if output.is_dir() and not args.saved_model:
        raise UserError(f"--output {output} is a folder: give the name of a file")
    cli.writable_folder(output.parent)
    return output


def main(argv=None) -> int:
    args = parse(argv)
    data = cli.existing_folder(args.evaluation_data, "--evaluation-data") if args.evaluation_data else DEMO_HELD_OUT
    if args.config:
        source, audio = Path(args.config), Config.load(args.config).audio
    else:
        source, audio = cli.checkpoint(args.checkpoint) if args.checkpoint else newest_run(), None
    output = output_path(args, source)
    if args.mode == MEL_FRONTEND:
        return export_mel_frontend(source, audio, data, output)
    return export_vocoder(args, source, data, output)


def export_mel_frontend(source: Path, audio: AudioConfig | None, data: Path, output: Path) -> int:
    """Writes the front end of these settings, or of a checkpoint. Exit code 1 where it computes something else."""
    from hifigan_tf.export.mel_frontend import MAX_DIFFERENCE, build, largest_difference
    from hifigan_tf.export.quality import evaluation_clips
    from hifigan_tf.files import write_bytes
    from hifigan_tf.models.generator import load_generator
    from hifigan_tf.streaming.contract import MelContract, pack, read
    from hifigan_tf.streaming.mel_frontend import TfliteMelSpectrogram

    audio = audio or load_generator(source).audio
    clips = evaluation_clips(data, audio)
    log.info("exporting the mel front end of %s", source)
    model = build(audio)
    difference = largest_difference(TfliteMelSpectrogram(model), clips)
    print(f"largest difference of a log-mel {difference:.1e}, over {len(clips)} clips; {len(model) / 1e6:.2f} MB")
    if not difference <= MAX_DIFFERENCE:
        print(f"not written: a log-mel differs by {difference:.1e}, the limit is {MAX_DIFFERENCE:.0e}", file=sys.stderr)
        return 1
    quality = {"clips": len(clips), "largest_difference": difference}
    contract = dataclasses.replace(read(model, str(output), MelContract), quality=quality)
    write_bytes(output, pack(model, contract))
    log.info("wrote %s", output)
    return 0


def export_vocoder(args, checkpoint: Path, data: Path, output: Path) -> int:
    """Writes the generator of a checkpoint as the options say. Exit code 1 where it loses too much."""
    from hifigan_tf.export.build import Build
    from hifigan_tf.export.quality import compare, evaluation_clips, load_mels, perform, speed
    from hifigan_tf.export.quantization.recipe import load_recipe
    from hifigan_tf.export.saved_model import SavedModelInterpreter, publish
    from hifigan_tf.files import write_bytes
    from hifigan_tf.models.generator import load_generator
    from hifigan_tf.streaming.contract import pack
    from hifigan_tf.streaming.litert import ContractVocoder

    recipe = load_recipe(args.recipe) if args.recipe else None
    generator = load_generator(checkpoint)
    clips = evaluation_clips(data, generator.audio)
    calibration = args.calibration_data and cli.existing_folder(args.calibration_data, "--calibration-data")
    mels = load_mels(calibration, generator.audio) if calibration else None
    log.info("exporting %s as %s", checkpoint, "SavedModel" if args.saved_model else args.mode)
    chunk = args.chunk_frames or CHUNK_FRAMES
    build = Build(generator, args.mode, (chunk, BULK * chunk), args.frames, mels, args.integer_io, recipe)
    if args.distill_steps and "int8" not in build.formats.values():
        raise UserError("there is nothing to distil, no layer is in int8: leave out --distill-steps")
    if mels:
        warn_if_far(generator, mels, clips)
    lossless = perform(generator, clips)
    with tempfile.TemporaryDirectory() as temporary:
        if args.saved_model:
            folder = Path(temporary) / "model"
            build.saved_model(folder)
            size = sum(path.stat().st_size for path in folder.rglob("*"))
            contract, interpreter = build.contract(), SavedModelInterpreter(folder)
            models = {n: ContractVocoder(contract, interpreter, n) for n in contract.chunk_frames or (None,)}
            report = compare(next(iter(models.values())), lossless)
        else:
            model, models, report = judged(build, lossless)
            if args.distill_steps:
                model, models, report = distilled(args, build, lossless, output, (model, models, report))
            size, contract = len(model), next(iter(models.values())).contract
        speeds = {n or contract.window_frames: speed(vocoder) for n, vocoder in models.items()}
        show(args.mode, report, speeds, size, contract)
        if failures := report.failures(limits(args, build.formats)):
            advice = (
                " (--distill-steps 1500 may repair it)" if args.mode in EIGHT_BITS and not args.distill_steps else ""
            )
            print(f"not written: {'; '.join(failures)}{advice}", file=sys.stderr)
            return 1
        measured = {str(frames): round(rate, 2) for frames, rate in speeds.items()}
        contract = dataclasses.replace(contract, quality=report.to_dict(), speed={"x_realtime_1_thread": measured})
        if args.saved_model:
            publish(folder, contract, output)
        else:
            write_bytes(output, pack(model, contract))
    log.info("wrote %s", output)
    return 0


def warn_if_far(generator, mels: list, clips: dict) -> None:
    """A warning where the model does not know the like of these mels."""
    from hifigan_tf.audio.mel import MelSpectrogram, mel_spectrogram
    from hifigan_tf.export.quality import round_trip

    front_end = MelSpectrogram.of(generator.audio)
    theirs = round_trip(generator, mels)
    known = round_trip(generator, [mel_spectrogram(clip, front_end) for clip in clips.values()])
    if theirs > FAR * known:
        log.warning(
            "the float model makes a log-mel L1 of %.3f on the calibration mels and %.3f on the evaluation clips: "
            "they are far from what it was trained on, and what it learns from them may not help",
            theirs,
            known,
        )


def judged(build, lossless) -> tuple:
    """The model of a build: its bytes, a vocoder for each chunk, and what it costs."""
    from hifigan_tf.export.quality import compare
    from hifigan_tf.streaming.contract import read
    from hifigan_tf.streaming.litert import load_tflite

    model = build.tflite()
    models = {n: load_tflite(model, n) for n in read(model, "model").chunk_frames or (None,)}
    return model, models, compare(next(iter(models.values())), lossless)


def distilled(args, build, lossless, output: Path, before: tuple) -> tuple:
    """The better one of ``judged`` before and after distillation. Interrupted, it goes on where it was."""
    from hifigan_tf.export.quantization.distill import Settings

    progress = output.with_name(f".{output.name}.distilling")
    seed = SEED if args.seed is None else args.seed
    try:
        build.distill(Settings(steps=args.distill_steps, seed=seed), progress)
    except UserError as error:
        log.warning("%s: the model from before is kept", error)
        progress.unlink(missing_ok=True)
        return before
    after = judged(build, lossless)
    progress.unlink(missing_ok=True)
    changes = [report.summary() for *_, report in (before, after)]
    if after[-1].better_than(before[-1]):
        log.info("distillation: %s before, %s after", *changes)
        return after
    log.warning("distillation made it no better (%s before, %s after): the model from before is kept", *changes)
    return before


def limits(args, formats: dict[str, str]):
    """What the export may lose: as the options say, by default what a streaming model's formats or its mode may."""
    from hifigan_tf.export.quality import DEFAULT_LIMITS, Limits

    names = formats.values() if args.mode in STREAMING else [args.mode]
    default = max((DEFAULT_LIMITS[name] for name in names), key=lambda it: it.pesq_drop)
    return Limits(
        default.pesq_drop if args.max_pesq_drop is None else args.max_pesq_drop,
        default.mel_difference if args.max_mel_difference is None else args.max_mel_difference,
    )


def show(mode: str, report, speeds: dict, size: int, contract) -> None:
    from hifigan_tf.export.quality import table

    print(table(report, mode))
    print(f"log-mel L1 between the two outputs {report.mel_difference:.4f}, over {report.clips} clips")
    for frames, rate in speeds.items():
        print(f"{rate:.1f} x real time on one thread, {frames} frames a step")
    if contract.stateful:
        print(f"{size / 1e6:.2f} MB, delay {contract.delay_ms} ms")
    else:
        print(f"{size / 1e6:.2f} MB, windows that lose {contract.margin_frames} frames at either end")


if __name__ == "__main__":
    cli.run(main)
