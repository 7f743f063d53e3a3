"""Fuzzing of every reader that takes a file from outside: mutated files give a result or a ``UserError``, and no more.

    python tests/fuzz.py [READER …] --seconds 600 --least 10000     make fuzz
    python tests/fuzz.py READER --file FILE                         one file, as it is

Readers run in a child process, which ends where a file takes more than 5 s of processor time, which the parent ends
where a file takes 30 s without it, and where no more memory can be had than 10 times the file and 200 MB. That memory
ran out is a fault, whatever became of it. Mutation n of a reader is a function of its seeds and n. What fails is kept
in ``build/fuzz/<reader>/``; once mended it belongs into ``tests/data/fuzz/<reader>/``.
"""

import argparse
import functools
import io
import json
import math
import os
import re
import resource
import select
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import traceback
import zipfile
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from unittest import mock

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
PATIENCE = 30  # seconds for a file that waits, or for a busy machine
START = 300  # seconds until the first file: TensorFlow is imported
TIMES, MORE = 10, 200 * 1024 * 1024  # bytes that a file may take
SLACK = 1.3  # times its share that a reader may take: those that are done early leave some over
MOST_FAULTS = 20  # of a reader, after which it is left
LARGE = 3000  # bytes from which on most mutations are in the header, the first 300
SHARE = 0.7
MEMORY = "/dev/shm" if Path("/dev/shm").is_dir() else None  # where a file is made in a tenth of a disk's time
NUMBERS = (0, 1, 2, 0x7F, 0x80, 0xFF, 0x7FFF, 0x8000, 0xFFFF, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF, 2**63 - 1, 2**64 - 1)


@dataclass(frozen=True)
class Reader:
    """``read`` takes a path with this suffix; ``seeds`` are files, ``{name: bytes}``, of which the first is good."""

    read: Callable[[Path], object]
    seeds: Callable[[], dict[str, bytes]]
    suffix: str = ".bin"
    effort: float = 1.0  # milliseconds for a file, about: its share of the time

    def warm(self, path: Path) -> None:
        """Reads the seeds without limits: what is imported for the first file is not that file's."""
        for place, seed in enumerate(self.seeds().values()):
            path.write_bytes(seed)
            try:
                self.read(path)
            except UserError:
                if place == 0:
                    raise


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


OLD_RUN = DATA / "version_0_1_0"


def _old_seeds(*names: str) -> Callable[[], dict[str, bytes]]:
    """Files that version 0.1.0 wrote."""
    return lambda: {name: (OLD_RUN / name).read_bytes() for name in names}


SMALLEST = DATA / "fuzz_seeds"  # a generator of two channels, and event files: of sound and a picture, and of curves


def _smallest(*names: str) -> Callable[[], dict[str, bytes]]:
    """Files that are the same whenever they are asked for: when written anew, they hold the time."""
    return lambda: {name: (SMALLEST / name).read_bytes() for name in names}


def _contract_seeds() -> dict[str, bytes]:
    """A file that ends with a contract; of the model before it only the mark is read."""
    text = _contract_texts()["vocoder_int8.tflite"]
    return {"contract": _with_contract(b"\x1c\0\0\0TFL3" + bytes(200), re.sub(rb'"model_sha256": "\w+"', b"", text))}


def _with_contract(model: bytes, text: bytes) -> bytes:
    from hifigan_tf.streaming import contract

    buffer = io.BytesIO()
    buffer.write(model)
    with zipfile.ZipFile(buffer, "a", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(contract.MEMBER, text)
    return buffer.getvalue()


def _contract_texts() -> dict[str, bytes]:
    """The JSON of the contracts of a vocoder and of a mel front end."""
    from hifigan_tf.streaming import contract

    texts = {}
    for name in ("vocoder_int8.tflite", "mel_frontend.tflite"):
        with zipfile.ZipFile(OLD_RUN / name) as archive:
            texts[name] = archive.read(contract.MEMBER)
    return texts


def _tflite_seeds() -> dict[str, bytes]:
    """Whole models with the hash of today's exports."""
    from hifigan_tf.streaming import contract

    models = [(OLD_RUN / f"vocoder_{mode}.tflite").read_bytes() for mode in ("float32", "int8")]
    return {str(place): contract.pack(model, contract.read(model, "x")) for place, model in enumerate(models)}


def _checkpoint_seeds(name: str) -> Callable[[], dict[str, bytes]]:
    return lambda: {name: (CHECKPOINTS / name).read_bytes()}


CHECKPOINTS = DATA / "checkpoints"


def _gzip_seeds() -> dict[str, bytes]:
    import gzip

    data = (CHECKPOINTS / "nemo/hifigan.nemo").read_bytes()
    return {str(level): gzip.compress(data, level, mtime=0) for level in (6, 0)}


BANDS = 80  # of the statistics
SPEAKER = "coqui/with_speaker/best_model.pth"


def _array_seeds(*shape: int) -> Callable[[], dict[str, bytes]]:
    """Arrays of positive numbers in NumPy's files."""

    def seeds():
        array, found = np.random.default_rng(0).uniform(0.5, 1, shape).astype(np.float32), {}
        for name, saved in (("float32", array), ("float64", array.astype(np.float64))):
            buffer = io.BytesIO()
            np.save(buffer, saved)
            found[name] = buffer.getvalue()
        buffer = io.BytesIO()
        np.savez(buffer, mean=array[0], scale=array[-1])
        return {**found, "npz": buffer.getvalue()}

    return seeds


def _keras_texts() -> dict[str, bytes]:
    with zipfile.ZipFile(SMALLEST / "small.keras") as archive:
        return {"config": archive.read("config.json")}


HISTORY = [{"step": 0, "batch_size": 16, "learning_rate": 0.0002}, {"step": 2, "batch_size": 8, "learning_rate": 1e-4}]
CLIPS = {"fingerprint": "a", "data": "corpus", "training": 3, "held_out": 1}


def _json_seeds(content) -> Callable[[], dict[str, bytes]]:
    return lambda: {"spaced": json.dumps(content, indent=2).encode(), "short": json.dumps(content).encode()}


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

    folder = _copied(path, OLD_RUN / "packed")
    path.replace(folder / "manifest.json")
    read_clips(str(folder), 8000)


def _read_shard(path: Path) -> None:
    import tensorflow as tf

    from hifigan_tf.data.packed import PackedAudio, read_clips, reraise_damage

    folder = _copied(path, OLD_RUN / "packed")
    path.replace(folder / "shard-00000.tfrecord")
    clips = read_clips(str(folder), 8000)
    with reraise_damage(clips):
        if "read" not in _graphs:
            audio = PackedAudio(clips)

            def read(index):
                samples, _, cut = audio.open(index)
                return cut(0, samples)

            _graphs["read"] = tf.function(read, input_signature=[tf.TensorSpec([], tf.int32)])
        for index in range(len(clips)):
            _graphs["read"](index)


def _copied(path: Path, folder: Path) -> Path:
    """A copy of a folder beside a mutated file, in which the file replaces one of its own."""
    copy = path.parent / "around"
    if not copy.is_dir():
        shutil.copytree(folder, copy)
    return copy


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


@functools.cache
def _model(name: str) -> bytes:
    from hifigan_tf.streaming import contract

    return contract.unpack((OLD_RUN / name).read_bytes())


def _read_contract_text(path: Path) -> None:
    """The text in a whole model: most mutations of the file are found by its checksum, before they are parsed."""
    from hifigan_tf.streaming.litert import load_tflite
    from hifigan_tf.streaming.mel_frontend import TfliteMelSpectrogram

    text = path.read_bytes()
    front_end = b"mel_frontend" in text
    name = "mel_frontend.tflite" if front_end else "vocoder_int8.tflite"
    path.write_bytes(_with_contract(_model(name), text))
    if front_end:
        TfliteMelSpectrogram(path)
    else:
        load_tflite(path)


def _read_tflite(path: Path) -> None:
    from hifigan_tf.streaming.litert import load_tflite

    load_tflite(path)


def _read_checkpoint(path: Path) -> None:
    from hifigan_tf.checkpoints.imported import Source, read_checkpoint

    read_checkpoint(path, Source())


def _read_config_beside(checkpoint: str, config: str) -> Callable[[Path], None]:
    """Of a checkpoint whose config is the mutated file."""

    def read(path: Path) -> None:
        from hifigan_tf.checkpoints import imported

        folder = _copied(path, (CHECKPOINTS / checkpoint).parent)
        path.replace(folder / config)
        with mock.patch.object(imported, "read_content", _content):  # the same each time, and slow
            imported.read_checkpoint(folder / Path(checkpoint).name, imported.Source())

    return read


@functools.cache
def _content(path: Path):
    from hifigan_tf.checkpoints.checkpoint_files import read_content

    return read_content(path)


def _of_library(checkpoint: str, config: str) -> Reader:
    """The config of another library's checkpoint."""
    name = str(Path(checkpoint).parent / config)
    return Reader(_read_config_beside(checkpoint, config), _checkpoint_seeds(name), Path(config).suffix, effort=7)


def _read_statistics(path: Path) -> None:
    from hifigan_tf.audio.mel_stats import load_stats

    load_stats.cache_clear()
    load_stats(path, BANDS)


@functools.cache
def _speakers_tensors() -> dict:
    from hifigan_tf.checkpoints.checkpoint_files import read_content
    from hifigan_tf.checkpoints.imported import generator_tensors

    return generator_tensors(CHECKPOINTS / SPEAKER, read_content(CHECKPOINTS / SPEAKER))[1]


def _speaker_seeds() -> dict[str, bytes]:
    weight = next(tensor for name, tensor in _speakers_tensors().items() if name == "cond_layer.weight")
    return _array_seeds(weight.shape[1])()


def _read_speaker(path: Path) -> None:
    from hifigan_tf.checkpoints.speaker import with_speaker

    with_speaker(CHECKPOINTS / SPEAKER, _speakers_tensors(), str(path))


def _read_keras(path: Path) -> None:
    from hifigan_tf.models.generator import load_generator
    from hifigan_tf.models.keras_file import stored_audio

    stored_audio(path)
    load_generator(path)


def _read_keras_text(path: Path) -> None:
    """The text in a whole file: most mutations of the file are found by a checksum, before they are parsed."""
    text = path.read_bytes()
    with zipfile.ZipFile(SMALLEST / "small.keras") as whole, zipfile.ZipFile(path, "w") as archive:
        for name in whole.namelist():
            archive.writestr(name, text if name == "config.json" else whole.read(name))
    _read_keras(path)


def _run(path: Path) -> Path:
    """A run folder with a checkpoint."""
    from hifigan_tf.resources import DEMO_CONFIG

    run = path.parent / "run"
    if not run.is_dir():
        (run / "checkpoints/step-00000005").mkdir(parents=True)
        shutil.copy(DEMO_CONFIG, run / "config.json")
    return run


def _read_history(path: Path) -> None:
    from hifigan_tf.config import Config
    from hifigan_tf.training.run_folder import RunFolder

    run = _run(path)
    path.replace(run / "history.json")
    RunFolder(run).going_on(Config.load(run / "config.json"))


def _read_record(path: Path) -> None:
    from hifigan_tf.training.run_folder import RunFolder

    run = _run(path)
    path.replace(run / "corpus.json")
    RunFolder(run).record_corpus({**CLIPS, "fingerprint": "b"}, 5)


def _read_recipe(path: Path) -> None:
    from hifigan_tf.export.quantization.recipe import load_recipe

    load_recipe(path)


# Those that import TensorFlow come last.
READERS = {
    "list": Reader(_read_list, _list_seeds),
    "config": Reader(_read_config, _config_seeds, ".json"),
    "recipe": Reader(_read_recipe, _json_seeds({"layers": {"conv_pre": "int8", "stage_2/*": "float32"}}), ".json"),
    "torch": Reader(_read_torch, _torch_seeds),
    "contract": Reader(_read_contract, _contract_seeds),
    "stats_npy": Reader(_read_statistics, _array_seeds(2, BANDS), ".npy"),
    "speaker": Reader(_read_speaker, _speaker_seeds, ".npy"),
    "npy": Reader(_read_mel, _npy_seeds, ".npy", effort=5),
    "audio": Reader(_read_audio, _audio_seeds, ".wav", effort=1.1),
    "mp3": Reader(_read_audio, _mp3_seeds, ".mp3", effort=1.8),
    "tflite": Reader(_read_tflite, _tflite_seeds, ".tflite", effort=1.4),
    "contract_text": Reader(_read_contract_text, _contract_texts, ".tflite", effort=1.5),
    "parallel_wavegan": _of_library("parallel_wavegan/24k_like/checkpoint-100steps.pkl", "config.yml"),
    "speechbrain": _of_library("speechbrain/tts_hifigan_like/generator.ckpt", "hyperparams.yaml"),
    "transformers": _of_library("transformers/speecht5_hifigan/model.safetensors", "config.json"),
    "coqui": _of_library("coqui/best_model_new_names/best_model.pth", "config.json"),
    "stats_h5": Reader(_read_statistics, _checkpoint_seeds("parallel_wavegan/24k_like/stats.h5"), ".h5"),
    "safetensors": Reader(
        _read_checkpoint, _checkpoint_seeds("other/official.safetensors"), ".safetensors", effort=1.2
    ),
    "lightning": Reader(_read_checkpoint, _checkpoint_seeds("other/lightning.ckpt"), ".ckpt", effort=1.9),
    "nemo": Reader(_read_checkpoint, _checkpoint_seeds("nemo/hifigan.nemo"), ".nemo", effort=1.7),
    "nemo_gz": Reader(_read_checkpoint, _gzip_seeds, ".nemo", effort=5),
    "hdf5": Reader(_read_checkpoint, _checkpoint_seeds("tensorflowtts/generator-100.h5"), ".h5", effort=7),
    "onnx": Reader(_read_checkpoint, _checkpoint_seeds("onnx/folded_old.onnx"), ".onnx", effort=1.2),
    "history": Reader(_read_history, _json_seeds(HISTORY), ".json", effort=8),
    "record": Reader(_read_record, _json_seeds([{"step": 0, **CLIPS}]), ".json"),
    "shard": Reader(_read_shard, _old_seeds("packed/shard-00000.tfrecord"), effort=7),
    "manifest": Reader(_read_manifest, _old_seeds("packed/manifest.json")),
    "keras": Reader(_read_keras, _smallest("small.keras"), ".keras", effort=6),
    "keras_text": Reader(_read_keras_text, _keras_texts, ".keras", effort=4),
    "events": Reader(_read_events, _smallest("media.tfevents", "curve.tfevents"), effort=6),
}


# --- The child: some readers, many files each

# Of libraries in C. HDF5 has other words, and is let be: it takes its headers' word for sizes, before anyone can look.
OUT_OF_MEMORY = re.compile(r"malloc|(cannot|can't|unable to|failed to) allocate|out of memory", re.I)


def attempt(read: Callable[[Path], object], path: Path, data: bytes) -> str | None:
    """Reads ``data`` from ``path``, within the limits; returns what happened other than a result or a ``UserError``."""
    path.write_bytes(data)
    resource.setrlimit(resource.RLIMIT_AS, (_in_use() + TIMES * len(data) + MORE, resource.RLIM_INFINITY))
    signal.setitimer(signal.ITIMER_PROF, SECONDS)  # SIGPROF ends the process
    try:
        read(path)
    except KeyboardInterrupt:
        raise
    except UserError as error:
        if any(_of_memory(one) for one in _chain(error)):
            return f"more memory than {TIMES} times the file and {MORE >> 20} MB: {error}"
        if len(str(error).strip().splitlines()) != 1 and "\n" not in path.name:
            return f"a message of several lines: {error}"
    except BaseException:  # libraries in Rust raise panics, which are no Exception
        return traceback.format_exc()
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        resource.setrlimit(resource.RLIMIT_AS, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    return None


def _chain(error: BaseException) -> Iterator[BaseException]:
    """An exception, and all that it was raised from or while handling, named as its cause or not."""
    waiting, seen = [error], set()
    while waiting:
        one = waiting.pop()
        if id(one) not in seen:
            seen.add(id(one))
            yield one
            waiting += [other for other in (one.__cause__, one.__context__) if other is not None]


def _of_memory(error: BaseException) -> bool:
    """Whether an exception says that memory ran out."""
    return isinstance(error, MemoryError) or bool(OUT_OF_MEMORY.search(str(error)))


def _in_use() -> int:
    """Bytes of address space that this process has."""
    return int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()


def child(names: list[str], first: int, others: int, last: int, seconds: float) -> None:
    """Reads mutations ``first`` to ``last`` with the first of the readers, and ``others`` to ``last`` with the others.

    Prints a line of JSON before each file, for each failure, and at the end of each reader.
    """
    sys.stderr.flush()
    os.dup2(os.open(os.devnull, os.O_WRONLY), 2)  # warnings, and what decoders say
    for name in names:
        tell(reader=name)
        reader, number = READERS[name], first if name == names[0] else others
        with tempfile.TemporaryDirectory(dir=MEMORY) as folder:
            path, seeds = Path(folder) / f"input{reader.suffix}", list(reader.seeds().values())
            reader.warm(path)
            faults, begin = 0, time.monotonic()  # without the start of TensorFlow
            for seed in seeds:
                if fault := attempt(reader.read, path, seed):
                    tell(reader=name, number=-1, fault=f"a seed fails: {fault}")
            for kept in kept_inputs(name):
                tell(reader=name, number=-1, kept=kept.name, fault=attempt(reader.read, path, kept.read_bytes()))
            while number < last and time.monotonic() - begin < seconds and faults < MOST_FAULTS:
                tell(reader=name, next=number)
                if fault := attempt(reader.read, path, mutated(seeds, number)):
                    tell(reader=name, number=number, fault=fault)
                    faults += 1
                number += 1
        tell(reader=name, done=number)


def tell(**what) -> None:
    print(json.dumps(what), flush=True)


# --- The parent


@dataclass
class Failure:
    """A mutated file that a reader failed on."""

    reader: str
    number: int
    fault: str

    def data(self) -> bytes:
        return mutated(list(READERS[self.reader].seeds().values()), self.number)


@dataclass
class Outcome:
    """What became of a reader, and the fault, or None, of each file that once failed."""

    files: int = 0
    kept: dict[str, str | None] = field(default_factory=dict)
    failures: list[Failure] = field(default_factory=list)


def fuzz(
    names: Iterable[str], most: int, seconds: float = math.inf, first: int = 0, script: str = __file__
) -> dict[str, Outcome]:
    """``{reader: outcome}`` of ``most`` files of each reader, or as many as this time allows.

    All are read in one child process; one that ended is started again after its last file. ``script`` has the readers.
    """
    outcomes = {name: Outcome() for name in names}
    waiting, number, end = list(outcomes), first, time.monotonic() + seconds
    while waiting and (left := end - time.monotonic()) > 0:
        numbers = (number, first, first + most, left)
        process = subprocess.Popen(
            [sys.executable, script, *waiting, "--child", *map(str, numbers)], stdout=subprocess.PIPE, cwd=HERE.parent
        )
        for told in told_by(process):
            outcome = outcomes[told["reader"]]
            if "kept" in told:
                outcome.kept[told["kept"]] = told["fault"]
            if told.get("fault"):
                outcome.failures.append(Failure(told["reader"], told["number"], told["fault"]))
            elif "done" in told:
                outcome.files = told["done"] - first
                waiting.remove(told["reader"])
                number = first
            elif "next" in told:
                number = told["next"]
        if process.wait() != 0:
            outcome = outcomes[waiting[0]]
            outcome.failures.append(Failure(waiting[0], number, f"the process ended: {_why_ended(process.returncode)}"))
            number += 1
            outcome.files = number - first
            if number >= first + most or len(outcome.failures) >= MOST_FAULTS:
                del waiting[0]
                number = first
    return outcomes


def told_by(process: subprocess.Popen) -> Iterator[dict]:
    """What a child tells. Ends it, by SIGALRM, where it is silent for too long."""
    assert process.stdout, "asked for"
    rest, patience = b"", START
    while select.select([process.stdout], [], [], patience)[0]:
        data = os.read(process.stdout.fileno(), 1 << 16)
        if not data:
            break
        *lines, rest = (rest + data).split(b"\n")
        for line in lines:
            told = json.loads(line)
            patience = PATIENCE if "next" in told else START
            yield told
    else:
        process.send_signal(signal.SIGALRM)
    process.stdout.close()


def _why_ended(code: int) -> str:
    """The reason of a child's end, from its exit code."""
    if code >= 0:
        return f"exit {code}"
    name = signal.Signals(-code).name
    return {"SIGPROF": f"more than {SECONDS} s of the processor", "SIGALRM": f"nothing for {PATIENCE} s"}.get(
        name, name
    )


def kept_inputs(reader: str) -> list[Path]:
    """The files that a reader once failed on."""
    return sorted((KEPT / reader).glob("*"))


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("readers", nargs="*", metavar="READER", help=f"of {', '.join(READERS)}; default: all")
    parser.add_argument("--seconds", type=float, default=600, help="for all readers together")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1, help="readers at a time")
    parser.add_argument("--most", type=int, default=10_000, help="files of each reader")
    parser.add_argument("--least", type=int, default=0, help="files of each reader, below which this fails")
    parser.add_argument("--first", type=int, default=0, help="the number of the first mutation")
    parser.add_argument("--file", type=Path, help="this file alone")
    parser.add_argument("--child", nargs=4, help=argparse.SUPPRESS)
    args = parser.parse_args()
    names = args.readers or sorted(READERS, key=lambda name: -READERS[name].effort)  # none is left alone at the end
    if args.child:
        first, others, last, seconds = args.child
        child(names, int(first), int(others), int(last), float(seconds))
        return 0
    if args.file:
        reader = READERS[names[0]]
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / f"input{reader.suffix}"
            reader.warm(path)
            fault = attempt(reader.read, path, args.file.read_bytes())
        print(fault or "a result, or one line")
        return bool(fault)
    end = time.monotonic() + args.seconds

    def one(place: int) -> bool:
        left = max(1.0, end - time.monotonic())
        efforts = [READERS[name].effort for name in names[place:]]
        share = min(left, SLACK * left * args.jobs * efforts[0] / sum(efforts))
        begin, name = time.monotonic(), names[place]
        outcome = fuzz([name], args.most, share, args.first, sys.argv[0])[name]
        report(name, outcome, time.monotonic() - begin)
        if outcome.files < args.least:
            print(f"  fewer than {args.least}: give it more --seconds", flush=True)
        return bool(outcome.failures) or outcome.files < args.least

    with ThreadPoolExecutor(args.jobs) as pool:
        return int(any(list(pool.map(one, range(len(names))))))


def report(name: str, outcome: Outcome, seconds: float) -> None:
    """Prints what became of a reader, and keeps the files that it failed on."""
    speed = f"{outcome.files / seconds:.0f} a second"
    print(f"{name}: {outcome.files} files, {speed}, {len(outcome.failures)} failures", flush=True)
    for failure in outcome.failures:
        folder = FOUND / name
        folder.mkdir(parents=True, exist_ok=True)
        if failure.number >= 0:
            (folder / f"{failure.number}{READERS[name].suffix}").write_bytes(failure.data())
        print(f"  {failure.number}: {failure.fault.strip().splitlines()[-1]}", flush=True)


if __name__ == "__main__":
    sys.exit(main())
