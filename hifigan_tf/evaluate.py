"""Objective quality of generated audio against recordings: a table, JSON, and pictures of spectrograms."""

import logging
from pathlib import Path
from typing import NamedTuple

import numpy as np

from hifigan_tf import cli, extras
from hifigan_tf.audio.audio_files import PEAK, check_rate, check_scale, find_audio, load_audio, normalize
from hifigan_tf.audio.mel_numpy import NumpyMelSpectrogram
from hifigan_tf.audio.names import pair_names, relative_names, unique_names
from hifigan_tf.config import AudioConfig, Config
from hifigan_tf.errors import UserError, describe_os_error, one_line
from hifigan_tf.evaluation.metrics import (
    ALIGNED,
    METRICS,
    evaluate_aligned,
    evaluate_pair,
    installed,
    left_out,
    mean_scores,
)
from hifigan_tf.evaluation.tables import columns
from hifigan_tf.files import real_path, write_json
from hifigan_tf.resources import CONFIGS
from hifigan_tf.streaming.streaming_vocoder import audio_of

log = logging.getLogger(__name__)

LEVEL_TOLERANCE = 1.5  # dB: a good model is up to 1 dB quieter than its recordings
NAMES_SHOWN = 5  # of a list of files in a warning
TITLE = ("log_mel_l1", "pesq_wb")  # what a picture says about its pair


class Pairs(NamedTuple):
    """Files of two folders by their names in there: those in both, and the names that are in only one."""

    files: dict[str, tuple[Path, Path]]
    only_reference: list[str]
    only_generated: list[str]


def pair_files(reference: Path, generated: Path) -> Pairs:
    """The audio files of two folders, subfolders included, paired by name as ``audio/names.py`` says.

    Raises ``UserError`` where two files of a folder differ in their suffix alone, or where nothing pairs up.
    """
    originals, others = (unique_names(relative_names(folder, find_audio(folder))) for folder in (reference, generated))
    paired = pair_names(originals, others)
    both = {name: (originals[name], others[other]) for name, other in paired.items()}
    if not both:
        raise UserError(
            f"no file of {reference} ({len(originals)} audio files) and {generated} ({len(others)}) share a name: "
            "a generated file pairs with the recording of the same name and sub-folder, whatever the suffix"
        )
    return Pairs(both, sorted(originals.keys() - paired.keys()), sorted(others.keys() - set(paired.values())))


def load_pair(
    reference: Path, generated: Path, audio: AudioConfig, keep_level: bool, align: bool = False
) -> tuple[np.ndarray, np.ndarray]:
    """A recording and the audio generated from it, float32 ``[samples]`` of equal length at the config's rate.

    The recording is brought to the peak that ``vocode`` gives its input, unless ``keep_level``. With ``align`` each
    keeps its length. Raises ``UserError`` for a file that cannot be used, for generated audio of another rate, and if
    the lengths differ too much for the same recording.
    """
    check_rate(generated, audio.sampling_rate, "the front end to compare with")
    original, other = load_audio(reference, audio.sampling_rate), load_audio(generated, audio.sampling_rate)
    check_scale(str(generated), float(np.abs(other).max()))
    if keep_level:
        check_scale(str(reference), float(np.abs(original).max()))
    else:
        original = normalize(original)  # whole, as vocode does
    if align:
        return original, other
    length, longer = sorted((len(original), len(other)))
    # Whole frames, mirrored ends and a codec's padding change a length by one or two n_fft, never by a tenth of
    # the clip or half a second. In a very short clip n_fft may be more than a tenth.
    if longer - length > max(audio.n_fft, min(0.1 * longer, 0.5 * audio.sampling_rate)):
        raise UserError(
            f"{generated} lasts {len(other) / audio.sampling_rate:.2f} s, but {reference} "
            f"{len(original) / audio.sampling_rate:.2f} s: they are not the same recording (--align compares speech of "
            "another duration)"
        )
    return original[:length], other[:length]


def evaluate_files(
    pairs: dict[str, tuple[Path, Path]],
    audio: AudioConfig,
    metrics: list[str],
    keep_level: bool,
    plots: Path | None,
    align: bool = False,
) -> dict:
    """Computes ``metrics`` for each pair, along a DTW path with ``align``, and draws it into the folder ``plots``.

    Returns ``mean`` ``{metric: value}`` over the files that have a value, ``files`` ``{name: {metric: value}}``,
    ``missing`` ``{metric: [name]}`` with those that have none, ``skipped`` ``{name: why}``, and
    ``level_difference_db``, generated minus reference, mean over the files. A pair that cannot be used is
    skipped with a warning. Raises ``UserError`` when none is left.
    """
    from hifigan_tf.evaluation.plots import save_spectrograms

    front_end = NumpyMelSpectrogram.of(audio, for_loss=True)
    files, skipped, levels = {}, {}, []
    for name, paths in cli.progress(pairs.items(), desc="evaluating", unit="file"):
        try:
            reference, generated = load_pair(paths[0], paths[1], audio, keep_level, align)
            scores = (evaluate_aligned if align else evaluate_pair)(reference, generated, front_end, metrics)
        except (UserError, OSError) as error:
            skipped[name] = describe_os_error(error) if isinstance(error, OSError) else one_line(error)
            log.warning("warning: %s is skipped: %s", name, skipped[name])
            continue
        files[name] = scores
        levels.append(level_db(generated) - level_db(reference))
        if plots:
            told = [f"{METRICS[key].name} {shown(key, scores[key])}" for key in TITLE if key in metrics]
            title = ": ".join(filter(None, ("generated", ", ".join(told))))
            picture = plots / f"{name}.png"
            picture.parent.mkdir(parents=True, exist_ok=True)
            save_spectrograms(picture, {"reference": reference, title: generated}, front_end)
    if not files:
        raise UserError(f"none of the {len(pairs)} pairs could be evaluated, the first because {skipped[min(skipped)]}")
    return {
        "mean": mean_scores(files.values(), metrics),
        "files": files,
        "missing": {key: [name for name, scores in files.items() if scores[key] is None] for key in metrics},
        "skipped": skipped,
        "level_difference_db": float(np.mean(levels)),
    }


def level_db(audio: np.ndarray) -> float:
    """Root mean square of ``[samples]`` in dB of full scale, at least -120."""
    return 10 * float(np.log10(max(np.mean(np.square(audio, dtype=np.float64)), 1e-12)))


def shown(key: str, value: float | None) -> str:
    """A value with the number of digits of its metric, or a dash for None."""
    return "-" if value is None else f"{value:.{METRICS[key].digits}f}"


def table(report: dict) -> str:
    """The report of ``evaluate_files`` as text: one row per file, the mean, and which direction is better."""
    keys = list(report["mean"])
    names = [" ".join(filter(None, (METRICS[key].name, METRICS[key].unit))) for key in keys]
    rows = [["file", *names]]
    for name, scores in [*report["files"].items(), (f"mean of {len(report['files'])}", report["mean"])]:
        rows.append([name, *(shown(key, scores[key]) for key in keys)])
    lines = columns(rows)
    rule = "-" * len(lines[0])
    higher = [name for name, key in zip(names, keys, strict=True) if METRICS[key].better == "higher"]
    better = f"higher is better in {', '.join(higher)}, lower in the others" if higher else "lower is better"
    return "\n".join([lines[0], rule, *lines[1:-1], rule, lines[-1], better])


def listed(names: list[str]) -> str:
    """``names`` for a warning: how many, and the first few."""
    more = ", ..." if len(names) > NAMES_SHOWN else ""
    return f"{len(names)} file{'s' * (len(names) > 1)} ({', '.join(names[:NAMES_SHOWN])}{more})"


def warn_of_unpaired(pairs: Pairs) -> None:
    for names, folder in ((pairs.only_reference, "reference"), (pairs.only_generated, "generated")):
        if names:
            log.warning("warning: only in the %s folder, not evaluated: %s", folder, listed(names))


def warn_of_results(report: dict, keep_level: bool) -> None:
    """Warns of what a reader of the table could miss: skipped files, metrics without a value, a level difference."""
    if report["skipped"]:
        log.warning("warning: skipped for the reasons above: %s", listed(list(report["skipped"])))
    for key, names in report["missing"].items():
        if names and installed(key):
            log.warning("warning: no %s for %s: %s", METRICS[key].name, listed(names), METRICS[key].absent)
    difference = report["level_difference_db"]
    if abs(difference) > LEVEL_TOLERANCE:
        log.warning(
            "warning: the generated files are %.1f dB %s than the recordings%s: give --keep-level if vocode ran with "
            "--keep-level, and only then",
            abs(difference),
            "louder" if difference > 0 else "quieter",
            "" if keep_level else f" at a peak of {PEAK}",
        )


def check_apart(reference: Path, generated: Path) -> None:
    """Raises ``UserError`` if one folder is or contains the other, because both are searched with subfolders."""
    first, second = real_path(reference), real_path(generated)
    if first == second:
        raise UserError(f"--reference and --generated are the same folder, {reference}: give two")
    if first in second.parents or second in first.parents:
        raise UserError(f"one of {reference} and {generated} lies inside the other: keep them apart")


def parse(arguments=None):
    parser = cli.parser("evaluate", __doc__)
    parser.add_argument("--reference", required=True, metavar="DIR", help="folder of recordings")
    parser.add_argument("--generated", required=True, metavar="DIR", help="folder of generated audio, same names")
    settings = parser.add_mutually_exclusive_group()
    settings.add_argument("--checkpoint", metavar="CKPT", help="what made the generated audio: its front end compares")
    settings.add_argument(
        "--config", metavar="FILE", help="config with the audio settings; default: configs/v1.json, for its rate alone"
    )
    parser.add_argument("--json", metavar="FILE", help="write every number there")
    parser.add_argument("--plots", metavar="DIR", help="write a picture of both spectrograms of each pair there")
    parser.add_argument(
        "--metrics", nargs="+", choices=METRICS, metavar="METRIC",
        help=f"compute only these of {', '.join(METRICS)}; F0 and voicing take most of the time",
    )  # fmt: skip
    parser.add_argument(
        "--keep-level", action="store_true",
        help=f"compare with the recordings as they are, not at a peak of {PEAK} (for what vocode --keep-level made)",
    )  # fmt: skip
    parser.add_argument(
        "--align", action="store_true",
        help="for speech of another duration than the recording: frames are compared along a path of dynamic time "
        f"warping, with the metrics {', '.join(ALIGNED)}",
    )  # fmt: skip
    return parser.parse_args(arguments)


def front_end_of(args) -> AudioConfig:
    """The audio settings to compare with. Raises ``UserError`` when they cannot be read."""
    if args.checkpoint:
        return audio_of(cli.checkpoint(args.checkpoint, (".keras", ".tflite")))
    return Config.load(args.config or CONFIGS / "v1.json").audio


def main(arguments=None) -> int:
    args = parse(arguments)
    extras.require("hifigan-tf evaluate")
    reference = cli.existing_folder(args.reference, "--reference")
    generated = cli.existing_folder(args.generated, "--generated")
    check_apart(reference, generated)
    audio = front_end_of(args)
    metrics = [key for key in METRICS if key in (args.metrics or (ALIGNED if args.align else METRICS))]
    if args.align and (unfit := [key for key in metrics if key not in ALIGNED]):
        raise UserError(f"--align with --metrics {unfit[0]}: along a path there are {', '.join(ALIGNED)}")
    pairs = pair_files(reference, generated)
    warn_of_unpaired(pairs)
    if args.json and Path(args.json).is_dir():
        raise UserError(f"--json {args.json} is a folder: give the name of a file")
    if args.json:
        cli.writable_folder(Path(args.json).parent)
    plots = cli.writable_folder(args.plots) if args.plots else None
    for line in left_out(metrics):
        log.warning("warning: %s", line)

    report = evaluate_files(pairs.files, audio, metrics, args.keep_level, plots, args.align)
    print(table(report))
    warn_of_results(report, args.keep_level)
    if args.json:
        report["unpaired"] = {"reference": pairs.only_reference, "generated": pairs.only_generated}
        report["metrics"] = {key: METRICS[key]._asdict() for key in metrics}
        report["settings"] = {
            "reference": str(reference),
            "generated": str(generated),
            "reference_peak": None if args.keep_level else PEAK,
            "audio": audio.to_dict(),
            "aligned": args.align,
        }
        write_json(args.json, report)
    return 0


if __name__ == "__main__":
    cli.run(main)
