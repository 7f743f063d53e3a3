"""``python benchmarks/accelerators.py MODEL…``: what Ethos-U accelerators and microcontrollers make of a model."""

import argparse
import csv
import math
import re
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # run as a script, from any folder

from benchmarks.runtimes import RUNTIMES, Runtime, environment, snr, speech
from hifigan_tf import cli
from hifigan_tf.errors import UserError
from hifigan_tf.evaluation.tables import markdown
from hifigan_tf.files import write_json
from hifigan_tf.resources import VOICE
from hifigan_tf.streaming import contract
from hifigan_tf.streaming.contract import AUDIO, MEL, VocoderContract

DESCRIPTION = """Compiles full-integer models with Arm's Vela for Ethos-U55, U65 and U85, and runs them in TensorFlow
Lite Micro. The exit code is 1 where Vela leaves an operation to the CPU, or where samples differ from those of LiteRT's
reference kernels: any sample of an 8-bit model, while with 16-bit activations, which the two round differently, the
difference must be 50 dB below the signal. Vela and TensorFlow Lite Micro get environments of their own.

Times are Vela's estimates, for the clock and the memories of the named system configuration, not measurements. The
speed relative to real time leaves out the margins of a window, which overlap.

Models are made by hifigan-tf export with --full-int8 or --int16-activations, and --integer-io. Or give --checkpoint,
which is exported by the former, or --config, for a generator of random weights, with the sizes and times of a trained
one; neither is judged."""

VELA = Runtime("Vela", "3.12", ("ethos-u-vela==5.2.0",))
(MICRO,) = (runtime for runtime in RUNTIMES if runtime.name == "TFLite Micro")
PROBE = Path(__file__).with_name("micro_probe.py")
LEAST_SNR = {"full_int8": math.inf, "int16": 50}  # dB, between TensorFlow Lite Micro and LiteRT's reference kernels
INPUTS = 3  # windows of speech, after one of random integers, which saturates more


@dataclass(frozen=True)
class Target:
    """An accelerator, and the system around it as Vela's own vela.ini describes it."""

    accelerator: str
    system: str
    memory: str


TARGETS = (
    Target("ethos-u55-128", "Ethos_U55_High_End_Embedded", "Shared_Sram"),
    Target("ethos-u55-256", "Ethos_U55_High_End_Embedded", "Shared_Sram"),
    Target("ethos-u65-256", "Ethos_U65_Embedded", "Shared_Sram"),
    Target("ethos-u65-512", "Ethos_U65_High_End", "Dedicated_Sram_384KB"),
    Target("ethos-u85-256", "Ethos_U85_SYS_DRAM_Mid", "Dedicated_Sram_384KB"),
    Target("ethos-u85-1024", "Ethos_U85_SYS_DRAM_High", "Dedicated_Sram_512KB"),
)


def parse(argv=None):
    parser = argparse.ArgumentParser(
        prog="python benchmarks/accelerators.py", description=DESCRIPTION, formatter_class=cli.Formatter
    )
    parser.add_argument("models", nargs="*", metavar="MODEL", help="vocoders as .tflite")
    parser.add_argument(
        "--checkpoint", nargs="+", metavar="CKPT", default=[], help=".keras files or run folders; default: the voice"
    )
    parser.add_argument("--config", nargs="+", metavar="FILE", default=[], help="configs, for random weights")
    parser.add_argument("--frames", type=cli.positive, metavar="N", help="window of --checkpoint and --config")
    parser.add_argument("--environments", metavar="DIR", type=Path, default=Path("build/runtimes"), help="kept there")
    parser.add_argument("--json", metavar="F", type=Path, help="write the rows there")
    args = parser.parse_args(argv)
    if not (args.models or args.checkpoint or args.config):
        args.checkpoint = [str(VOICE)]
    if args.frames and not (args.checkpoint or args.config):
        raise UserError(f"--frames {args.frames} is for --checkpoint and --config: a .tflite has its own")
    return args


def export(generator, frames: int | None) -> bytes:
    """``--full-int8 --integer-io`` of a generator, calibrated on the demo corpus, and not judged."""
    from hifigan_tf.export.export_vocoder import build_unjudged
    from hifigan_tf.export.options import ExportOptions

    return build_unjudged(generator, ExportOptions(mode="full_int8", integer_io=True, frames=frames)).packed()


def load_models(args) -> list[tuple[str, bytes]]:
    """``(name, model)`` for all that the command line names."""
    models = [(Path(path).stem, cli.existing_file(path, "MODEL").read_bytes()) for path in args.models]
    if args.checkpoint or args.config:
        import keras

        from hifigan_tf.config import Config
        from hifigan_tf.models.generator import Generator, load_generator

        for checkpoint in map(cli.checkpoint, args.checkpoint):
            name = checkpoint.parent.name if checkpoint.stem in ("best", "last") else checkpoint.stem
            models.append((name, export(load_generator(checkpoint), args.frames)))
        for path in map(Path, args.config):
            config = Config.load(path)
            keras.utils.set_random_seed(0)
            generator = Generator.of(config.generator, config.audio)
            models.append((f"{path.stem}, random", export(generator, args.frames)))
    for name, model in models:
        values = contract.read_kind(model, name, VocoderContract)
        if values.mode not in LEAST_SNR or not values.quantization:
            raise UserError(f"{name} has float tensors ({values.mode}): export it with --full-int8 --integer-io")
    return models


def compile_model(python: Path, model: bytes, values: VocoderContract, target: Target) -> dict:
    """A row of Vela's estimates for a model; with the ``reason`` where it cannot compile all of it."""
    with tempfile.TemporaryDirectory() as name:
        source, output = Path(name, "model.tflite"), Path(name, "output")
        source.write_bytes(model)
        command = [python.with_name("vela"), source, "--accelerator-config", target.accelerator]
        command += ["--system-config", target.system, "--memory-mode", target.memory]
        command += ["--config", "Arm/vela.ini", "--output-dir", output]
        process = subprocess.run(list(map(str, command)), capture_output=True, text=True, check=False)
        if process.returncode:
            return {"reason": (process.stderr.strip().splitlines() or [f"exit code {process.returncode}"])[-1]}
        with next(output.glob("*_summary_*.csv")).open(encoding="utf-8") as file:
            summary = next(csv.DictReader(file))
        left = cpu_operations(process.stdout)
    seconds = float(summary["inference_time"])
    frames = values.window_frames - sum(values.margins)
    return {
        "reason": f"{left} operations are left to the CPU" if left else None,
        "cycles": int(float(summary["cycles_total"])),
        "milliseconds": round(1000 * seconds, 2),
        "x_realtime": round(frames * values.audio_config.hop_size / values.audio_config.sampling_rate / seconds, 2),
        "sram_kib": round(float(summary["sram_memory_used"])),
        "other_kib": round(sum(float(summary[f"{kind}_memory_used"]) for kind in ("dram", "off_chip_flash"))),
    }


def cpu_operations(report: str) -> int:
    """How many operations Vela leaves to the CPU, by what it prints. Raises ``UserError`` where it does not say."""
    found = re.search(r"^CPU operators = (\d+)", report, re.MULTILINE)
    if not found:
        raise UserError("Vela's report does not name the CPU operators: take the version that this script installs")
    return int(found[1])


def inputs(values: VocoderContract) -> list[np.ndarray]:
    """Integers ``[1, frames, num_mels]`` for the model: random ones, and successive windows of a demo clip."""
    grid, frames = values.quantization[MEL], values.window_frames
    limits = np.iinfo(grid["dtype"])
    shape = [1, frames, values.audio_config.num_mels]
    windows = [np.random.default_rng(0).integers(limits.min, limits.max, shape, grid["dtype"], endpoint=True)]
    mel = speech(values.audio_config, INPUTS * frames)
    levels = np.clip(np.rint(mel / grid["scale"]) + grid["zero_point"], limits.min, limits.max).astype(grid["dtype"])
    return windows + [levels[None, start : start + frames] for start in range(0, len(levels) - frames + 1, frames)]


def reference(model: bytes, values: VocoderContract, mels: list[np.ndarray]) -> np.ndarray:
    """The samples of LiteRT's reference kernels, ``[windows, samples]``."""
    from ai_edge_litert.interpreter import Interpreter, OpResolverType

    interpreter = Interpreter(model_content=model, experimental_op_resolver_type=OpResolverType.BUILTIN_REF)
    window = interpreter.get_signature_runner(values.window)
    return np.concatenate([window(**{MEL: mel})[AUDIO] for mel in mels])


def run_micro(python: Path, model: bytes, values: VocoderContract) -> dict:
    """A row of how a model runs in TensorFlow Lite Micro; with the ``reason`` where it does not, or not alike."""
    mels = inputs(values)
    with tempfile.TemporaryDirectory() as name:
        paths = [Path(name, file) for file in ("model.tflite", "mels.npy", "output.npz")]
        paths[0].write_bytes(model)
        np.save(paths[1], np.stack(mels))
        process = subprocess.run(list(map(str, [python, PROBE, *paths])), capture_output=True, text=True, check=False)
        if process.returncode:
            return {"reason": (process.stderr.strip().splitlines() or [f"exit code {process.returncode}"])[-1]}
        with np.load(paths[2]) as output:
            audio, version = output["audio"], str(output["version"])
    # The arena's size is only printed, by native code.
    arena = int(re.search(r"Arena allocation total (\d+) bytes", process.stdout + process.stderr)[1])
    expected = reference(model, values, mels)
    noise = snr(expected.astype(np.float64), audio.astype(np.float64))
    equal = "all equal" if noise == math.inf else f"{np.sum(audio != expected)} differ, {noise:.0f} dB"
    return {
        "reason": None if noise >= LEAST_SNR[values.mode] else f"of {audio.size} samples {equal} to LiteRT's",
        "samples": audio.size,
        "equal": equal,
        "arena_kib": -(-arena // 1024),
        "version": version,
    }


def report(rows: list[dict]) -> str:
    """A table of what Vela estimates, and another one of the runs in TensorFlow Lite Micro."""
    header = ["model", "frames", "accelerator", "system", "memory"]
    header += ["CPU operations", "ms", "x real time", "SRAM", "other"]
    compiled, run = ([row for row in rows if ("accelerator" in row) == of_vela] for of_vela in (True, False))
    lines = []
    for row in compiled:
        names = [row["model"], str(row["frames"]), row["accelerator"], row["system"], row["memory"]]
        if row["reason"]:
            lines.append([*names, row["reason"], "", "", "", ""])
            continue
        figures = [f"{row['milliseconds']:.1f}", f"{row['x_realtime']:.1f}"]
        lines.append([*names, "0", *figures, f"{row['sram_kib']} KiB", f"{row['other_kib']} KiB"])
    tables = [f"Vela {VELA.packages[0].partition('==')[2]}, its estimates:", markdown(header, lines, left=5)]
    header = ["model", "frames", "samples", "beside LiteRT's", "arena"]
    lines = [
        [row["model"], str(row["frames"]), row["reason"], "", ""]
        if "samples" not in row
        else [row["model"], str(row["frames"]), str(row["samples"]), row["equal"], f"{row['arena_kib']} KiB"]
        for row in run
    ]
    version = next((row["version"] for row in run if "version" in row), "")
    tables += [f"TensorFlow Lite Micro {version}:", markdown(header, lines, left=2)]
    return "\n\n".join(tables)


def main(argv=None) -> int:
    args = parse(argv)
    if args.json:
        cli.writable_folder(args.json.parent)
    models = load_models(args)
    vela, micro = (environment(runtime, args.environments.resolve()) for runtime in (VELA, MICRO))
    rows = []
    for name, packed in models:
        values, model = contract.read_kind(packed, name, VocoderContract), contract.unpack(packed)
        common = {"model": name, "frames": values.window_frames}
        for target in TARGETS:
            row = {"accelerator": target.accelerator, "system": target.system, "memory": target.memory}
            rows.append(common | row | compile_model(vela, model, values, target))
        rows.append(common | run_micro(micro, model, values))
    print(report(rows))
    if args.json:
        write_json(args.json, rows)
    failed = [row for row in rows if row["reason"]]
    for row in failed:
        print(f"{row['model']}, {row.get('accelerator', MICRO.name)}: {row['reason']}", file=sys.stderr)
    return 1 if failed else 0


if __name__ == "__main__":
    cli.run(main)
