"""Fast convolutions equal plain ones, in the interpreter that runs them, and are used only where they are faster."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from conftest import exported, model_of, operations, stream, untrained

from hifigan_tf.config import Config
from hifigan_tf.export.convert import to_tflite
from hifigan_tf.export.fast_convolution import FastConvolution, FastDeployment, best_tile
from hifigan_tf.export.graph import Deployment
from hifigan_tf.export.network import Conv, fold
from hifigan_tf.export.options import ROWS
from hifigan_tf.resources import CONFIGS
from hifigan_tf.streaming.streaming_vocoder import load_vocoder

CHUNK = 4


def random_conv(taps, channels, filters, dilation=1, name="conv"):
    rng = np.random.default_rng(taps)
    kernel = rng.normal(size=(taps, channels, filters)) / np.sqrt(taps * channels)
    return Conv(name, kernel.astype(np.float32), rng.normal(size=filters).astype(np.float32), dilation)


CASES = {  # taps, dilation, steps, channels, filters, tile
    "three": (3, 1, 32, 9, 5, 4),
    "three_by_six": (3, 2, 31, 4, 4, 6),
    "three_dilated": (3, 2, 31, 4, 4, 4),
    "five": (5, 1, 64, 8, 16, 4),
    "five_by_six": (5, 1, 64, 8, 16, 6),
    "five_dilated": (5, 6, 33, 25, 7, 6),
    "seven": (7, 1, 1, 4, 4, 4),
    "seven_by_six": (7, 3, 32, 4, 4, 6),
    "seven_dilated": (7, 12, 32, 5, 11, 4),
    "nine": (9, 3, 50, 4, 3, 4),
    "eleven": (11, 1, 16, 16, 16, 4),
    "eleven_dilated": (11, 5, 70, 3, 3, 4),
    "eleven_far_dilated": (11, 9, 70, 16, 3, 4),
    "thirteen": (13, 1, 19, 1, 1, 4),
    "thirteen_by_six": (13, 2, 40, 2, 3, 6),
    "fifteen": (15, 2, 40, 2, 3, 4),
}


@pytest.fixture(scope="module")
def interpreted():
    """Every case's input, its plain convolution, and the fast one in LiteRT, because TensorFlow cannot run it."""
    from ai_edge_litert.interpreter import Interpreter

    module, inputs, plain = tf.Module(), {}, {}
    for name, (taps, dilation, steps, channels, filters, tile) in CASES.items():
        conv = random_conv(taps, channels, filters, dilation)
        setattr(module, name, FastConvolution(conv, tile))
        x = np.random.default_rng(steps).normal(size=(1, steps + conv.reach, channels)).astype(np.float32)
        inputs[name] = x[None]
        plain[name] = np.asarray(keras.ops.conv(x, conv.kernel, dilation_rate=dilation, padding="valid")) + conv.bias

    def all_of_them(**x):
        return {name: fast(x[name], fast.conv.bias) for name, fast in ((name, getattr(module, name)) for name in CASES)}

    specs = {name: tf.TensorSpec(x.shape, name=name) for name, x in inputs.items()}
    model = to_tflite(module, {"all": tf.function(all_of_them).get_concrete_function(**specs)})
    return plain, Interpreter(model_content=model).get_signature_runner("all")(**inputs)


@pytest.mark.parametrize("name", CASES)
def test_fast_convolutions_equal_plain_ones(interpreted, name):
    plain, fast = interpreted
    np.testing.assert_allclose(fast[name][0], plain[name], atol=3e-5)


def test_the_tile_is_the_one_that_takes_the_least_work():
    assert best_tile(random_conv(7, 64, 64, 3), 256, 7) == 4
    assert best_tile(random_conv(11, 64, 64, 5), 512, 7) == 4
    assert best_tile(random_conv(13, 128, 128), 256, 7) == 6  # two pieces instead of three
    # 16 steps in two interleaved slots: tiles of six fill one group of rows, tiles of four begin a second.
    assert best_tile(random_conv(5, 128, 128, 2), 32, 7) == 6
    assert best_tile(random_conv(7, 8, 8), 1024, 7) is None  # transforming in and out is most of the work
    assert best_tile(random_conv(7, 64, 64, 12), 8, 7) is None  # one tile would be 48 steps
    assert best_tile(random_conv(1, 128, 128), 256, 7) is None
    assert best_tile(random_conv(4, 128, 128), 256, 7) is None  # there is no set of points for it


@pytest.mark.parametrize(("name", "target"), [("v1", "avx512"), ("v3", "avx512"), ("v3", "arm")])
def test_a_model_with_them_streams_what_the_generator_makes(name, target):
    changes = {"upsample_initial_channel": 256} if name == "v1" else {}
    config = Config.load(CONFIGS / f"{name}.json").replace(**changes)
    generator = untrained(config)
    network = fold(generator)
    fast = FastDeployment(Deployment(network), CHUNK, [conv.name for conv in network.convs()], ROWS[target]).fast
    taps = {len(conv.kernel) for conv in network.convs() if conv.name in fast}
    assert {"v1": {7, 11}, "v3": {5, 7}}[name] <= taps

    data = exported(generator, "float32", (CHUNK, 4 * CHUNK), target_cpu=target)
    plain = 3 * len(network.convs())  # two chunks and the edge
    products = 3 * sum(len(convolution.kernels) - 1 for convolution in fast.values())
    assert [op for op, _, _ in operations(model_of(data))].count("CONV_2D") == plain + products
    mel = np.random.default_rng(0).normal(-4, 2, [50, 80]).astype(np.float32)
    whole = np.asarray(generator(mel[None]))[0, :, 0]
    assert whole.std() > 0.05
    for chunk, sizes in ((CHUNK, [1, 7] * 7), (4 * CHUNK, [50])):
        np.testing.assert_allclose(stream(load_vocoder(data, chunk), mel, sizes), whole, atol=2e-5)


def test_8_bit_layers_are_plain_convolutions():
    generator = untrained(Config.load(CONFIGS / "v3.json"))
    data = exported(generator, "int8", (CHUNK,), recipe={"stage_1/block_2/*": "float32"})
    names = [op for op, _, _ in operations(model_of(data))]
    # Ten and twelve products instead of one convolution each, for a chunk and the edge.
    assert names.count("CONV_2D") == 2 * (len(fold(generator).convs()) + 9 + 11)
