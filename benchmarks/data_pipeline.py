"""``python benchmarks/data_pipeline.py``: segments a second that the input delivers, and that a step takes."""

import argparse
import logging
import os
import sys
import tempfile
import time
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import NamedTuple

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # run as a script, from any folder

from benchmarks.measure import median_and_spread
from hifigan_tf import cli
from hifigan_tf.audio.audio_files import find_audio, read_audio, resample
from hifigan_tf.config import Config
from hifigan_tf.data.clip_lists import corpus_files
from hifigan_tf.errors import UserError
from hifigan_tf.evaluation.tables import markdown
from hifigan_tf.files import write_json
from hifigan_tf.processor import machine
from hifigan_tf.resources import CONFIGS, DEMO_TRAIN

log = logging.getLogger(__name__)

DESCRIPTION = """Measures how many segments a second the input of training delivers, with their mels: from a folder of
audio files and from the same corpus packed, each as a small corpus, which stays in memory, and as a large one, whose
clips are read again every epoch (here from files that the operating system has cached). Beside them what reading only
the segment is worth: clips decoded whole for every segment, by soundfile, and where all are 16-bit FLAC and
tensorflow-io works, decoded and resampled by that. All of these and the training step take turns within one run, so
that other load on the machine affects all alike.

Without --data the corpora are made of the demo's speech, joined, repeated and cut into clips of --clip-seconds, as
16-bit FLAC at each of the --rates (resampled, where that is not its own 22050 Hz).

Spread is the middle half of the rounds, relative to their median."""
CORPUS_SECONDS = 120  # that each corpus made here lasts at least
WHOLE = "whole files, tensorflow-io"  # the input that others are compared with


class Subject(NamedTuple):
    """One way to read one corpus."""

    corpus: str
    input: str
    kept: str  # where the decoded clips are
    dataset: object


def parse(argv=None):
    parser = argparse.ArgumentParser(
        prog="python benchmarks/data_pipeline.py", description=DESCRIPTION, formatter_class=cli.Formatter
    )
    parser.add_argument("--data", metavar="DIR", help="folder of audio files")
    parser.add_argument("--rates", type=int, nargs="+", default=[22050, 44100], metavar="HZ", help="of the corpora")
    parser.add_argument(
        "--clip-seconds", type=float, nargs="+", default=[6.6], metavar="S", help="of the corpora; 6.6 is LJ Speech's"
    )
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
    for name in ("rates", "clip_seconds", "threads", "seconds", "repeats", "steps_per_second"):
        values = getattr(args, name)
        for value in values if isinstance(values, list) else [values]:
            if value is not None and value <= 0:
                raise UserError(f"--{name.replace('_', '-')} {value}: it must be positive")
    return args


def make_corpora(folder: Path, rates: list[int], clip_seconds: list[float]) -> dict[str, Path]:
    """``{name: folder}`` of the demo's speech as FLAC clips of each length, at each rate."""
    import soundfile

    corpora = {}
    speech = np.concatenate([read_audio(path)[0] for path in find_audio(DEMO_TRAIN)])
    _, own_rate = read_audio(find_audio(DEMO_TRAIN)[0])
    for rate in rates:
        audio = resample(speech, own_rate, rate)
        for seconds in clip_seconds:
            length, name = round(seconds * rate), f"{rate} Hz FLAC, {seconds:g} s"
            corpora[name] = folder / f"{rate}-{seconds:g}"
            corpora[name].mkdir()
            for index in range(max(2, -(-CORPUS_SECONDS * rate // length))):
                clip = np.take(audio, np.arange(index * length, (index + 1) * length), mode="wrap")
                soundfile.write(corpora[name] / f"{index:04d}.flac", clip, rate, subtype="PCM_16")
    return corpora


class WholeFiles:
    """Decodes and resamples the whole of a 16-bit FLAC by tensorflow-io for each part of it."""

    def __init__(self, clips, sampling_rate: int):
        import tensorflow as tf

        self.sampling_rate = sampling_rate
        self.paths = tf.constant([str(clip.path) for clip in clips])
        self.rates = tf.constant([clip.rate for clip in clips], tf.int64)
        self.resampled = any(clip.rate != sampling_rate for clip in clips)

    def open(self, index):
        """What ``FileAudio.open`` gives."""
        import tensorflow as tf

        from hifigan_tf.data.decoding import tensorflow_io

        pcm = tensorflow_io().audio.decode_flac(tf.io.read_file(self.paths[index]), dtype=tf.int16)
        audio = tf.reduce_mean(tf.cast(pcm, tf.float32) / 2**15, axis=1)
        if self.resampled:
            audio = tensorflow_io().audio.resample(audio, self.rates[index], self.sampling_rate)
        audio = tf.ensure_shape(audio, [None])
        return tf.size(audio), tf.reduce_max(tf.abs(audio)), lambda start, stop: audio[start:stop]


@contextmanager
def replaced(module, **values):
    """Attributes of the module that have other values inside the block."""
    before = {name: getattr(module, name) for name in values}
    try:
        for name, value in values.items():
            setattr(module, name, value)
        yield
    finally:
        for name, value in before.items():
            setattr(module, name, value)


def inputs(corpus: str, folder: Path, packed: str, config: Config):
    """A ``Subject`` for each way to read the corpus."""
    from hifigan_tf.data import pipeline as data
    from hifigan_tf.data.decoding import tensorflow_io
    from hifigan_tf.data.packed import read_clips

    def subject(name, kept, clips):
        with replaced(data, CACHE_BYTES=2**62 if kept == "memory" else 0):
            return Subject(corpus, name, kept, data.training_batches(clips, config))

    files = data.check_clips(find_audio(folder), config)
    if all(clip.encoding == "FLAC PCM_16" for clip in files) and tensorflow_io():
        with replaced(data, FileAudio=WholeFiles):
            yield subject(WHOLE, "storage", files)
    yield subject("whole files, soundfile", "storage", [clip._replace(seekable=False) for clip in files])
    clips = {"folder": files, "packed": data.check_clips(read_clips(packed, config.audio.sampling_rate), config)}
    for name in clips:
        for kept in ("memory", "storage"):
            yield subject(name, kept, clips[name])


def segments_per_second(dataset, batch_size: int, seconds: float) -> float:
    """Of an iterator that ends with this call, so that it fetches nothing while others have their turn."""
    batches = iter(dataset)
    take_for(batches, seconds / 2)  # until reading ahead has found its pace
    begin = time.perf_counter()
    return batch_size * take_for(batches, seconds) / (time.perf_counter() - begin)


def take_for(batches, seconds: float) -> int:
    """How many batches came within ``seconds``."""
    count, end = 0, time.perf_counter() + seconds
    while time.perf_counter() < end:
        next(batches)
        count += 1
    return count


def measure(subjects: list[Subject], config: Config, args) -> list[dict]:
    """The rows: every way to read every corpus, and how many times the segments of the step it delivers."""
    from tqdm import tqdm

    from hifigan_tf.training.trainer import Trainer

    batch_size = config.training.batch_size
    rates, steps, trainer = [[] for _ in subjects], [], None
    if args.steps_per_second:
        steps.append(args.steps_per_second)
    else:
        trainer, batch = Trainer(config, epoch_steps=1000), next(iter(subjects[-1].dataset))
        trainer.train_step(*batch)  # compiles
    for _ in tqdm(range(args.repeats), desc="rounds", leave=False):
        for place, subject in enumerate(subjects):
            rates[place].append(segments_per_second(subject.dataset, batch_size, args.seconds))
        if trainer:
            begin = time.perf_counter()
            float(trainer.train_step(*batch)["loss/mel"])
            steps.append(1 / (time.perf_counter() - begin))
    consumed = batch_size * float(np.median(steps))
    before = {subject.corpus: rates[place] for place, subject in enumerate(subjects) if subject.input == WHOLE}
    rows = []
    for place, subject in enumerate(subjects):
        median, spread = median_and_spread(rates[place])
        row = {
            "corpus": subject.corpus,
            "input": subject.input,
            "from": subject.kept,
            "segments_per_second": round(median, 1),
            "spread": round(spread, 3),
            "step_segments_per_second": round(consumed, 3),
            "ratio": round(median / consumed, 1),
        }
        if subject.corpus in before:  # round by round, as both met the same moment of the machine
            row["times_whole"] = round(float(np.median(np.divide(rates[place], before[subject.corpus]))), 1)
        rows.append(row)
    return rows


def report(rows: list[dict], config_name: str, config: Config, args) -> str:
    """The rows as a table, and the conditions of the measurement."""
    cells = [
        [
            *(row["corpus"], row["input"], row["from"], f"{row['segments_per_second']:.0f}", f"{row['spread']:.0%}"),
            *(f"{row['ratio']:.0f}", f"{row.get('times_whole', '')}"),
        ]
        for row in rows
    ]
    header = ["corpus", "input", "from", "segments/s", "spread", "x the step", "x whole files"]
    threads = f"{args.threads or 'all'} thread{'s' * (args.threads != 1)}"
    origin = "given" if args.steps_per_second else "measured in the same rounds"
    return (
        f"{markdown(header, cells, left=3)}\n\n"
        f"The step of {config_name}, batch {config.training.batch_size}, takes "
        f"{rows[0]['step_segments_per_second']:.2f} segments of {config.training.segment_size} samples a second "
        f"({origin}). x whole files: against {WHOLE}, median of the rounds' ratios. {threads}, median of "
        f"{args.repeats} rounds taken in turns, {machine()}"
    )


def main(argv=None) -> None:
    args = parse(argv)
    config = Config.load(args.config).replace(batch_size=args.batch_size, discriminator_start_step=0)
    given = cli.existing_folder(args.data, "--data") if args.data else None
    if args.json:
        cli.writable_folder(args.json.parent)

    import tensorflow as tf

    from hifigan_tf.preprocess import pack

    if args.threads:
        tf.config.threading.set_intra_op_parallelism_threads(args.threads)
        tf.config.threading.set_inter_op_parallelism_threads(args.threads)
    if not tf.config.list_physical_devices("GPU"):
        tf.config.optimizer.set_experimental_options({"disable_meta_optimizer": True})  # as in training
    with ExitStack() as stack:
        made = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        corpora = {str(args.data): given} if given else make_corpora(made, args.rates, args.clip_seconds)
        subjects = []
        for name, folder in corpora.items():
            packed = stack.enter_context(tempfile.TemporaryDirectory())
            pack(corpus_files(folder), packed, config.audio, 256 * 10**6, os.cpu_count())
            subjects += inputs(name, folder, packed, config)
        rows = measure(subjects, config, args)
    print(report(rows, Path(args.config).stem, config, args))
    if args.json:
        write_json(args.json, rows)


if __name__ == "__main__":
    cli.run(main)
