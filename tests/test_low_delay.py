"""Generators with ``lookahead_frames`` and ``samples_per_step``: files, streams, exports, windows."""

import json
import zipfile

import keras
import numpy as np
import pytest
from conftest import LOW_DELAY, assert_one_error, exported, snr, stream, untrained
from hypothesis import given, settings
from hypothesis import strategies as st
from test_graph import mel_of, offline
from test_models import generators, small_audio

from benchmarks import train_step
from benchmarks.original import original
from hifigan_tf import to_tflite
from hifigan_tf.audio.audio_files import load_audio
from hifigan_tf.audio.mel import MelSpectrogram
from hifigan_tf.audio.mel_stream import mel_spectrogram
from hifigan_tf.config import Config
from hifigan_tf.data.pipeline import check_clips, training_batches
from hifigan_tf.errors import UserError
from hifigan_tf.models.generator import Generator, load_generator
from hifigan_tf.resources import CONFIGS, VOICE
from hifigan_tf.streaming.litert import load_tflite
from hifigan_tf.streaming.streaming_vocoder import StreamingVocoder, vocode
from hifigan_tf.streaming.windows import margins_of


@pytest.fixture(scope="module")
def tiny_live(tiny):
    return tiny.replace(**LOW_DELAY)


@pytest.fixture(scope="module")
def checkpoint(tiny_live, tmp_path_factory):
    path = tmp_path_factory.mktemp("live") / "best.keras"
    untrained(tiny_live).save(path)
    return path


@pytest.fixture(scope="module")
def live():
    """A model of full size, because a converter may treat a tiny one differently."""
    return untrained(Config.load(CONFIGS / "live.json"))


def test_a_keras_file_keeps_the_options(checkpoint, tiny_live):
    loaded = load_generator(checkpoint)
    assert loaded.hyper_parameters == tiny_live.generator
    assert loaded.compute_output_shape((1, 7, 16)) == (1, 7 * 32, 1)
    mel = mel_of(loaded, 9)
    np.testing.assert_allclose(offline(loaded, mel), offline(untrained(tiny_live), mel), atol=1e-6)
    np.testing.assert_allclose(loaded.predict(mel[None], verbose=0)[0, :, 0], offline(loaded, mel), atol=1e-5)


def test_an_older_keras_file_has_the_papers_generator(tiny, tiny_checkpoint, tmp_path):
    old = tmp_path / "old.keras"
    with zipfile.ZipFile(tiny_checkpoint) as source, zipfile.ZipFile(old, "w") as target:
        for name in source.namelist():
            content = source.read(name)
            if name == "config.json":
                config = json.loads(content)
                assert config["config"].pop("lookahead_frames") is None
                assert config["config"].pop("samples_per_step") == 1
                assert config["config"].pop("upsample_output_padding") is None
                content = json.dumps(config)
            target.writestr(name, content)
    assert load_generator(old).hyper_parameters == tiny.generator


MODES = ["float32", "float16", "int8", "stateless", "full_int8", "int16"]


@pytest.mark.parametrize("mode", MODES)
@settings(max_examples=2, deadline=None)
@given(
    config=generators(),
    frames=st.integers(1, 30),
    chunk=st.integers(1, 4),
    sizes=st.lists(st.integers(1, 9), min_size=1, max_size=4),
)
def test_an_export_of_any_config_in_every_mode_streams_the_samples_of_the_whole(mode, config, frames, chunk, sizes):
    keras.utils.set_random_seed(0)
    generator = Generator.of(config, small_audio(hop_size=config.hop_size))
    generator.conv_post.gain.assign(generator.conv_post.gain * 10)
    mel, mode, windowed = mel_of(generator, frames), mode.replace("stateless", "float32"), MODES.index(mode) >= 3
    model = load_tflite(
        exported(
            generator,
            mode,
            (chunk,),
            frames=sum(margins_of(config)) + chunk if windowed else None,
            mels=None if mode.startswith("float") else [mel_of(generator, 40, seed=1)],
        )
    )
    streamed = stream(model, mel, sizes)
    np.testing.assert_allclose(streamed, vocode(model, mel), atol=1e-4)
    if windowed:
        assert model.contract.margins == margins_of(config)
    else:
        assert model.contract.delay_samples == config.delay_samples
    if mode.startswith("float"):
        np.testing.assert_allclose(streamed, offline(generator, mel), atol=1e-4 if mode == "float32" else 1e-2)


# The names of the tensors, which the converter makes up, take 0.2 MB of each: newer ones are a fifth longer.
@pytest.mark.parametrize(("mode", "megabytes"), [("float32", 6), ("float16", 3.05), ("int8", 2.5)])
def test_live_streams_in_every_mode_with_a_quarter_of_the_delay(live, mode, megabytes):
    data = exported(live, mode, (4, 16), mels=[mel_of(live, 60)] if mode == "int8" else None)
    assert len(data) < megabytes * 1e6
    model = load_tflite(data)
    assert model.contract.delay_ms <= 30
    assert model.contract.delay_samples == live.hyper_parameters.delay_samples
    mel = mel_of(live, 50, seed=1)
    whole, reference = vocode(model, mel), offline(live, mel)
    np.testing.assert_array_equal(stream(model, mel, [7, 1, 12]), whole)
    if mode == "float32":
        np.testing.assert_allclose(whole, reference, atol=1e-4)
    else:
        error, loud = np.sqrt(np.mean((whole - reference) ** 2)), np.sqrt(np.mean(reference**2))
        assert error < {"float16": 2e-3, "int8": 0.1}[mode] * loud


def test_a_keras_generator_streams_exactly_too(checkpoint):
    generator = load_generator(checkpoint)
    mel = mel_of(generator, 90)
    audio = stream(StreamingVocoder(generator, chunk_frames=8).model, mel, [5, 30, 1])
    np.testing.assert_allclose(audio, offline(generator, mel), atol=1e-4)


@pytest.mark.parametrize("chunk", [1, 8])
def test_a_keras_stream_lags_by_the_margin_on_the_right(live, chunk):
    vocoder = StreamingVocoder(live, chunk_frames=chunk)
    left, right = vocoder.model.margins
    assert (left, right) == (22, 3)
    mel, hop = mel_of(live, 40), live.audio.hop_size
    lags, given = [], 0
    for pushed, frame in enumerate(mel, 1):
        given += len(vocoder.push(frame[None]))
        lags.append(pushed * hop - given)
    assert max(lags) == (right + chunk - 1) * hop == vocoder.delay_samples + (chunk - 1) * hop


@pytest.mark.parametrize(("mode", "decibels"), [("float16", 50), ("int8", 20), ("full_int8", 10), ("int16", 15)])
def test_windows_in_every_mode(tiny_live, tiny_mels, mode, decibels):
    generator = untrained(tiny_live)
    model = load_tflite(exported(generator, mode, frames=64, mels=tiny_mels if mode != "float16" else None))
    assert model.contract.margins == margins_of(generator.hyper_parameters)
    mel = tiny_mels[0][:100]
    audio = vocode(model, mel)
    np.testing.assert_array_equal(stream(model, mel, [7, 30]), audio)
    assert snr(offline(generator, mel), audio) > decibels


def test_given_mels_of_a_low_delay_config_come_with_the_audio_of_their_frames(tiny_live, corpus, tmp_path):
    """The generator's output is behind nothing: its delay is one of streaming alone."""
    front_end, mels = MelSpectrogram.of(tiny_live.audio), tmp_path / "mels"
    mels.mkdir()
    clips = sorted(corpus.glob("*.wav"))
    for clip in clips:
        np.save(mels / f"{clip.stem}.npy", mel_spectrogram(load_audio(clip, tiny_live.audio.sampling_rate), front_end))
    pairs = training_batches(check_clips(clips, tiny_live, mels), tiny_live, 0).take(4).as_numpy_iterator()
    margin = -(-tiny_live.audio.n_fft // tiny_live.audio.hop_size)  # frames that see beyond the segment
    for mel, audio in pairs:
        inner = front_end(audio).numpy()[:, margin:-margin]
        np.testing.assert_allclose(mel[:, margin:-margin], inner, atol=1e-4)


def test_a_mel_of_another_config_is_refused_and_leaves_the_stream_unharmed(checkpoint, tiny_live):
    for model in (load_generator(checkpoint), load_tflite(exported(untrained(tiny_live), chunks=(1, 4)))):
        vocoder, mel = StreamingVocoder(model), mel_of(untrained(tiny_live), 12)
        begun = vocoder.push(mel[:5])
        message = r"frames of shape \[1, 80\] were pushed: this model takes \[frames, 16\]"
        with pytest.raises(UserError, match=message):
            vocoder.push(np.zeros([1, 80], np.float32))
        audio = np.concatenate([begun, vocoder.push(mel[5:]), vocoder.flush()])
        np.testing.assert_allclose(audio, offline(untrained(tiny_live), mel), atol=1e-4)


def test_a_window_shorter_than_its_margins_is_refused(checkpoint, tmp_path):
    options = ["--checkpoint", str(checkpoint), "--stateless", "--frames", "10"]
    with pytest.raises(UserError, match=r"--frames 10 is too few: .* lose \d+ frames on the left and \d+ on the right"):
        to_tflite.main([*options, "--output", str(tmp_path / "model.tflite")])
    assert not any(tmp_path.iterdir())


def test_the_original_has_no_such_generator(tmp_path, command):
    source, output = tmp_path / "g_02500000", tmp_path / "v3.keras"
    source.write_bytes(b"weights")
    process = command("import_torch", source, "--config", CONFIGS / "live.json", "--output", output)
    assert_one_error(process, "has lookahead_frames = 1: the original has no such generator, leave it out")
    assert not output.exists()


def test_other_runtimes_are_only_for_the_papers_generator(checkpoint, tiny_live, tmp_path, monkeypatch):
    with pytest.raises(
        UserError, match=r"--against knows the paper's generator alone, and this one has lookahead_frames"
    ):
        original(load_generator(checkpoint))
    config = tmp_path / "live.json"
    config.write_text(tiny_live.replace(lookahead_frames=None).dumps())
    monkeypatch.setattr(train_step, "find_spec", lambda _: True)
    with pytest.raises(
        UserError, match="--against-torch knows the paper's generator alone, and live has samples_per_step"
    ):
        train_step.main(["--config", str(config), "--against-torch"])


def test_the_voice_has_the_live_config():
    config = Config.load(CONFIGS / "live.json")
    voice = load_generator(VOICE)
    assert (voice.hyper_parameters, voice.audio) == (config.generator, config.audio)
