"""Generators that pad by reflection, or normalise their input: exact in every graph, at both ends."""

import dataclasses

import keras
import numpy as np
import pytest
import tensorflow as tf
from conftest import exported, snr, stream
from test_graph import loud, mel_of, offline
from test_graph import stream as stream_graph

from hifigan_tf.config import Config
from hifigan_tf.errors import UserError
from hifigan_tf.export.graph import Deployment
from hifigan_tf.export.network import fold
from hifigan_tf.models.generator import Generator, load_generator
from hifigan_tf.models.layers import reflect
from hifigan_tf.streaming.litert import load_tflite
from hifigan_tf.streaming.streaming_vocoder import StreamingVocoder

REFLECT = {"padding": "reflect", "leaky_slope": 0.2, "last_leaky_slope": 0.2}
NORMALISED = {
    "input_mean": [-4.0 + band / 8 for band in range(16)],
    "input_scale": [1 + band / 16 for band in range(16)],
}
ODD = {"upsample_rates": [5, 3], "upsample_kernel_sizes": [10, 6], "hop_size": 15, "n_fft": 135, "segment_size": 1500}
KINDS = {
    "reflected": REFLECT,
    "reflected and normalised": {**REFLECT, **NORMALISED},
    "normalised": NORMALISED,
    "reflected, residual blocks 1": {**REFLECT, "resblock": "1", "resblock_dilation_sizes": [[1, 3], [1, 5]]},
    "reflected, odd kernels": {**REFLECT, **ODD, "upsample_output_padding": True},
    "reflected, odd kernels, a step more": {**REFLECT, **ODD, "upsample_output_padding": False},
    "reflected, four samples a step": {
        **REFLECT,
        "samples_per_step": 4,
        "upsample_rates": [4, 2],
        "upsample_kernel_sizes": [8, 4],
    },
}


def generator_of(tiny: Config, kind: str, seed: int = 0) -> Generator:
    config = tiny.replace(**KINDS[kind])
    keras.utils.set_random_seed(seed)
    return loud(Generator.of(config.generator, config.audio), seed)


@pytest.mark.parametrize("length", [1, 2, 3, 7])
@pytest.mark.parametrize("steps", [1, 2, 5, 9])
def test_reflection_is_numpys_and_repeats_where_the_input_is_short(length, steps):
    x = np.random.default_rng(0).standard_normal((2, length, 3)).astype(np.float32)
    mirrored = np.pad(x, [[0, 0], [steps, steps], [0, 0]], "reflect") if length > 1 else x.repeat(1 + 2 * steps, axis=1)
    np.testing.assert_array_equal(reflect(x, steps), mirrored)


@pytest.mark.parametrize("kind", KINDS)
def test_streams_of_any_length_equal_the_generator_at_both_ends(tiny, kind):
    generator = generator_of(tiny, kind)
    deployment, hop = Deployment(fold(generator)), generator.audio.hop_size
    assert deployment.spec.delay_samples == generator.hyper_parameters.delay_samples
    for frames, chunks in ((1, (1, 4)), (2, (3,)), (5, (1, 2)), (33, (1, 5, 16))):
        mel = mel_of(generator, frames)
        reference = offline(generator, mel)
        assert reference.std() > 0.02
        np.testing.assert_allclose(deployment.whole(tf.constant(mel[None]))[0], reference, atol=2e-5)
        for chunk in chunks:
            np.testing.assert_allclose(stream_graph(deployment, mel, chunk, hop), reference, atol=2e-5)


@pytest.mark.parametrize("kind", ["reflected and normalised", "reflected, odd kernels, a step more"])
def test_a_masked_window_ends_where_the_utterance_does(tiny, kind):
    generator = generator_of(tiny, kind)
    deployment = Deployment(fold(generator))
    for frames in (1, 3, 12):
        mel = mel_of(generator, frames)
        padded = np.pad(mel, [[0, 20 - frames], [0, 0]])[None]
        audio = deployment.whole(tf.constant(padded), tf.constant([0, frames]))[0, : frames * generator.audio.hop_size]
        np.testing.assert_allclose(audio, offline(generator, mel), atol=2e-5)


def test_zeros_and_reflection_differ_at_the_ends_alone(tiny):
    mirrored = generator_of(tiny, "reflected")
    options = dataclasses.replace(mirrored.hyper_parameters, padding="zero")
    zeros = Generator.of(options, mirrored.audio)
    zeros.set_weights(mirrored.get_weights())
    mel = mel_of(mirrored, 60)
    difference = np.abs(offline(mirrored, mel) - offline(zeros, mel))
    hop = mirrored.audio.hop_size
    assert difference[: 4 * hop].max() > 0.01
    assert difference[-4 * hop :].max() > 0.01
    assert difference[25 * hop : -25 * hop].max() < 1e-6


def test_a_mean_is_not_a_bias_at_the_ends(tiny):
    """Folded into the first convolution, the mean would stand outside the utterance too."""
    generator = generator_of(tiny, "normalised")
    mel = mel_of(generator, 30)
    options = generator.hyper_parameters
    plain = Generator.of(dataclasses.replace(options, input_mean=0.0, input_scale=1.0), generator.audio)
    plain.set_weights(generator.get_weights())
    normalised = (mel - np.float32(options.input_mean)) / np.float32(options.input_scale)
    np.testing.assert_allclose(offline(generator, mel), offline(plain, normalised), atol=1e-6)


@pytest.mark.parametrize("kind", ["reflected and normalised", "reflected, odd kernels"])
def test_float_exports_equal_the_generator(tiny, kind, tmp_path):
    generator = generator_of(tiny, kind)
    generator.save(tmp_path / "g.keras")
    loaded = load_generator(tmp_path / "g.keras")
    assert loaded.hyper_parameters == generator.hyper_parameters
    models = [load_tflite(exported(generator, chunks=(1, 4))), load_tflite(exported(generator, frames=64))]
    models.append(StreamingVocoder(loaded, chunk_frames=8).model)
    for frames in (1, 2, 9, 100):
        mel = mel_of(generator, frames)
        reference = offline(generator, mel)
        for model in models:
            for sizes in ([3, 7, 1], [100]):
                np.testing.assert_allclose(stream(model, mel, sizes), reference, atol=1e-4)


@pytest.mark.parametrize(
    ("mode", "frames", "decibels"),
    [("float16", None, 40), ("int8", None, 20), ("int8", 64, 18), ("full_int8", 64, 8), ("int16", 64, 15)],
)
def test_quantized_exports_are_near_the_generator(tiny, mode, frames, decibels):
    generator = generator_of(tiny, "reflected and normalised")
    mels = [mel_of(generator, 100, seed) for seed in (1, 2)]
    data = exported(generator, mode, frames=frames, mels=None if mode == "float16" else mels)
    model = load_tflite(data)
    mel = mel_of(generator, 90, seed=3)
    audio = stream(model, mel, [90])
    np.testing.assert_array_equal(stream(model, mel, [7, 30]), audio)
    assert snr(offline(generator, mel), audio) > decibels


def test_the_papers_generator_is_described_as_before(tiny):
    assert set(tiny.generator.to_dict()) == {
        "resblock",
        "upsample_rates",
        "upsample_kernel_sizes",
        "upsample_initial_channel",
        "resblock_kernel_sizes",
        "resblock_dilation_sizes",
        "lookahead_frames",
        "samples_per_step",
        "upsample_output_padding",
    }
    assert tiny.replace(padding="reflect").generator.to_dict()["padding"] == "reflect"


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"padding": "mirror"}, "'padding' is 'mirror': it must be"),
        ({"padding": "reflect", "lookahead_frames": 1}, "with lookahead_frames it must be zero"),
        ({"leaky_slope": 1.0}, "'leaky_slope' is 1.0: it must be at least 0 and below 1"),
        ({"last_leaky_slope": "0.1"}, "'last_leaky_slope' is '0.1'"),
        ({"input_mean": [1.0, 2.0]}, "'input_mean' is .*one for each of the 16 num_mels"),
        ({"input_mean": []}, "'input_mean' is .*it must be a number, or a list of them"),
        ({"input_scale": 0}, "'input_scale' is 0: every number of it must be above 0"),
        ({"replicated_frames": -1}, "'replicated_frames' is -1"),
    ],
)
def test_options_are_checked(tiny, changes, message):
    with pytest.raises(UserError, match=message):
        tiny.replace(**changes)
