"""``python benchmarks/train_step.py``: the time of a training step and of its parts, compared with PyTorch."""

import argparse
import multiprocessing
import os
import sys
import textwrap
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import ExitStack
from importlib.metadata import version
from importlib.util import find_spec
from itertools import product
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # run as a script, from any folder

from benchmarks.measure import high_water_mb, median_and_spread
from benchmarks.train_step_frameworks import PARTS, parts, step
from hifigan_tf import cli
from hifigan_tf.audio.audio_files import AUDIO_SUFFIXES, find_audio
from hifigan_tf.config import Config
from hifigan_tf.errors import UserError
from hifigan_tf.evaluation.tables import markdown
from hifigan_tf.files import write_json
from hifigan_tf.processor import machine
from hifigan_tf.resources import CONFIGS, DEMO_TRAIN

DESCRIPTION = """Measures the training step on the CPU: seconds, steps, segments and samples of audio a second, peak
memory, and the parts of a step. With --against-torch it alternates with the original's step in eager PyTorch, step by
step, so that other load on the machine affects both alike.

Times are medians over the rounds, of the wall clock; spread is the interquartile range relative to the median. CPU
seconds are the sum over all threads. Each framework runs in its own process; memory is the peak over its steps."""

LABELS = {"ours": "hifigan_tf", "torch": "PyTorch"}
NOTES = """Parts: the generator forward and backward; the discriminators learning (forward on real and on generated
audio, backward to their weights) and judging (forward on both again, backward to the generated audio, with the mel
loss); both optimisers. Those of hifigan_tf are compiled and measured alone, so they do not add up to the step; data is
reading one batch while nothing else runs; in training this overlaps with the step."""
TORCH_NOTES = """The parts of PyTorch are sections of its step; as in the original, its judging also computes unused
gradients of the discriminators' weights."""

WARM_UP = 2  # the first step compiles, or chooses algorithms


def measure(config: Config, threads: int, args: argparse.Namespace) -> dict:
    """Measures a config, steps of both frameworks in turns, then the parts; returns its entry for ``--json``."""
    from tqdm import tqdm

    sides = [side for side in LABELS if side == "ours" or args.against_torch]
    context = multiprocessing.get_context("spawn")
    with ExitStack() as stack:
        pools = {side: stack.enter_context(ProcessPoolExecutor(1, context)) for side in sides}

        def ask(side, what, **settings):
            try:
                return pools[side].submit(what, side, config, threads, **settings).result()
            except BrokenProcessPool:
                raise UserError(
                    f"the process of {LABELS[side]} was killed: if the memory does not hold a batch of "
                    f"{config.training.batch_size}, give a smaller --batch-size"
                ) from None

        for side in sides:
            for _ in range(WARM_UP):
                ask(side, step)
        rounds = tqdm(range(args.rounds), desc="rounds", leave=False)
        times = [[ask(side, step) for side in sides] for _ in rounds]
        memory = {side: pools[side].submit(high_water_mb).result() for side in sides}
        stretches = {side: ask(side, parts, rounds=args.rounds, data=args.data) for side in sides}

    result = {}
    for side, figures in zip(sides, np.array(times).transpose(1, 2, 0), strict=True):
        wall, cpu = figures
        median, spread = median_and_spread(wall)
        segments = config.training.batch_size / median
        result[side] = {
            "seconds": round(median, 4),
            "spread": round(spread, 3),
            "cpu_seconds": round(float(np.median(cpu)), 4),
            "steps_per_second": round(1 / median, 4),
            "segments_per_second": round(segments, 3),
            "samples_per_second": round(segments * config.training.segment_size),
            "peak_mb": round(memory[side], 1),
            "parts": {part: round(seconds, 5) for part, seconds in stretches[side].items()},
        }
    row = {f"{side}_{key}": value for side in sides for key, value in result[side].items()}
    if args.against_torch:
        row["ratio"] = round(result["ours"]["seconds"] / result["torch"]["seconds"], 3)
        row["cpu_ratio"] = round(result["ours"]["cpu_seconds"] / result["torch"]["cpu_seconds"], 3)
    return row


def report(rows: list[dict], rounds: int) -> str:
    """The rows as two tables, with an explanation."""
    about = ["config", "batch", "threads", ""]
    steps, stretches = [], []
    for row, (side, label) in product(rows, LABELS.items()):
        if f"{side}_seconds" not in row:
            continue
        start = [row["config"], str(row["batch_size"]), str(row["threads"]), label]
        one = {key.removeprefix(f"{side}_"): value for key, value in row.items() if key.startswith(f"{side}_")}
        steps.append(
            [
                *(*start, f"{one['seconds']:.3f} s", f"{one['spread']:.0%}", f"{one['cpu_seconds']:.3f} s"),
                *(f"{one['steps_per_second']:.3f}", f"{one['segments_per_second']:.2f}"),
                *(f"{one['samples_per_second']:,}", f"{one['peak_mb']:.0f} MB"),
                f"{row['ratio']:.2f}, CPU {row['cpu_ratio']:.2f}" if side == "ours" and "ratio" in row else "",
            ]
        )
        cells = [f"{1000 * one['parts'][part]:.1f} ms" if part in one["parts"] else "" for part in PARTS]
        stretches.append([*start, *cells])
    against = "torch_seconds" in rows[0]
    software = [f"TensorFlow {version('tensorflow')}", *([f"PyTorch {version('torch')}"] if against else [])]
    conditions = (
        f"Median of {rounds} rounds{' taken in turns' if against else ''}, {', '.join(software)}, {machine()}. "
        f"{NOTES}{f' {TORCH_NOTES}' if against else ''}"
    )
    figures = ["step", "spread", "CPU", "steps/s", "segments/s", "samples/s", "memory", "ratio"]
    tables = [
        markdown([*about, *figures], steps, left=len(about)),
        markdown([*about, *(part.replace("_", ", ") for part in PARTS)], stretches, left=len(about)),
    ]
    return "\n\n".join([*tables, textwrap.fill(conditions, 120)])


def parse(argv=None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python benchmarks/train_step.py", description=DESCRIPTION, formatter_class=cli.Formatter
    )
    parser.add_argument("--config", nargs="+", type=Path, metavar="C", help="one or more; default: configs/v3.json")
    parser.add_argument(
        "--batch-size", nargs="+", type=int, metavar="N", default=[2], help="segments in a step, one or more"
    )
    parser.add_argument("--threads", nargs="+", type=int, metavar="N", default=[1], help="one or more")
    parser.add_argument("--rounds", type=int, default=9, help="steps of each framework, after two for warm-up")
    parser.add_argument("--against-torch", action="store_true", help="compare with PyTorch: pip install torch==2.13.0")
    parser.add_argument("--data", metavar="DIR", default=DEMO_TRAIN, help="audio files for the part that reads data")
    parser.add_argument(
        "--json", metavar="F", type=Path, help="write the figures there: an object, or a list of several"
    )
    args = parser.parse_args(argv)
    for name, values in (("threads", args.threads), ("rounds", [args.rounds])):
        for value in values:
            if value <= 0:
                raise UserError(f"--{name} {value}: it must be positive")
    args.data = cli.existing_folder(args.data, "--data")
    if not find_audio(args.data):
        raise UserError(f"--data {args.data} holds no audio file ({', '.join(AUDIO_SUFFIXES)})")
    if args.against_torch and find_spec("torch") is None:
        raise UserError("--against-torch: PyTorch is not installed: pip install torch==2.13.0")
    return args


def main(argv=None) -> None:
    args = parse(argv)
    runs = [
        (path.stem, Config.load(path).replace(batch_size=batch_size, discriminator_start_step=0), threads)
        for path, batch_size, threads in product(args.config or [CONFIGS / "v3.json"], args.batch_size, args.threads)
    ]
    for name, config, _ in runs:
        if args.against_torch and (unknown := config.generator.beyond_paper):
            raise UserError(
                f"--against-torch knows the paper's generator alone, and {name} has {unknown}: leave it out"
            )
    if args.json:
        cli.writable_folder(args.json.parent)
    os.environ["CUDA_VISIBLE_DEVICES"] = "-1"  # the CPU, whatever else there is
    rows = []
    for name, config, threads in runs:
        about = {"config": name, "batch_size": config.training.batch_size, "threads": threads, "rounds": args.rounds}
        rows.append(about | measure(config, threads, args))
    print(report(rows, args.rounds))
    if args.json:
        write_json(args.json, rows[0] if len(rows) == 1 else rows)


if __name__ == "__main__":
    cli.run(main)
