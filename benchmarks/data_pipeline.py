"""``python benchmarks/data_pipeline.py``: segments a second that the input delivers, and that a step takes."""

import argparse
import json
import logging
import os
import platform
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # run as a script, from any folder

from hifigan_tf import cli
from hifigan_tf.audio.audio_files import find_audio
from hifigan_tf.config import Config
from hifigan_tf.data.clip_lists import corpus_files
from hifigan_tf.errors import UserError
from hifigan_tf.files import write_bytes
from hifigan_tf.resources import CONFIGS, DEMO_TRAIN

log = logging.getLogger(__name__)

DESCRIPTION = """Measures how many segments a second the input of training delivers, with their mels: from a folder of
audio files and from the same corpus packed, each as a small corpus, which stays in memory, and as a large one, whose
clips are read again every epoch (here from files that the operating system has cached). They and the training step
take turns within one run, so that a busy moment of the machine meets all alike.

Spread is the middle half of the rounds, relative to their median."""


def parse(argv=None):
    parser = argparse.ArgumentParser(
        prog="python benchmarks/data_pipeline.py", description=DESCRIPTION, formatter_class=cli.Formatter
    )
    parser.add_argument("--data", default=DEMO_TRAIN, metavar="DIR", help="folder of audio files")
    parser.add_argument("--config", default=CONFIGS / "v3.json", metavar="FILE", help="whose step is measured")
    parser.add_argument("--batch-size", type=int, default=2, help="clips in a step")
    parser.add_argument("--threads", type=int, metavar="N", help="of TensorFlow; otherwise all cores")
    parser.add_argument("--seconds", type=float, default=1.0, help="of reading in one round")
    parser.add_argument("--repeats", type=int, default=5, help="rounds")
    parser.add_argument(
        "--steps-per-second", type=float, metavar="X", help="of training; otherwise a step is measured in every round"
    )
    parser.add_argument("--json", metavar="F", type=Path, help="write the rows there")
    args = parser.parse_args(argv)
    for name in ("threads", "seconds", "repeats", "steps_per_second"):
        value = getattr(args, name)
        if value is not None and value <= 0:
            raise UserError(f"--{name.replace('_', '-')} {value}: it must be positive")
    return args


def inputs(folder: Path, packed: str, config: Config):
    """``(name, what it is read from, dataset)`` of each way to read the corpus."""
    from hifigan_tf.data import pipeline as data
    from hifigan_tf.data.packed import read_clips

    sources = {
        "folder": lambda: find_audio(folder),
        "packed": lambda: read_clips(packed, config.audio.sampling_rate),
    }
    for name, find in sources.items():
        for kept, cache_bytes in (("memory", 2**62), ("storage", 0)):
            data.CACHE_BYTES = cache_bytes
            yield name, kept, data.training_batches(data.check_clips(find(), config), config)


def segments_per_second(dataset, batch_size: int, seconds: float) -> float:
    """Of an iterator that ends with this call, so that it fetches nothing while others have their turn."""
    batches = iter(dataset)
    take_for(batches, seconds / 2)  # until reading ahead has found its pace
    begin = time.perf_counter()
    return batch_size * take_for(batches, seconds) / (time.perf_counter() - begin)


def take_for(batches, seconds: float) -> int:
    """How many batches came within so many seconds."""
    count, end = 0, time.perf_counter() + seconds
    while time.perf_counter() < end:
        next(batches)
        count += 1
    return count


def measure(folder: Path, packed: str, config: Config, args) -> list[dict]:
    """The rows: every way to read the corpus, and how many times the segments of the step it delivers."""
    from tqdm import tqdm

    from hifigan_tf.training.trainer import Trainer

    subjects, batch_size = list(inputs(folder, packed, config)), config.training.batch_size
    rates, steps, trainer = {subject[:2]: [] for subject in subjects}, [], None
    if args.steps_per_second:
        steps.append(args.steps_per_second)
    else:
        trainer, batch = Trainer(config, epoch_steps=1000), next(iter(subjects[0][2]))
        trainer.train_step(*batch)  # compiles
    for _ in tqdm(range(args.repeats), desc="rounds", leave=False):
        for name, kept, dataset in subjects:
            rates[name, kept].append(segments_per_second(dataset, batch_size, args.seconds))
        if trainer:
            begin = time.perf_counter()
            float(trainer.train_step(*batch)["loss/mel"])
            steps.append(1 / (time.perf_counter() - begin))
    consumed = batch_size * float(np.median(steps))
    rows = []
    for name, kept, _ in subjects:
        low, median, high = np.percentile(rates[name, kept], [25, 50, 75])
        rows.append(
            {
                "input": name,
                "from": kept,
                "segments_per_second": round(float(median), 1),
                "spread": round(float((high - low) / median), 3),
                "step_segments_per_second": round(consumed, 3),
                "ratio": round(float(median) / consumed, 1),
            }
        )
    return rows


def markdown(rows: list[dict], config_name: str, config: Config, args) -> str:
    """The rows as a table, and under what conditions they arose."""
    lines = ["| input | from | segments/s | spread | x the step |", "|---|---|--:|--:|--:|"]
    lines += [
        f"| {row['input']} | {row['from']} | {row['segments_per_second']:.0f} | {row['spread']:.0%} "
        f"| {row['ratio']:.0f} |"
        for row in rows
    ]
    threads = f"{args.threads or 'all'} thread{'s' * (args.threads != 1)}"
    origin = "given" if args.steps_per_second else "measured in the same rounds"
    lines.append(
        f"\nThe step of {config_name}, batch {config.training.batch_size}, takes "
        f"{rows[0]['step_segments_per_second']:.2f} segments of {config.training.segment_size} samples a second "
        f"({origin}). {threads}, median of {args.repeats} rounds taken in turns, "
        f"{platform.machine()}, {os.cpu_count()} cores"
    )
    return "\n".join(lines)


def main(argv=None) -> None:
    args = parse(argv)
    config = Config.load(args.config).replace(batch_size=args.batch_size, discriminator_start_step=0)
    folder = cli.existing_folder(args.data, "--data")
    if args.json:
        cli.writable_folder(args.json.parent)

    import tensorflow as tf

    from hifigan_tf.preprocess import pack

    if args.threads:
        tf.config.threading.set_intra_op_parallelism_threads(args.threads)
        tf.config.threading.set_inter_op_parallelism_threads(args.threads)
    if not tf.config.list_physical_devices("GPU"):
        tf.config.optimizer.set_experimental_options({"disable_meta_optimizer": True})  # as in training
    with tempfile.TemporaryDirectory() as packed:
        pack(corpus_files(folder), packed, config.audio, 256 * 10**6, os.cpu_count())
        rows = measure(folder, packed, config, args)
    print(markdown(rows, Path(args.config).stem, config, args))
    if args.json:
        write_bytes(args.json, (json.dumps(rows, indent=2) + "\n").encode())


if __name__ == "__main__":
    cli.run(main)
