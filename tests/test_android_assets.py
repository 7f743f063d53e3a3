"""The app's assets, made by the real command: complete, consistent, and suitable for the phone's runtime."""

import json
import platform
import shutil
import sys
from pathlib import Path

import forked
import numpy as np
import pytest
import soundfile
import tensorflow as tf
from conftest import assert_one_error, model_of, operations, snr, write_speech

from android_demo.tools import android_assets, verify_arm64
from hifigan_tf.audio.audio_files import find_audio
from hifigan_tf.audio.mel_stream import MelStream
from hifigan_tf.export import sources
from hifigan_tf.streaming import contract
from hifigan_tf.streaming.contract import MelContract, VocoderContract
from hifigan_tf.streaming.litert import load_tflite
from hifigan_tf.streaming.mel_frontend import TfliteMelSpectrogram
from hifigan_tf.streaming.streaming_vocoder import vocode

ALL_MODELS = android_assets.FLOAT32 | android_assets.MODELS

# Between the runtimes, float differs by the order of summation, int8 by the rounding of the input.
MIN_SNR = {"float32": 90, "float16": 90, "int8": 30}


@pytest.fixture(scope="module")
def speech(tmp_path_factory):
    return write_speech(tmp_path_factory.mktemp("speech"), seconds=2)


def run(*options):
    return forked.run(android_assets.__file__, *options)


@pytest.fixture(scope="module")
def assets(shallow_checkpoint, speech, tmp_path_factory):
    folder = tmp_path_factory.mktemp("app") / "main" / "assets"
    options = ("--checkpoint", shallow_checkpoint.parent, "--output-dir", folder, "--evaluation-data", speech)
    done = run(*options, "--float32")
    assert done.returncode == 0, done.stderr
    assert "model 4 of 4: mel_frontend" in done.stderr
    return folder


def test_everything_is_there_and_nothing_else(assets):
    models = [f"models/{name}{end}" for name in ALL_MODELS for end in (".tflite", ".json")]
    (clip,) = {path.stem for path in (assets / "mels").iterdir()}
    expected = {*models, f"mels/{clip}.npy", f"mels/{clip}.wav", "source.json"}
    assert {path.relative_to(assets).as_posix() for path in assets.rglob("*") if path.is_file()} == expected
    assert [path.name for path in assets.parent.iterdir()] == ["assets"]
    for name in ALL_MODELS:
        kind = MelContract if name == "mel_frontend" else VocoderContract
        inside = contract.read_kind((assets / "models" / f"{name}.tflite").read_bytes(), name, kind)
        assert (assets / "models" / f"{name}.json").read_text() == inside.dumps()
        if kind is VocoderContract:
            assert inside.mode == name.removeprefix("vocoder_")


def test_the_mel_the_recording_and_the_models_fit(assets, tiny):
    front_end = TfliteMelSpectrogram(assets / "models" / "mel_frontend.tflite")
    assert front_end.audio == tiny.audio
    audio, rate = soundfile.read(next(assets.glob("mels/*.wav")), dtype="float32")
    mel = np.load(next(assets.glob("mels/*.npy")))
    assert (rate, mel.dtype, mel.flags.c_contiguous) == (8000, np.float32, True)
    assert np.abs(audio).max() == pytest.approx(0.95, abs=1e-4)
    mels = MelStream(front_end)
    of_audio = np.concatenate([mels.push(audio), mels.flush()])
    assert mel.shape == of_audio.shape
    assert np.abs(mel - of_audio).mean() < 0.05  # the WAV is rounded to 16 bits


@pytest.mark.parametrize("mode", ["float32", "float16", "int8"])
def test_tensorflows_runtime_agrees(mode, assets):
    """The phone's library is a version of TensorFlow's interpreter, without TensorFlow's own operations."""
    path, mel = assets / "models" / f"vocoder_{mode}.tflite", np.load(next(assets.glob("mels/*.npy")))[:60]
    assert "CUSTOM" not in {name for name, _, _ in operations(model_of(path.read_bytes()))}
    for chunk in (4, 16):
        litert = vocode(load_tflite(path, chunk), mel)
        tensorflow = vocode(load_tflite(path, chunk, interpreter=tf.lite.Interpreter), mel)
        assert snr(litert, tensorflow) >= MIN_SNR[mode]


def test_the_arm64_check_compares_every_model_and_names_the_machine(assets, speech, monkeypatch, capsys):
    pytest.importorskip("pesq")
    monkeypatch.setattr(verify_arm64, "emulated", lambda *_: [sys.executable])
    options = ["--models", str(assets / "models"), "--speech", str(speech), "--arm64", "nowhere"]
    assert verify_arm64.main(options) == 1
    rows = [line for line in capsys.readouterr().out.splitlines() if line.endswith("FAIL")]
    assert len(rows) == len(verify_arm64.JOBS)
    for (model, cpu), row in zip(verify_arm64.JOBS, rows, strict=True):
        assert row.startswith(model)
        assert f"{cpu}, {platform.machine()}" in row
        assert ("log-mel differs by 0.0e+00" if model == "mel_frontend" else "equal, sample for sample") in row


def test_the_limits_of_the_arm64_check(speech, tiny):
    pytest.importorskip("pesq")
    (path,) = find_audio(speech)
    clip = soundfile.read(path, dtype="float32")[0]

    def good(name, factor, noise):
        other = {"a": factor * clip + noise * np.random.default_rng(0).normal(size=len(clip)).astype(np.float32)}
        return verify_arm64.judge(name, {"a": clip}, other, {"a": clip}, tiny.audio)[2]

    for name in ("vocoder_float32", "vocoder_float16"):
        assert good(name, 1 + 0.9e-5, 0)  # 100.9 dB
        assert not good(name, 1 + 1.1e-5, 0)
    assert good("vocoder_int8", 0.999, 0)
    assert not good("vocoder_int8", 1, 0.01)
    assert good("mel_frontend", 1, 1e-4)
    assert not good("mel_frontend", 1, 1e-3)
    for name, _ in verify_arm64.JOBS:
        assert not good(name, np.nan, 0)


def test_assets_are_made_again_only_if_something_is_missing(assets, shallow_checkpoint, speech):
    options = ("--checkpoint", shallow_checkpoint, "--output-dir", assets, "--evaluation-data", speech, "--float32")
    model = assets / "models" / "vocoder_int8.tflite"
    before = model.stat().st_mtime_ns
    done = run(*options)
    assert (done.returncode, model.stat().st_mtime_ns) == (0, before)
    assert done.stderr.startswith("nothing to do: ")
    made_from = json.loads((assets / "source.json").read_text())["digest"]
    assert sources.up_to_date(assets, made_from)
    assert not sources.up_to_date(assets, "another checkpoint")
    model.rename(model.with_suffix(".away"))
    assert not sources.up_to_date(assets, made_from)
    model.with_suffix(".away").rename(model)


def test_float32_is_left_to_those_who_ask_for_it(assets, shallow_checkpoint, tmp_path, monkeypatch):
    def copied(options):
        output = Path(options[options.index("--output") + 1])
        output.parent.mkdir(exist_ok=True)
        shutil.copy(assets / "models" / output.name, output)
        return 0

    monkeypatch.setattr(android_assets.to_tflite, "main", copied)
    options = ["--checkpoint", str(shallow_checkpoint), "--output-dir", str(tmp_path / "assets")]
    small = {"vocoder_float16", "vocoder_int8", "mel_frontend"}
    for added, expected in ([], small), (["--float32"], small | {"vocoder_float32"}), ([], small):
        android_assets.main([*options, *added])
        assert {path.stem for path in (tmp_path / "assets" / "models").iterdir()} == expected


def test_the_digest_depends_on_the_checkpoint_and_the_code(tmp_path, monkeypatch):
    (tmp_path / "a").write_bytes(b"a")
    first = sources.digest(tmp_path / "a")
    assert sources.digest(tmp_path / "a") == first
    monkeypatch.setattr(sources, "ROOT", tmp_path)
    (tmp_path / "requirements.txt").touch()
    other = sources.digest(tmp_path / "a")
    (tmp_path / "hifigan_tf" / "export").mkdir(parents=True)
    (tmp_path / "hifigan_tf" / "export" / "new.py").touch()
    assert len({first, other, sources.digest(tmp_path / "a")}) == 3


def test_a_model_that_fails_leaves_the_assets_unchanged(shallow_checkpoint, speech, tmp_path, monkeypatch, capsys):
    old = tmp_path / "assets"
    old.mkdir()
    (old / "source.json").write_text('{"digest": "old", "files": []}')
    real = android_assets.to_tflite.main

    def strict(options):
        return real([*options, "--max-mel-difference", "0"] if "--float16" in options else options)

    monkeypatch.setattr(android_assets.to_tflite, "main", strict)
    options = ["--checkpoint", str(shallow_checkpoint), "--output-dir", str(old), "--evaluation-data", str(speech)]
    with pytest.raises(SystemExit, match="1"):
        android_assets.main(options)
    assert "not written: log-mel L1" in capsys.readouterr().err
    assert [path.name for path in tmp_path.rglob("*")] == ["assets", "source.json"]


def test_bad_command_lines(shallow_checkpoint, tmp_path):
    assert_one_error(run("--checkpoint", tmp_path / "none"), "none does not exist: give a .keras file or a run folder")
    (tmp_path / "g.pt").touch()
    assert_one_error(run("--checkpoint", tmp_path / "g.pt"), "g.pt is no .keras file", "hifigan_tf.import_checkpoint")
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").touch()
    done = run("--checkpoint", shallow_checkpoint, "--output-dir", tmp_path / "mine")
    assert_one_error(done, "mine holds other things than this command writes: empty it, or choose another")
    done = run("--checkpoint", shallow_checkpoint, "--output-dir", tmp_path / "g.pt" / "assets")
    assert_one_error(done, "cannot write to")
    assert sorted(path.name for path in tmp_path.rglob("*")) == ["g.pt", "mine", "thesis.txt"]
