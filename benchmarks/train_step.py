"""``python benchmarks/train_step.py``: the time of a training step, part by part, and beside PyTorch's."""

import argparse
import json
import multiprocessing
import os
import platform
import sys
import textwrap
import time
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import ExitStack
from functools import cache
from importlib.metadata import version
from importlib.util import find_spec
from itertools import product
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # run as a script, from any folder

from export.benchmark import high_water_mb
from hifigan_tf import cli
from hifigan_tf.config import Config
from hifigan_tf.errors import UserError
from hifigan_tf.files import write_bytes
from hifigan_tf.shipped import CONFIGS, DEMO_TRAIN

DESCRIPTION = """Measures the training step on the CPU: seconds, steps, segments and samples of audio a second, peak
memory, and the parts of a step. With --against-torch the original's step in PyTorch, eager as people run it, takes
turns with it, step by step, so that a busy moment of the machine meets both alike.

Times are medians over the rounds, of the wall clock; the spread is that of the middle half of them, relative to it.
CPU seconds are those of all threads together. Each side is a process of its own, its memory the peak of its steps."""

LABELS = {"ours": "hifigan_tf", "torch": "PyTorch"}
PARTS = ("data", "generator", "discriminators_learning", "discriminators_judging", "optimisers")
NOTES = """Parts: the generator forward and backward; the discriminators learning (forward on real and on generated
audio, backward to their weights) and judging (forward on both again, backward to the generated audio, with the mel
loss); both optimisers. Those of hifigan_tf are compiled and measured alone, so they do not add up to the step; data is
a batch read while nothing else runs, which in training overlaps the step."""
TORCH_NOTES = """Those of PyTorch are stretches of its step; its judging, as the original's, computes gradients of the
discriminators' weights too, which nobody uses."""

WARM_UP = 2  # the first step compiles, or chooses algorithms
DATA_BATCHES = 50


class Ours:
    """Our step as ``hifigan_tf.train`` runs it, and its parts as functions compiled on their own."""

    def __init__(self, config: Config, threads: int):
        import tensorflow as tf

        from hifigan_tf.mel import MelSpectrogram
        from hifigan_tf.train import set_up_tensorflow
        from hifigan_tf.trainer import Trainer

        tf.config.threading.set_intra_op_parallelism_threads(threads)
        tf.config.threading.set_inter_op_parallelism_threads(threads)
        set_up_tensorflow()
        self.config = config
        self.trainer = Trainer(config, epoch_steps=1000)
        self.audio = tf.constant(noise(config))
        self.mel = MelSpectrogram.of(config.audio)(self.audio)

    def step(self) -> None:
        wait_for(self.trainer.train_step(self.mel, self.audio))

    def parts(self, rounds: int, data: Path) -> dict[str, float]:
        """Seconds of each part, medians over the rounds."""
        import tensorflow as tf

        from hifigan_tf.losses import adversarial_loss, discriminator_loss, feature_matching_loss, mel_loss

        trainer, audio = self.trainer, self.audio
        generator_variables, discriminator_variables = (
            trainer.generator.trainable_variables,
            trainer.discriminator_variables,
        )

        @tf.function(autograph=False)
        def generate(mel, gradient):
            values = [variable.value for variable in generator_variables]
            with tf.GradientTape(watch_accessed_variables=False) as tape:
                tape.watch(values)
                generated = trainer.generator(mel, training=True)
            return tape.gradient(generated, values, gradient)

        @tf.function(autograph=False)
        def learn(audio, generated):
            values = [variable.value for variable in discriminator_variables]
            with tf.GradientTape(watch_accessed_variables=False) as tape:
                tape.watch(values)
                real_logits, _ = trainer.judge(audio[..., None])
                generated_logits, _ = trainer.judge(generated)
                loss = discriminator_loss(real_logits, generated_logits)
            return tape.gradient(loss, values)

        @tf.function(autograph=False)
        def judge(audio, generated):
            _, real_features = trainer.judge(audio[..., None])
            with tf.GradientTape(watch_accessed_variables=False) as tape:
                tape.watch(generated)
                logits, features = trainer.judge(generated)
                mels = trainer.loss_front_end(audio), trainer.loss_front_end(generated[..., 0])
                loss = adversarial_loss(logits) + feature_matching_loss(real_features, features) + mel_loss(*mels)
            return tape.gradient(loss, generated)

        @tf.function(autograph=False)
        def optimise(of_generator, of_discriminators):
            trainer.discriminator_optimizer.apply(of_discriminators, discriminator_variables)
            trainer.generator_optimizer.apply(of_generator, generator_variables)
            return tf.identity(trainer.generator_optimizer.iterations.value)

        generated = trainer.generator(self.mel)
        gradients = generate(self.mel, generated), learn(audio, generated)
        calls = {
            "generator": lambda: wait_for(generate(self.mel, generated)),
            "discriminators_learning": lambda: wait_for(learn(audio, generated)),
            "discriminators_judging": lambda: wait_for(judge(audio, generated)),
            "optimisers": lambda: wait_for(optimise(*gradients)),
        }
        seconds = {"data": self.data_seconds(data)}
        for part, call in calls.items():
            call()
            seconds[part] = float(np.median([timed(call)[0] for _ in range(rounds)]))
        return seconds

    def data_seconds(self, data: Path) -> float:
        """Seconds in which the pipeline makes a batch."""
        from hifigan_tf.audio import find_audio
        from hifigan_tf.data import check_clips, training_batches

        batches = iter(training_batches(check_clips(find_audio(data), self.config), self.config))

        def take():
            for _ in range(DATA_BATCHES):
                next(batches)

        take()  # before the clock runs: what was made in advance
        return timed(take)[0] / DATA_BATCHES


class Torch:
    """The original's step in PyTorch, its parts as stretches of the step."""

    def __init__(self, config: Config, threads: int):
        import torch

        from benchmarks.torch_twin import LogMel, TorchTrainer

        torch.set_num_threads(threads)
        self.trainer = TorchTrainer(config)
        self.audio = torch.from_numpy(noise(config))
        self.mel = LogMel(config.audio, config.audio.fmax)(self.audio)
        self.measured = []

    def step(self) -> None:
        seconds, before = dict.fromkeys(PARTS[1:], 0.0), time.perf_counter()

        def mark(part):
            nonlocal before
            now = time.perf_counter()
            seconds[part] += now - before
            before = now

        self.trainer.train_step(self.mel, self.audio, mark)
        self.measured.append(seconds)

    def parts(self, rounds: int, data: Path) -> dict[str, float]:
        """Seconds of each part, medians over the rounds, which have been run."""
        return {part: float(np.median([step[part] for step in self.measured[-rounds:]])) for part in PARTS[1:]}


@cache
def subject(side: str, config: Config, threads: int) -> Ours | Torch:
    """The networks of one side, made at the first call in its process."""
    return {"ours": Ours, "torch": Torch}[side](config, threads)


def noise(config: Config) -> np.ndarray:
    """Audio ``[batch, segment_size]``, the same for both sides: speed does not depend on what it says."""
    shape = config.training.batch_size, config.training.segment_size
    return np.random.default_rng(0).normal(0, 0.1, shape).astype(np.float32)


def wait_for(tensors) -> None:
    """Returns when a function has been computed."""
    import tensorflow as tf

    tf.nest.flatten(tensors)[-1].numpy()


def timed(call) -> tuple[float, float]:
    """Seconds of the wall clock, and of the CPU in all threads of this process."""
    begin, cpu = time.perf_counter(), time.process_time()
    call()
    return time.perf_counter() - begin, time.process_time() - cpu


def step(*which) -> tuple[float, float]:
    return timed(subject(*which).step)


def parts(*which, rounds: int, data: Path) -> dict[str, float]:
    return subject(*which).parts(rounds, data)


def measure(config: Config, threads: int, args: argparse.Namespace) -> dict:
    """What ``--json`` holds of a config: steps of both sides in turns, then the parts."""
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
        low, median, high = np.percentile(wall, [25, 50, 75])
        segments = config.training.batch_size / median
        result[side] = {
            "seconds": round(median, 4),
            "spread": round((high - low) / median, 3),
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


def markdown(rows: list[dict], rounds: int) -> str:
    """The rows as two tables, and what they mean."""
    steps = ["| config | batch | threads | | step | spread | CPU | steps/s | segments/s | samples/s | memory | ratio |"]
    steps.append("|---|--:|--:|---|--:|--:|--:|--:|--:|--:|--:|--:|")
    stretches = [f"| config | batch | threads | | {' | '.join(part.replace('_', ', ') for part in PARTS)} |"]
    stretches.append(f"|---|--:|--:|---|{'--:|' * len(PARTS)}")
    for row in rows:
        for side, label in LABELS.items():
            if f"{side}_seconds" not in row:
                continue
            start = f"| {row['config']} | {row['batch_size']} | {row['threads']} | {label} |"
            one = {key.removeprefix(f"{side}_"): value for key, value in row.items() if key.startswith(f"{side}_")}
            ratio = f"{row['ratio']:.2f}, CPU {row['cpu_ratio']:.2f}" if side == "ours" and "ratio" in row else ""
            steps.append(
                f"{start} {one['seconds']:.3f} s | {one['spread']:.0%} | {one['cpu_seconds']:.3f} s "
                f"| {one['steps_per_second']:.3f} | {one['segments_per_second']:.2f} | {one['samples_per_second']:,} "
                f"| {one['peak_mb']:.0f} MB | {ratio} |"
            )
            cells = [f"{1000 * one['parts'][part]:.1f} ms" if part in one["parts"] else "" for part in PARTS]
            stretches.append(f"{start} {' | '.join(cells)} |")
    against = "torch_seconds" in rows[0]
    software = [f"TensorFlow {version('tensorflow')}", *([f"PyTorch {version('torch')}"] if against else [])]
    conditions = (
        f"Median of {rounds} rounds{' taken in turns' if against else ''}, {', '.join(software)}, "
        f"{platform.machine()}, {os.cpu_count()} cores. {NOTES}{f' {TORCH_NOTES}' if against else ''}"
    )
    return "\n".join([*steps, "", *stretches, "", *textwrap.wrap(conditions, 120)])


def parse(argv=None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python benchmarks/train_step.py", description=DESCRIPTION, formatter_class=cli.Formatter
    )
    parser.add_argument("--config", nargs="+", type=Path, default=[CONFIGS / "v3.json"], help="one or more")
    parser.add_argument("--batch-size", nargs="+", type=int, default=[2], help="segments in a step, one or more")
    parser.add_argument("--threads", nargs="+", type=int, default=[1], help="one or more")
    parser.add_argument("--rounds", type=int, default=9, help="steps of either side, after two that warm up")
    parser.add_argument("--against-torch", action="store_true", help="beside PyTorch: pip install torch==2.13.0")
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
    if args.against_torch and find_spec("torch") is None:
        raise UserError("--against-torch: PyTorch is not installed: pip install torch==2.13.0")
    return args


def main(argv=None) -> None:
    args = parse(argv)
    runs = [
        (path.stem, Config.load(path).replace(batch_size=batch_size), threads)
        for path, batch_size, threads in product(args.config, args.batch_size, args.threads)
    ]
    if args.json:
        cli.writable_folder(args.json.parent)
    os.environ["CUDA_VISIBLE_DEVICES"] = "-1"  # the CPU, whatever else there is
    rows = []
    for name, config, threads in runs:
        about = {"config": name, "batch_size": config.training.batch_size, "threads": threads, "rounds": args.rounds}
        rows.append(about | measure(config, threads, args))
    print(markdown(rows, args.rounds))
    if args.json:
        write_bytes(args.json, (json.dumps(rows[0] if len(rows) == 1 else rows, indent=2) + "\n").encode())


if __name__ == "__main__":
    cli.run(main)
