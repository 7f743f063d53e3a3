"""The mel front end as a model: the same mels as ``mel.py`` in both runtimes, and every bad input reported."""

import dataclasses
import json
import subprocess
import sys
import zipfile

import numpy as np
import pytest
import tensorflow as tf
from ai_edge_litert.interpreter import Interpreter
from conftest import model_of, operations

from hifigan_tf import to_tflite, vocode
from hifigan_tf.audio.audio_files import find_audio, load_audio, normalize
from hifigan_tf.audio.mel import MelSpectrogram, mel_spectrogram
from hifigan_tf.audio.mel_stream import MelStream
from hifigan_tf.config import Config
from hifigan_tf.errors import UserError
from hifigan_tf.export import mel_frontend
from hifigan_tf.export.mel_frontend import BLOCK_FRAMES, MAX_DIFFERENCE
from hifigan_tf.export.quality import load_clips
from hifigan_tf.models.generator import Generator
from hifigan_tf.resources import CONFIGS, DEMO_HELD_OUT
from hifigan_tf.streaming import contract
from hifigan_tf.streaming.contract import MelContract
from hifigan_tf.streaming.mel_frontend import TfliteMelSpectrogram
from hifigan_tf.streaming.streaming_vocoder import StreamingVocoder

V1 = Config.load(CONFIGS / "v1.json").audio
SETTINGS = {
    "v1": V1,
    "a hop that does not divide n_fft": dataclasses.replace(
        V1, sampling_rate=16000, hop_size=200, win_size=800, fmax=7600
    ),
    "odd sizes, up to half the rate": dataclasses.replace(V1, n_fft=735, hop_size=245, win_size=700, fmax=None),
    "no overlap": dataclasses.replace(V1, n_fft=256, win_size=256, num_mels=20),
    "centred": dataclasses.replace(V1, mel_centred=True),
    "base 10, normalised": dataclasses.replace(
        V1, mel_centred=True, mel_log="log10", mel_mean=tuple(np.linspace(-2, -3, 80)), mel_scale=0.7
    ),
}
BUILTIN = {"RESHAPE", "GATHER", "FULLY_CONNECTED", "SPLIT", "SQUARE", "ADD", "SQRT", "MAXIMUM", "LOG"}
SCALING = {"SUB", "MUL", "DIV"}  # of a mel in base 10 or with a mean and a scale


@pytest.fixture(scope="module")
def models():
    return {name: mel_frontend.build(audio).packed() for name, audio in SETTINGS.items()}


@pytest.fixture(scope="module")
def v1(models):
    return TfliteMelSpectrogram(models["v1"])


def stream(model, audio, size):
    """The mel of audio pushed in pieces of ``size`` samples."""
    mels = MelStream(model)
    pieces = [mels.push(audio[start : start + size]) for start in range(0, len(audio), size)]
    return np.concatenate([*pieces, mels.flush()])


@pytest.mark.parametrize("interpreter", [Interpreter, tf.lite.Interpreter], ids=["LiteRT", "TensorFlow"])
@pytest.mark.parametrize("name", SETTINGS)
def test_speech_in_pieces_has_the_mel_of_the_whole(name, interpreter, models):
    audio = SETTINGS[name]
    speech = normalize(load_audio(find_audio(DEMO_HELD_OUT)[0], audio.sampling_rate))
    expected = mel_spectrogram(speech, MelSpectrogram.of(audio))
    assert len(expected) % BLOCK_FRAMES  # so that the last block is partial
    model = TfliteMelSpectrogram(models[name], interpreter=interpreter)
    for size in (len(speech), 5000):
        mel = stream(model, speech, size)
        assert mel.shape == expected.shape
        assert mel.dtype == np.float32
        np.testing.assert_allclose(mel, expected, atol=MAX_DIFFERENCE)


@pytest.mark.parametrize("samples", [0, 1, 255, 256, 257, 384, 385, 1023, 1024, 16 * 256, 16 * 256 + 1])
def test_recordings_of_every_length(samples, v1):
    audio = np.random.default_rng(0).normal(0, 0.1, samples).astype(np.float32)
    mel = stream(v1, audio, 100)
    expected = mel_spectrogram(audio, MelSpectrogram.of(V1)) if samples else np.zeros([0, 80], np.float32)
    assert mel.shape == expected.shape
    np.testing.assert_allclose(mel, expected, atol=MAX_DIFFERENCE)


def test_recordings_of_a_person(shared, v1):
    clips = load_clips(shared / "speech", V1)
    assert mel_frontend.largest_difference(v1, dict(list(clips.items())[::6])) <= MAX_DIFFERENCE


def test_silence_is_at_the_floor(v1):
    np.testing.assert_allclose(stream(v1, np.zeros(5000, np.float32), 700), np.log(1e-5), atol=1e-6)


def test_phones_need_no_operation_of_tensorflow(models):
    for name, model in models.items():
        allowed = BUILTIN | (SCALING if name == "base 10, normalised" else set())
        assert {name for name, _, _ in operations(model_of(model))} <= allowed


@pytest.fixture
def export(tmp_path):
    """Runs the command line in this process: exit code and output path."""

    def export(*options, output=tmp_path / "mel.tflite"):
        return to_tflite.main(["--mel-frontend", "--output", str(output), *map(str, options)]), output

    return export


def test_the_contract_says_everything_and_any_zip_reader_opens_it(export, capsys):
    code, output = export("--config", CONFIGS / "v1.json")
    assert code == 0
    assert "largest difference of a log-mel" in capsys.readouterr().out
    with zipfile.ZipFile(output) as archive:
        values = json.loads(archive.read("contract.json"))
    assert (values["kind"], values["audio"]) == ("mel_frontend", V1.to_dict())
    assert (values["log_base"], values["log_floor"]) == ("e", 1e-5)
    assert (values["mirrored_samples"], values["min_samples"]) == (384, 385)
    assert values["quality"]["clips"] == 4
    assert 0 < values["quality"]["largest_difference"] <= MAX_DIFFERENCE
    runner = Interpreter(str(output)).get_signature_runner(values["analyze"])
    assert {name: list(detail["shape"]) for name, detail in runner.get_input_details().items()} == {
        values["inputs"]["audio"]: [1, values["block_samples"]]
    }
    assert {name: list(detail["shape"]) for name, detail in runner.get_output_details().items()} == {
        values["outputs"]["mel"]: [1, values["block_frames"], 80]
    }
    assert values["block_samples"] == (values["block_frames"] - 1) * V1.hop_size + V1.n_fft


@pytest.fixture(scope="module")
def checkpoint(tiny, tmp_path_factory):
    path = tmp_path_factory.mktemp("run") / "tiny.keras"
    Generator.of(tiny.generator, tiny.audio).save(path)
    return path


def test_a_checkpoint_has_the_settings_too(export, checkpoint, tiny):
    assert TfliteMelSpectrogram(export("--checkpoint", checkpoint)[1]).audio == tiny.audio
    to_tflite.main(["--mel-frontend", "--checkpoint", str(checkpoint)])
    assert TfliteMelSpectrogram(checkpoint.with_name("tiny_mel_frontend.tflite")).audio == tiny.audio


@pytest.mark.parametrize("fault", ["another window", "NaN"])
def test_a_wrong_front_end_is_not_written(fault, export, models, monkeypatch, tmp_path, capsys):
    if fault == "NaN":
        monkeypatch.setattr(mel_frontend, "largest_difference", lambda *_: float("nan"))
    else:
        right = contract.read_kind(models["v1"], "v1", MelContract)
        other = mel_frontend.build(dataclasses.replace(V1, win_size=1022))
        other = dataclasses.replace(other, contract=right)
        monkeypatch.setattr(mel_frontend, "build", lambda _: other)
    code, _ = export("--config", CONFIGS / "v1.json")
    assert code == 1
    assert "not written: a log-mel differs by " in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


def test_bad_command_lines(export, checkpoint, tmp_path):
    config = CONFIGS / "v1.json"
    for options in (["--stateless", "--frames", 40], ["--chunk-frames", 4], ["--max-pesq-drop", 0.0]):
        with pytest.raises(UserError, match=rf"{options[0]} is for vocoders: leave it out with --mel-frontend"):
            export("--config", config, *options)
    with pytest.raises(UserError, match=r"--config .*v1.json is for --mel-frontend: a vocoder has weights"):
        to_tflite.main(["--int8", "--config", str(config)])
    with pytest.raises(UserError, match=r"config nowhere/x.json does not exist"):
        export("--config", "nowhere/x.json")
    with pytest.raises(SystemExit, match="2"):
        export("--config", config, "--checkpoint", checkpoint)
    (tmp_path / "bad.json").write_text(config.read_text().replace('"fmax": 8000', '"fmax": 80000'))
    with pytest.raises(UserError, match=r"bad.json: config key 'fmax' is 80000: it must be above fmin"):
        export("--config", tmp_path / "bad.json")
    with pytest.raises(UserError, match="is a folder: give the name of a file"):
        export("--config", config, output=tmp_path)


def test_a_model_of_the_other_kind_is_named(models, tmp_path):
    (tmp_path / "mel.tflite").write_bytes(models["v1"])
    message = r"is a mel_frontend, and a vocoder is needed: export one with hifigan-tf export"
    with pytest.raises(UserError, match=message):
        StreamingVocoder(tmp_path / "mel.tflite")
    np.save(tmp_path / "x.npy", np.zeros([4, 80], np.float32))
    with pytest.raises(UserError, match=message):
        vocode.main(
            ["--checkpoint", str(tmp_path / "mel.tflite"), "--output-dir", str(tmp_path), str(tmp_path / "x.npy")]
        )
    values = json.loads(contract.read_kind(models["v1"], "x", MelContract).dumps()) | {"kind": "vocoder"}
    bare = contract.unpack(models["v1"])
    with zipfile.ZipFile(tmp_path / "x.zip", "w") as archive:
        archive.writestr(contract.MEMBER, json.dumps(values))
    with pytest.raises(UserError, match=r"is a vocoder, and a mel_frontend is needed: .* --mel-frontend"):
        TfliteMelSpectrogram(bare + (tmp_path / "x.zip").read_bytes())
    for model, text in ((bare, "carries no contract"), (models["v1"][:-9], "carries no contract"), (b"", "is no")):
        with pytest.raises(UserError, match=rf"{text}.* --mel-frontend"):
            TfliteMelSpectrogram(model)
    with pytest.raises(UserError, match="does not exist"):
        TfliteMelSpectrogram(tmp_path / "none.tflite")


def test_it_needs_no_tensorflow(models, tmp_path):
    (tmp_path / "mel.tflite").write_bytes(models["v1"])
    script = f"""
import sys
import numpy as np
from hifigan_tf.streaming.mel_frontend import TfliteMelSpectrogram
from hifigan_tf.audio.mel_stream import MelStream
mels = MelStream(TfliteMelSpectrogram("{tmp_path}/mel.tflite"))
assert len(mels.push(np.ones(5000, np.float32))) + len(mels.flush()) == 20
sys.exit("tensorflow" in sys.modules or "keras" in sys.modules)
"""
    subprocess.run([sys.executable, "-c", script], check=True)
