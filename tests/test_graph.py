"""The deployment graph equals the generator: any chunks, both ends, every kind of config."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st
from test_models import generators, small_audio

from hifigan_tf.config import Config
from hifigan_tf.export.graph import Deployment
from hifigan_tf.export.network import fold, phase_kernel, upsampling_kernel
from hifigan_tf.models.generator import Generator
from hifigan_tf.resources import CONFIGS
from hifigan_tf.streaming.windows import margins_of

ODD = {
    "upsample_initial_channel": 16,
    "n_fft": 240,
    "win_size": 200,
    "segment_size": 6000,
    "num_mels": 20,
}
# The paper's three, narrowed; then kernels beyond and equal to twice the rate, other rates, rate 1, no halo.
CONFIGS_TO_TRY = {
    "v1": ("v1", {"upsample_initial_channel": 32}),
    "v2": ("v2", {}),
    "v3": ("v3", {"upsample_initial_channel": 32}),
    "16 kHz, kernels not a multiple": (
        "v1",
        {
            **ODD,
            "sampling_rate": 16000,
            "fmax": 7600,
            "hop_size": 60,
            "upsample_rates": [5, 3, 4],
            "upsample_kernel_sizes": [11, 3, 10],
            "resblock_kernel_sizes": [1, 3, 11],
            "resblock_dilation_sizes": [[1], [1, 3, 5], [2]],
        },
    ),
    "48 kHz, four taps, rate 1": (
        "v3",
        {
            **ODD,
            "sampling_rate": 48000,
            "hop_size": 20,
            "upsample_rates": [5, 1, 4],
            "upsample_kernel_sizes": [21, 1, 8],
            "resblock_kernel_sizes": [5],
            "resblock_dilation_sizes": [[1, 4]],
        },
    ),
    "live": ("live", {"upsample_initial_channel": 32}),
    "resblock 1, no lookahead, three samples a step": (
        "v2",
        {
            "hop_size": 192,
            "n_fft": 960,
            "win_size": 960,
            "segment_size": 6144,
            "lookahead_frames": 0,
            "samples_per_step": 3,
            "upsample_rates": [8, 8],
            "upsample_kernel_sizes": [16, 16],
        },
    ),
}


def loud(generator, seed: int = 0):
    """The generator with biases that make wrong ends visible, and loud enough to show errors."""
    rng = np.random.default_rng(seed)
    for layer in [generator.conv_pre, *generator.ups, generator.conv_post]:
        layer.gain.assign(layer.gain * 2)
        layer.bias.assign(rng.normal(0, 0.1, layer.bias.shape))
    return generator


def generator_of(name: str, seed: int = 0) -> Generator:
    """A generator with random weights, made ``loud``."""
    base, changes = CONFIGS_TO_TRY[name]
    config = Config.load(CONFIGS / f"{base}.json").replace(**changes)
    keras.utils.set_random_seed(seed)
    return loud(Generator.of(config.generator, config.audio), seed)


def mel_of(generator, frames, seed=0):
    return np.random.default_rng(seed).normal(-4, 2, [frames, generator.audio.num_mels]).astype(np.float32)


def offline(generator, mel):
    return np.asarray(generator(mel[None]))[0, :, 0]


def stream(deployment, mel, chunk, hop):
    """A whole utterance in chunks, masked only where the spec requires it."""
    spec, length = deployment.spec, len(mel)
    chunks = -(-(length + -(-spec.delay_samples // hop)) // chunk)
    padded = np.pad(mel, [[0, chunks * chunk - length], [0, 0]])
    states = {name: tf.zeros(shape) for name, shape in spec.states.items()}
    pieces = []
    for start in range(0, len(padded), chunk):
        edge = start < spec.mask_frames or length - start < chunk
        valid = tf.constant([-start, length - start]) if edge else None
        audio, states = deployment.stream(tf.constant(padded[None, start : start + chunk]), states, valid)
        pieces.append(audio.numpy()[0])
    return np.concatenate(pieces)[spec.delay_samples : spec.delay_samples + length * hop]


@pytest.mark.parametrize("name", CONFIGS_TO_TRY)
def test_streaming_equals_the_generator_start_and_end_included(name):
    generator = generator_of(name)
    deployment, hop = Deployment(fold(generator)), generator.audio.hop_size
    for frames in (1, 37):
        mel = mel_of(generator, frames)
        reference = offline(generator, mel)
        assert reference.std() > 0.05
        np.testing.assert_allclose(deployment.whole(mel[None])[0], reference, atol=1e-4)
        for chunk in (3, 16) if frames > 1 else (1, 4):
            np.testing.assert_allclose(stream(deployment, mel, chunk, hop), reference, atol=1e-4)


def test_a_masked_window_ends_where_the_utterance_does():
    generator = generator_of("v3")
    deployment, mel = Deployment(fold(generator)), mel_of(generator, 12)
    padded = np.pad(mel, [[0, 8], [0, 0]])[None]
    audio = deployment.whole(padded, tf.constant([0, 12]))[0, : 12 * 256]
    np.testing.assert_allclose(audio, offline(generator, mel), atol=1e-4)


def test_delay_and_states_are_those_of_the_config():
    v3 = Deployment(fold(generator_of("v3"))).spec
    assert (v3.delay_samples, v3.mask_frames, v3.states) == (2582, 11, {"state": (1, 4592)})
    assert Deployment(fold(generator_of("v1"))).spec.delay_samples == 3258


@settings(max_examples=12, deadline=None)
@given(config=generators(), frames=st.integers(1, 20), chunk=st.integers(1, 5))
def test_any_config_streams_its_offline_samples_with_the_stated_delay(config, frames, chunk):
    keras.utils.set_random_seed(0)
    generator = loud(Generator.of(config, small_audio(hop_size=config.hop_size)))
    deployment, mel = Deployment(fold(generator)), mel_of(generator, frames)
    assert deployment.spec.delay_samples == config.delay_samples
    reference = offline(generator, mel)
    np.testing.assert_allclose(deployment.whole(mel[None])[0], reference, atol=1e-4)
    np.testing.assert_allclose(stream(deployment, mel, chunk, config.hop_size), reference, atol=1e-4)


@pytest.mark.parametrize("name", ["v1", "v3"])
@pytest.mark.parametrize("lookahead", [0, 1, 3])
def test_lookahead_is_what_the_first_stage_sees_of_the_future(name, lookahead):
    config = Config.load(CONFIGS / f"{name}.json").replace(upsample_initial_channel=32, lookahead_frames=lookahead)
    keras.utils.set_random_seed(0)
    generator = loud(Generator.of(config.generator, config.audio))
    mel = mel_of(generator, 40)
    changed = mel.copy()
    changed[20:] += 1.0
    different = np.flatnonzero(offline(generator, mel) != offline(generator, changed))
    # The delay is the lookahead of a sample; it differs a little between the phases of an upsampling.
    assert 0 <= config.generator.delay_samples - (20 * 256 - different.min()) < 256


LIVE = {"lookahead_frames": 1, "samples_per_step": 4, "upsample_rates": [8, 8], "upsample_kernel_sizes": [16, 16]}


@pytest.mark.parametrize(("name", "delay"), [("v3", 592), ("v2", 652)])
def test_the_delay_of_low_delay_models(name, delay):
    config = Config.load(CONFIGS / f"{name}.json").replace(**LIVE)
    assert config.generator.delay_samples == delay
    assert delay / config.audio.sampling_rate < 0.030
    assert Config.load(CONFIGS / "live.json").generator.delay_samples == 652
    assert [Config.load(CONFIGS / f"v{n}.json").generator.delay_samples for n in (1, 2, 3)] == [3258, 3258, 2582]


@pytest.mark.parametrize("name", CONFIGS_TO_TRY)
def test_windows_cut_off_enough_and_not_much_more(name):
    generator = generator_of(name)
    (left, right), hop = margins_of(generator.hyper_parameters), generator.audio.hop_size
    mel = mel_of(generator, 1 + left + 3 + right + 1)  # three frames whose windows are all but the first and the last
    changed = mel.copy()
    changed[0] += 1.0
    changed[-1] += 1.0
    different = np.flatnonzero(np.abs(offline(generator, mel) - offline(generator, changed)) > 0) // hop
    assert not len(different[(different > left) & (different < left + 4)])
    assert different[different <= left].max() >= left - 2
    assert different[different > left].min() <= left + 6


@settings(max_examples=25, deadline=None)
@given(rate=st.integers(1, 6), extra=st.integers(0, 5), channels=st.integers(1, 3), filters=st.integers(1, 3))
def test_any_transposed_convolution_is_a_plain_one(rate, extra, channels, filters):
    size = rate + 2 * extra
    rng = np.random.default_rng(0)
    kernel = rng.normal(size=(size, filters, channels)).astype(np.float32)
    x = rng.normal(size=(1, 7, channels)).astype(np.float32)
    whole = keras.ops.conv_transpose(x, kernel, strides=rate, padding="valid")
    plain = upsampling_kernel(kernel, rate)
    padded = np.pad(x, [[0, 0], [len(plain) - 1, len(plain) - 1], [0, 0]])
    phases = np.asarray(keras.ops.conv(padded, plain, padding="valid")).reshape(1, -1, filters)
    np.testing.assert_allclose(phases[:, : whole.shape[1]], whole, atol=1e-5)


@pytest.mark.parametrize(("phases", "samples"), [(1, 1), (2, 1), (16, 1), (1, 4), (4, 4), (2, 3)])
def test_several_samples_at_once_are_the_same_samples(phases, samples):
    rng = np.random.default_rng(0)
    kernel, x = rng.normal(size=(7, 5, samples)), rng.normal(size=(1, 32 + 6, 5))
    plain = np.asarray(keras.ops.conv(x, kernel, padding="valid")).reshape(-1)
    together = keras.ops.conv(x.astype(np.float32), phase_kernel(kernel, phases), strides=phases, padding="valid")
    np.testing.assert_allclose(np.asarray(together).reshape(-1), plain, atol=1e-5)
