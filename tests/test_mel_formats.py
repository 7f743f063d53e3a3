"""Our own mels are accepted, others are reported with the option that reads them, conversions are exact."""

import contextlib
import dataclasses
import os
from pathlib import Path

import h5py
import numpy as np
import pytest

from hifigan_tf.audio.audio_files import find_audio, load_audio, normalize
from hifigan_tf.audio.mel import MelSpectrogram, mel_spectrogram
from hifigan_tf.audio.mel_formats import (
    RECOGNIZE,
    ForeignMelError,
    MelConversion,
    MelFile,
    MelFormat,
    description,
    load_given_mel,
    model_blocks,
)
from hifigan_tf.audio.mel_numpy import NumpyMelSpectrogram
from hifigan_tf.audio.mel_recognition import SURE_FRAMES, own_scale, recognize
from hifigan_tf.audio.mel_scale import to_natural_log
from hifigan_tf.config import LOG_MIN, Config
from hifigan_tf.errors import UserError
from hifigan_tf.resources import CONFIGS, DEMO_HELD_OUT, DEMO_TRAIN

V1 = Config.load(CONFIGS / "v1.json").audio
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


def load_mel(path, audio, mel_format=RECOGNIZE):
    """The whole file at once."""
    return np.concatenate(list(MelFile(path, MelConversion(audio, mel_format)).blocks()))


def smooth(mel, frames=5):
    """The mel smoothed over time, as by an acoustic model."""
    kernel = np.ones(frames) / frames
    return np.apply_along_axis(lambda band: np.convolve(np.pad(band, frames // 2, "edge"), kernel, "valid"), 0, mel)


def mels_of(paths):
    front_end = MelSpectrogram.of(V1)
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
        said = [recognize(convert(mel).astype(np.float32), V1) for mel in mels]
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
            assert recognize(mel[start : start + frames], V1) == "log"


def test_quiet_noisy_and_predicted_mels_raise_no_alarm(mels):
    rng = np.random.default_rng(0)
    noise_level = np.log(0.009)  # a mel band of white noise 40 dB below full scale
    for mel in mels:
        for change in (np.log(0.1), np.log(0.01)):
            assert recognize(np.maximum(mel + change, LOG_MIN), V1) == "log"
        assert recognize(np.logaddexp(mel, noise_level + rng.normal(0, 0.4, mel.shape)), V1) == "log"
        assert recognize(smooth(mel), V1) == "log"
        assert recognize(smooth(mel) + rng.normal(0, 0.3, mel.shape), V1) == "log"  # overshoots both ends
        assert recognize(np.full((200, BANDS), LOG_MIN), V1) == "log"


POWERS = {  # the mel of squared magnitudes is not the square of the mel, but its logarithm is twice as steep
    "natural": lambda mel: np.maximum(2 * mel, LOG_MIN),
    "natural, at least 1e-10": lambda mel: np.maximum(2 * mel, 2 * LOG_MIN),
}


@pytest.mark.parametrize("decibels", [0, -15, -20, -30, -40])
def test_quiet_mels_of_other_scales_are_recognised_too(mels, decibels):
    for mel in mels:
        quiet = np.maximum(mel + decibels * LN10 / 20, LOG_MIN)
        assert recognize(quiet, V1) == "log"
        for floor in (1e-5, 1e-10):
            base_10 = np.maximum(np.where(mel <= LOG_MIN, -30, mel) / LN10 + decibels / 20, np.log10(floor))
            assert recognize(base_10.astype(np.float32), V1) == "log10"
    for convert in POWERS.values() if decibels > -40 else ():  # where most of them lie below the floor
        found = {recognize(convert(mel + decibels * LN10 / 20).astype(np.float32), V1) for mel in mels}
        assert found <= {"power", "loud", "unknown"}


def test_base_10_with_a_lower_floor_is_recognised(mels):
    for mel in mels:
        lower = np.where(mel <= LOG_MIN + 1e-4, -10, mel / LN10)  # at least 1e-10, with digital silence
        assert recognize(lower.astype(np.float32), V1) == "log10"


@pytest.mark.parametrize("transposed", [False, True])
@pytest.mark.parametrize("scale", [*FOREIGN, "log"])
def test_conversion_gives_the_natural_logarithm(mels, saved, scale, transposed):
    mel = mels[0]
    foreign = FOREIGN.get(scale, np.asarray)(mel).astype(np.float32)
    path = saved(foreign.T[None] if transposed else foreign)
    result = load_mel(path, V1, MelFormat.parse(scale + ",transposed" * transposed))
    assert result.dtype == np.float32
    assert result.flags.c_contiguous
    np.testing.assert_allclose(result, mel, atol=2e-5)


def test_floors_below_ours_are_raised(saved):
    foreign = np.full((70, BANDS), -10.0)
    foreign[::2] = -1.0
    result = load_mel(saved(foreign), V1, MelFormat("log10"))
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
            "values from 0.0 to 0.9 look normalised: make natural logarithms of at least 1e-5 of them "
            "(--mel-stats undoes a mean and a scale), or pass --mel-format log if they are",
        ),
        (
            lambda mel: mel.T * 2,
            "shape [80, 270] is [num_mels, frames] and values from -23.0 to 3.0 are on no scale known here: make "
            "natural logarithms of at least 1e-5 of them (--mel-stats undoes a mean and a scale), or pass "
            "--mel-format log,transposed if they are",
        ),
    ],
)
def test_foreign_mels_are_named_with_the_fix(mels, saved, convert, message):
    path = saved(convert(mels[0]))
    with pytest.raises(UserError) as error:
        load_mel(path, V1)
    assert str(error.value) == f"{path}: {message}"


def test_log_is_trusted_whatever_the_values(saved):
    odd = np.linspace(0, 50, 100 * BANDS, dtype=np.float32).reshape(100, BANDS)
    np.testing.assert_array_equal(load_mel(saved(odd), V1, MelFormat("log")), odd)


@pytest.mark.parametrize("scale", ["linear", "db"])
def test_an_impossible_format_is_refused(mels, saved, scale):
    with pytest.raises(UserError, match=rf"values from -11\.5 to 1\.\d cannot be {scale} of speech: choose another"):
        load_mel(saved(mels[0]), V1, MelFormat(scale))


@pytest.mark.parametrize("scale", ["log", "model", "log10"])
def test_a_transposed_mel_of_a_given_scale_keeps_it_in_the_advice(mels, saved, scale):
    given = mels[0].T if scale != "log10" else mels[0].T / LN10
    with pytest.raises(UserError, match=rf"is \[num_mels, frames\]: pass --mel-format {scale},transposed$"):
        load_mel(saved(given), V1, MelFormat(scale))


def test_an_unneeded_transposition_is_refused(mels, saved):
    with pytest.raises(UserError, match=r"shape \[270, 80\] is \[frames, num_mels\] already: leave out transposed"):
        load_mel(saved(mels[0]), V1, MelFormat("log10", transposed=True))


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
        load_mel(saved(array), V1)


def test_nan_is_located_in_either_order(mels, saved):
    mel = mels[0].copy()
    mel[7, 3] = np.nan
    for array, mel_format in ((mel, RECOGNIZE), (mel.T, MelFormat(transposed=True))):
        with pytest.raises(UserError, match=r"x\.npy holds NaN or infinite values \(first at frame 7, band 3\)"):
            load_mel(saved(array), V1, mel_format)


def test_files_that_are_not_arrays(tmp_path, saved, mels):
    whole = saved(mels[0]).read_bytes()
    for name, content in {"cut": whole[:-100], "head": whole[:40], "empty": b"", "text": b"hello"}.items():
        path = tmp_path / f"{name}.npy"
        path.write_bytes(content)
        with pytest.raises(UserError, match=f"{name}.npy is no .npy array of numbers"):
            load_mel(path, V1)
    with pytest.raises(UserError, match=r"missing\.npy cannot be read: No such file"):
        load_mel(tmp_path / "missing.npy", V1)
    archive = tmp_path / "archive.npz"
    np.savez(archive, mel=mels[0])
    with pytest.raises(UserError, match=r"no \.npy array of numbers"):
        load_mel(archive.rename(tmp_path / "archive.npy"), V1)


def test_a_square_mel_is_taken_as_ours_with_a_warning(mels, saved, caplog):
    square = mels[0][:BANDS]
    path = saved(square)
    np.testing.assert_array_equal(load_mel(path, V1), square)
    assert f"{path}: shape [80, 80] is read as [frames, num_mels]" in caplog.text
    caplog.clear()
    np.testing.assert_array_equal(load_mel(saved(square.T), V1, MelFormat(transposed=True)), square)
    assert not caplog.records


def test_other_number_types_are_accepted(mels, saved):
    for dtype, tolerance in ((np.float16, 5e-3), (np.float64, 1e-6)):
        result = load_mel(saved(mels[0].astype(dtype)), V1)
        assert result.dtype == np.float32
        np.testing.assert_allclose(result, mels[0], atol=tolerance)


@pytest.mark.parametrize("size", [1, 5, 200])
def test_the_scale_of_a_streamed_mel_is_detected_from_its_first_frames(mels, size):
    def blocks(mel):
        return [mel[start : start + size].astype(np.float32) for start in range(0, len(mel), size)]

    for mel in mels:
        np.testing.assert_array_equal(np.concatenate(list(model_blocks(blocks(mel), MelConversion(V1), "pipe"))), mel)
        for name, convert in FOREIGN.items():
            converted = np.concatenate(
                list(model_blocks(blocks(convert(mel)), MelConversion(V1, MelFormat(name)), "pipe"))
            )
            np.testing.assert_allclose(converted, mel, atol=2e-5)
        for name, convert in {**FOREIGN, **NORMALIZED}.items():
            given = []
            with pytest.raises(UserError, match=r"pipe: values from .* (look|are no) .*: .*pass --mel-format") as error:
                given.extend(map(len, model_blocks(blocks(convert(mel)), MelConversion(V1), "pipe")))
            assert name in NORMALIZED or f"pass --mel-format {name}" in str(error.value)
            assert sum(given) < SURE_FRAMES


def test_option_texts():
    assert MelFormat.parse("log10") == MelFormat("log10", False)
    assert MelFormat.parse("Transposed,DB") == MelFormat("db", True)
    assert str(MelFormat.parse("transposed,linear")) == "linear,transposed"
    assert str(RECOGNIZE) == "recognised"
    for text in ("", "log2", "log,db", "transposed,transposed", "log10 transposed"):
        with pytest.raises(UserError, match="give one of log, log10, db, linear, model, or transposed, or both"):
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
            load_mel(path, V1, MelFormat("log"))
    path.write_bytes(b"PK\3\4" + contents)
    with pytest.raises(UserError, match=r"is no \.npy array of numbers"):
        load_mel(path, V1)


def base_10(**changes):
    """The audio settings of a model of another library."""
    settings = {"mel_log": "log10", "mel_floor": 1e-10, "mel_centred": True, "fmin": 80, "fmax": 7600, **changes}
    return dataclasses.replace(V1, **settings)


@pytest.fixture(scope="module")
def foreign_models(mels):
    """``{name: (audio, its own mels)}`` of models whose mel is not the paper's."""
    speech = [normalize(load_audio(path, 22050)) for path in find_audio(DEMO_HELD_OUT)]
    together = np.concatenate([mel_spectrogram(audio, NumpyMelSpectrogram.of(base_10())) for audio in speech])
    mean, scale = (tuple(map(float, values)) for values in (together.mean(axis=0), together.std(axis=0)))
    models = {
        "base 10": base_10(),
        "mean and scale": base_10(mel_mean=mean, mel_scale=scale),
        "floor 1e-8": dataclasses.replace(V1, mel_floor=1e-8, mel_centred=True),
    }
    return {
        name: (audio, [mel_spectrogram(clip, NumpyMelSpectrogram.of(audio)) for clip in speech])
        for name, audio in models.items()
    }


@pytest.mark.parametrize("name", ["base 10", "mean and scale", "floor 1e-8"])
def test_a_models_own_mel_needs_no_option_and_is_not_changed(name, foreign_models, saved):
    audio, own = foreign_models[name]
    for mel in own:
        np.testing.assert_array_equal(load_mel(saved(mel), audio), mel)
        np.testing.assert_array_equal(load_given_mel(saved(mel), MelConversion(audio)), mel)
        for size in (1, 7, 1000):
            pieces = [mel[start : start + size] for start in range(0, len(mel), size)]
            found = np.concatenate(list(model_blocks(pieces, MelConversion(audio), "pipe")))
            np.testing.assert_array_equal(found, mel)


@pytest.mark.parametrize("name", ["base 10", "mean and scale"])
@pytest.mark.parametrize("scale", ["log", "log10", "db", "linear"])
def test_other_mels_are_named_and_converted_to_the_models(name, scale, foreign_models, saved):
    audio, own = foreign_models[name]
    if scale == own_scale(audio):
        return
    from_natural = {"log": np.asarray, "log10": lambda mel: mel / LN10, **FOREIGN}[scale]
    for mel in own:
        natural = to_natural_log(mel, audio)
        given = from_natural(natural.astype(np.float64)).astype(np.float32)
        with pytest.raises(UserError, match=f"pass --mel-format {scale}$"):
            load_mel(saved(given), audio)
        np.testing.assert_allclose(load_mel(saved(given), audio, MelFormat(scale)), mel, atol=1e-3)
        np.testing.assert_allclose(load_given_mel(saved(given), MelConversion(audio, MelFormat(scale))), mel, atol=1e-3)


def test_conversion_keeps_what_lies_above_the_models_floor(saved):
    quiet = np.full((70, BANDS), -9.0)
    quiet[::2] = np.linspace(-6, -2, BANDS)
    natural = (quiet * LN10).astype(np.float32)
    np.testing.assert_allclose(load_mel(saved(natural), base_10(), MelFormat("log")), quiet, rtol=1e-6)
    assert load_mel(saved(quiet), V1, MelFormat("log10")).min() == np.float32(LOG_MIN)


def test_model_and_its_scale_are_trusted(foreign_models, saved):
    audio, _ = foreign_models["mean and scale"]
    odd = np.linspace(-50, 50, 100 * BANDS, dtype=np.float32).reshape(100, BANDS)
    np.testing.assert_array_equal(load_mel(saved(odd), audio, MelFormat("model")), odd)
    np.testing.assert_array_equal(load_mel(saved(odd), V1, MelFormat("model")), odd)
    assert description(V1) == "natural logarithms of at least 1e-5"
    assert description(audio) == "base-10 logarithms of at least 1e-10 with the model's mean and scale"


@pytest.fixture
def stats(tmp_path):
    """Files of one mean and scale, in every kind that is read."""
    mean, scale = np.linspace(-3, -2, BANDS), np.linspace(0.5, 0.9, BANDS)
    with h5py.File(tmp_path / "stats.h5", "w") as file:
        file["mean"], file["scale"] = mean.astype(np.float32), scale.astype(np.float32)
    np.savez(tmp_path / "stats.npz", mean=mean[None], std=scale[None])
    np.save(tmp_path / "stats.npy", np.stack([mean, scale]))
    return mean, scale, [tmp_path / f"stats.{suffix}" for suffix in ("h5", "npz", "npy")]


@pytest.mark.parametrize("scale", ["log", "log10"])
def test_statistics_are_undone(scale, mels, saved, stats):
    mean, deviation, paths = stats
    for mel in mels[:3]:
        given = (mel / (LN10 if scale == "log10" else 1) - mean) / deviation
        with pytest.raises(UserError, match="--mel-stats undoes a mean and a scale"):
            load_mel(saved(given), V1)
        for path in paths:
            for mel_format in (MelFormat(scale, stats=path), MelFormat(stats=path)):
                if scale == "log10" and mel_format.scale is None:
                    with pytest.raises(UserError, match=r"look like base-10 logarithms: pass --mel-format log10$"):
                        load_mel(saved(given), V1, mel_format)
                    continue
                np.testing.assert_allclose(load_mel(saved(given), V1, mel_format), mel, atol=2e-5)


def test_statistics_and_a_model_with_its_own(foreign_models, saved, stats):
    audio, own = foreign_models["mean and scale"]
    mean, scale, (path, *_) = stats
    plain = to_natural_log(own[0], audio) / LN10
    given = (plain - mean) / scale
    for mel_format in (MelFormat("log10", stats=path), MelFormat(stats=path), MelFormat("model", stats=path)):
        np.testing.assert_allclose(load_mel(saved(given), audio, mel_format), own[0], atol=1e-4)


@pytest.mark.parametrize(
    ("name", "arrays", "message"),
    [
        ("x.npz", {"mean": np.zeros(79), "scale": np.ones(79)}, r"mean has shape \[79\]: this model has 80 mel bands"),
        ("x.npz", {"mean": np.zeros(80), "scale": np.ones(81)}, r"scale has shape \[81\]: this model has 80 mel bands"),
        ("x.npz", {"mean": np.zeros((8, 10)), "scale": np.ones(80)}, r"mean has shape \[8, 10\]: this model has 80"),
        ("x.npz", {"mean": np.zeros(80), "scale": np.arange(80.0)}, "scale is 0 in band 0: it must be above 0"),
        ("x.npz", {"mean": np.zeros(80), "scale": -np.ones(80)}, "scale is -1 in band 0: it must be above 0"),
        ("x.npz", {"mean": np.r_[np.zeros(79), np.nan], "scale": np.ones(80)}, "mean is nan in band 79: every number"),
        ("x.npz", {"mean": np.zeros(80), "scale": np.r_[np.inf, np.ones(79)]}, "scale is inf in band 0: every number"),
        ("x.npz", {"mean": np.zeros(80)}, "has no scale, only mean: give the mean and the scale of every mel band"),
        ("x.npy", np.zeros((3, 80)), r"has shape \[3, 80\]: it must be \[2, num_mels\], the mean and the scale"),
        ("x.npy", np.array([{"mean": 1}]), r"x\.npy cannot be read"),
        ("x.h5", b"no HDF5", "cannot be read \\(cut short, or no HDF5 file\\)"),
        ("x.npz", b"no zip", "cannot be read \\(cut short, or no NumPy file\\)"),
        ("x.txt", b"1 2", "is no file of mel statistics known here: give the mean and the scale of every mel band"),
        ("none.h5", None, "none.h5 does not exist: give the mean"),
    ],
)
def test_bad_statistics_are_named_in_one_line(name, arrays, message, tmp_path):
    path = tmp_path / name
    if isinstance(arrays, dict):
        np.savez(path, **arrays)
    elif isinstance(arrays, bytes):
        path.write_bytes(arrays)
    elif arrays is not None:
        np.save(path, arrays, allow_pickle=True)
    with pytest.raises(UserError, match=message) as error:
        MelConversion(V1, MelFormat(stats=path))
    assert "\n" not in str(error.value)


def frames_until_refused(mel, audio=V1, size=1):
    """Frames that a stream takes before it refuses a mel; all of them if it never does."""
    taken = 0
    pieces = [mel[start : start + size].astype(np.float32) for start in range(0, len(mel), size)]
    try:
        for piece in model_blocks(pieces, MelConversion(audio), "pipe"):
            taken += len(piece)
    except ForeignMelError:
        return taken
    return len(mel)


def test_a_stream_refuses_other_mels_within_milliseconds(mels):
    # A frame is 11.6 ms, and the first sample of V3 comes with frame 12.
    most = {"unit": 1, "around zero": 12, "Tacotron 2": 24, "mean and deviation": 16, "db": 1, "linear": 1, "log10": 64}
    for name, convert in {**FOREIGN, **NORMALIZED}.items():
        taken = [frames_until_refused(convert(mel)) for mel in mels]
        assert max(taken) <= most[name], (name, taken)
        assert name == "log10" or np.median(taken) <= 8, (name, taken)
    for mel in mels:
        assert frames_until_refused(np.maximum(2 * mel, 2 * LOG_MIN)) <= 24  # powers
        assert frames_until_refused(mel) == len(mel)


@pytest.mark.parametrize("decibels", range(0, -41, -10))
def test_no_real_speech_is_refused_at_any_level(shared, decibels):
    mels = mels_of(find_audio(shared / "speech"))
    rng = np.random.default_rng(-decibels)
    for mel in mels:
        quiet = np.maximum(mel + np.log(1 / 0.95) + decibels * LN10 / 20, LOG_MIN)
        for start in (0, *rng.integers(0, len(quiet) // 2, 2)):
            excerpt = quiet[start : start + 300]
            assert frames_until_refused(excerpt) == len(excerpt)
