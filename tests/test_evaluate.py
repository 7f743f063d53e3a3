"""Metrics against known numbers, and the evaluation command on good, bad and missing files."""

import json
import re
import subprocess
import sys
from itertools import pairwise

import forked
import numpy as np
import pytest
import scipy.fft
import soundfile
from conftest import untrained

from hifigan_tf import evaluate, files
from hifigan_tf.audio import audio_files
from hifigan_tf.audio.audio_files import load_audio, normalize, resample, to_pcm16, write_wav
from hifigan_tf.audio.mel import MelSpectrogram, mel_spectrogram
from hifigan_tf.audio.mel_numpy import NumpyMelSpectrogram
from hifigan_tf.config import Config
from hifigan_tf.errors import UserError
from hifigan_tf.evaluation import metrics
from hifigan_tf.evaluation.plots import save_spectrograms
from hifigan_tf.resources import CONFIGS

RATE = 22050
AUDIO = Config.load(CONFIGS / "v1.json").audio
FAST = ["log_mel_l1", "mcd_db", "stoi"]
F0 = ["f0_rmse_hz", "f0_rmse_cents", "voicing_f1"]


def voice(seconds=2.0, f0_ratio=1.0, seed=0, pace=1.0):
    """``[samples]``: harmonics under gliding formants in syllables of 0.25 s with pauses, and weak noise.

    At another ``pace`` the same is said in ``seconds * pace``.
    """
    time = np.arange(int(seconds * pace * RATE)) / RATE / pace
    f0 = f0_ratio * (150 + 40 * np.sin(2 * np.pi * 0.9 * time))
    phase = 2 * np.pi * np.cumsum(f0) / RATE
    formants = [(600 + 200 * np.sin(2 * np.pi * 1.3 * time), 120), (1700 + 500 * np.sin(2 * np.pi * 0.7 * time), 250)]
    audio = np.zeros_like(time)
    for harmonic in range(1, 25):
        gain = sum(np.exp(-(((harmonic * f0 - centre) / width) ** 2)) for centre, width in formants)
        audio += (gain + 0.3 / harmonic) * np.sin(harmonic * phase)
    audio *= np.clip(4 * np.sin(2 * np.pi * 2 * time), 0, 1)
    noise = np.random.default_rng(seed).standard_normal(len(time))
    return normalize(audio / np.abs(audio).max() + 2e-3 * noise)


@pytest.fixture(scope="module")
def front_end():
    return MelSpectrogram.of(Config.load(CONFIGS / "v1.json").audio, for_loss=True)


@pytest.fixture(scope="module")
def speech():
    return voice()


def folders(tmp_path):
    """Two folders for pairs of files."""
    result = tmp_path / "reference", tmp_path / "generated"
    for folder in result:
        folder.mkdir()
    return result


def run(reference, generated, *options):
    return evaluate.main(["--reference", str(reference), "--generated", str(generated), *map(str, options)])


def command(*arguments):
    return forked.run("hifigan_tf.evaluate", *arguments)


# --- Metrics


def test_identical_audio_is_perfect(front_end, speech):
    scores = metrics.evaluate_pair(speech, speech.copy(), front_end)
    assert list(scores) == list(metrics.METRICS)
    assert scores == {
        "log_mel_l1": 0,
        "mcd_db": 0,
        "stft_distance": 0,
        "repetition": 0,
        "pesq_wb": pytest.approx(4.644, abs=1e-3),  # the top of P.862.2's scale
        "visqol": pytest.approx(4.02, abs=0.1),  # a synthetic voice: of speech too its network gives 4 to 5
        "stoi": pytest.approx(1, abs=1e-6),
        "f0_rmse_hz": 0,
        "f0_rmse_cents": 0,
        "voicing_f1": 1,
    }


@pytest.mark.parametrize("gain_db", [-6.0, -12.0])
def test_a_gain_shifts_every_log_mel_band_and_nothing_else(front_end, speech, gain_db):
    scores = metrics.evaluate_pair(speech, speech * 10 ** (gain_db / 20), front_end, FAST)
    assert scores["log_mel_l1"] == pytest.approx(-gain_db * np.log(10) / 20, abs=2e-3)
    assert scores["mcd_db"] == pytest.approx(0, abs=0.02)  # it leaves c_0, the loudness, out
    assert scores["stoi"] == pytest.approx(1, abs=1e-4)


def test_mcd_is_the_rms_distance_in_db():
    """With few bands the cepstrum is complete, and by Parseval MCD is the RMS difference without its mean."""
    reference, generated = np.random.default_rng(0).standard_normal((2, 1, 20))
    decibels = 20 / np.log(10) * (reference - generated)
    # In Parseval's sum the last coefficient of an even number of bands has the same weight as the others.
    assert metrics.mel_cepstral_distortion(reference, generated) == pytest.approx(np.std(decibels), rel=1e-9)


def test_mcd_against_scipy_and_one_known_coefficient():
    reference, generated = np.random.default_rng(1).standard_normal((2, 50, 80))
    cepstra = [scipy.fft.dct(mel, type=2, axis=-1)[:, 1:25] / 80 for mel in (reference, generated)]
    expected = 10 / np.log(10) * np.sqrt(2 * ((cepstra[0] - cepstra[1]) ** 2).sum(axis=-1)).mean()
    assert metrics.mel_cepstral_distortion(reference, generated) == pytest.approx(expected, rel=1e-9)

    def ripple(order):
        return reference + 0.1 * np.cos(np.pi * order * (np.arange(80) + 0.5) / 80)

    assert metrics.mel_cepstral_distortion(reference, ripple(3)) == pytest.approx(0.6142, abs=1e-4)
    assert metrics.mel_cepstral_distortion(reference, ripple(30)) == pytest.approx(0, abs=1e-9)  # beyond 24


def test_noise_that_repeats_every_frame_is_told_from_noise_that_does_not(front_end):
    rng, hop = np.random.default_rng(0), front_end.hop_size
    noise, other = rng.standard_normal((2, 40 * hop)).astype(np.float32)
    buzz = np.tile(noise[:hop], 40)
    found = [metrics.evaluate_pair(noise, audio, front_end, ["repetition"])["repetition"] for audio in (other, buzz)]
    assert found[0] < 0.06  # by chance, in a window
    assert found[1] == pytest.approx(1, abs=0.06)
    assert metrics.repetition(buzz, 0.5 * buzz, hop) < 1e-6  # what repeats in the recording may repeat
    assert metrics.repetition(noise[: 6 * hop + 1], noise[: 6 * hop + 1], hop) is None
    assert metrics.repetition(noise[: 6 * hop + 2], noise[: 6 * hop + 2], hop) == 0
    assert metrics.repetition(0 * noise, noise, hop) is None


def test_noise_lowers_pesq_visqol_and_stoi_step_by_step(front_end, speech):
    noise = np.random.default_rng(3).standard_normal(len(speech)).astype(np.float32)
    chosen = ["log_mel_l1", "pesq_wb", "visqol", "stoi"]
    steps = [metrics.evaluate_pair(speech, speech + level * noise, front_end, chosen) for level in (0.003, 0.02, 0.1)]
    for better, worse in pairwise(steps):
        assert better["pesq_wb"] > worse["pesq_wb"] + 0.1
        assert better["visqol"] > worse["visqol"] + 0.1
        assert better["stoi"] > worse["stoi"] + 0.01
        assert better["log_mel_l1"] < worse["log_mel_l1"] - 0.1
    assert 1 < steps[-1]["pesq_wb"] < 1.6
    assert list(steps[0]) == chosen


def test_pesq_is_what_the_package_says_at_16_khz(front_end, speech):
    import pesq

    noisy = speech + 0.01 * np.random.default_rng(5).standard_normal(len(speech)).astype(np.float32)
    expected = pesq.pesq(16000, resample(speech, RATE, 16000), resample(noisy, RATE, 16000), "wb")
    assert metrics.evaluate_pair(speech, noisy, front_end, ["pesq_wb"])["pesq_wb"] == pytest.approx(expected, abs=1e-6)


def test_visqol_is_what_the_program_says_of_files_with_its_default_network(tmp_path, speech):
    original, other = resample(speech, RATE, 16000), resample(voice(seed=1), RATE, 16000)
    for name, audio in (("original", original), ("other", other)):
        soundfile.write(tmp_path / f"{name}.wav", audio, 16000, subtype="FLOAT")
    command = [sys.executable, "-m", "visqol", "-r", tmp_path / "original.wav", "-d", tmp_path / "other.wav"]
    command += ["--speech_mode"]
    said = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    score = float(re.search(r"MOS-LQO: +([\d.]+)", said)[1])
    assert metrics.visqol(original, other) == pytest.approx(score, abs=1e-5)


def test_a_higher_voice_gives_its_distance_in_hz_and_cents(front_end, speech):
    scores = metrics.evaluate_pair(speech, voice(f0_ratio=1.05), front_end, F0)
    f0 = metrics.f0_contour(resample(speech, RATE, 16000))
    assert scores["f0_rmse_cents"] == pytest.approx(1200 * np.log2(1.05), abs=5)  # pYIN has steps of 10 cents
    assert scores["f0_rmse_hz"] == pytest.approx(0.05 * np.sqrt(np.nanmean(f0**2)), abs=0.5)
    assert scores["voicing_f1"] > 0.9
    time = np.arange(len(f0)) / 100
    assert np.nanmedian(np.abs(f0 - 150 - 40 * np.sin(2 * np.pi * 0.9 * time))) < 1.5


def test_f0_and_voicing_by_hand():
    nan = np.nan
    reference, generated = np.array([100, 100, nan, 200, nan]), np.array([110, 80, 150, nan, nan])
    assert metrics.f0_rmse_hz(reference, generated) == pytest.approx(np.sqrt((10**2 + 20**2) / 2))
    assert metrics.f0_rmse_cents(reference[:1], 2 * reference[:1]) == pytest.approx(1200)
    assert metrics.voicing_f1(reference, generated) == pytest.approx(2 * 2 / (2 * 2 + 1 + 1))
    assert metrics.voicing_f1(reference, np.full(5, nan)) == 0
    assert metrics.voicing_f1(np.full(5, nan), np.full(5, nan)) is None
    assert metrics.f0_rmse_hz(reference, np.full(5, nan)) is None


def test_undefined_metrics_are_none(front_end, speech):
    click = 0.1 * np.random.default_rng(0).standard_normal(3000).astype(np.float32)  # 0.14 s
    scores = metrics.evaluate_pair(click, 0.9 * click, front_end, ["mcd_db", "pesq_wb", "visqol", "stoi"])
    assert scores == {"mcd_db": pytest.approx(0, abs=0.01), "pesq_wb": None, "visqol": None, "stoi": None}
    assert metrics.evaluate_pair(0 * speech, 0 * speech, front_end, F0) == dict.fromkeys(F0)
    for pair in ((speech, 0 * speech), (0 * speech, speech)):
        assert metrics.evaluate_pair(*pair, front_end, ["visqol"]) == {"visqol": None}
    assert metrics.evaluate_pair(speech, 0 * speech, front_end, ["pesq_wb"]) == {"pesq_wb": None}
    burst = np.pad(speech[: RATE // 5], (0, RATE))  # long enough, but with too few loud frames for STOI
    assert metrics.evaluate_pair(burst, burst, front_end, ["stoi"]) == {"stoi": None}


def test_unknown_metrics_are_refused(front_end, speech):
    with pytest.raises(ValueError, match="'mos'"):
        metrics.evaluate_pair(speech, speech, front_end, ["stoi", "mos"])


def test_pesq_of_more_utterances_than_its_code_can_hold():
    """60 utterances would overrun an array of the reference code, so the recording is evaluated in pieces."""
    random = np.random.default_rng(0)
    burst = np.concatenate([0.2 * random.standard_normal(6000), 1e-5 * random.standard_normal(6000)])
    audio = np.tile(burst, 60).astype(np.float32)
    assert metrics.pesq_wb(audio, audio) == pytest.approx(4.644, abs=1e-3)


def test_only_the_common_length_counts(front_end, speech):
    longer = np.concatenate([speech, np.ones(200, np.float32)])
    assert metrics.evaluate_pair(speech, longer, front_end, FAST)["log_mel_l1"] == 0


# --- Pictures


def test_a_picture_shows_both_spectrograms_on_one_colour_scale(tmp_path, front_end, speech, monkeypatch):
    from matplotlib.axes import Axes

    drawn, imshow = [], Axes.imshow

    def spy(panel, data, **options):
        drawn.append((data, options))
        return imshow(panel, data, **options)

    monkeypatch.setattr(Axes, "imshow", spy)
    save_spectrograms(tmp_path / "a $ b.png", {"reference $": speech, "generated": 0.5 * speech}, front_end)
    (top, first), (bottom, second) = drawn
    np.testing.assert_array_equal(top, mel_spectrogram(speech, front_end).T)
    np.testing.assert_array_equal(bottom, mel_spectrogram(0.5 * speech, front_end).T)
    assert (first["vmin"], first["vmax"]) == (second["vmin"], second["vmax"]) == (bottom.min(), top.max())
    assert first["extent"] == pytest.approx((0, 2.0, 0, 80), abs=0.01)  # seconds, mel bands
    check_picture(tmp_path / "a $ b.png")


def check_picture(path):
    from matplotlib.image import imread

    height, width, _ = imread(path).shape
    assert height == 640
    assert 700 <= width <= 1800
    assert len(np.unique(imread(path)[..., :3])) > 200


# --- The command


def test_the_command_end_to_end(tmp_path, speech):
    """A WAV paired with a FLAC, a pair of slightly different lengths, a corrupt file, one unpaired file per folder."""
    reference, generated = folders(tmp_path)
    other = voice(1.5, seed=1)
    write_wav(reference / "one.wav", speech, RATE)
    soundfile.write(generated / "one.flac", to_pcm16(speech), RATE)
    write_wav(reference / "two.wav", 0.3 * other, RATE)
    write_wav(generated / "two.wav", 0.5 * other[:-200], RATE)
    write_wav(reference / "bad.wav", speech, RATE)
    (generated / "bad.wav").write_bytes(b"no audio at all")
    write_wav(reference / "alone.wav", speech, RATE)
    write_wav(generated / "extra.wav", speech, RATE)
    result = command("--reference", reference, "--generated", generated, "--json", tmp_path / "new" / "scores.json",
                     "--plots", tmp_path / "plots")  # fmt: skip
    assert result.returncode == 0, result.stderr
    assert "Traceback" not in result.stderr
    assert "only in the reference folder, not evaluated: 1 file (alone)" in result.stderr
    assert "only in the generated folder, not evaluated: 1 file (extra)" in result.stderr
    assert "bad is skipped" in result.stderr
    assert "skipped for the reasons above: 1 file (bad)" in result.stderr
    assert "3/3" in result.stderr  # the progress bar
    report = json.loads((tmp_path / "new" / "scores.json").read_text(), parse_constant=pytest.fail)
    assert list(report["files"]) == ["one", "two"]
    assert list(report["skipped"]) == ["bad"]
    assert report["unpaired"] == {"reference": ["alone"], "generated": ["extra"]}
    one, two = report["files"]["one"], report["files"]["two"]
    # One file has the peak of 0.95 in both folders; the other is at half of its recording's level.
    assert one["log_mel_l1"] < 0.01
    assert one["pesq_wb"] == pytest.approx(4.64, abs=0.01)
    assert two["log_mel_l1"] == pytest.approx(np.log(1 / 0.5), abs=0.02)
    assert two["f0_rmse_hz"] < 1
    assert report["mean"] == {key: pytest.approx((one[key] + two[key]) / 2) for key in one}
    assert report["level_difference_db"] == pytest.approx(20 * np.log10(0.5) / 2, abs=0.05)
    assert report["metrics"]["f0_rmse_hz"]["unit"] == "Hz"
    assert report["settings"]["reference_peak"] == 0.95
    assert report["settings"]["audio"]["n_fft"] == 1024
    header, _, first, second, _, mean, _ = result.stdout.splitlines()
    assert header.split()[:5] == ["file", "log-mel", "L1", "MCD", "dB"]
    assert first.split()[0] == "one"
    assert second.split()[:2] == ["two", f"{two['log_mel_l1']:.4f}"]
    assert mean.split()[:4] == ["mean", "of", "2", f"{report['mean']['log_mel_l1']:.4f}"]
    assert sorted(path.name for path in (tmp_path / "plots").iterdir()) == ["one.png", "two.png"]
    check_picture(tmp_path / "plots" / "one.png")


def test_errors_are_one_line_and_exit_code_2(tmp_path):
    reference, generated = folders(tmp_path)
    result = command("--reference", reference, "--generated", tmp_path / "nowhere")
    assert result.returncode == 2
    assert result.stderr.splitlines() == [f"error: --generated {tmp_path / 'nowhere'} is not a folder: check the path"]
    write_wav(reference / "a.wav", voice(0.5), RATE)
    write_wav(generated / "b.wav", voice(0.5), RATE)
    result = command("--reference", reference, "--generated", generated)
    assert result.returncode == 2
    (line,) = result.stderr.splitlines()
    assert "share a name" in line


def test_help_imports_nothing_heavy():
    code = "import sys, hifigan_tf.evaluate as e; print(sorted({'keras', 'tensorflow', 'librosa', 'matplotlib', " \
           "'pesq', 'pystoi', 'soundfile', 'visqol'} & set(sys.modules)))"  # fmt: skip
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout.strip() == "[]"


def test_levels(tmp_path, speech, caplog):
    """vocode's default output has the level of the normalised recording, with --keep-level that of the recording."""
    reference, generated = folders(tmp_path)
    quiet = speech * (0.2 / 0.95)
    write_wav(reference / "a.wav", quiet, RATE)
    write_wav(generated / "a.wav", quiet, RATE)

    def scores(*options):
        caplog.clear()
        run(reference, generated, "--metrics", "log_mel_l1", "--json", tmp_path / "scores.json", *options)
        report = json.loads((tmp_path / "scores.json").read_text())
        return report["mean"]["log_mel_l1"], report["settings"]["reference_peak"], caplog.text

    loss, peak, text = scores()
    assert loss == pytest.approx(np.log(0.95 / 0.2), abs=0.01)
    assert peak == 0.95
    assert "13.5 dB quieter" in text
    assert "--keep-level" in text
    assert scores("--keep-level") == (0, None, "")
    write_wav(generated / "a.wav", speech, RATE)
    assert scores()[0] < 0.02
    assert scores()[2] == ""
    assert "13.5 dB louder" in scores("--keep-level")[2]


def test_rates_are_resampled(tmp_path, speech):
    reference, generated = folders(tmp_path)
    double = resample(speech, RATE, 2 * RATE)
    write_wav(reference / "a.wav", double / np.abs(double).max() * 0.95, 2 * RATE)
    write_wav(generated / "a.wav", speech, RATE)
    run(reference, generated, "--metrics", "log_mel_l1", "stoi", "--json", tmp_path / "scores.json")
    mean = json.loads((tmp_path / "scores.json").read_text())["mean"]
    assert mean["stoi"] > 0.9999
    assert mean["log_mel_l1"] < 0.05  # the resampler's edge at half the sampling rate


@pytest.mark.parametrize(("missing", "fits"), [(0.045, True), (0.3, False), (0.6, False)])
def test_lengths(tmp_path, missing, fits):
    """A difference up to n_fft is padding; more than a tenth, or half a second, is another recording."""
    reference, generated = folders(tmp_path)
    audio = voice(2.0) if missing < 0.5 else voice(7.0)
    audio = audio[: RATE // 2] if missing == 0.045 else audio  # one window of a short clip is about a tenth of it
    write_wav(reference / "a.wav", audio, RATE)
    write_wav(generated / "a.wav", audio[: len(audio) - int(missing * RATE)], RATE)
    options = ("--metrics", "log_mel_l1")
    if fits:
        assert run(reference, generated, *options) == 0
    else:
        with pytest.raises(UserError, match=rf"lasts {len(audio) / RATE - missing:.2f} s.* {len(audio) / RATE:.2f} s"):
            run(reference, generated, *options)


def test_the_front_end_is_that_of_the_rate(tmp_path, caplog):
    """A model whose band above 14 kHz stays empty is not called good by a front end that ends at 8 kHz, as V1's."""
    reference, generated = folders(tmp_path)
    rate, rng = 48000, np.random.default_rng(0)
    original = (0.2 * rng.standard_normal(rate)).astype(np.float32)
    spectrum = np.fft.rfft(original)
    spectrum[np.fft.rfftfreq(rate, 1 / rate) > 14000] *= 1e-3
    write_wav(reference / "a.wav", normalize(original), rate)
    write_wav(generated / "a.wav", np.fft.irfft(spectrum, rate) * (0.95 / np.abs(original).max()), rate)

    def score(*options):
        run(reference, generated, "--metrics", "log_mel_l1", "--json", tmp_path / "scores.json", *options)
        return json.loads((tmp_path / "scores.json").read_text())["mean"]["log_mel_l1"]

    with pytest.raises(UserError, match="is at 48000 Hz, and the front end to compare with at 22050 Hz: give the --ch"):
        score()
    with pytest.raises(UserError, match="at 24000 Hz: give"):
        score("--config", CONFIGS / "v1_24k.json")
    with_config = score("--config", CONFIGS / "v1_48k.json")
    assert with_config == pytest.approx(0.8226, abs=0.001)
    # What V1's front end would have said of the same pair.
    pair = [load_audio(folder / "a.wav", RATE) for folder in (reference, generated)]
    wrong = metrics.evaluate_pair(*pair, NumpyMelSpectrogram.of(AUDIO, for_loss=True), ["log_mel_l1"])
    assert wrong["log_mel_l1"] < 0.001
    config = Config.load(CONFIGS / "v1_48k.json").replace(
        upsample_initial_channel=32, resblock_kernel_sizes=[3], resblock_dilation_sizes=[[1]], resblock="2"
    )
    untrained(config).save(tmp_path / "g.keras")
    assert score("--checkpoint", tmp_path / "g.keras") == with_config
    with pytest.raises(SystemExit):
        score("--checkpoint", tmp_path / "g.keras", "--config", CONFIGS / "v1.json")


def test_speech_of_another_duration_is_aligned(tmp_path, speech):
    reference, generated = folders(tmp_path)
    write_wav(reference / "a.wav", speech, RATE)
    write_wav(generated / "a.wav", 0.9 * voice(2.0, pace=1.3), RATE)
    with pytest.raises(UserError, match="--align compares speech of another duration"):
        run(reference, generated, "--metrics", "mcd_db")
    assert run(reference, generated, "--align", "--json", tmp_path / "scores.json") == 0
    report = json.loads((tmp_path / "scores.json").read_text())
    assert list(report["mean"]) == list(metrics.ALIGNED)
    assert report["settings"]["aligned"]
    mean = report["mean"]
    assert mean["f0_rmse_cents"] < 30  # of a voice that glides over nearly 1000 cents
    assert mean["voicing_f1"] > 0.85
    # Where nothing is stretched the path is straight, and the values are those without it.
    aligned = metrics.evaluate_aligned(speech, 0.9 * speech, NumpyMelSpectrogram.of(AUDIO, for_loss=True))
    straight = metrics.evaluate_pair(speech, 0.9 * speech, NumpyMelSpectrogram.of(AUDIO, for_loss=True), FAST[:2])
    assert [aligned[key] for key in FAST[:2]] == pytest.approx([straight[key] for key in FAST[:2]], abs=1e-6)
    with pytest.raises(UserError, match="--align with --metrics stoi"):
        run(reference, generated, "--align", "--metrics", "stoi")


def test_a_path_by_hand():
    """Two notes, the second held longer in one of them; a third sound of its own level pairs with none of them."""
    first, second = (np.cos(np.arange(8) * k) for k in (1, 2))
    path = metrics.dtw_path(np.stack([first, second, second]), np.stack([first, first, second]))
    assert path.tolist() == [[0, 0], [0, 1], [1, 2], [2, 2]]


def test_what_is_too_long_to_align_is_named(front_end, tiny):
    """By its frames, whose number to the square decides the memory: a short hop fits fewer seconds."""
    with pytest.raises(UserError, match=r"71 s are too long to be aligned: cut at pauses, into up to 70 s"):
        metrics.evaluate_aligned(np.ones(71 * RATE), np.ones(RATE), front_end)
    with pytest.raises(UserError, match=r"60 s are too long to be aligned: .*up to 24 s \(6000 frames\)"):
        metrics.evaluate_aligned(np.ones(60 * 8000), np.ones(8000), NumpyMelSpectrogram.of(tiny.audio))


def test_a_file_that_cannot_be_read_is_blamed_and_an_error_of_a_metric_is_none_of_its(tmp_path, speech, monkeypatch):
    reference, generated = folders(tmp_path)
    for name in ("a", "b"):
        write_wav(reference / f"{name}.wav", speech, RATE)
        write_wav(generated / f"{name}.wav", speech, RATE)
    open_audio = audio_files._open_audio

    def broken(path):
        if path == reference / "a.wav":
            raise IndexError("of a decoder")
        return open_audio(path)

    with monkeypatch.context() as patch:
        patch.setattr(audio_files, "_open_audio", broken)
        run(reference, generated, "--metrics", "log_mel_l1", "--json", tmp_path / "scores.json")
    skipped = json.loads((tmp_path / "scores.json").read_text())["skipped"]
    assert skipped["a"].startswith(f"{reference / 'a.wav'} cannot be read (IndexError: of a decoder): leave it out")
    monkeypatch.setattr(metrics, "log_mel_l1", lambda *_: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        run(reference, generated, "--metrics", "log_mel_l1")


@pytest.mark.parametrize("gain", [32768, 3])
def test_generated_audio_on_another_scale_is_refused(tmp_path, speech, gain):
    reference, generated = folders(tmp_path)
    soundfile.write(reference / "a.wav", gain * speech, RATE, subtype="FLOAT")
    soundfile.write(generated / "a.wav", speech, RATE, subtype="FLOAT")
    assert run(reference, generated, "--metrics", "log_mel_l1") == 0
    with pytest.raises(UserError, match="far beyond -1 to 1"):
        run(reference, generated, "--metrics", "log_mel_l1", "--keep-level")
    with pytest.raises(UserError, match="far beyond -1 to 1"):
        run(generated, reference, "--metrics", "log_mel_l1")


def test_nothing_left_is_an_error(tmp_path, speech, caplog):
    reference, generated = folders(tmp_path)
    for name in ("a.wav", "b.wav"):
        write_wav(reference / name, speech, RATE)
        write_wav(generated / name, 0 * speech, RATE)
    with pytest.raises(UserError, match=r"none of the 2 pairs.*a\.wav is silent"):
        run(reference, generated, "--metrics", "stoi")
    assert len(caplog.records) == 2


def test_undefined_values_are_null_counted_and_named(tmp_path, speech, caplog, capsys):
    reference, generated = folders(tmp_path)
    for folder in (reference, generated):
        write_wav(folder / "speech.wav", speech, RATE)
        write_wav(folder / "short.wav", normalize(speech[:4000]), RATE)
    run(reference, generated, "--metrics", "log_mel_l1", "pesq_wb", "stoi", "--json", tmp_path / "scores.json")
    report = json.loads((tmp_path / "scores.json").read_text())
    assert report["files"]["short"] == {"log_mel_l1": pytest.approx(0, abs=0.01), "pesq_wb": None, "stoi": None}
    assert report["mean"]["pesq_wb"] == report["files"]["speech"]["pesq_wb"]
    assert report["missing"] == {"log_mel_l1": [], "pesq_wb": ["short"], "stoi": ["short"]}
    assert "no PESQ-WB for 1 file (short): no utterance found" in caplog.text
    assert capsys.readouterr().out.splitlines()[2].split()[2:] == ["-", "-"]


@pytest.mark.parametrize(
    ("module", "metric", "package", "compiler"),
    [
        ("pesq", "pesq_wb", "pesq", "C compiler"),
        ("visqol", "visqol", "visqol-python", "C++ compiler"),
        ("ai_edge_litert", "visqol", "visqol-python", "C++ compiler"),
    ],
)
def test_without_a_package_the_rest_is_evaluated(
    module, metric, package, compiler, tmp_path, speech, caplog, monkeypatch
):
    monkeypatch.setitem(sys.modules, module, None)  # what an import of a missing package finds
    reference, generated = folders(tmp_path)
    for folder in (reference, generated):
        write_wav(folder / "a.wav", speech, RATE)
    run(reference, generated, "--metrics", metric, "stoi", "--json", tmp_path / "scores.json")
    report = json.loads((tmp_path / "scores.json").read_text())
    assert report["mean"] == {metric: None, "stoi": pytest.approx(1, abs=1e-4)}
    (record,) = caplog.records
    assert f"pip install {package}" in record.message
    assert compiler in record.message


def test_everything_is_checked_before_the_slow_part(tmp_path, speech, monkeypatch):
    monkeypatch.setattr(evaluate, "evaluate_files", lambda *_: pytest.fail("the slow part began"))
    reference, generated = folders(tmp_path)
    for folder in (reference, generated):
        write_wav(folder / "a.wav", speech, RATE)
    inside = reference / "inside"
    inside.mkdir()
    for folder, options, message in (
        (reference, (), "same folder"),
        (inside, (), "lies inside the other"),
        (generated, ("--json", tmp_path), "is a folder: give the name of a file"),
        (generated, ("--json", reference / "a.wav" / "x.json"), "cannot write to"),
        (generated, ("--plots", reference / "a.wav"), "cannot write to"),
        (generated, ("--config", tmp_path / "none.json"), "does not exist"),
    ):
        with pytest.raises(UserError, match=message):
            run(reference, folder, *options)
    soundfile.write(generated / "a.flac", speech, RATE)
    with pytest.raises(UserError, match="share the name 'a'"):
        run(reference, generated)


def test_a_failed_write_leaves_no_json(tmp_path, speech, monkeypatch):
    reference, generated = folders(tmp_path)
    for folder in (reference, generated):
        write_wav(folder / "a.wav", speech, RATE)
    (tmp_path / "scores.json").write_text("old")
    # fsync is where all writes reach the disk.
    monkeypatch.setattr(files.os, "fsync", lambda _: (_ for _ in ()).throw(OSError(28, "No space left")))
    with pytest.raises(OSError, match="No space left"):
        run(reference, generated, "--metrics", "log_mel_l1", "--json", tmp_path / "scores.json")
    assert (tmp_path / "scores.json").read_text() == "old"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["generated", "reference", "scores.json"]
