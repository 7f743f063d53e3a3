"""The voice speaks: sound, figures and the page, and what is odd about a user's recordings."""

import base64
import io
import json
import re

import numpy as np
import pytest
import soundfile

from hifigan_tf import demo
from hifigan_tf.audio.audio_files import find_audio, load_audio, normalize
from hifigan_tf.audio.mel_numpy import NumpyMelSpectrogram
from hifigan_tf.errors import UserError
from hifigan_tf.resources import DEMO_HELD_OUT, DEMO_SENTENCES, VOICE, VOICE_FLOAT, VOICE_INT8
from hifigan_tf.streaming.streaming_vocoder import load_vocoder, vocode

RATE = 22050
NAMES = ("long", "music", "noise", "other/stereo", "stereo", "telephone")


def music():
    """Three seconds of plucked chords over a drum."""
    time, rng = np.arange(3 * RATE) / RATE, np.random.default_rng(1)
    audio = 0.2 * rng.standard_normal(len(time)) * np.exp(-30 * (time % 0.25))
    for beat, root in enumerate((220, 165, 196, 147, 220, 262)):
        since = np.maximum(time - 0.5 * beat, 0)
        for ratio in (1, 1.25, 1.5, 2):
            for harmonic in range(1, 12):
                audio += np.sin(2 * np.pi * root * ratio * harmonic * since) * np.exp(-3 * since) / harmonic
    return 0.8 * audio / np.abs(audio).max()


@pytest.fixture(scope="module")
def spoken(tmp_path_factory):
    """The folder of a demo with recordings that are fine and odd."""
    folder = tmp_path_factory.mktemp("demo")
    speech = load_audio(find_audio(DEMO_HELD_OUT)[0], 48000)
    rng = np.random.default_rng(0)
    recordings = {
        "stereo.wav": (np.stack([speech, 0.5 * speech], 1), 48000),
        "telephone.wav": (load_audio(find_audio(DEMO_HELD_OUT)[0], 8000), 8000),
        "silent.wav": (np.zeros(20000), RATE),
        "other/stereo.wav": (np.tile(speech, 2), 48000),
        "music.wav": (music(), RATE),
        "noise.wav": (rng.uniform(-0.5, 0.5, 30000) * (np.arange(30000) // 300 % 2), RATE),
        "long.wav": (np.tile(speech, 70 * 48000 // len(speech) + 1), 48000),
    }
    (folder / "given" / "other").mkdir(parents=True)
    for name, (audio, rate) in recordings.items():
        soundfile.write(folder / "given" / name, audio, rate)
    assert demo.main(["--output-dir", str(folder / "out"), "--speech", str(folder / "given")]) == 0
    return folder / "out"


def test_the_voice_is_one_in_three_files():
    assert VOICE.stem == "live"
    sizes = sum(path.stat().st_size for path in (VOICE, VOICE_FLOAT, VOICE_INT8))
    assert sizes <= 14e6
    mel = np.load(sorted(DEMO_SENTENCES.glob("*.npy"))[0]).astype(np.float32)
    keras, in_float, in_8_bits = (vocode(path, mel) for path in map(load_vocoder, (VOICE, VOICE_FLOAT, VOICE_INT8)))
    signal = np.mean(keras**2)
    assert 10 * np.log10(signal / np.mean((keras - in_float) ** 2)) > 40
    assert 10 * np.log10(signal / np.mean((keras - in_8_bits) ** 2)) > 10
    assert load_vocoder(VOICE_INT8).contract.mode == "int8"


def test_six_sentences_come_without_recordings():
    paths = sorted(DEMO_SENTENCES.glob("*.npy"))
    assert len(paths) == 6
    assert sum(path.stat().st_size for path in paths) < 450_000
    for path in paths:
        mel = np.load(path)
        assert (mel.dtype, mel.shape[1]) == (np.float16, 80)
        assert 1.5 < len(mel) * 256 / RATE < 8
    text = (DEMO_SENTENCES / "README.md").read_text(encoding="utf-8")
    assert "CC0" in text
    assert all(path.stem in text for path in paths)


def test_every_clip_is_written_as_it_was_streamed(spoken):
    rows = json.loads((spoken / "metrics.json").read_text())
    clips = find_audio(DEMO_HELD_OUT)
    names = [*(path.stem for path in sorted(DEMO_SENTENCES.glob("*.npy"))), *(path.stem for path in clips)]
    assert [row["name"] for row in rows if row["model"] == "int8"] == [*names, *NAMES]
    for path in sorted(DEMO_SENTENCES.glob("*.npy")):
        written = soundfile.read(spoken / "sentences" / f"{path.stem}_float.wav")[0]
        expected = vocode(VOICE_FLOAT, np.load(path).astype(np.float32))
        np.testing.assert_allclose(written, expected, atol=1e-4)
        assert not (spoken / "sentences" / f"{path.stem}_original.wav").exists()
    for path in clips:
        original = soundfile.read(spoken / "clips" / f"{path.stem}_original.wav")[0]
        np.testing.assert_allclose(original, normalize(soundfile.read(path)[0]), atol=1e-4)
    once, twice = (len(soundfile.read(spoken / "yours" / f"{name}_int8.wav")[0]) for name in ("stereo", "other/stereo"))
    assert twice == 2 * once  # equal names in two folders
    of = {(row["name"], row["model"]): row for row in rows}
    for path in clips:
        in_float, in_8_bits = (of[path.stem, model] for model in ("float", "int8"))
        assert in_float["log_mel_l1"] < 0.85
        assert in_8_bits["log_mel_l1"] < in_float["log_mel_l1"] + 0.1
    assert all(row["x_realtime"] > 0 and row["first_audio_ms"] > 0 for row in rows)


def test_the_page_plays_and_shows_all_by_itself(spoken):
    page = (spoken / "demo.html").read_text(encoding="utf-8")
    rows = json.loads((spoken / "metrics.json").read_text())
    originals = len(list(spoken.rglob("*_original.wav")))
    sounds = re.findall(r'<audio [^>]*src="data:audio/flac;base64,([^"]+)"', page)
    pictures = re.findall(r'<img [^>]*src="data:image/png;base64,([^"]+)"', page)
    assert len(sounds) == len(pictures) == len(rows) + originals
    assert not re.findall(r'(?:src|href)="(?!data:)', page)
    seconds = [soundfile.info(io.BytesIO(base64.b64decode(sound))).duration for sound in sounds]
    assert min(seconds) > 1
    assert max(seconds) == pytest.approx(60, abs=0.1)
    assert base64.b64decode(pictures[0]).startswith(b"\x89PNG")


def article(page: str, name: str) -> str:
    """What the page says about a clip, before its sound."""
    found = page[page.index(f"<h3>{name}</h3>") :]
    return found[: found.index("<figure")]


def test_the_page_says_what_is_odd(spoken):
    page = (spoken / "demo.html").read_text(encoding="utf-8")
    assert "telephone.wav is recorded at 8000 Hz, below 22050 Hz" in page
    assert "only its first 60 seconds" in page
    assert "silent.wav is silent" in page
    strange = {name for name in NAMES if "this is not what the voice knows" in article(page, name)}
    assert strange == {"music", "telephone", "noise"}  # of the telephone nothing above 4 kHz


def test_what_the_scores_say_of_a_recording():
    def said(error, distance):
        return list(demo.strangeness({"log_mel_l1": error, "stft_distance": distance}))

    assert said(0.35, 1.2) == said(0.6, None) == said(None, None) == []
    assert said(0.4, 1.55) == [
        "STFT distance 1.55, where the voice's own speakers stay below 1.25: another speaker, whom it can learn "
        "(hifigan-tf train --from-voice), or no clean speech, such as music"
    ]
    assert said(1.6, 2.2) == ["log-mel L1 1.60, where speech stays below 0.65: this is not what the voice knows"]


def test_a_recording_that_is_missing_is_an_error_before_anything_is_made(tmp_path):
    with pytest.raises(UserError, match=r"nowhere\.wav does not exist"):
        demo.main(["--output-dir", str(tmp_path / "out"), "--speech", str(tmp_path / "nowhere.wav")])
    assert not (tmp_path / "out").exists()


def test_the_speed_is_that_of_the_whole_stream():
    model, mel = load_vocoder(VOICE_INT8), np.full([40, 80], -6, np.float32)
    take = demo.speak(model, mel)
    assert len(take.audio) == 40 * 256
    np.testing.assert_array_equal(take.audio, vocode(model, mel, check_mel=False))
    assert take.first_ms < 1000 * len(take.audio) / RATE / take.x_realtime
    assert NumpyMelSpectrogram.of(model.audio).hop_size == 256
