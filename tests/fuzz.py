"""Fuzzing of every reader that takes a file from outside: mutated files give a result or a ``UserError``, and no more.

    python tests/fuzz.py [READER …] --seconds 600       make fuzz
    python tests/fuzz.py READER --file FILE             one file, as it is

Each reader runs in a child process of its own, which ends where a file takes more than 5 s of processor time, and where
no more memory can be had than 10 times the file and 200 MB. Mutation n of a reader is a function of its seeds and n.
What fails is kept in ``build/fuzz/<reader>/``; once mended it belongs into ``tests/data/fuzz/<reader>/``.
"""

import argparse
import io
import json
import os
import resource
import signal
import subprocess
import sys
import tempfile
import time
import traceback
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

# As the command lines do, before TensorFlow is imported anywhere.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")

import numpy as np
import soundfile

from hifigan_tf.errors import UserError

HERE = Path(__file__).parent
DATA = HERE / "data"
KEPT = DATA / "fuzz"  # inputs that once failed
FOUND = HERE.parent / "build" / "fuzz"  # inputs that fail now
SECONDS = 5  # of the processor for a file
TIMES, MORE = 10, 200 * 1024 * 1024  # bytes that a file may take
MOST_FAULTS = 20  # of a reader, after which it is left
LARGE = 3000  # bytes from which on most mutations are in the header, the first 300
SHARE = 0.7
NUMBERS = (0, 1, 2, 0x7F, 0x80, 0xFF, 0x7FFF, 0x8000, 0xFFFF, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF, 2**63 - 1, 2**64 - 1)


@dataclass(frozen=True)
class Reader:
    """``read`` takes the path of a file; ``seeds`` are good files, ``{name: bytes}``."""

    read: Callable[[Path], object]
    seeds: Callable[[], dict[str, bytes]]


def mutated(seeds: list[bytes], number: int) -> bytes:
    """Mutation ``number`` of the seeds: one to eight changes of one of them."""
    rng = np.random.default_rng([number, len(seeds)])
    data = bytearray(seeds[int(rng.integers(len(seeds)))])
    for _ in range(int(rng.integers(1, 9))):
        size = len(data)
        near = size > LARGE and rng.random() < SHARE
        place = int(rng.integers(300 if near else max(1, size)))
        length = int(rng.integers(1, 1 + min(200, max(1, size // 4))))
        kind = int(rng.integers(9))
        if kind == 0 and size:
            data[place % size] ^= 1 << int(rng.integers(8))
        elif kind == 1 and size:
            data[place % size] = int(rng.integers(256))
        elif kind in (2, 3):
            width, order = int(rng.choice([2, 4, 8])), "little" if rng.random() < 0.5 else "big"
            value = int(NUMBERS[int(rng.integers(len(NUMBERS)))]) % 256**width
            data[place : place + width] = value.to_bytes(width, order)
        elif kind == 4:
            del data[place : place + length]
        elif kind == 5:
            data[place:place] = data[place : place + length]
        elif kind == 6:
            data[place:place] = rng.integers(0, 256, length, dtype=np.uint8).tobytes()
        elif kind == 7:
            data[place : place + length] = bytes(length)
        elif rng.random() < 0.5:
            del data[place:]
        else:
            other = seeds[int(rng.integers(len(seeds)))]
            data[place:] = other[int(rng.integers(max(1, len(other)))) :]
    return bytes(data)


# --- Seeds


def _speech(samples: int = 2000) -> np.ndarray:
    rng = np.random.default_rng(0)
    return np.convolve(rng.uniform(-0.2, 0.2, samples), np.ones(8) / 4, "same")


def _audio_seeds() -> dict[str, bytes]:
    kinds = {
        "wav": ("WAV", "PCM_16"),
        "float.wav": ("WAV", "FLOAT"),
        "gsm.wav": ("WAV", "GSM610"),
        "adpcm.wav": ("WAV", "IMA_ADPCM"),
        "wavex.wav": ("WAVEX", "PCM_24"),
        "rf64": ("RF64", "PCM_16"),
        "flac": ("FLAC", "PCM_16"),
        "ogg": ("OGG", "VORBIS"),
        "opus": ("OGG", "OPUS"),
        "aiff": ("AIFF", "PCM_16"),
        "au": ("AU", "PCM_16"),
        "caf": ("CAF", "PCM_16"),
        "w64": ("W64", "PCM_16"),
    }
    seeds = {}
    for name, (container, encoding) in kinds.items():
        buffer = io.BytesIO()
        signal_ = _speech()
        stereo = np.stack([signal_, 0.5 * signal_], 1) if container in ("WAVEX", "FLAC") else signal_
        soundfile.write(buffer, stereo, 8000, format=container, subtype=encoding)
        seeds[name] = buffer.getvalue()
    return seeds


def _mp3_seeds() -> dict[str, bytes]:
    from hifigan_tf.audio.mp3 import frame_at

    seeds = {}
    for name, rate, options in (
        ("constant", 16000, {"bitrate_mode": "CONSTANT"}),
        ("variable", 44100, {"bitrate_mode": "VARIABLE"}),
    ):
        buffer = io.BytesIO()
        soundfile.write(buffer, _speech(8000), rate, format="MP3", subtype="MPEG_LAYER_III", **options)
        seeds[name] = data = buffer.getvalue()
        first = frame_at(data, 0)
        assert first, "it begins with its header"
        seeds[f"{name}, no header"] = data[first.end :]
        seeds[f"{name}, joined"] = data + b"TAG" + bytes(125) + data
    seeds["tagged"] = b"ID3\x04\0\0\0\0\x01\x00" + bytes(128) + seeds["constant"]
    return seeds


def _npy_seeds() -> dict[str, bytes]:
    mel = np.random.default_rng(0).normal(-5, 2, (40, 16)).astype(np.float32)
    seeds = {}
    for name, array in (
        ("c", mel), ("fortran", np.asfortranarray(mel)), ("half", mel.astype(np.float16)), ("whole", mel.astype(int)),
        ("batch", mel[None]), ("transposed", mel.T),
    ):  # fmt: skip
        buffer = io.BytesIO()
        np.save(buffer, array)
        seeds[name] = buffer.getvalue()
    return seeds


def _list_seeds() -> dict[str, bytes]:
    return {
        "lj": b"LJ001-0001|some text\nDUMMY/LJ001-0002.wav|text\r\n./a/b|caf\xc3\xa9\n",
        "tabs": "\ufeffp225/001\ttext\u2028more\np226/001\ttext\n".encode(),
        "utf-16": "a|b\n".encode("utf-16"),
    }


def _config_seeds() -> dict[str, bytes]:
    from hifigan_tf.resources import CONFIGS

    return {path.name: path.read_bytes() for path in sorted(CONFIGS.glob("*.json"))}


def _torch_seeds() -> dict[str, bytes]:
    import test_import_torch as torch

    return {f"legacy {legacy}": torch.checkpoint_bytes(torch.small_state(), legacy) for legacy in (False, True)}


def _packed(folder: Path) -> Path:
    """A packed corpus of two clips, as ``preprocess`` writes it."""
    from hifigan_tf.config import Config
    from hifigan_tf.data.clip_lists import corpus_files
    from hifigan_tf.preprocess import pack
    from hifigan_tf.resources import DEMO_CONFIG

    (folder / "corpus").mkdir()
    for index in range(2):
        soundfile.write(folder / "corpus" / f"{index}.wav", _speech(40000 + index), 22050)
    audio = Config.load(DEMO_CONFIG).audio
    pack(corpus_files(folder / "corpus"), str(folder / "packed"), audio, 10**9, 1)
    return folder / "packed"


def _manifest_seeds() -> dict[str, bytes]:
    with tempfile.TemporaryDirectory() as folder:
        return {"manifest": (_packed(Path(folder)) / "manifest.json").read_bytes()}


def _shard_seeds() -> dict[str, bytes]:
    with tempfile.TemporaryDirectory() as folder:
        return {"shard": (_packed(Path(folder)) / "shard-00000.tfrecord").read_bytes()}


def _event_seeds() -> dict[str, bytes]:
    from hifigan_tf.training.tensorboard import Summaries

    with tempfile.TemporaryDirectory() as folder:
        summaries = Summaries(Path(folder))
        for step in range(6):
            summaries.scalars({"loss/mel": 1.0 / (step + 1)}, step)
        summaries.sound("a/generated", np.zeros(100, np.float32), 8000, np.zeros((4, 16), np.float32), 5)
        (path,) = Path(folder).iterdir()
        return {"events": path.read_bytes()}


def _contract_seeds() -> dict[str, bytes]:
    """A file that ends with a contract; of the model before it only the mark is read."""
    import zipfile

    from hifigan_tf.config import Config
    from hifigan_tf.resources import CONFIGS
    from hifigan_tf.streaming import contract

    fields = contract.mel_fields(Config.load(CONFIGS / "live.json").audio)
    values = {**fields, "mode": "float32", "generator": {}, "fingerprint": "0", "stateful": True}
    buffer = io.BytesIO(b"\x1c\0\0\0TFL3" + bytes(200))
    buffer.seek(0, os.SEEK_END)
    with zipfile.ZipFile(buffer, "a", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(contract.MEMBER, json.dumps(values))
    return {"contract": buffer.getvalue()}


def _tflite_seeds() -> dict[str, bytes]:
    """Whole models with the hash of today's exports."""
    from hifigan_tf.streaming import contract

    models = [(DATA / "version_0_1_0" / f"vocoder_{mode}.tflite").read_bytes() for mode in ("float32", "int8")]
    return {str(place): contract.pack(model, contract.read(model, "x")) for place, model in enumerate(models)}


def _checkpoint_seeds(name: str) -> Callable[[], dict[str, bytes]]:
    return lambda: {name: (DATA / "checkpoints" / name).read_bytes()}


# --- Readers


def _read_audio(path: Path) -> None:
    from hifigan_tf.audio.audio_files import examine, read_audio

    read_audio(path)
    examine(path, 8000)


def _read_mel(path: Path) -> None:
    from hifigan_tf.audio.mel_formats import MelConversion, MelFile, load_given_mel
    from hifigan_tf.config import Config
    from hifigan_tf.resources import DEMO_CONFIG

    conversion, faults = MelConversion(Config.load(DEMO_CONFIG).replace(num_mels=16).audio), []
    for read in (lambda: list(MelFile(path, conversion).blocks()), lambda: load_given_mel(path, conversion)):
        try:
            read()
        except UserError as fault:
            faults.append(fault)
    if faults:
        raise faults[0]


def _read_list(path: Path) -> None:
    from hifigan_tf.data.clip_lists import read_file_list

    names = ("LJ001-0001.wav", "a/b.flac", "p225/001.wav", "p226/001.wav")
    read_file_list(path, {name: name for name in names}, "CORPUS")


def _read_config(path: Path) -> None:
    from hifigan_tf.config import Config

    Config.load(path)


def _read_torch(path: Path) -> None:
    from hifigan_tf.checkpoints.checkpoint_files import read_content

    read_content(path)


def _read_manifest(path: Path) -> None:
    from hifigan_tf.data.packed import read_clips

    folder = path.parent / "manifest"
    folder.mkdir(exist_ok=True)
    (folder / "shard-00000.tfrecord").write_bytes(bytes(161_000))
    path.replace(folder / "manifest.json")
    read_clips(str(folder), 22050)


def _read_shard(path: Path) -> None:
    import tensorflow as tf

    from hifigan_tf.data.packed import PackedAudio, read_clips, reraise_damage

    global _intact
    if _intact is None:
        _intact = _packed(path.parent)
    path.replace(_intact / "shard-00000.tfrecord")
    clips = read_clips(str(_intact), 22050)
    with reraise_damage(clips):
        if "read" not in _graphs:
            audio = PackedAudio(clips)

            def read(index):
                samples, _, cut = audio.open(index)
                return cut(0, samples)

            _graphs["read"] = tf.function(read, input_signature=[tf.TensorSpec([], tf.int32)])
        for index in range(len(clips)):
            _graphs["read"](index)


_intact: Path | None = None
_graphs: dict = {}


def _read_events(path: Path) -> None:
    from hifigan_tf.training.report_page import ShownClip
    from hifigan_tf.training.tensorboard import Events

    folder = path.parent / "logs"
    folder.mkdir(exist_ok=True)
    path.replace(folder / "events.out.tfevents.1")
    ShownClip.all_of(Events(folder))


def _read_contract(path: Path) -> None:
    from hifigan_tf.streaming import contract

    contract.read(path.read_bytes(), str(path))


def _read_tflite(path: Path) -> None:
    from hifigan_tf.streaming.litert import load_tflite

    load_tflite(path)


def _read_checkpoint(path: Path) -> None:
    from hifigan_tf.checkpoints.imported import Source, read_checkpoint

    read_checkpoint(path, Source())


def _read_other_config(path: Path) -> None:
    from hifigan_tf.checkpoints.checkpoint_files import read_config

    read_config(path)


# The fastest first: they leave their time to the others.
READERS = {
    "list": Reader(_read_list, _list_seeds),
    "config": Reader(_read_config, _config_seeds),
    "torch": Reader(_read_torch, _torch_seeds),
    "contract": Reader(_read_contract, _contract_seeds),
    "npy": Reader(_read_mel, _npy_seeds),
    "audio": Reader(_read_audio, _audio_seeds),
    "mp3": Reader(_read_audio, _mp3_seeds),
    "tflite": Reader(_read_tflite, _tflite_seeds),
    "yaml": Reader(_read_other_config, _checkpoint_seeds("parallel_wavegan/24k_like/config.yml")),
    "safetensors": Reader(_read_checkpoint, _checkpoint_seeds("other/official.safetensors")),
    "lightning": Reader(_read_checkpoint, _checkpoint_seeds("other/lightning.ckpt")),
    "nemo": Reader(_read_checkpoint, _checkpoint_seeds("nemo/hifigan.nemo")),
    "hdf5": Reader(_read_checkpoint, _checkpoint_seeds("tensorflowtts/generator-100.h5")),
    "onnx": Reader(_read_checkpoint, _checkpoint_seeds("onnx/folded_old.onnx")),
    "shard": Reader(_read_shard, _shard_seeds),
    "manifest": Reader(_read_manifest, _manifest_seeds),
    "events": Reader(_read_events, _event_seeds),
}


SUFFIXES = {
    **{"audio": ".wav", "mp3": ".mp3", "npy": ".npy", "config": ".json", "tflite": ".tflite", "yaml": ".yml"},
    **{"safetensors": ".safetensors", "lightning": ".ckpt", "nemo": ".nemo", "hdf5": ".h5", "onnx": ".onnx"},
}


# --- The child: one reader, many files


def suffix_of(reader: str) -> str:
    return SUFFIXES.get(reader, ".bin")


def attempt(read: Callable[[Path], object], path: Path, data: bytes) -> str | None:
    """Reads ``data`` from ``path``, within the limits; returns the traceback of what is no ``UserError``."""
    path.write_bytes(data)
    resource.setrlimit(resource.RLIMIT_AS, (_in_use() + TIMES * len(data) + MORE, resource.RLIM_INFINITY))
    signal.setitimer(signal.ITIMER_PROF, SECONDS)  # SIGPROF ends the process
    try:
        read(path)
    except UserError as error:
        if len(str(error).strip().splitlines()) != 1 and "\n" not in path.name:
            return f"a message of several lines: {error}"
    except Exception:
        return traceback.format_exc()
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        resource.setrlimit(resource.RLIMIT_AS, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    return None


def _in_use() -> int:
    """Bytes of address space that this process has."""
    return int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()


def child(name: str, first: int, seconds: float, most: int) -> None:
    """Reads mutations from ``first`` on, and prints a line of JSON for each failure, and one at the end."""
    reader, number = READERS[name], first
    seeds = list(reader.seeds().values())
    sys.stderr.flush()
    os.dup2(os.open(os.devnull, os.O_WRONLY), 2)  # warnings, and what decoders say
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"input{suffix_of(name)}"
        for seed in seeds:
            if fault := attempt(reader.read, path, seed):
                print(json.dumps({"number": -1, "fault": f"a seed fails: {fault}"}), flush=True)
        faults, begin = 0, time.monotonic()  # without the start of TensorFlow
        while number < first + most and time.monotonic() - begin < seconds and faults < MOST_FAULTS:
            print(number, flush=True)
            if fault := attempt(reader.read, path, mutated(seeds, number)):
                print(json.dumps({"number": number, "fault": fault}), flush=True)
                faults += 1
            number += 1
    print(json.dumps({"done": number}), flush=True)


# --- The parent


@dataclass
class Failure:
    """A mutated file that a reader failed on."""

    reader: str
    number: int
    fault: str

    def data(self) -> bytes:
        return mutated(list(READERS[self.reader].seeds().values()), self.number)


def fuzz(name: str, seconds: float, most: int = 10**9, first: int = 0) -> tuple[int, list[Failure]]:
    """``(files, failures)`` of a reader within this time; a child that ended is started again after its last file."""
    failures: list[Failure] = []
    number, end = first, time.monotonic() + seconds
    while number < first + most and (left := end - time.monotonic()) > 0 and len(failures) < MOST_FAULTS:
        command = [sys.executable, __file__, name, "--child", str(number), str(left), str(first + most - number)]
        process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=HERE.parent)
        assert process.stdout, "asked for"
        for line in process.stdout:
            told = json.loads(line)
            if isinstance(told, int):
                number = told
            elif "fault" in told:
                failures.append(Failure(name, told["number"], told["fault"]))
            else:
                process.wait()
                return told["done"] - first, failures
        reason = signal.Signals(-process.wait()).name if process.returncode < 0 else f"exit {process.returncode}"
        what = f"more than {SECONDS} s" if reason == "SIGPROF" else reason
        failures.append(Failure(name, number, f"the process ended: {what}"))
        number += 1
    return number - first, failures


def kept_inputs() -> Iterator[tuple[str, Path]]:
    """``(reader, file)`` of the inputs that once failed."""
    for path in sorted(KEPT.glob("*/*")):
        yield path.parent.name, path


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("readers", nargs="*", metavar="READER", help=f"of {', '.join(READERS)}; default: all")
    parser.add_argument("--seconds", type=float, default=600, help="for all readers together")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1, help="readers at a time")
    parser.add_argument("--most", type=int, default=10_000, help="files of each reader")
    parser.add_argument("--first", type=int, default=0, help="the number of the first mutation")
    parser.add_argument("--file", type=Path, help="this file alone")
    parser.add_argument("--child", nargs=3, help=argparse.SUPPRESS)
    args = parser.parse_args()
    names = args.readers or list(READERS)
    if args.child:
        child(names[0], int(args.child[0]), float(args.child[1]), int(args.child[2]))
        return 0
    if args.file:
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / f"input{suffix_of(names[0])}"
            fault = attempt(READERS[names[0]].read, path, args.file.read_bytes())
        print(fault or "a result, or one line")
        return bool(fault)
    end = time.monotonic() + args.seconds

    def one(place: int) -> int:
        left = max(1.0, end - time.monotonic())
        share = min(left, left * args.jobs / (len(names) - place))
        return told(names[place], *fuzz(names[place], share, args.most, args.first))

    with ThreadPoolExecutor(args.jobs) as pool:
        return min(1, sum(pool.map(one, range(len(names)))))


def told(name: str, files: int, failures: list[Failure]) -> int:
    """Prints what became of a reader, and keeps the files that it failed on; returns how many."""
    print(f"{name}: {files} files, {len(failures)} failures", flush=True)
    for failure in failures:
        folder = FOUND / name
        folder.mkdir(parents=True, exist_ok=True)
        if failure.number >= 0:
            (folder / f"{failure.number}{suffix_of(name)}").write_bytes(failure.data())
        print(f"  {failure.number}: {failure.fault.strip().splitlines()[-1]}", flush=True)
    return len(failures)


if __name__ == "__main__":
    sys.exit(main())
