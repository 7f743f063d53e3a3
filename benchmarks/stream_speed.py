"""``python benchmarks/stream_speed.py``: streaming speed of models, compared with each other and other runtimes."""

import argparse
import logging
import multiprocessing
import os
import sys
import time
from dataclasses import dataclass, field
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # run as a script, from any folder

from benchmarks.measure import add_models, high_water_mb, median_and_spread
from hifigan_tf import cli
from hifigan_tf.errors import UserError
from hifigan_tf.evaluation.tables import markdown
from hifigan_tf.files import write_json
from hifigan_tf.processor import machine

log = logging.getLogger(__name__)

DESCRIPTION = """Measures how fast models make speech: every .tflite at every chunk size of its contract, .keras files
and run folders, and the same generator in PyTorch and ONNX Runtime if they are installed. All of them take
turns within one run, so that other load on the machine affects all alike.

x real time is the median over the rounds, by processor time with one thread and by the clock with several, spread is
the interquartile range relative to it. First audio is the time from the first frame pushed to the first samples back,
by the clock, without waiting for frames. Peak memory is that
of a separate process that runs the model once."""

PACKAGES = {"torch": ["torch"], "onnxruntime": ["onnxruntime", "onnx"]}
PEERS = {"torch": "PyTorch", "onnxruntime": "ONNX Runtime"}


@dataclass
class Subject:
    """One model in one runtime, with what was measured of it."""

    name: str
    runtime: str
    path: Path | None
    chunk: int | None = None
    file_mb: float = 0.0
    state_kb: float = 0.0
    rates: list = field(default_factory=list)
    first: list = field(default_factory=list)
    chunks: list = field(default_factory=list)
    peak_mb: float = 0.0
    delay_ms: float | None = None  # of its audio behind its frames; None of a whole file

    def row(self, threads: int) -> dict:
        """Its entry for ``--json``. Times of chunks are None if there are none."""
        median, spread = median_and_spread(self.rates)
        return {
            "name": self.name,
            "runtime": self.runtime,
            "threads": threads,
            "x_realtime": round(median, 2),
            "spread": round(spread, 3),
            "delay_ms": None if self.delay_ms is None else round(self.delay_ms, 1),
            "first_audio_ms": round(1000 * float(np.median(self.first)), 2),
            "chunk_ms_p99": round(1000 * float(np.percentile(self.chunks, 99)), 2) if self.chunks else None,
            "chunk_ms_worst": round(1000 * max(self.chunks), 2) if self.chunks else None,
            "peak_mb": round(self.peak_mb, 1),
            "file_mb": round(self.file_mb, 2),
            "state_kb": round(self.state_kb, 1),
        }


def subjects_of(model: str) -> list[Subject]:
    """The subjects of a model: one for each chunk size of a ``.tflite``."""
    from hifigan_tf.streaming.contract import read

    path = cli.checkpoint(model, (".keras", ".tflite"))
    size = path.stat().st_size / 1e6
    if path.suffix == ".keras":
        return [Subject(path.stem, "Keras", path, file_mb=size)]
    contract = read(path.read_bytes(), str(path))
    if not contract.stateful:
        return [Subject(f"{path.stem}, {contract.window_frames} frames", "LiteRT", path, file_mb=size)]
    state = sum(4 * np.prod(shape) for shape in contract.states.values()) / 1e3
    return [
        Subject(f"{path.stem}, {chunk} frames", "LiteRT", path, chunk, size, state) for chunk in contract.chunk_frames
    ]


def peer_generator(path: Path):
    """The generator of a ``.keras`` file, or one of random weights with a ``.tflite``'s shapes, for the other runtimes.

    Speed does not depend on the values of the weights.
    """
    from benchmarks.original import original
    from hifigan_tf.models.generator import Generator, load_generator
    from hifigan_tf.streaming.litert import load_tflite

    if path.suffix == ".keras":
        generator = load_generator(path)
    else:
        contract = load_tflite(path).contract
        generator = Generator(**contract.generator, audio=contract.audio)
    return original(generator), generator.audio


def runner(subject: Subject, peer: tuple | None, threads: int):
    """``(run, audio settings)``: ``run(mel)`` returns seconds in total, to the first audio, and of each chunk.

    Those in total are of the processor where a single thread computes.
    """
    clock = time.process_time if threads == 1 else time.perf_counter
    if subject.path is None:
        module, make = {
            "PyTorch": ("torch_model", "torch_runner"),
            "ONNX Runtime": ("onnx_model", "onnxruntime_runner"),
        }[subject.runtime]
        generator, audio = peer
        whole = getattr(import_module(f"benchmarks.{module}"), make)(generator, threads)

        def run_whole(mel):
            begin, computed = time.perf_counter(), clock()
            whole(mel)
            return clock() - computed, time.perf_counter() - begin, []

        return run_whole, audio

    from hifigan_tf.streaming.streaming_vocoder import StreamingVocoder, load_vocoder

    model = load_vocoder(subject.path, subject.chunk, threads)
    step = getattr(model, "chunk_frames", model.window_frames)
    subject.delay_ms = 1000 * StreamingVocoder(model).delay_samples / model.audio.sampling_rate

    def run(mel):
        vocoder, first, chunks = StreamingVocoder(model, check_mel=False), None, []
        computed, begin = clock(), time.perf_counter()
        before = begin
        for start in range(0, len(mel), step):
            audio = vocoder.push(mel[start : start + step])
            now = time.perf_counter()
            chunks.append(now - before)
            if first is None and len(audio):
                first = now - begin
            before = now
        vocoder.flush()
        return clock() - computed, first or time.perf_counter() - begin, chunks

    return run, model.audio


def mel_of(audio, seconds: float) -> np.ndarray:
    """Random numbers like a log-mel ``[frames, num_mels]``; speed does not depend on the values."""
    frames = max(1, int(seconds * audio.sampling_rate / audio.hop_size))
    return np.random.default_rng(0).normal(-5, 2, [frames, audio.num_mels]).astype(np.float32)


def peak_memory(subject: Subject, peer: tuple | None, threads: int, seconds: float, queue) -> None:
    """Runs in a separate process; puts its peak memory in megabytes into ``queue``."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    run, audio = runner(subject, peer, threads)
    run(mel_of(audio, seconds))
    queue.put(high_water_mb())


def measure(subjects: list[Subject], peer: tuple | None, threads: int, seconds: float, repeats: int) -> None:
    """Fills in the measurements of all subjects, taking turns."""
    from tqdm import tqdm

    context = multiprocessing.get_context("spawn")
    runs = []
    for subject in tqdm(subjects, desc="memory and loading", leave=False):
        queue = context.SimpleQueue()
        process = context.Process(target=peak_memory, args=(subject, peer, threads, seconds, queue))
        process.start()
        process.join()
        if process.exitcode == 0:
            subject.peak_mb = queue.get()
        run, audio = runner(subject, peer, threads)
        mel = mel_of(audio, seconds)
        run(mel)
        runs.append((subject, run, mel, len(mel) * audio.hop_size / audio.sampling_rate))
    for _ in tqdm(range(repeats), desc="rounds", leave=False):
        for subject, run, mel, duration in runs:
            total, first, chunks = run(mel)
            subject.rates.append(duration / total)
            subject.first.append(first)
            subject.chunks += chunks


def report(rows: list[dict], seconds: float, repeats: int) -> str:
    """The rows as a table, and the conditions of the measurement."""
    header = ["model", "runtime", "x real time", "spread", "delay", "first audio", "chunk 99 %", "worst"]
    cells = []
    for row in rows:
        chunks = [f"{row[key]:.2f} ms" if row[key] is not None else "" for key in ("chunk_ms_p99", "chunk_ms_worst")]
        cells.append(
            [
                *(row["name"], row["runtime"], f"{row['x_realtime']:.1f}", f"{row['spread']:.0%}"),
                "" if row["delay_ms"] is None else f"{row['delay_ms']:.0f} ms",
                *(f"{row['first_audio_ms']:.1f} ms", *chunks, f"{row['peak_mb']:.0f} MB"),
                f"{row['file_mb']:.2f} MB" if row["file_mb"] else "",  # other runtimes run a model in memory
                f"{row['state_kb']:.0f} KB" if row["state_kb"] else "",
            ]
        )
    threads, table = rows[0]["threads"], markdown([*header, "memory", "file", "state"], cells, left=2)
    conditions = f"{threads} thread{'s' * (threads > 1)}, {seconds:g} s of audio, median of {repeats} rounds in turns"
    return f"{table}\n\n{conditions}, {machine()}"


def parse(argv=None):
    parser = argparse.ArgumentParser(
        prog="python benchmarks/stream_speed.py", description=DESCRIPTION, formatter_class=cli.Formatter
    )
    add_models(parser, ".tflite or .keras files, or run folders")
    parser.add_argument("--threads", type=int, default=1, help="of every runtime but Keras")
    parser.add_argument(
        "--against",
        nargs="+",
        choices=PEERS,
        default=[],
        help="other runtimes for the same generator: pip install torch, and onnxruntime with onnx==1.18.0 (newer ones "
        "need another protobuf than TensorFlow)",
    )
    parser.add_argument("--seconds", type=float, default=10.0, help="of audio in one run")
    parser.add_argument("--repeats", type=int, default=9, help="rounds")
    parser.add_argument("--json", metavar="F", type=Path, help="write the rows there")
    args = parser.parse_args(argv)
    for name in ("threads", "seconds", "repeats"):
        if getattr(args, name) <= 0:
            raise UserError(f"--{name} {getattr(args, name)}: it must be positive")
    return args


def main(argv=None) -> None:
    args = parse(argv)
    subjects = [subject for model in args.models for subject in subjects_of(model)]
    if args.json:
        cli.writable_folder(args.json.parent)
    # A real checkpoint if there is one, else a generator of the first model's shapes.
    source = next((s.path for s in subjects if s.path.suffix == ".keras"), subjects[0].path)
    for name in args.against:
        missing = [package for package in PACKAGES[name] if find_spec(package) is None]
        if missing:
            log.warning("warning: %s is left out, not installed: pip install %s", PEERS[name], " ".join(missing))
        else:
            subjects.append(Subject("the same, whole file", PEERS[name], None))
    peer = peer_generator(source) if any(subject.path is None for subject in subjects) else None
    measure(subjects, peer, args.threads, args.seconds, args.repeats)
    rows = [subject.row(args.threads) for subject in subjects]
    print(report(rows, args.seconds, args.repeats))
    if args.json:
        write_json(args.json, rows)


if __name__ == "__main__":
    cli.run(main)
