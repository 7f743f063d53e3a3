"""Compatibility with version 0.1.0: its files load, its imports and commands work."""

import shutil
import subprocess
import sys
from importlib import import_module

import numpy as np
import pytest
from conftest import DATA, snr

from hifigan_tf import moved, train
from hifigan_tf.data.packed import read_clips
from hifigan_tf.models.generator import load_generator
from hifigan_tf.resources import CONFIGS
from hifigan_tf.streaming import vocode
from hifigan_tf.streaming.contract import MelContract, read_kind
from hifigan_tf.streaming.mel_frontend import TfliteMelSpectrogram
from hifigan_tf.training.run_folder import RunFolder

OLD = DATA / "version_0_1_0"
ROOT = CONFIGS.parent


@pytest.fixture(scope="module")
def audio():
    """A mel, and the audio that version 0.1.0 made of it with each of its models."""
    return np.load(OLD / "audio.npz")


def test_a_keras_file_and_tflite_files(audio):
    np.testing.assert_allclose(
        vocode(load_generator(OLD / "run" / "last.keras"), audio["mel"], check_mel=False), audio["keras"], atol=1e-5
    )
    np.testing.assert_allclose(
        vocode(OLD / "vocoder_float32.tflite", audio["mel"], check_mel=False), audio["float32"], atol=1e-5
    )
    # Processors may round a value half-way between two integers differently.
    found = vocode(OLD / "vocoder_int8.tflite", audio["mel"], check_mel=False)
    assert np.array_equal(found, audio["int8"]) or snr(audio["int8"], found) > 25
    contract = read_kind((OLD / "mel_frontend.tflite").read_bytes(), "mel_frontend.tflite", MelContract)
    assert contract.versions["hifigan_tf"] == "0.1.0"
    assert TfliteMelSpectrogram(OLD / "mel_frontend.tflite").num_mels == contract.audio_config.num_mels


def test_a_run_goes_on_with_its_packed_corpus(tmp_path, caplog):
    shutil.copytree(OLD / "run", tmp_path / "run")
    assert len(read_clips(str(OLD / "packed"), 8000)) == 3
    caplog.set_level("INFO")
    options = ["--data", str(OLD / "packed"), "--run-dir", str(tmp_path / "run"), "--max-steps", "4"]
    assert train.main([*options, "--learning-rate", "0.001"]) == 0
    assert "resumed from" in caplog.text
    assert [path.name for path in RunFolder(tmp_path / "run").saved()] == ["step-00000004"]


@pytest.mark.parametrize(("old", "new"), moved.MOVED.items())
def test_modules_have_their_old_names_too(old, new):
    sys.modules.pop(f"hifigan_tf.{old}", None)
    with pytest.warns(DeprecationWarning, match=f"hifigan_tf.{old} is hifigan_tf.{new} now"):
        module = import_module(f"hifigan_tf.{old}")
    assert module is import_module(f"hifigan_tf.{new}")


def test_the_imports_that_were_documented():
    code = """
from hifigan_tf import Generator, MelSpectrogram, StreamingVocoder, load_vocoder
from hifigan_tf.audio import load_audio, normalize
from hifigan_tf.mel import mel_spectrogram
from hifigan_tf.mel_frontend import TfliteMelSpectrogram
from hifigan_tf.mel_stream import MelStream
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(
    "script", ["to_tflite.py", "sensitivity.py", "benchmark.py", "plot_chunks.py", "android_assets.py"]
)
def test_the_scripts_that_were_documented(script, tmp_path):
    done = subprocess.run(
        [sys.executable, ROOT / "export" / script, "--help"],
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
        cwd=tmp_path,
    )
    assert done.returncode == 0, done.stderr
    assert "usage: python" in done.stdout


def test_the_importer_has_its_old_name_too(command):
    assert "usage: python -m hifigan_tf.import_" in command("import_torch", "--help").stdout
