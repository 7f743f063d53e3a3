"""Parity with the original PyTorch implementation, number for number.

``official_reference.npz`` holds the original's results on fixed inputs, with weights computed by a formula from
their names and shapes, which is repeated here.
"""

import zlib

import keras
import numpy as np
import pytest
import tensorflow as tf
from conftest import DATA, relative_error

from hifigan_tf.audio.mel import MelSpectrogram
from hifigan_tf.checkpoints.imported import Source, read_checkpoint
from hifigan_tf.checkpoints.official import (
    assign,
    discriminator_convolutions,
    fill,
    generator_convolutions,
    named_convolutions,
)
from hifigan_tf.config import Config
from hifigan_tf.models.discriminators import MultiPeriodDiscriminator, MultiScaleDiscriminator
from hifigan_tf.models.generator import Generator
from hifigan_tf.models.layers import SpectralNormConv1D
from hifigan_tf.resources import CONFIGS
from hifigan_tf.training.losses import adversarial_loss, discriminator_loss, feature_matching_loss, mel_loss
from hifigan_tf.training.trainer import make_optimizer

pytestmark = pytest.mark.current

REFERENCE = np.load(DATA / "official_reference.npz")
V3 = Config.load(CONFIGS / "v3.json")
LOSSES = ("discriminator", "adversarial", "feature_matching_x2", "mel_x45")
SUB_DISCRIMINATORS = [f"mpd_{index}" for index in range(5)] + [f"msd_{index}" for index in range(3)]


def formula(name: str, shape: tuple[int, ...]) -> np.ndarray:
    """The parameter for a PyTorch name and shape."""
    values = np.random.default_rng(zlib.crc32(name.encode())).standard_normal(shape)
    if len(shape) == 1:
        return (0.1 * values).astype(np.float32)
    fan_in = shape[0] * shape[2] if name.startswith("ups.") else np.prod(shape[1:])
    return (values / np.sqrt(fan_in)).astype(np.float32)


def fill_by_formula(layers: dict, convolutions: dict) -> None:
    for name, layer in layers.items():
        convolution = convolutions[name]
        weight, bias = formula(f"{name}.weight", convolution.shape), formula(f"{name}.bias", (convolution.biases,))
        if convolution.spectral:
            assign(layer, {"weight": weight, "bias": bias})
            continue
        # v = W and g = |W|, rounded once. One ulp matters: two activations of the reference lie within 3e-9 of the
        # kink of LeakyReLU, and a sign change there changes some gradients by 7e-3.
        norm = np.sqrt(np.square(weight, dtype=np.float64).sum(axis=tuple(range(1, weight.ndim)))).astype(np.float32)
        assign(layer, {"weight_v": weight, "weight_g": norm, "bias": bias})


def make_generator(config: Config) -> Generator:
    generator = Generator.of(config.generator, config.audio)
    fill_by_formula(named_convolutions(generator), generator_convolutions(config))
    return generator


def gradients_by_original_names(layers: dict, gradients: dict) -> dict[str, np.ndarray]:
    """``{name in REFERENCE: gradient in PyTorch's axes}`` of every parameter; ``gradients`` is keyed by ``id``."""
    result = {}
    for name, layer in layers.items():
        spectral = isinstance(layer, SpectralNormConv1D)
        parameters = {"weight_orig" if spectral else "weight_v": layer.kernel, "bias": layer.bias}
        if not spectral:
            parameters["weight_g"] = layer.gain
        for parameter, variable in parameters.items():
            result[f"{name}.{parameter}"] = gradients[id(variable)].numpy().T
    return result


def assert_gradients(ours: dict[str, np.ndarray], prefix: str) -> None:
    """Every gradient's norm within 2e-3, and every array in the reference within 5e-3, relative."""
    norms = {key.removeprefix(f"norm_{prefix}_") for key in REFERENCE.files if key.startswith(f"norm_{prefix}_")}
    assert norms == set(ours)
    arrays = 0
    for name, gradient in ours.items():
        norm = float(REFERENCE[f"norm_{prefix}_{name}"])
        assert np.linalg.norm(gradient) == pytest.approx(norm, rel=2e-3), name
        if f"{prefix}_{name}" in REFERENCE.files:
            reference = REFERENCE[f"{prefix}_{name}"]
            assert relative_error(gradient.reshape(reference.shape), reference) < 5e-3, name
            arrays += 1
    assert arrays == sum(key.startswith(f"{prefix}_") for key in REFERENCE.files) > 0


@pytest.mark.parametrize(("key", "for_loss"), [("mel_fmax8000", False), ("mel_fmaxNone", True)])
def test_mel(key, for_loss):
    mel = MelSpectrogram.of(V3.audio, for_loss)(REFERENCE["audio_real"][None])
    np.testing.assert_allclose(mel.numpy()[0].T, REFERENCE[key], atol=1e-3, rtol=0)


@pytest.mark.parametrize("version", ["v1", "v2", "v3"])
def test_generator(version):
    generator = make_generator(Config.load(CONFIGS / f"{version}.json"))
    audio = generator.predict(REFERENCE["mel_fmax8000"].T[None], verbose=0)
    assert audio.shape == (1, 8192, 1)
    np.testing.assert_allclose(audio[0, :, 0], REFERENCE[f"generator_{version}_output"], atol=1e-4, rtol=0)


def test_trained_generator(shared):
    generator = Generator.of(V3.generator, V3.audio)
    checkpoint = shared / "weights" / "g_lj_v3.pt"
    imported = read_checkpoint(checkpoint, Source(config=str(CONFIGS / "v3.json")))
    fill(named_convolutions(generator), imported.tensors, checkpoint)
    reference = np.load(shared / "golden" / "trained_v3_reference.npz")
    mel = MelSpectrogram.of(V3.audio)(reference["audio"][None])
    np.testing.assert_allclose(mel.numpy()[0].T, reference["mel_fmax8000"], atol=1e-3, rtol=0)
    audio = generator.predict(reference["mel_fmax8000"].T[None], verbose=0)[0, :, 0]
    np.testing.assert_allclose(audio, reference["generator_output"], atol=1e-4, rtol=0)


@pytest.fixture(scope="module")
def outputs():
    """Both full discriminators on both audios: outputs, losses, and the losses' gradients."""
    models = [MultiPeriodDiscriminator(name="mpd"), MultiScaleDiscriminator(name="msd")]
    layers = {name: layer for model in models for name, layer in named_convolutions(model, model.name).items()}
    fill_by_formula(layers, discriminator_convolutions(layers))
    front_end = MelSpectrogram.of(V3.audio, for_loss=True)
    audio = REFERENCE["audio_real"][None, :, None]
    variables = [variable for model in models for variable in model.trainable_variables]

    def forward(generated):
        # Without training=True, because the reference took no further power iteration.
        real = [output for model in models for output in model(audio)]
        fake = [output for model in models for output in model(generated)]
        features = [one.features for one in real], [one.features for one in fake]
        logits = [one.logits for one in real], [one.logits for one in fake]
        losses = (
            discriminator_loss(*logits),
            adversarial_loss(logits[1]),
            2 * feature_matching_loss(*features),
            45 * mel_loss(front_end(audio[..., 0]), front_end(generated[..., 0])),
        )
        return real, fake, dict(zip(LOSSES, losses, strict=True))

    # Not a tf.function, because compiling takes three times as long as computing once.
    generated = tf.constant(REFERENCE["audio_generated"][None, :, None])
    with tf.GradientTape(persistent=True) as tape:
        tape.watch(generated)
        real, fake, losses = forward(generated)
    by_audio = {name: tape.gradient(loss, generated)[0, :, 0].numpy() for name, loss in losses.items()}
    by_variable = tape.gradient(losses["discriminator"], [variable.value for variable in variables])
    by_variable = {id(variable): value for variable, value in zip(variables, by_variable, strict=True)}
    return real, fake, losses, by_audio, gradients_by_original_names(layers, by_variable)


@pytest.mark.parametrize("index", range(8), ids=SUB_DISCRIMINATORS)
def test_discriminator(outputs, index):
    name, real, fake = SUB_DISCRIMINATORS[index], outputs[0][index], outputs[1][index]
    for output, key in ((real, "real"), (fake, "generated")):
        logits = REFERENCE[f"{name}_logits_{key}"]
        np.testing.assert_allclose(output.logits.numpy()[0], logits, atol=1e-5 * np.abs(logits).max(), rtol=0)
    maps = [key for key in REFERENCE.files if key.startswith(f"{name}_feature_") and key.endswith("_shape")]
    assert len(maps) == len(real.features)
    for number, feature in enumerate(real.features):
        # Here the period's columns are in the batch, so only the order of the axes differs.
        shape = REFERENCE[f"{name}_feature_{number}_shape"]
        if number < len(maps) - 1:
            assert feature.numpy().size == np.prod(shape)
            assert feature.shape[-1] == shape[1]
        means = REFERENCE[f"{name}_feature_{number}_channel_mean"]
        ours = feature.numpy().astype(np.float64)
        np.testing.assert_allclose(ours.mean((0, 1)), means, atol=1e-5 * np.abs(means).max(), rtol=0)
        mean_abs = float(REFERENCE[f"{name}_feature_{number}_mean_abs"])
        assert np.abs(ours).mean() == pytest.approx(mean_abs, rel=1e-5)


@pytest.mark.parametrize("name", LOSSES)
def test_loss(outputs, name):
    assert float(outputs[2][name]) == pytest.approx(float(REFERENCE[f"loss_{name}"]), rel=1e-4)


@pytest.mark.parametrize("name", LOSSES)
def test_gradient_of_each_loss_by_the_audio(outputs, name):
    assert relative_error(outputs[3][name], REFERENCE[f"grad_audio_{name}"]) < 1e-3


def test_gradients_of_the_discriminators_parameters(outputs):
    assert_gradients(outputs[4], "dgrad")


@pytest.mark.processors
def test_gradients_of_the_generators_parameters():
    generator = make_generator(V3)
    models = [MultiPeriodDiscriminator(name="mpd"), MultiScaleDiscriminator(name="msd")]
    layers = {name: layer for model in models for name, layer in named_convolutions(model, model.name).items()}
    fill_by_formula(layers, discriminator_convolutions(layers))
    front_end = MelSpectrogram.of(V3.audio, for_loss=True)
    audio = REFERENCE["audio_real"][None, :, None]
    with tf.GradientTape() as tape:
        generated = generator(REFERENCE["mel_fmax8000"].T[None])
        real = [output for model in models for output in model(audio)]
        fake = [output for model in models for output in model(generated)]
        total = (
            adversarial_loss([one.logits for one in fake])
            + 2 * feature_matching_loss([one.features for one in real], [one.features for one in fake])
            + 45 * mel_loss(front_end(audio[..., 0]), front_end(generated[..., 0]))
        )
    assert float(total) == pytest.approx(float(REFERENCE["generator_v3_total_loss"]), rel=1e-4)
    gradients = tape.gradient(total, [variable.value for variable in generator.trainable_variables])
    gradients = {id(variable): value for variable, value in zip(generator.trainable_variables, gradients, strict=True)}
    assert_gradients(gradients_by_original_names(named_convolutions(generator), gradients), "ggrad")


@pytest.mark.processors
def test_adamw():
    config = V3.training
    optimizer = make_optimizer(config, epoch_steps=1000)
    trajectory = REFERENCE["adamw_trajectory"]
    variable = keras.Variable(trajectory[0])
    assert len(trajectory) == 21
    for gradient, expected in zip(REFERENCE["adamw_gradients"], trajectory[1:], strict=True):
        optimizer.apply([tf.constant(gradient)], [variable])
        np.testing.assert_allclose(variable.numpy(), expected, atol=1e-6, rtol=0)
