"""``python -m hifigan_tf.experiments.periodicity``: can MPD and MSD tell a sinusoid from a slightly wrong one?

The experiment on periodic signals in the appendix of the paper. Protocol, results and other attempts are in
docs/periodicity.md.
"""

import argparse
import dataclasses
import logging
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np

from hifigan_tf import cli, extras
from hifigan_tf.errors import UserError
from hifigan_tf.files import read_json, write_bytes, write_json

log = logging.getLogger(__name__)

DESCRIPTION = """Small MPD and MSD classifiers learn to distinguish pure sinusoids from ones with a small share of a
wrong frequency. Writes a table (table.md), every accuracy (results.json) and a picture (accuracy.png). The result of
each trained model is kept in the output folder; if interrupted, the same command resumes. Takes 10 to 20 minutes."""

MODELS = ("mpd", "msd")
WRONG = ("scattered", "run", "mixed")


@dataclasses.dataclass(frozen=True)
class Protocol:
    """Everything that determines an accuracy, besides model, share and seed."""

    wrong: str = "scattered"
    steps: int = 800
    learning_rate: float = 1e-3  # falls to 0 along a cosine
    batch_pairs: int = 8
    test_pairs: int = 500
    samples: int = 2000
    sampling_rate: int = 22050
    highest_hz: float = 8000.0
    discriminator_channels: int = 128
    first_share: float = 0.1  # training starts with at least this, and reaches the final share after half of the steps

    def share_at(self, step: int, share: float) -> float:
        """The share of wrong samples in the batch of a step, counted from 0: it falls geometrically."""
        first = max(self.first_share, share)
        return first * (share / first) ** min(1.0, step / (self.steps / 2))


class Cell(NamedTuple):
    """One trained model; its file in the output folder is named after it."""

    model: str
    share: float
    seed: int

    def __str__(self):
        return f"{self.model}, {percent(self.share)} wrong, seed {self.seed}"


def sinusoid_pairs(rng: np.random.Generator, pairs: int, share: float, protocol: Protocol) -> np.ndarray:
    """``[2 * pairs, samples, 1]`` float32: pure sinusoids, then the same ones with a wrong share.

    Frequency (1 Hz to ``highest_hz``), phase and amplitude (0.1 to 1) are uniformly random, and so are frequency and
    phase of the wrong sinusoid, which has the same amplitude. By ``protocol.wrong``,

        scattered   round(share * samples) samples anywhere are those of the wrong sinusoid
        run         the same number of samples, in one stretch
        mixed       the wrong sinusoid is added with ``share`` of the amplitude, and the sum scaled to keep the power
    """
    amplitude = rng.uniform(0.1, 1, (pairs, 1))
    frequency = rng.uniform(1, protocol.highest_hz, (2, pairs, 1))
    phase = rng.uniform(0, 2 * np.pi, (2, pairs, 1))
    seconds = np.arange(protocol.samples) / protocol.sampling_rate
    pure, wrong = amplitude * np.sin(2 * np.pi * frequency * seconds + phase)
    if protocol.wrong == "mixed":
        corrupted = (pure + share * wrong) / np.sqrt(1 + share**2)
    else:
        count = round(share * protocol.samples)
        if protocol.wrong == "run":
            places = rng.integers(0, protocol.samples - count + 1, (pairs, 1)) + np.arange(count)
        else:
            places = rng.permuted(np.tile(np.arange(protocol.samples), (pairs, 1)), axis=1)[:, :count]
        corrupted = pure.copy()
        np.put_along_axis(corrupted, places, np.take_along_axis(wrong, places, axis=1), axis=1)
    return np.concatenate([pure, corrupted])[..., None].astype(np.float32)


def training_batches(seed: int, share: float, protocol: Protocol) -> Iterator[np.ndarray]:
    """The pairs of each step; for the same seed both models get the same ones."""
    rng = np.random.default_rng([1, seed])
    for step in range(protocol.steps):
        yield sinusoid_pairs(rng, protocol.batch_pairs, protocol.share_at(step, share), protocol)


def test_signals(share: float, protocol: Protocol) -> np.ndarray:
    """The test pairs for all models of a share, whatever their seed."""
    return sinusoid_pairs(np.random.default_rng(0), protocol.test_pairs, share, protocol)


def train_cell(cell: Cell, protocol: Protocol) -> float:
    """Trains one model; returns the share of test signals that it classifies correctly after the last step.

    The result is the same on every call, whatever ran before.
    """
    import keras
    import tensorflow as tf
    from tqdm import tqdm

    from hifigan_tf.models.discriminators import MultiPeriodDiscriminator, MultiScaleDiscriminator

    keras.backend.clear_session()
    keras.utils.set_random_seed(cell.seed)
    kind = MultiPeriodDiscriminator if cell.model == "mpd" else MultiScaleDiscriminator
    model = kind(discriminator_channels=protocol.discriminator_channels)
    optimizer = keras.optimizers.Adam(keras.optimizers.schedules.CosineDecay(protocol.learning_rate, protocol.steps))
    optimizer.build(model.trainable_variables)

    def logit(signals, training):  # [batch]: the mean over positions and sub-discriminators
        return tf.add_n([tf.reduce_mean(j.logits, 1) for j in model(signals, training=training)]) / len(model.labels)

    def is_pure(signals):
        return tf.range(tf.shape(signals)[0]) < tf.shape(signals)[0] // 2

    @tf.function(autograph=False)
    def learn(signals):
        with tf.GradientTape() as tape:
            label = tf.cast(is_pure(signals), tf.float32)
            loss = tf.reduce_mean(tf.nn.sigmoid_cross_entropy_with_logits(label, logit(signals, True)))
        variables = model.trainable_variables
        optimizer.apply(tape.gradient(loss, variables), variables)

    @tf.function(autograph=False)
    def right(signals):
        return tf.equal(logit(signals, False) > 0, is_pure(signals))

    batches = training_batches(cell.seed, cell.share, protocol)
    for signals in tqdm(batches, desc=str(cell), total=protocol.steps, unit="step", leave=False):
        learn(tf.constant(signals))
    pure, corrupted = np.split(test_signals(cell.share, protocol), 2)
    parts = range(0, protocol.test_pairs, protocol.batch_pairs)
    verdicts = [
        right(tf.constant(np.concatenate([half[start : start + protocol.batch_pairs] for half in (pure, corrupted)])))
        for start in parts
    ]
    return float(np.mean(np.concatenate(verdicts)))


def finished(path: Path, protocol: Protocol) -> dict | None:
    """The result in the file of a cell, or None if it is still to be trained.

    Raises ``UserError`` if the file is of another protocol or is not a result.
    """
    if not path.exists():
        return None
    try:
        result = read_json(path)
        was = Protocol(**result["protocol"])
        values = {name: float(result[name]) for name in ("accuracy", "seconds")}
    except (UserError, ValueError, KeyError, TypeError):
        raise UserError(f"{path} is not a result of this program: delete it") from None
    for name, value in dataclasses.asdict(protocol).items():
        if getattr(was, name) != value:
            raise UserError(f"{path} was made with {name} {getattr(was, name)}, not {value}: give another --output-dir")
    return values


def percent(share: float) -> str:
    return f"{100 * share:g} %"


def table(accuracies: dict[str, dict[float, list[float]]]) -> str:
    """``{model: {share: [accuracy of each seed]}}`` as Markdown: the mean, and the range where there are several."""
    shares = list(next(iter(accuracies.values())))
    lines = [f"| wrong | {' | '.join(map(str.upper, accuracies))} |", "|--:|" + "--:|" * len(accuracies)]
    for share in shares:
        cells = []
        for values in (100 * np.array(by_share[share]) for by_share in accuracies.values()):
            spread = f" ({values.min():.1f} to {values.max():.1f})" if len(values) > 1 else ""
            cells.append(f"{values.mean():.1f} %{spread}")
        lines.append(f"| {percent(share)} | {' | '.join(cells)} |")
    return "\n".join(lines)


def percentage(text: str) -> float:
    """A share in percent, for argparse."""
    value = float(text)
    if not 0 < value <= 50:
        raise argparse.ArgumentTypeError(f"{text} is no share: give percent above 0 and up to 50, for example 0.1")
    return value


def rate(text: str) -> float:
    """A learning rate, for argparse."""
    value = float(text)
    if not 0 < value < 1:
        raise argparse.ArgumentTypeError(f"{text} is no learning rate: give a number between 0 and 1")
    return value


def parse(arguments=None) -> argparse.Namespace:
    standard = Protocol()
    parser = cli.parser("experiments.periodicity", DESCRIPTION)
    parser.add_argument("--output-dir", default="runs/periodicity", metavar="DIR", help="where the results go")
    parser.add_argument(
        "--wrong", choices=WRONG, default=standard.wrong,
        help="wrong samples anywhere, in one stretch, or a wrong sinusoid mixed into all of them",
    )  # fmt: skip
    parser.add_argument(
        "--shares", nargs="+", type=percentage, default=[10, 1, 0.1], metavar="PERCENT",
        help="how much is wrong",
    )  # fmt: skip
    parser.add_argument("--seeds", type=cli.positive, default=3, metavar="N", help="models of each kind and share")
    parser.add_argument("--steps", type=cli.positive, default=standard.steps, metavar="N", help="of training, each")
    parser.add_argument("--learning-rate", type=rate, default=standard.learning_rate, metavar="X", help="at first")
    args = parser.parse_args(arguments)
    if args.wrong != "mixed" and round(min(args.shares) / 100 * standard.samples) < 1:
        raise UserError(
            f"--shares {min(args.shares):g}: of {standard.samples} samples that is none: "
            f"give at least {100 / standard.samples:g}"
        )
    return args


def main(arguments=None) -> None:
    args = parse(arguments)
    extras.require("the experiment")
    protocol = Protocol(wrong=args.wrong, steps=args.steps, learning_rate=args.learning_rate)
    shares = [value / 100 for value in sorted(set(args.shares), reverse=True)]
    output = cli.writable_folder(args.output_dir)
    folder = cli.writable_folder(output / "cells")
    # Seeds outermost, so that an interrupted run has a first result for every model and share.
    cells = [Cell(model, share, seed) for seed in range(args.seeds) for share in shares for model in MODELS]
    paths = {cell: folder / f"{cell.model}_{cell.share:g}_{cell.seed}.json" for cell in cells}
    found = {cell: finished(path, protocol) for cell, path in paths.items()}
    results = {cell: result for cell, result in found.items() if result is not None}
    missing = [cell for cell in cells if cell not in results]
    if len(missing) < len(cells):
        log.info("%d of %d models are trained already", len(cells) - len(missing), len(cells))
    if missing:
        import tensorflow as tf
        from tqdm.contrib.logging import logging_redirect_tqdm

        tf.config.experimental.enable_op_determinism()
        with logging_redirect_tqdm():
            for number, cell in enumerate(missing, len(cells) - len(missing) + 1):
                start = time.monotonic()
                accuracy = train_cell(cell, protocol)
                result = {"accuracy": accuracy, "seconds": round(time.monotonic() - start, 1)}
                results[cell] = result
                record = {**cell._asdict(), **result, "protocol": dataclasses.asdict(protocol)}
                write_json(paths[cell], record)
                log.info(
                    "%d of %d: %s: %.1f %% right, %.0f s",
                    number, len(cells), cell, 100 * accuracy, result["seconds"],
                )  # fmt: skip
    report(output, protocol, results)


def report(output: Path, protocol: Protocol, results: dict[Cell, dict]) -> None:
    """Writes table, JSON and picture of all cells, and prints the table."""
    from hifigan_tf.evaluation.plots import save_accuracies

    accuracies: dict[str, dict[float, list[float]]] = {}
    for cell, result in results.items():
        accuracies.setdefault(cell.model, {}).setdefault(cell.share, []).append(result["accuracy"])
    text = table(accuracies)
    everything = {
        "protocol": dataclasses.asdict(protocol),
        "cells": [{**cell._asdict(), **result} for cell, result in results.items()],
    }
    write_json(output / "results.json", everything)
    write_bytes(output / "table.md", f"{text}\n".encode())
    save_accuracies(output / "accuracy.png", accuracies)
    print(text)


if __name__ == "__main__":
    cli.run(main)
