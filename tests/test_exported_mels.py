"""Exports of a model whose mel is another library's: the contract, the audio, short utterances, and foreign mels."""

import dataclasses
import json

import numpy as np
import pytest
import soundfile
from conftest import exported, untrained, write_tflite

from hifigan_tf import extract_mel, to_tflite, vocode
from hifigan_tf.audio.audio_files import normalize
from hifigan_tf.audio.mel_formats import ForeignMelError
from hifigan_tf.audio.mel_numpy import NumpyMelSpectrogram
from hifigan_tf.audio.mel_scale import silent_frame, to_natural_log
from hifigan_tf.audio.mel_stream import MelStream, mel_spectrogram
from hifigan_tf.errors import UserError
from hifigan_tf.streaming import StreamingVocoder, contract, load_vocoder
from hifigan_tf.streaming import vocode as vocode_mel
from hifigan_tf.streaming.contract import MelContract
from hifigan_tf.streaming.mel_frontend import TfliteMelSpectrogram


@pytest.fixture(scope="module")
def other(tiny):
    """A config with a mel of another library, normalised with a mean and a scale for each band."""
    mean, scale = np.linspace(-2, -3, 16).tolist(), np.linspace(0.6, 0.8, 16).tolist()
    return tiny.replace(
        mel_log="log10", mel_floor=1e-10, mel_centred=True, fmin=80, fmax=3800, mel_mean=mean, mel_scale=scale
    )


@pytest.fixture(scope="module")
def generator(other):
    return untrained(other)


@pytest.fixture(scope="module")
def model(generator, tmp_path_factory):
    return write_tflite(tmp_path_factory.mktemp("model") / "other.tflite", generator)


@pytest.fixture(scope="module")
def speech():
    time = np.arange(9000) / 8000
    tone = sum(np.sin(2 * np.pi * 150 * harmonic * time) / harmonic for harmonic in range(1, 12))
    return normalize((tone * (1 + np.sin(25 * time))).astype(np.float32))


def test_the_contract_is_of_format_2_and_says_everything(model, other):
    found = contract.read(model.read_bytes(), "x")
    assert (found.format, found.log_base, found.log_floor) == (2, "10", 1e-10)
    assert found.audio_config == other.audio
    assert found.audio["mel_mean"] == list(other.audio.mel_mean)


@pytest.mark.parametrize("number", [0, 3])
def test_contracts_of_other_formats_are_refused(model, number):
    bare = contract.unpack(model.read_bytes())
    changed = contract.pack(bare, dataclasses.replace(contract.read(model.read_bytes(), "x"), format=number))
    with pytest.raises(UserError, match=f"x has a contract of format {number}, this version reads 1 and 2: export it"):
        contract.read(changed, "x")


def test_a_contract_whose_mel_contradicts_itself_is_refused(model):
    whole = contract.read(model.read_bytes(), "x")
    changed = dataclasses.replace(whole, audio={**whole.audio, "mel_scale": [0.5] * 15})
    with pytest.raises(UserError, match=r"'mel_scale' is .*a list of one for each of the 16 num_mels"):
        contract.read(contract.pack(model.read_bytes(), changed), "x")


def test_recordings_and_their_mels_become_the_same_audio(model, generator, other, speech, tmp_path):
    (tmp_path / "in").mkdir()
    soundfile.write(tmp_path / "in" / "speech.wav", speech, 8000, "FLOAT")
    common = ("--checkpoint", str(model), "--output-dir")
    extract_mel.main([*common, str(tmp_path / "mels"), str(tmp_path / "in")])
    mel = np.load(tmp_path / "mels" / "speech.npy")
    np.testing.assert_array_equal(mel, mel_spectrogram(normalize(speech), NumpyMelSpectrogram.of(other.audio)))
    vocode.main([*common, str(tmp_path / "from_audio"), str(tmp_path / "in")])
    vocode.main([*common, str(tmp_path / "from_mel"), str(tmp_path / "mels")])
    np.save(tmp_path / "mels" / "speech.npy", to_natural_log(mel, other.audio))
    vocode.main([*common, str(tmp_path / "converted"), "--mel-format", "log", str(tmp_path / "mels")])
    audio = {
        name: soundfile.read(tmp_path / name / "speech.wav")[0] for name in ("from_audio", "from_mel", "converted")
    }
    assert len(audio["from_audio"]) == len(speech)
    expected = generator(mel[None]).numpy()[0, :, 0]
    np.testing.assert_allclose(audio["from_mel"], expected, atol=1e-3)
    for name in ("from_audio", "converted"):
        np.testing.assert_allclose(audio[name], audio["from_mel"][: len(audio[name])], atol=1e-3)


def test_short_utterances_are_padded_with_the_models_silence(generator, other):
    model = load_vocoder(exported(generator, "int16", frames=64))
    assert model.contract.window_edge is None
    mel = np.tile(silent_frame(other.audio), [64, 1])
    mel[:40] += np.random.default_rng(0).uniform(0, 5, (40, 16)).astype(np.float32)
    np.testing.assert_array_equal(model.run(mel[:40]), model.run(mel)[: 40 * 32])


def test_foreign_mels_are_refused_and_own_ones_are_not(model, other, speech):
    mel = mel_spectrogram(speech, NumpyMelSpectrogram.of(other.audio))
    natural = to_natural_log(mel, other.audio)
    vocoder = StreamingVocoder(model)
    assert len(vocoder.push(mel)) + len(vocoder.flush()) == len(mel) * 32
    vocoder.reset()
    for foreign, looks in ((20 * natural / np.log(10), "look like decibels"), (np.exp(natural), "without a logarithm")):
        with pytest.raises(ForeignMelError, match=looks) as error:
            vocoder.push(foreign)
        expected = (
            "this model takes base-10 logarithms of at least 1e-10 with the model's mean and scale; check_mel=False"
        )
        assert expected in str(error.value)
        with pytest.raises(ForeignMelError):
            vocoder.push(mel[:1])
        restored = StreamingVocoder(vocoder.model)
        restored.state = vocoder.state
        with pytest.raises(ForeignMelError, match=looks):
            restored.push(mel[:1])
        vocoder.reset()
    assert len(vocode_mel(model, np.exp(natural), check_mel=False)) == len(mel) * 32
    with pytest.raises(ForeignMelError):
        vocode_mel(model, np.exp(natural))


def test_a_stream_stops_before_a_foreign_mel_is_heard(tiny, speech):
    papers = mel_spectrogram(speech, NumpyMelSpectrogram.of(tiny.audio))
    normalized = (papers - papers.mean()) / papers.std()
    vocoder, played, refused = StreamingVocoder(exported(untrained(tiny), "float32", (4,))), 0, False
    for frame in normalized:
        try:
            played += len(vocoder.push(frame[None]))
        except ForeignMelError:
            refused = True
    assert refused
    assert played == 0
    trusting = StreamingVocoder(vocoder.model, check_mel=False)
    assert len(trusting.push(normalized)) + len(trusting.flush()) == len(normalized) * 32


def test_the_exported_front_end_of_a_checkpoint(generator, other, speech, tmp_path):
    generator.save(tmp_path / "other.keras")
    options = ("--mel-frontend", "--checkpoint", tmp_path / "other.keras", "--output", tmp_path / "mel.tflite")
    assert to_tflite.main([*map(str, options)]) == 0
    front_end = TfliteMelSpectrogram(tmp_path / "mel.tflite")
    assert front_end.audio == other.audio
    values = json.loads(contract.read_kind((tmp_path / "mel.tflite").read_bytes(), "x", MelContract).dumps())
    assert (values["format"], values["mirrored_samples"], values["min_samples"]) == (2, [64, 32], 65)
    mels = MelStream(front_end)
    mel = np.concatenate([*(mels.push(speech[start : start + 700]) for start in range(0, 9000, 700)), mels.flush()])
    expected = mel_spectrogram(speech, NumpyMelSpectrogram.of(other.audio))
    np.testing.assert_allclose(mel, expected, atol=2e-3)
