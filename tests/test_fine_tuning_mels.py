"""Fine-tuning a checkpoint of another library: its mel goes into training, and given mels are converted to it."""

import io
import json
import shutil
import zipfile

import numpy as np
import pytest
import soundfile
from conftest import untrained

from hifigan_tf import extract_mel, train
from hifigan_tf.audio.mel_formats import MelFormat
from hifigan_tf.audio.mel_scale import silent_frame, to_natural_log
from hifigan_tf.config import Config
from hifigan_tf.data.pipeline import check_clips, training_batches, validation_clips
from hifigan_tf.errors import UserError
from hifigan_tf.export.quantization.calibration import load_mels
from hifigan_tf.models.generator import load_generator
from hifigan_tf.models.keras_file import stored_audio

SEGMENT = 1024
OTHER = {"mel_log": "log10", "mel_floor": 1e-10, "mel_centred": True, "fmin": 80, "fmax": 3800}


@pytest.fixture(scope="module")
def other(tiny):
    """A config with a mel of another library, normalised with a mean and a scale for each band."""
    mean, scale = np.linspace(-2, -3, 16).tolist(), np.linspace(0.6, 0.8, 16).tolist()
    return tiny.replace(**OTHER, mel_mean=mean, mel_scale=scale)


@pytest.fixture(scope="module")
def checkpoint(other, tmp_path_factory):
    path = tmp_path_factory.mktemp("imported") / "imported.keras"
    untrained(other).save(path)
    return path


@pytest.fixture(scope="module")
def clips(tmp_path_factory):
    """Three clips of one segment each, and one that is shorter."""
    folder, rng = tmp_path_factory.mktemp("clips"), np.random.default_rng(0)
    for index, samples in enumerate((SEGMENT, SEGMENT, SEGMENT, SEGMENT - 200)):
        soundfile.write(folder / f"{index}.wav", rng.normal(0, 0.1, samples).cumsum() * 0.1, 8000, "FLOAT")
    return folder


@pytest.fixture(scope="module")
def extracted(checkpoint, clips, tmp_path_factory):
    """What extract_mel writes with the checkpoint, by the clips' names."""
    folder = tmp_path_factory.mktemp("mels")
    extract_mel.main(["--checkpoint", str(checkpoint), "--output-dir", str(folder), str(clips)])
    return {path.stem: np.load(path) for path in sorted(folder.glob("*.npy"))}


def test_a_training_steps_mel_is_extract_mels(other, clips, extracted):
    found = check_clips(sorted(clips.glob("*.wav"))[:3], other)
    seen = 0
    for mels, audio in training_batches(found, other).take(3).as_numpy_iterator():
        assert mels.shape == (2, SEGMENT // 32, 16)
        assert audio.shape == (2, SEGMENT)
        for mel in mels:
            differences = [np.abs(mel - extracted[f"{index}"]).max() for index in range(3)]
            assert min(differences) < 2e-3
            seen += 1
    assert seen == 6
    for stem, mel, _ in validation_clips(found, other):
        np.testing.assert_allclose(mel, extracted[stem], atol=2e-3)


@pytest.mark.parametrize("mel_format", [None, "log", "log10", "stats"])
def test_given_mels_become_the_models(mel_format, other, clips, extracted, tmp_path):
    plain = {name: to_natural_log(mel, other.audio) for name, mel in extracted.items()}
    written = {
        None: extracted,
        "log": plain,
        "log10": {name: mel / np.log(10) for name, mel in plain.items()},
        "stats": {name: (mel / np.log(10) + 3) / 0.9 for name, mel in plain.items()},
    }[mel_format]
    for name, mel in written.items():
        np.save(tmp_path / f"{name}.npy", mel.T if name == "0" else mel)  # in either order of axes
    chosen = MelFormat(mel_format)
    if mel_format == "stats":
        np.save(tmp_path / "stats.npy", np.stack([np.full(16, -3.0), np.full(16, 0.9)]))
        chosen = MelFormat("log10", stats=tmp_path / "stats.npy")
    found = check_clips(sorted(clips.glob("*.wav")), other, tmp_path, mel_format=chosen)
    assert len(found) == 4
    for stem, mel, _ in validation_clips(found, other):
        np.testing.assert_allclose(mel, extracted[stem], atol=1e-3)
    batches = training_batches(found, other).take(4).as_numpy_iterator()
    short = [mel for mels, _ in batches for mel in mels if np.array_equal(mel[-1], silent_frame(other.audio))]
    assert short, "the clip that is shorter than a segment is padded with the model's own silence"
    (tmp_path / "stats.npy").unlink(missing_ok=True)
    calibration = load_mels(tmp_path, other.audio, chosen._replace(stats=None)) if mel_format != "stats" else []
    for mel, name in zip(calibration, extracted, strict=False):
        np.testing.assert_allclose(mel, extracted[name], atol=1e-3)


def config_file(tmp_path, config, without=(), **changes):
    values = json.loads(config.dumps()) | changes
    path = tmp_path / "config.json"
    path.write_text(json.dumps({key: value for key, value in values.items() if key not in without}))
    return path


def job(*options):
    return train.check(train.parse([*map(str, options)]))


MEL_KEYS = ("mel_log", "mel_floor", "mel_centred", "mel_mean", "mel_scale")


def test_fine_tuning_takes_the_checkpoints_mel(other, tiny, checkpoint, clips, tmp_path):
    assert stored_audio(checkpoint) == load_generator(checkpoint).audio == other.audio
    common = ("--data", clips, "--run-dir", tmp_path / "run", "--initial-checkpoint", checkpoint)
    silent = config_file(tmp_path, tiny, MEL_KEYS, fmin=80, fmax=3800)
    assert job("--config", silent, *common).config == other
    explicit = config_file(tmp_path, tiny, MEL_KEYS[1:], fmin=80, fmax=3800, mel_log="natural")
    assert job("--config", explicit, *common).config.audio == other.replace(mel_log="natural").audio
    without = job("--config", silent, "--data", clips, "--run-dir", tmp_path / "run")
    assert without.config.audio == tiny.replace(fmin=80, fmax=3800).audio


def test_options_of_given_mels_that_contradict(clips, tmp_path):
    common = ("--data", clips, "--run-dir", tmp_path / "run")
    with pytest.raises(UserError, match="are for the mels of --fine-tune-mels: give that too"):
        job(*common, "--mel-format", "log10")
    with pytest.raises(UserError, match=r"--mel-format log10,transposed: training takes mels in either order of axes"):
        job(*common, "--mel-format", "log10,transposed", "--fine-tune-mels", clips)


def zip_with(config: str) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("config.json", config)
    return buffer.getvalue()


def test_a_file_that_is_no_generators(tmp_path):
    damaged = bytearray(zip_with("{}" + " " * 1000))
    at = damaged.index(b"config.json") + len("config.json")
    damaged[at : at + 4] = b"\xff\xff\xff\xff"  # of the compressed data
    path, tuples = tmp_path / "cut.keras", '{"class_name": "__tuple__", "items": [' * 400 + "]}" * 400
    for data in (
        *(b"PK\3\4", damaged, zip_with("[" * 100_000), zip_with('{"config": {"audio": [1]}}'), zip_with("[]")),
        *(zip_with('{"config": []}'), zip_with(f'{{"config": {{"audio": {{"fmin": {tuples}}}}}}}')),
    ):
        path.write_bytes(data)
        with pytest.raises(UserError, match=r"cut\.keras is no generator's \.keras file"):
            stored_audio(path)


def test_a_run_from_an_imported_checkpoint(other, tiny, checkpoint, clips, extracted, tmp_path):
    silent = config_file(tmp_path, tiny, MEL_KEYS, fmin=80, fmax=3800, max_steps=1)
    mels = tmp_path / "mels"
    mels.mkdir()
    for name, mel in extracted.items():
        np.save(mels / f"{name}.npy", to_natural_log(mel, other.audio))
    held_out = tmp_path / "held_out"
    held_out.mkdir()
    shutil.copy(clips / "2.wav", held_out)
    options = ("--config", silent, "--data", clips, "--validation-data", held_out, "--run-dir", tmp_path / "run")
    more = ("--initial-checkpoint", checkpoint, "--fine-tune-mels", mels, "--mel-format", "log")
    assert train.main([*map(str, (*options, *more))]) == 0
    assert Config.load(tmp_path / "run" / "config.json").audio == other.audio
    assert load_generator(tmp_path / "run" / "last.keras").audio == other.audio
