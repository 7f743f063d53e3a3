"""Our own mels are accepted, others are reported with the option that reads them, conversions are exact."""

import contextlib
import os
from pathlib import Path

import numpy as np
import pytest

from hifigan_tf.audio.audio_files import find_audio, load_audio, normalize
from hifigan_tf.audio.mel import MelSpectrogram, mel_spectrogram
from hifigan_tf.audio.mel_formats import RECOGNIZE, SURE_FRAMES, MelFile, MelFormat, natural_blocks, recognize
from hifigan_tf.config import LOG_MIN, Config
from hifigan_tf.errors import UserError
from hifigan_tf.resources import CONFIGS, DEMO_HELD_OUT, DEMO_TRAIN

BANDS = 80
LN10 = np.log(10)
FOREIGN = {
    "log10": lambda mel: mel / LN10,
    "db": lambda mel: mel * 20 / LN10,
    "linear": np.exp,
}
# As in Tacotron: decibels minus 20, with -100 to 0 mapped to a range.
UNIT = {"unit": lambda mel: np.clip((mel * 20 / LN10 + 80) / 100, 0, 1)}
NORMALIZED = {
    **UNIT,
    "around zero": lambda mel: UNIT["unit"](mel) * 2 - 1,
    "Tacotron 2": lambda mel: UNIT["unit"](mel) * 8 - 4,
    "mean and deviation": lambda mel: (mel - mel.mean()) / mel.std(),
}


def load_mel(path, num_mels, mel_format=RECOGNIZE):
    """The whole file at once."""
    return np.concatenate(list(MelFile(path, num_mels, mel_format).blocks()))


def smooth(mel, frames=5):
    """The mel smoothed over time, as by an acoustic model."""
    kernel = np.ones(frames) / frames
    return np.apply_along_axis(lambda band: np.convolve(np.pad(band, frames // 2, "edge"), kernel, "valid"), 0, mel)


def mels_of(paths):
    front_end = MelSpectrogram.of(Config.load(CONFIGS / "v1.json").audio)
    return [mel_spectrogram(normalize(load_audio(path, 22050)), front_end) for path in paths]


@pytest.fixture(scope="module")
def mels():
    return mels_of([*find_audio(DEMO_HELD_OUT), *find_audio(DEMO_TRAIN)[:8]])


@pytest.fixture
def saved(tmp_path):
    def save(array, name="x.npy"):
        np.save(tmp_path / name, array)
        return tmp_path / name

    return save


def confusion(mels):
    """``{true scale: {result of recognize: count}}`` over whole clips."""
    table = {}
    for name, convert in {"log": np.asarray, **FOREIGN, **NORMALIZED}.items():
        said = [recognize(convert(mel).astype(np.float32)) for mel in mels]
        table[name] = {scale: said.count(scale) for scale in set(said)}
    return table


def test_whole_clips_of_every_scale_are_recognised(mels):
    expected = {name: {name: len(mels)} for name in ("log", *FOREIGN)} | {
        name: {"normalized": len(mels)} for name in NORMALIZED
    }
    assert confusion(mels) == expected


def test_real_speech_is_recognised():
    shared = os.environ.get("HIFIGAN_SHARED")
    if not shared:
        pytest.skip("HIFIGAN_SHARED is unset: no real recordings here")
    mels = mels_of(find_audio(Path(shared) / "speech"))
    table = confusion(mels)
    assert {name: table[name] for name in ("log", *FOREIGN)} == {name: {name: len(mels)} for name in ("log", *FOREIGN)}


@pytest.mark.parametrize("frames", [1, 2, 5, 20, 63, 64, 65, 120])
def test_excerpts_of_our_own_mels_raise_no_alarm(mels, frames):
    rng = np.random.default_rng(frames)
    for mel in mels:
        for start in rng.integers(0, len(mel) - frames + 1, 20):
            assert recognize(mel[start : start + frames]) == "log"


def test_quiet_noisy_and_predicted_mels_raise_no_alarm(mels):
    rng = np.random.default_rng(0)
    noise_level = np.log(0.009)  # a mel band of white noise 40 dB below full scale
    for mel in mels:
        for change in (np.log(0.1), np.log(0.01)):
            assert recognize(np.maximum(mel + change, LOG_MIN)) == "log"
        assert recognize(np.logaddexp(mel, noise_level + rng.normal(0, 0.4, mel.shape))) == "log"
        assert recognize(smooth(mel)) == "log"
        assert recognize(smooth(mel) + rng.normal(0, 0.3, mel.shape)) == "log"  # overshoots both ends
        assert recognize(np.full((200, BANDS), LOG_MIN)) == "log"


def test_base_10_with_a_lower_floor_is_recognised(mels):
    for mel in mels:
        lower = np.where(mel <= LOG_MIN + 1e-4, -10, mel / LN10)  # at least 1e-10, with digital silence
        assert recognize(lower.astype(np.float32)) == "log10"


@pytest.mark.parametrize("transposed", [False, True])
@pytest.mark.parametrize("scale", [*FOREIGN, "log"])
def test_conversion_gives_the_natural_logarithm(mels, saved, scale, transposed):
    mel = mels[0]
    foreign = FOREIGN.get(scale, np.asarray)(mel).astype(np.float32)
    path = saved(foreign.T[None] if transposed else foreign)
    result = load_mel(path, BANDS, MelFormat.parse(scale + ",transposed" * transposed))
    assert result.dtype == np.float32
    assert result.flags.c_contiguous
    np.testing.assert_allclose(result, mel, atol=2e-5)


def test_floors_below_ours_are_raised(saved):
    foreign = np.full((70, BANDS), -10.0)
    foreign[::2] = -1.0
    result = load_mel(saved(foreign), BANDS, MelFormat("log10"))
    assert result.min() == np.float32(LOG_MIN)
    np.testing.assert_allclose(result.max(), -LN10, rtol=1e-6)


@pytest.mark.parametrize(
    ("convert", "message"),
    [
        (FOREIGN["log10"], "values from -5.0 to 0.7 look like base-10 logarithms: pass --mel-format log10"),
        (FOREIGN["db"], "values from -100.0 to 13.2 look like decibels: pass --mel-format db"),
        (
            FOREIGN["linear"],
            "values from 0.0 to 4.6 look like magnitudes without a logarithm: pass --mel-format linear",
        ),
        (lambda mel: mel.T, "shape [80, 270] is [num_mels, frames]: pass --mel-format transposed"),
        (
            lambda mel: FOREIGN["log10"](mel).T[None],
            "shape [80, 270] is [num_mels, frames] and values from -5.0 to 0.7 look like base-10 logarithms: "
            "pass --mel-format log10,transposed",
        ),
        (
            UNIT["unit"],
            "values from 0.0 to 0.9 look normalised: make natural logarithms of at least 1e-5 of them, "
            "or pass --mel-format log if they are",
        ),
        (
            lambda mel: mel.T * 2,
            "shape [80, 270] is [num_mels, frames] and values from -23.0 to 3.0 are on no scale known here: make "
            "natural logarithms of at least 1e-5 of them, or pass --mel-format log,transposed if they are",
        ),
    ],
)
def test_foreign_mels_are_named_with_the_fix(mels, saved, convert, message):
    path = saved(convert(mels[0]))
    with pytest.raises(UserError) as error:
        load_mel(path, BANDS)
    assert str(error.value) == f"{path}: {message}"


def test_log_is_trusted_whatever_the_values(saved):
    odd = np.linspace(0, 50, 100 * BANDS, dtype=np.float32).reshape(100, BANDS)
    np.testing.assert_array_equal(load_mel(saved(odd), BANDS, MelFormat("log")), odd)


@pytest.mark.parametrize("scale", ["linear", "db"])
def test_an_impossible_format_is_refused(mels, saved, scale):
    with pytest.raises(UserError, match=rf"values from -11\.5 to 1\.\d cannot be {scale} of speech: choose another"):
        load_mel(saved(mels[0]), BANDS, MelFormat(scale))


def test_an_unneeded_transposition_is_refused(mels, saved):
    with pytest.raises(UserError, match=r"shape \[270, 80\] is \[frames, num_mels\] already: leave out transposed"):
        load_mel(saved(mels[0]), BANDS, MelFormat("log10", transposed=True))


@pytest.mark.parametrize(
    ("array", "message"),
    [
        (np.zeros((200, 100)), r"shape \[200, 100\] has no axis of the 80 mel bands"),
        (np.zeros((3, 200, 80)), r"shape \[3, 200, 80\] is no mel"),
        (np.zeros(80), r"shape \[80\] is no mel"),
        (np.zeros((0, 80)), r"shape \[0, 80\] is no mel"),
        (np.zeros((5, 80), complex), "no .npy array of numbers"),
        (np.array([{"mel": 1}]), "no .npy array of numbers"),
        (np.full((5, 80), 1e300), r"NaN or infinite values \(first at frame 0, band 0\)"),
    ],
)
def test_arrays_that_are_not_mels(saved, array, message):
    with pytest.raises(UserError, match=message):
        load_mel(saved(array), BANDS)


def test_nan_is_located_in_either_order(mels, saved):
    mel = mels[0].copy()
    mel[7, 3] = np.nan
    for array, mel_format in ((mel, RECOGNIZE), (mel.T, MelFormat(transposed=True))):
        with pytest.raises(UserError, match=r"x\.npy holds NaN or infinite values \(first at frame 7, band 3\)"):
            load_mel(saved(array), BANDS, mel_format)


def test_files_that_are_not_arrays(tmp_path, saved, mels):
    whole = saved(mels[0]).read_bytes()
    for name, content in {"cut": whole[:-100], "head": whole[:40], "empty": b"", "text": b"hello"}.items():
        path = tmp_path / f"{name}.npy"
        path.write_bytes(content)
        with pytest.raises(UserError, match=f"{name}.npy is no .npy array of numbers"):
            load_mel(path, BANDS)
    with pytest.raises(UserError, match=r"missing\.npy cannot be read: No such file"):
        load_mel(tmp_path / "missing.npy", BANDS)
    archive = tmp_path / "archive.npz"
    np.savez(archive, mel=mels[0])
    with pytest.raises(UserError, match=r"no \.npy array of numbers"):
        load_mel(archive.rename(tmp_path / "archive.npy"), BANDS)


def test_a_square_mel_is_taken_as_ours_with_a_warning(mels, saved, caplog):
    square = mels[0][:BANDS]
    path = saved(square)
    np.testing.assert_array_equal(load_mel(path, BANDS), square)
    assert f"{path}: shape [80, 80] is read as [frames, num_mels]" in caplog.text
    caplog.clear()
    np.testing.assert_array_equal(load_mel(saved(square.T), BANDS, MelFormat(transposed=True)), square)
    assert not caplog.records


def test_other_number_types_are_accepted(mels, saved):
    for dtype, tolerance in ((np.float16, 5e-3), (np.float64, 1e-6)):
        result = load_mel(saved(mels[0].astype(dtype)), BANDS)
        assert result.dtype == np.float32
        np.testing.assert_allclose(result, mels[0], atol=tolerance)


@pytest.mark.parametrize("size", [1, 5, 200])
def test_the_scale_of_a_streamed_mel_is_detected_from_its_first_frames(mels, size):
    def blocks(mel):
        return [mel[start : start + size].astype(np.float32) for start in range(0, len(mel), size)]

    for mel in mels:
        np.testing.assert_array_equal(np.concatenate(list(natural_blocks(blocks(mel), None, "pipe"))), mel)
        for name, convert in FOREIGN.items():
            converted = np.concatenate(list(natural_blocks(blocks(convert(mel)), name, "pipe")))
            np.testing.assert_allclose(converted, mel, atol=2e-5)
        for name, convert in {**FOREIGN, **NORMALIZED}.items():
            given = []
            with pytest.raises(UserError, match=r"pipe: values from .* (look|are no) .*: .*pass --mel-format") as error:
                given.extend(map(len, natural_blocks(blocks(convert(mel)), None, "pipe")))
            assert name in NORMALIZED or f"pass --mel-format {name}" in str(error.value)
            assert sum(given) < SURE_FRAMES


def test_option_texts():
    assert MelFormat.parse("log10") == MelFormat("log10", False)
    assert MelFormat.parse("Transposed,DB") == MelFormat("db", True)
    assert str(MelFormat.parse("transposed,linear")) == "linear,transposed"
    assert str(RECOGNIZE) == "recognised"
    for text in ("", "log2", "log,db", "transposed,transposed", "log10 transposed"):
        with pytest.raises(UserError, match="give one of log, log10, db, linear, or transposed, or both"):
            MelFormat.parse(text)


def test_a_damaged_header_is_refused_without_a_traceback(saved, mels):
    path = saved(mels[0])
    contents = path.read_bytes()
    rng = np.random.default_rng(0)
    for _ in range(400):
        damaged = bytearray(contents)
        damaged[rng.integers(0, 128)] = rng.integers(0, 256)
        path.write_bytes(damaged)
        with contextlib.suppress(UserError):
            load_mel(path, BANDS, MelFormat("log"))
    path.write_bytes(b"PK\3\4" + contents)
    with pytest.raises(UserError, match=r"is no \.npy array of numbers"):
        load_mel(path, BANDS)
