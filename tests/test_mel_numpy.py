"""The mel in NumPy: librosa's filters, the Keras layer's mels, whole or in pieces, and nothing heavy imported."""

import dataclasses
import logging

import librosa
import numpy as np
import pytest

from hifigan_tf.audio.audio_files import find_audio, load_audio, normalize
from hifigan_tf.audio.mel import MelSpectrogram
from hifigan_tf.audio.mel_numpy import BLOCK, NumpyMelSpectrogram, mel_basis, mel_edges, warn_of_empty_bands
from hifigan_tf.audio.mel_stream import MOST_FRAMES, MelStream, mel_spectrogram
from hifigan_tf.config import Config
from hifigan_tf.resources import CONFIGS, DEMO_HELD_OUT

V1 = Config.load(CONFIGS / "v1.json").audio
SETTINGS = {
    "v1": V1,
    "16 kHz": dataclasses.replace(V1, sampling_rate=16000, hop_size=200, win_size=800, fmin=80, fmax=7600),
    "odd sizes, up to half the rate": dataclasses.replace(V1, n_fft=735, hop_size=245, win_size=700, fmax=None),
    "48 kHz": dataclasses.replace(
        V1, sampling_rate=48000, n_fft=2048, hop_size=512, win_size=2048, num_mels=128, fmin=20, fmax=20000
    ),
    "above 1 kHz alone": dataclasses.replace(V1, fmin=1500, num_mels=20),
    "no overlap": dataclasses.replace(V1, n_fft=256, win_size=256, num_mels=20),
    "centred": dataclasses.replace(V1, mel_centred=True),
    "symmetric window": dataclasses.replace(V1, mel_symmetric_window=True),
    "base 10, normalised": dataclasses.replace(
        V1, mel_centred=True, mel_log="log10", mel_floor=1e-4, mel_mean=tuple(np.linspace(-2, -3, 80)), mel_scale=0.7
    ),
    "centred, odd sizes": dataclasses.replace(V1, n_fft=735, hop_size=244, win_size=700, mel_centred=True),
}
LIMIT = 1e-3  # of a log-mel, at any frame and band; the mean is a hundredth of that


@pytest.mark.parametrize("name", SETTINGS)
@pytest.mark.parametrize("key", ["fmax", "fmax_for_loss"])
def test_the_filters_are_librosas_to_the_last_bit_but_one(name, key):
    audio = SETTINGS[name]
    settings = (audio.sampling_rate, audio.n_fft, audio.num_mels, audio.fmin, getattr(audio, key))
    filters = mel_basis(*settings)
    rate, n_fft, num_mels, fmin, fmax = settings
    expected = librosa.filters.mel(sr=rate, n_fft=n_fft, n_mels=num_mels, fmin=fmin, fmax=fmax).T
    assert filters.shape == expected.shape
    assert filters.dtype == np.float32
    np.testing.assert_array_equal(filters > 0, expected > 0)
    np.testing.assert_allclose(filters, expected, rtol=2.5e-7)  # two roundings of float32
    edges = librosa.mel_frequencies(n_mels=num_mels + 2, fmin=fmin, fmax=fmax or rate / 2)
    np.testing.assert_allclose(mel_edges(rate, num_mels, fmin, fmax), edges, rtol=1e-12)


@pytest.mark.parametrize("name", SETTINGS)
@pytest.mark.parametrize("for_loss", [False, True])
def test_speech_has_the_mel_of_the_keras_layer(name, for_loss):
    ours, theirs = (kind.of(SETTINGS[name], for_loss) for kind in (NumpyMelSpectrogram, MelSpectrogram))
    for path in find_audio(DEMO_HELD_OUT):
        speech = normalize(load_audio(path, SETTINGS[name].sampling_rate))
        mel, expected = (mel_spectrogram(speech, front_end) for front_end in (ours, theirs))
        assert mel.shape == expected.shape
        assert mel.dtype == np.float32
        assert np.abs(mel - expected).max() <= LIMIT
        assert np.abs(mel - expected).mean() <= LIMIT / 100


def test_recordings_of_a_person(shared):
    ours, theirs = NumpyMelSpectrogram.of(V1), MelSpectrogram.of(V1)
    for path in find_audio(shared / "speech")[::6]:
        speech = normalize(load_audio(path, V1.sampling_rate))
        difference = np.abs(mel_spectrogram(speech, ours) - mel_spectrogram(speech, theirs))
        assert difference.max() <= LIMIT
        assert difference.mean() <= LIMIT / 100


@pytest.mark.parametrize("samples", [1, 255, 256, 257, 384, 385, 1023, 1024, 4097])
def test_recordings_of_every_length_whole_and_in_pieces(samples):
    audio = np.random.default_rng(0).normal(0, 0.1, samples).astype(np.float32)
    front_end = NumpyMelSpectrogram.of(V1)
    assert front_end.min_samples == MelSpectrogram.of(V1).min_samples == 385
    mel = mel_spectrogram(audio, front_end)
    np.testing.assert_allclose(mel, mel_spectrogram(audio, MelSpectrogram.of(V1)), atol=LIMIT)
    mels = MelStream(front_end)
    pieces = [mels.push(audio[start : start + 100]) for start in range(0, samples, 100)]
    np.testing.assert_allclose(np.concatenate([*pieces, mels.flush()]), mel, atol=1e-6)


@pytest.mark.parametrize("frames", [BLOCK - 1, BLOCK, BLOCK + 1, 2 * BLOCK + 3, MOST_FRAMES + 1])
def test_blocks_are_not_heard(frames):
    audio = np.random.default_rng(0).normal(0, 0.1, frames * V1.hop_size).astype(np.float32)
    front_end = NumpyMelSpectrogram.of(V1)
    mel = mel_spectrogram(audio, front_end)
    assert mel.shape == (frames, V1.num_mels)
    mirrored = np.pad(audio, 384, mode="reflect")[None].astype(np.float32)
    assert front_end.analyze(np.repeat(mirrored, 2, axis=0)).shape == (2, frames, V1.num_mels)
    for frame in (0, BLOCK - 2, frames - 1):
        alone = front_end.analyze(mirrored[:, frame * V1.hop_size :][:, : V1.n_fft])
        np.testing.assert_allclose(alone[0, 0], mel[frame], atol=1e-6)


def test_silence_is_at_the_floor():
    mel = mel_spectrogram(np.zeros(5000, np.float32), NumpyMelSpectrogram.of(V1))
    np.testing.assert_allclose(mel, np.log(1e-5), atol=1e-6)


def test_bands_without_a_bin_are_warned_of(caplog):
    caplog.set_level(logging.WARNING, logger="hifigan_tf")
    warn_of_empty_bands(V1)
    assert not caplog.records
    audio = dataclasses.replace(V1, sampling_rate=48000, num_mels=256)
    warn_of_empty_bands(audio)
    messages = [record.getMessage() for record in caplog.records]
    for message, fmax in zip(messages, (8000, 24000), strict=True):  # up to fmax, and up to fmax_for_loss
        basis = librosa.filters.mel(sr=48000, n_fft=1024, n_mels=256, fmin=0, fmax=fmax)
        empty = np.count_nonzero(basis.sum(axis=1) == 0)
        assert message.startswith(f"warning: {empty} of 256 mel bands up to {fmax} Hz hold no bin of n_fft 1024 at")
