"""The mels of other libraries: ``extract_mel`` with their settings writes what they compute, frame for frame.

``data/library_mels.npz`` holds one synthetic clip at three rates and the mel that each library's own code makes of it.
"""

import dataclasses
import json
import zipfile

import keras
import librosa
import numpy as np
import pytest
import soundfile
import tensorflow as tf
from conftest import DATA

from hifigan_tf import extract_mel, import_checkpoint
from hifigan_tf.audio.mel import MelSpectrogram
from hifigan_tf.audio.mel_numpy import NumpyMelSpectrogram
from hifigan_tf.audio.mel_scale import pad_with_silence, silent_frame, to_model_mel, to_natural_log
from hifigan_tf.audio.mel_stream import MelStream, mel_spectrogram
from hifigan_tf.config import LOG_MIN, Config
from hifigan_tf.export import mel_frontend
from hifigan_tf.models.generator import Generator, load_generator
from hifigan_tf.resources import CONFIGS
from hifigan_tf.streaming.contract import MelContract, mel_fields, read_kind
from hifigan_tf.streaming.mel_frontend import TfliteMelSpectrogram

V1 = Config.load(CONFIGS / "v1.json").audio
BASE_10 = {"fmin": 80, "fmax": 7600, "mel_log": "log10", "mel_floor": 1e-10, "mel_centred": True}
# Of each library: its settings, the largest and the mean difference of its mel.
LIBRARIES = {
    "speecht5_log10_16000": ({"sampling_rate": 16000, **BASE_10}, 0.06, 1e-5),
    "parallel_wavegan_log10_22050": (BASE_10, 0.06, 1e-6),
    "parallel_wavegan_log10_24000": (
        {"sampling_rate": 24000, "n_fft": 2048, "hop_size": 300, "win_size": 1200, **BASE_10},
        0.06,
        1e-6,
    ),
    "coqui_log_22050": ({"mel_floor": 1e-8, "mel_centred": True}, 0.06, 1e-6),
    "speechbrain_log_22050": ({"mel_centred": True}, 0.06, 1e-4),  # without the paper's 1e-9 below the root
    "nemo_log_22050": ({"mel_symmetric_window": True}, 0.06, 1e-4),
}


@pytest.fixture(scope="module")
def library_mels():
    with np.load(DATA / "library_mels.npz") as arrays:
        return dict(arrays)


def settings(name):
    return dataclasses.replace(V1, **LIBRARIES[name][0])


CHECKPOINTS = {
    "speecht5_log10_16000": "transformers/speecht5_hifigan",
    "parallel_wavegan_log10_22050": "parallel_wavegan/ljspeech_like",
    "parallel_wavegan_log10_24000": "parallel_wavegan/24k_like",
    "coqui_log_22050": "coqui/best_model_new_names",
    "speechbrain_log_22050": "speechbrain/tts_hifigan_like",
    "nemo_log_22050": "nemo/hifigan.nemo",
}


@pytest.mark.parametrize("name", LIBRARIES)
def test_extract_mel_with_an_imported_checkpoint_writes_its_librarys_mel(name, library_mels, tmp_path):
    audio, (_, largest, mean) = settings(name), LIBRARIES[name]
    samples, expected = library_mels[f"audio_{audio.sampling_rate}"], library_mels[name]
    soundfile.write(tmp_path / "clip.wav", samples, audio.sampling_rate, "FLOAT")
    import_checkpoint.main([str(DATA / "checkpoints" / CHECKPOINTS[name]), "--output", str(tmp_path / "g.keras")])
    imported = load_generator(tmp_path / "g.keras").audio
    assert dataclasses.replace(imported, mel_mean=0.0, mel_scale=1.0, fmax_for_loss=None) == audio
    options = ("--checkpoint", tmp_path / "g.keras", "--keep-level", "--output-dir", tmp_path, tmp_path / "clip.wav")
    assert extract_mel.main([*map(str, options)]) in (None, 0)
    # The libraries' mels are those before their statistics.
    mel = np.load(tmp_path / "clip.npy") * np.float64(imported.mel_scale) + np.float64(imported.mel_mean)
    # A frame for every started hop. Centred libraries have one more where the hop divides the length, and NeMo has
    # none for a last hop that is not whole. The frames that both have are the same, at both ends too.
    assert len(mel) == -(-len(samples) // audio.hop_size)
    assert len(expected) == len(samples) // audio.hop_size + audio.mel_centred
    frames = min(len(mel), len(expected))
    difference = np.abs(mel[:frames] - expected[:frames])
    assert difference.max() <= largest
    assert difference.mean() <= mean


@pytest.mark.parametrize("name", ["speecht5_log10_16000", "parallel_wavegan_log10_24000", "coqui_log_22050"])
def test_the_keras_layer_and_its_tflite_compute_it_too(name, library_mels, tmp_path):
    audio = settings(name)
    samples, expected = library_mels[f"audio_{audio.sampling_rate}"], library_mels[name]
    layer = MelSpectrogram.of(audio)
    layer = MelSpectrogram.from_config(json.loads(json.dumps(layer.get_config())))  # as from a saved model
    model = mel_frontend.build(audio).packed()
    assert read_kind(model, "x", MelContract).audio_config == audio
    for front_end in (layer, TfliteMelSpectrogram(model)):
        mel = mel_spectrogram(samples, front_end)
        # Down to the floor, below what 32-bit numbers can tell of a loud frame.
        np.testing.assert_allclose(mel, expected[: len(mel)], atol=0.06)
        assert np.abs(mel - expected[: len(mel)]).mean() < 1e-5


@pytest.mark.parametrize("samples", [1, 255, 256, 257, 512, 513, 514, 1023, 1024, 1025, 4096, 4097, 4351])
@pytest.mark.parametrize("size", [100, 1024, 5000])
def test_centred_frames_are_librosas_at_any_length_and_in_pieces_of_any_size(samples, size):
    audio = np.random.default_rng(samples).normal(0, 0.1, samples).astype(np.float32)
    front_end = NumpyMelSpectrogram.of(dataclasses.replace(V1, **BASE_10))
    assert front_end.min_samples == 513
    mel = mel_spectrogram(audio, front_end)
    assert mel.shape == (-(-samples // 256), 80)
    mels = MelStream(front_end)
    pieces = [mels.push(audio[start : start + size]) for start in range(0, samples, size)]
    np.testing.assert_allclose(np.concatenate([*pieces, mels.flush()]), mel, atol=1e-6)
    # librosa mirrors a recording shorter than half a window again and again; here silence follows it.
    long_enough = np.pad(audio, (0, max(0, 513 - samples)))
    magnitude = np.abs(librosa.stft(long_enough, n_fft=1024, hop_length=256, pad_mode="reflect"))
    filters = librosa.filters.mel(sr=22050, n_fft=1024, n_mels=80, fmin=80, fmax=7600)
    expected = np.log10(np.maximum(filters @ magnitude, 1e-10)).T
    np.testing.assert_allclose(mel, expected[: len(mel)], atol=1e-3)


def test_audio_of_whole_hops_has_a_frame_for_each_in_training():
    front_end = MelSpectrogram.of(dataclasses.replace(V1, **BASE_10))
    audio = np.random.default_rng(0).normal(0, 0.1, (2, 8 * 256)).astype(np.float32)
    mel = front_end(audio).numpy()
    assert mel.shape == (2, 8, 80) == tuple(front_end.compute_output_shape(audio.shape))
    np.testing.assert_allclose(mel[1], mel_spectrogram(audio[1], front_end), atol=1e-6)


def test_mean_and_scale_are_applied_to_every_band(library_mels):
    mean, scale = tuple(np.linspace(-3, -2, 80)), tuple(np.linspace(0.5, 1.5, 80))
    plain = settings("parallel_wavegan_log10_22050")
    audio = dataclasses.replace(plain, mel_mean=mean, mel_scale=scale)
    expected = (library_mels["parallel_wavegan_log10_22050"] - np.float64(mean)) / np.float64(scale)
    for kind in (NumpyMelSpectrogram, MelSpectrogram):
        mel = mel_spectrogram(library_mels["audio_22050"], kind.of(audio))
        np.testing.assert_allclose(mel, expected, atol=1e-2)
    natural = to_natural_log(mel, audio)
    np.testing.assert_allclose(natural, np.log(10) * library_mels["parallel_wavegan_log10_22050"], atol=2e-2)
    np.testing.assert_allclose(to_model_mel(natural, audio), mel, atol=1e-5)


@pytest.mark.parametrize("name", LIBRARIES)
def test_silence_is_the_floor_of_the_models_own_mel(name):
    audio = dataclasses.replace(settings(name), mel_mean=-1.5, mel_scale=2.0)
    floor = {"log10": np.log10, "natural": np.log}[audio.mel_log](audio.mel_floor)
    np.testing.assert_allclose(silent_frame(audio), np.full(80, (floor + 1.5) / 2), rtol=1e-6)
    for front_end in (NumpyMelSpectrogram.of(audio), MelSpectrogram.of(audio)):
        mel = mel_spectrogram(np.zeros(9000, np.float32), front_end)
        np.testing.assert_allclose(mel, np.tile(silent_frame(audio), [len(mel), 1]), rtol=1e-6)
    padded = pad_with_silence(mel[:2], 5, audio)
    np.testing.assert_allclose(padded, mel[:5], rtol=1e-6)
    assert len(pad_with_silence(mel, 5, audio)) == len(mel)


def test_the_papers_mel_is_what_it_was():
    audio = V1
    assert MelSpectrogram.of(audio).power_floor == 1e-9
    np.testing.assert_array_equal(silent_frame(audio), np.float32(LOG_MIN))
    mel = np.random.default_rng(0).uniform(LOG_MIN, 2, (9, 80)).astype(np.float32)
    assert to_natural_log(mel, audio) is mel or np.array_equal(to_natural_log(mel, audio), mel)
    np.testing.assert_array_equal(to_model_mel(mel, audio), mel)


def test_the_loss_is_on_the_papers_scale_in_the_models_bands():
    audio = dataclasses.replace(V1, **BASE_10, mel_mean=(-2.0,) * 80, mel_scale=0.5, fmax_for_loss=None)
    loss = MelSpectrogram.of(audio, for_loss=True)
    assert (loss.mel_log, loss.mel_floor, loss.mel_mean, loss.mel_scale) == ("natural", 1e-5, 0, 1)
    assert (loss.fmin, loss.fmax, loss.mel_centred) == (80, None, True)
    noise = tf.random.stateless_normal([1, 8192], [0, 0], stddev=0.1)
    papers = MelSpectrogram.of(dataclasses.replace(V1, fmin=80, fmax=None, mel_centred=True))
    np.testing.assert_array_equal(loss(noise), papers(noise))


def test_a_keras_file_knows_its_mel(tmp_path):
    config = Config.load(CONFIGS / "v3.json")
    for values in ({}, {**BASE_10, "mel_mean": [-2.0] * 80, "mel_scale": [0.5] * 80}):
        audio = config.replace(upsample_initial_channel=8, **values).audio
        generator = Generator.of(config.replace(upsample_initial_channel=8).generator, audio)
        generator.save(tmp_path / "model.keras")
        assert load_generator(tmp_path / "model.keras").audio == audio
        with zipfile.ZipFile(tmp_path / "model.keras") as archive:
            stored = json.loads(archive.read("config.json"))["config"]["audio"]
        assert any(key.startswith("mel_") for key in stored) == bool(values)
        assert extract_mel.audio_of(tmp_path / "model.keras") == audio
    keras.utils.clear_session()


def test_a_contract_of_the_papers_mel_is_of_format_1():
    fields = mel_fields(V1)
    assert (fields["format"], fields["log_base"], fields["log_floor"]) == (1, "e", 1e-5)
    assert set(fields["audio"]) == {
        *("sampling_rate", "num_mels", "n_fft", "hop_size", "win_size", "fmin", "fmax", "fmax_for_loss")
    }
    fields = mel_fields(settings("speecht5_log10_16000"))
    assert (fields["format"], fields["log_base"], fields["log_floor"]) == (2, "10", 1e-10)
    contract = mel_frontend.build(settings("parallel_wavegan_log10_22050")).contract
    assert (contract.mirrored_samples, contract.mirrored, contract.min_samples) == ((512, 256), (512, 256), 513)
    assert mel_frontend.build(V1).contract.mirrored_samples == 384
