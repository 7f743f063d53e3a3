"""Upsampling kernels that differ from their rate by an odd number, against PyTorch and in every graph."""

import numpy as np
import pytest
import tensorflow as tf
from conftest import DATA, exported, stream
from test_graph import offline

from hifigan_tf.checkpoints.official import assign, named_convolutions
from hifigan_tf.config import AudioConfig, Config, GeneratorConfig
from hifigan_tf.errors import UserError
from hifigan_tf.export.graph import Deployment
from hifigan_tf.export.network import fold
from hifigan_tf.models.generator import Generator
from hifigan_tf.resources import CONFIGS
from hifigan_tf.streaming import vocode
from hifigan_tf.streaming.litert import load_tflite
from hifigan_tf.training.trainer import Trainer

GENERATOR = GeneratorConfig(
    resblock="1",
    upsample_rates=(5, 5, 4, 3),
    upsample_kernel_sizes=(10, 10, 8, 6),
    upsample_initial_channel=32,
    resblock_kernel_sizes=(3, 7),
    resblock_dilation_sizes=((1, 3, 5), (1, 3, 5)),
    upsample_output_padding=True,
)
AUDIO = AudioConfig(sampling_rate=24000, num_mels=80, n_fft=2048, hop_size=300, win_size=1200, fmin=80, fmax=7600)


@pytest.fixture(scope="module")
def reference():
    """Random weights, norms folded, an input, and the audio that ParallelWaveGAN 0.6.1's own generator makes of it."""
    return np.load(DATA / "odd_kernels.npz")


@pytest.fixture(scope="module")
def generator(reference):
    generator = Generator.of(GENERATOR, AUDIO)
    for name, layer in named_convolutions(generator).items():
        assign(layer, {kind: reference[f"{name}.{kind}"] for kind in ("weight", "bias")})
    return generator


def test_keras_equals_pytorch(generator, reference):
    np.testing.assert_allclose(offline(generator, reference["mel"]), reference["audio"], atol=1e-5)


def test_the_deployed_graph_has_no_zero_tap(generator):
    stages = fold(generator).stages
    assert [len(stage.up.kernel) for stage in stages] == [2, 2, 2, 2]
    assert [stage.shift for stage in stages] == [3, 3, 2, 2]
    assert all(np.abs(stage.up.kernel).sum(axis=1).all() for stage in stages)


@pytest.mark.parametrize("kind", ["float32", "stateless"])
def test_exports_equal_pytorch(generator, reference, kind):
    data = exported(generator, frames=40) if kind == "stateless" else exported(generator, chunks=(1, 4))
    np.testing.assert_allclose(
        vocode(load_tflite(data), reference["mel"], check_mel=False), reference["audio"], atol=1e-4
    )
    np.testing.assert_allclose(stream(load_tflite(data), reference["mel"], [3, 7]), reference["audio"], atol=1e-4)


def test_the_original_layout_makes_one_step_more_and_is_another_network(generator, reference):
    other = Generator.of(GeneratorConfig(**{**vars(GENERATOR), "upsample_output_padding": False}), AUDIO)
    for theirs, ours in zip(generator.weights, other.weights, strict=True):
        ours.assign(theirs)
    mel = reference["mel"]
    x = other.ups[0](np.ones((1, 7, 32), np.float32))
    assert x.shape[1] == 5 * 7 + 1
    audio = offline(other, mel)
    assert len(audio) == len(mel) * 300
    assert np.abs(audio - offline(generator, mel)).max() > 0.01
    whole = Deployment(fold(other)).whole(tf.constant(mel[None]))
    np.testing.assert_allclose(whole[0], audio, atol=1e-4)


# One of each size here, the others with the slow tests.
NEW_CONFIGS = ["v1_24k", "live_16k"]
OTHERS = [pytest.param(name, marks=pytest.mark.slow) for name in ("v1_16k", "v1_44k", "v1_48k", "live_24k")]


@pytest.mark.parametrize("name", [*NEW_CONFIGS, *OTHERS])
def test_ready_configs_train_a_step_and_export(name):
    """Narrowed, for most of the time is compiling."""
    narrow = {"upsample_initial_channel": 32, "discriminator_channels": 128, "mpd_periods": [2], "msd_scales": 0}
    config = Config.load(CONFIGS / f"{name}.json").replace(**narrow, batch_size=1, discriminator_start_step=0)
    trainer = Trainer(config, epoch_steps=1000)
    audio = np.random.default_rng(0).normal(0, 0.1, [1, config.training.segment_size]).astype(np.float32)
    mel = np.random.default_rng(1).normal(-5, 2, [1, audio.shape[1] // config.audio.hop_size, config.audio.num_mels])
    scalars = trainer.train_step(tf.constant(mel, tf.float32), tf.constant(audio))
    assert all(np.isfinite(float(value)) for value in scalars.values())
    model = load_tflite(exported(trainer.generator))
    assert model.contract.delay_samples == config.generator.delay_samples
    mel = mel[0, :20].astype(np.float32)
    np.testing.assert_allclose(vocode(model, mel, check_mel=False), offline(trainer.generator, mel), atol=1e-4)


def test_an_odd_kernel_without_the_key_is_refused():
    with pytest.raises(UserError, match="kernel 10 minus its rate 5 is odd, so upsample_output_padding must say"):
        Config.load(CONFIGS / "v1_24k.json").replace(upsample_output_padding=None)
