"""``python benchmarks/compare_runs.py``: compares the validation of several runs."""

import argparse
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # run as a script, from any folder

from hifigan_tf import cli
from hifigan_tf.errors import UserError

DESCRIPTION = """Prints the results of runs at their last validation and at the last step that all of them validated, as
a Markdown table, and draws the curves. With --from-start-of-discriminators steps are counted from the start of the
discriminators' training, so that runs with warm-ups of different length can be compared.

For a run with a moving average of its generator, the average is compared."""

METRICS = ("log_mel_l1", "stft_distance", "pesq_wb")


def parse(argv=None):
    parser = argparse.ArgumentParser(
        prog="python benchmarks/compare_runs.py", description=DESCRIPTION, formatter_class=cli.Formatter
    )
    parser.add_argument("runs", nargs="+", metavar="RUN", help="run folders; NAME=RUN gives one a name")
    parser.add_argument("--output", type=Path, metavar="F.png", help="where the curves are drawn")
    parser.add_argument(
        "--from-start-of-discriminators", action="store_true", help="count steps from discriminator_start_step"
    )
    return parser.parse_args(argv)


def main(argv=None) -> None:
    args = parse(argv)
    folders = {}
    for text in args.runs:
        name, _, path = ("", "", text) if Path(text).is_dir() else text.partition("=")
        folder = cli.existing_run(path or text)
        folders[name or folder.name] = folder
    if len(folders) < len(args.runs):
        raise UserError("two runs have the same name: give them others, NAME=RUN")
    if args.output:
        cli.writable_folder(args.output.parent)
    runs = {name: curves(folder, args.from_start_of_discriminators) for name, folder in folders.items()}
    print(table(runs))
    if args.output:
        draw(args.output, runs, args.from_start_of_discriminators)
        print(args.output)


def curves(folder: Path, from_discriminators: bool) -> dict[str, dict[int, float]]:
    """``{metric: {step: mean over the held-out clips}}`` of a run, or of its moving average if it has one.

    A metric that the run has not measured is left out.
    """
    from hifigan_tf.config import Config
    from hifigan_tf.training.run_folder import RunFolder
    from hifigan_tf.training.tensorboard import Events

    run = RunFolder(folder)
    training = Config.load(run.config).training
    group = "validation_ema" if training.ema_decay else "validation"
    first = (training.discriminator_start_step or 0) if from_discriminators else 0
    found = Events(run.logs).scalars
    return {
        key: {step - first: value for step, value in found[f"{group}/{key}"].items() if step > first}
        for key in METRICS
        if f"{group}/{key}" in found
    }


def table(runs: dict[str, dict]) -> str:
    """Two rows for each run, for the last common step and for its last one; one row if these are the same."""
    from hifigan_tf.evaluation.metrics import METRICS as KNOWN
    from hifigan_tf.evaluation.tables import markdown

    validated = [set(run.get("log_mel_l1", ())) for run in runs.values()]
    common = set.intersection(*validated)
    if not common:
        raise UserError("the runs have no validated step in common: nothing can be compared")
    rows = []
    for (name, run), steps in zip(runs.items(), validated, strict=True):
        for step in sorted({max(common), max(steps)}):
            values = {key: run.get(key, {}).get(step) for key in METRICS}
            cells = ["" if value is None else f"{value:.{KNOWN[key].digits}f}" for key, value in values.items()]
            rows.append([name, f"{step:,}", *cells])
    return markdown(["run", "step", *(KNOWN[key].name for key in METRICS)], rows)


def draw(path: Path, runs: dict[str, dict], from_discriminators: bool) -> None:
    """A panel for each metric, a curve for each run."""
    from matplotlib.figure import Figure

    from hifigan_tf.evaluation.metrics import METRICS as KNOWN
    from hifigan_tf.files import atomic_path

    figure = Figure(figsize=(12, 4), layout="constrained")
    for panel, key in zip(figure.subplots(1, len(METRICS)), METRICS, strict=True):
        for name, run in runs.items():
            points = run.get(key, {})
            panel.plot(list(points), list(points.values()), ".-", label=name)
        panel.set_title(f"{KNOWN[key].name} ({KNOWN[key].better} is better)")
        panel.set_xlabel("steps with discriminators" if from_discriminators else "step")
        panel.grid(alpha=0.3)
    panel.legend()
    with atomic_path(path) as temporary:
        figure.savefig(temporary, format="png", dpi=100)


if __name__ == "__main__":
    cli.run(main)
