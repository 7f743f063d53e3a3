"""Fixtures and helpers of all tests."""

import os

# As the command lines do, before TensorFlow is imported anywhere: without oneDNN a dilated convolution has no gradient
# on processors without AVX-512.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")

import signal
from pathlib import Path

import forked
import numpy as np
import pytest
import soundfile
from ai_edge_litert import schema_py_generated as schema

from hifigan_tf.audio.audio_files import find_audio, read_audio, resample, write_wav
from hifigan_tf.config import Config
from hifigan_tf.resources import CONFIGS, DEMO_HELD_OUT

if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:  # tests in the background, which pass that on to their commands
    signal.signal(signal.SIGINT, signal.default_int_handler)

DATA = Path(__file__).parent / "data"


LONGEST_FIRST = (
    "test_train.py",
    "test_distill.py",
    "test_distribution.py",
    "test_to_tflite.py",
    "test_fast_convolution.py",
    "test_recipe.py",
    "test_low_delay.py",
    "test_graph.py",
    "test_golden.py",
    "test_streaming.py",
    "test_demo.py",
    "test_periodicity.py",
    "test_kill.py",
    "test_quality.py",
    "test_android_assets.py",
)


def pytest_collection_modifyitems(items):
    """Starts the slow files first, so that no worker is left alone with one at the end."""
    order = {name: place for place, name in enumerate(LONGEST_FIRST)}
    items.sort(key=lambda item: order.get(item.path.name, len(order)))


# Options beyond the paper's that fit the fixture `tiny`.
LOW_DELAY = {"lookahead_frames": 1, "samples_per_step": 4, "upsample_rates": [4, 2], "upsample_kernel_sizes": [8, 4]}


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder with real speech and real weights, which is not part of the project."""
    folder = os.environ.get("HIFIGAN_SHARED")
    if not folder:
        pytest.skip("HIFIGAN_SHARED is not set: real speech and weights are not part of the project")
    return Path(folder)


@pytest.fixture(scope="session")
def trained_v3(shared, tmp_path_factory) -> Path:
    """The real weights of a trained V3 as a ``.keras`` file."""
    from tests.reference_models import import_v3

    path = tmp_path_factory.mktemp("trained") / "v3.keras"
    import_v3(shared, path)
    return path


@pytest.fixture(scope="session")
def tiny() -> Config:
    """A small config: 8 kHz, 16 mels, a hop of 32, narrow discriminators."""
    return Config.load(CONFIGS / "demo.json").replace(
        upsample_rates=[4, 4, 2],
        upsample_kernel_sizes=[8, 8, 4],
        upsample_initial_channel=16,
        resblock_kernel_sizes=[3, 5],
        resblock_dilation_sizes=[[1, 2], [2, 3]],
        mpd_periods=[2, 3],
        msd_scales=2,
        segment_size=1024,
        num_mels=16,
        n_fft=128,
        hop_size=32,
        win_size=128,
        sampling_rate=8000,
        fmax=4000,
        batch_size=2,
    )


@pytest.fixture(scope="session")
def shallow(tiny) -> Config:
    """The tiny config with fewer layers and one discriminator of each kind, so that a training step compiles quickly.

    ``msd_scales=0`` makes it quicker still: the many groups of that discriminator take long to compile.
    """
    return tiny.replace(
        upsample_rates=[8, 4],
        upsample_kernel_sizes=[16, 8],
        resblock_dilation_sizes=[[1], [2]],
        mpd_periods=[2],
        msd_scales=1,
    )


@pytest.fixture(scope="session")
def tiny_generator(tiny):
    return untrained(tiny)


def untrained(config: Config):
    """A generator with random weights, scaled up: as initialised, it would be nearly silent."""
    import keras

    from hifigan_tf.models.generator import Generator

    keras.utils.set_random_seed(0)
    generator = Generator.of(config.generator, config.audio)
    generator.conv_post.gain.assign(generator.conv_post.gain * 10)
    return generator


def stream(model, mel, sizes):
    """The audio of a mel pushed in pieces of these sizes, the last one repeated."""
    from hifigan_tf.streaming.streaming_vocoder import StreamingVocoder

    vocoder, pieces, start = StreamingVocoder(model, check_mel=False), [], 0
    while start < len(mel):
        size = sizes[min(len(pieces), len(sizes) - 1)]
        pieces.append(vocoder.push(mel[start : start + size]))
        start += size
    return np.concatenate([*pieces, vocoder.flush()])


def snr(signal, other) -> float:
    """Signal-to-noise ratio in dB; the noise is the difference."""
    return float(10 * np.log10(np.mean(np.square(signal)) / np.mean(np.square(signal - other))))


@pytest.fixture(scope="session")
def tiny_checkpoint(tiny_generator, tmp_path_factory) -> Path:
    """The tiny generator as ``best.keras`` of a run folder."""
    path = tmp_path_factory.mktemp("run") / "best.keras"
    tiny_generator.save(path)
    return path


@pytest.fixture(scope="session")
def shallow_generator(shallow):
    return untrained(shallow)


@pytest.fixture(scope="session")
def shallow_checkpoint(shallow_generator, tmp_path_factory) -> Path:
    """The shallow generator as ``best.keras`` of a run folder, for exports that compile quickly."""
    path = tmp_path_factory.mktemp("shallow") / "best.keras"
    shallow_generator.save(path)
    return path


@pytest.fixture(scope="session")
def tiny_mels(tiny_generator) -> list[np.ndarray]:
    """A few mels of speech for the tiny generator, ``[frames, num_mels]``."""
    from hifigan_tf.export.quantization.calibration import demo_mels

    return demo_mels(tiny_generator.audio)


def calibrated_plan(generator, mode="float32", chunks=(4,), frames=None, mels=None, **options):
    """The plan of an export, and its calibrated network."""
    from hifigan_tf.export.options import STREAMING, ExportOptions
    from hifigan_tf.export.plan import plan_export
    from hifigan_tf.export.quantization.calibration import calibrate

    kind = {"chunk_frames": chunks} if frames is None else {"frames": frames, "stateless": mode in STREAMING}
    plan = plan_export(generator, ExportOptions(mode=mode, **kind, **options))
    return plan, calibrate(plan, mels)


def exported(generator, mode="float32", chunks=(4,), frames=None, mels=None, **options) -> bytes:
    """A generator as the bytes of a ``.tflite``."""
    from hifigan_tf.export.build import build

    return build(*calibrated_plan(generator, mode, chunks, frames, mels, **options)).packed()


def write_tflite(path: Path, generator) -> Path:
    """Writes a generator's float32 ``.tflite`` for chunks of 4 and 16 frames; returns the path."""
    path.write_bytes(exported(generator, "float32", (4, 16)))
    return path


def write_speech(folder: Path, seconds: int, clips: int = 1) -> Path:
    """Writes the beginnings of demo clips into a folder, at the rate of the tiny config; returns the folder."""
    for path in find_audio(DEMO_HELD_OUT)[:clips]:
        audio, rate = read_audio(path)
        write_wav(folder / f"{path.stem}.wav", resample(audio, rate, 8000)[: seconds * 8000], 8000)
    return folder


@pytest.fixture(scope="session")
def corpus(tmp_path_factory):
    """Five clips of harmonic sound, half a second at 8 kHz: four to train on and one to hold out."""
    folder = tmp_path_factory.mktemp("corpus")
    rng, time_axis = np.random.default_rng(0), np.arange(4000) / 8000
    for index in range(5):
        pitch = 100 + 20 * index
        audio = sum(np.sin(2 * np.pi * pitch * k * time_axis) / k for k in range(1, 8))
        soundfile.write(folder / f"clip{index}.wav", 0.2 * audio + 0.01 * rng.standard_normal(4000), 8000)
    return folder


@pytest.fixture
def command():
    """Runs ``python -m hifigan_tf.<module> …`` as a user would, and returns the finished process."""

    def run(module, *arguments, **options):
        return forked.run(f"hifigan_tf.{module}", *arguments, **options)

    return run


def start_training(*arguments, **options):
    """``python -m hifigan_tf.train …`` in the background, its output in one pipe."""
    return forked.ForkedCommand("hifigan_tf.train", *arguments, **options)


def assert_one_error(process, *words: str) -> None:
    """Exit code 2, and one line on standard error that holds every word, with no traceback."""
    assert process.returncode == 2, process.stderr
    assert "Traceback" not in process.stderr
    errors = [line for line in process.stderr.splitlines() if line.startswith("error: ")]
    assert len(errors) == 1, process.stderr
    for word in words:
        assert str(word) in errors[0]


def relative_error(value, reference) -> float:
    """Relative L2 distance."""
    value, reference = np.asarray(value, np.float64), np.asarray(reference, np.float64)
    return float(np.linalg.norm(value - reference) / np.linalg.norm(reference))


def model_of(data):
    """The parsed flatbuffer of a ``.tflite``."""
    return schema.ModelT.InitFromObj(schema.Model.GetRootAsModel(data, 0))


def operations(model):
    """``[(name of the operation, operator, its subgraph)]``."""
    names = {value: name for name, value in vars(schema.BuiltinOperator).items() if isinstance(value, int)}
    codes = [max(code.builtinCode, code.deprecatedBuiltinCode) for code in model.operatorCodes]
    return [(names[codes[op.opcodeIndex]], op, graph) for graph in model.subgraphs for op in graph.operators]
