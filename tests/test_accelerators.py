"""Full-integer models keep to what Arm's Vela compiles for Ethos-U55 and U65, the narrowest of its accelerators.

``python benchmarks/accelerators.py`` runs Vela itself, and TensorFlow Lite Micro; this needs neither.
"""

import dataclasses
import math

import numpy as np
import pytest
import tensorflow as tf
from ai_edge_litert import schema_py_generated as schema
from ai_edge_litert.interpreter import Interpreter
from conftest import LOW_DELAY, exported, model_of, operations, untrained
from test_graph import CONFIGS_TO_TRY, generator_of

from hifigan_tf.errors import UserError
from hifigan_tf.export.graph import Deployment
from hifigan_tf.export.network import fold
from hifigan_tf.export.quantization.flatbuffer import Flatbuffer
from hifigan_tf.export.quantization.full_integer import PHASES, WithoutStride, is_half_way, with_equal_rounding
from hifigan_tf.streaming import contract
from hifigan_tf.streaming.litert import load_tflite

FRAMES = 48

# What follows is Vela's own list, `vela --supported-ops-report` of version 5.2, for the operations that these models
# have. Whatever breaks a rule would run on the host's CPU, or make Vela stop.
FEATURE_MAPS = {"INT8", "INT16"}  # 32-bit ones only where an operation says so, float none
LONGEST_STRIDE = 3  # Vela lists longer ones where nothing is dilated or padded, and then fails on those of 16
HIGHEST_WEIGHT_SUM = 127 * 2**16  # of a filter's absolute weights; the accumulator has no room for more
BIAS_BITS = 40  # of 64-bit biases
OPERATIONS = {  # by the places of their inputs that must be constant
    "ADD": (),
    "CONV_2D": (1, 2),  # weights and bias
    "LEAKY_RELU": (),
    "MIRROR_PAD": (1,),
    "PAD": (1,),
    "QUANTIZE": (),
    "RESHAPE": (1,),
    "SLICE": (1, 2),
    "STRIDED_SLICE": (1, 2, 3),
    "SUB": (),
    "TANH": (),
}


def violations(data: bytes) -> list[str]:
    """The rules of Ethos-U55 and U65 that operations of a ``.tflite`` break; none if all of it runs there."""
    model = model_of(data)
    kinds = {value: name for name, value in vars(schema.TensorType).items() if isinstance(value, int)}
    found = []
    for name, operator, graph in operations(model):
        tensors = [graph.tensors[index] for index in operator.inputs]
        outputs = [graph.tensors[index] for index in operator.outputs]
        if name not in OPERATIONS:
            found.append(f"{name} is unknown")
            continue
        constant = OPERATIONS[name]
        found += [
            f"{name}: input {place} is computed"
            for place in constant
            if model.buffers[tensors[place].buffer].data is None
        ]
        maps = [*(tensor for place, tensor in enumerate(tensors) if place not in constant), *outputs]
        types = [kinds[tensor.type] for tensor in maps]
        if not FEATURE_MAPS.issuperset(types):
            found.append(f"{name}: {types}")
        if name != "QUANTIZE" and len(set(types)) > 1:
            found.append(f"{name} mixes {types}")
        for tensor in maps:
            if tensor.quantization is None or np.size(tensor.quantization.scale) != 1:
                found.append(f"{name}: {tensor.name} has not one scale")
            if len(tensor.shape) == 4 and tensor.shape[0] != 1:
                found.append(f"{name}: a batch of {tensor.shape[0]}")
        if name == "CONV_2D":
            found += convolution_violations(model, operator, tensors, kinds)
    return found


def convolution_violations(model, operator, tensors, kinds) -> list[str]:
    """The rules that a convolution breaks beyond those for every operation."""
    options, (_, weights, bias) = operator.builtinOptions, tensors
    found = []
    if (longest := max(options.strideW, options.strideH)) > LONGEST_STRIDE:
        found.append(f"CONV_2D: a stride of {longest}")
    if kinds[weights.type] != "INT8":
        found.append(f"CONV_2D: weights are {kinds[weights.type]}")
    else:
        values = np.frombuffer(bytes(model.buffers[weights.buffer].data), np.int8).reshape(weights.shape)
        if (largest := np.abs(values.astype(np.int64)).sum((1, 2, 3)).max()) > HIGHEST_WEIGHT_SUM:
            found.append(f"CONV_2D: absolute weights of {largest}")
    if kinds[bias.type] not in ("INT32", "INT64"):
        found.append(f"CONV_2D: bias is {kinds[bias.type]}")
    elif kinds[bias.type] == "INT64":
        values = np.frombuffer(bytes(model.buffers[bias.buffer].data), np.int64)
        if np.abs(values).max() >= 2**BIAS_BITS:
            found.append("CONV_2D: a bias of more than 40 bits")
    return found


@pytest.mark.parametrize("mode", ["full_int8", "int16"])
@pytest.mark.parametrize(
    "options",
    [{}, LOW_DELAY, {"padding": "reflect"}, {"input_mean": -4.0, "input_scale": 2.0}],
    ids=["paper", "low delay", "reflection", "normalised input"],
)
def test_everything_runs_on_the_smallest_accelerators(tiny, tiny_mels, mode, options):
    data = exported(untrained(tiny.replace(**options)), mode, (), FRAMES, tiny_mels[:1], integer_io=True)
    assert violations(data) == []
    strides = {op.builtinOptions.strideW for name, op, _ in operations(model_of(data)) if name == "CONV_2D"}
    assert strides == {1}


def test_what_they_refuse_is_found(tiny_generator, tiny_mels):
    """Float ends, and the cast between 8 and 16 bits in models for CPUs; the stride of windows in float."""
    found = violations(exported(tiny_generator, "full_int8", (), FRAMES, tiny_mels[:1]))
    assert {rule.split(" ")[0].strip(":") for rule in found} == {"QUANTIZE", "CAST", "DEQUANTIZE"}
    assert f"CONV_2D: a stride of {fold(tiny_generator).post.stride}" in violations(
        exported(tiny_generator, frames=FRAMES)
    )


@pytest.mark.parametrize("name", CONFIGS_TO_TRY)
def test_without_a_stride_the_audio_is_the_same(name):
    generator = generator_of(name)
    plain = Deployment(fold(generator))
    without = WithoutStride(plain)
    stride = math.gcd(plain.network.post.stride, PHASES)
    assert without.kernels["conv_post"].shape[2] == stride * plain.kernels["conv_post"].shape[2]
    mel = tf.constant(np.random.default_rng(0).normal(-5, 2, [1, 30, generator.audio.num_mels]).astype(np.float32))
    expected, found = plain.whole(mel).numpy(), without.whole(mel).numpy()
    assert expected.shape == found.shape
    assert np.abs(expected - found).max() < 2e-6
    # No more zeros than fill the last of its taps.
    taps = len(plain.network.post.kernel) - plain.network.post.stride + stride
    assert without.kernels["conv_post"].shape[1] * stride < taps + stride
    assert dataclasses.replace(without.network, post=plain.network.post).convs() == plain.network.convs()


def rounded(integer: int, ratio: float) -> int:
    """The integer times a ratio as TFLite's kernels compute it: a 32-bit multiplier and a shift, rounded twice."""
    mantissa, exponent = math.frexp(ratio)
    product = (integer << max(0, exponent)) * round(mantissa * 2**31)
    high = int((abs(product) + 2**30) // 2**31) * (1 if product >= 0 else -1)
    shift = max(0, -exponent)
    return (abs(high) + (1 << shift >> 1) >> shift) * (1 if high >= 0 else -1)


def roundings_that_differ(data: bytes) -> int:
    """Over all LeakyReLUs of a model, the integers that ratios in float32 and in float64 make different ones of."""
    found = 0
    for name, operator, graph in operations(model_of(data)):
        if name == "LEAKY_RELU":
            source, output = (graph.tensors[i].quantization for i in (operator.inputs[0], operator.outputs[0]))
            scales = [np.float32(quantization.scale[0]) for quantization in (source, output)]
            for integer in range(-128 - source.zeroPoint[0], 128 - source.zeroPoint[0]):
                slope = np.float32(operator.builtinOptions.alpha) if integer < 0 else np.float32(1)
                single = scales[0] * slope / scales[1]
                double = float(scales[0]) * float(slope) / float(scales[1])
                found += rounded(integer, float(single)) != rounded(integer, double)
    return found


def test_all_runtimes_round_alike(tiny_generator, tiny_mels):
    data = exported(tiny_generator, "full_int8", (), FRAMES, tiny_mels[:1], integer_io=True)
    assert roundings_that_differ(data) == 0
    # 15, 45 and so on times 49 / 30 lie half-way.
    file = Flatbuffer(contract.unpack(data))
    for operator in file.graph.operators:
        if file.kind(operator) == schema.BuiltinOperator.LEAKY_RELU:
            source, output = (file.graph.tensors[i].quantization for i in (operator.inputs[0], operator.outputs[0]))
            source.scale, output.scale = [0.009542363], [0.005842263]
            source.zeroPoint, output.zeroPoint = [-18], [-110]
    before = file.dump()
    assert roundings_that_differ(before) >= 5
    after = with_equal_rounding(before)
    assert roundings_that_differ(after) == 0
    for name, operator, graph in operations(model_of(after)):
        if name == "LEAKY_RELU":
            (scale,) = graph.tensors[operator.outputs[0]].quantization.scale
            assert scale == pytest.approx(0.005842263, rel=1e-5)


def test_where_no_integer_is_half_way_both_round_alike():
    """For ratios above and below a half, among them many that do have such integers."""
    rng, found = np.random.default_rng(0), 0
    for _ in range(2000):
        denominator = int(rng.integers(2, 60))
        output = np.float32(rng.uniform(0.004, 0.03))
        source = np.float32(float(output) * int(rng.integers(1, 2 * denominator)) / denominator)
        zero_point, slope = int(rng.integers(-128, 128)), float(np.float32(rng.choice([0.1, 0.01, 0.25])))
        if is_half_way(float(source) / float(output), zero_point, slope):
            found += 1
            continue
        for integer in range(-128 - zero_point, 128 - zero_point):
            of_slope = slope if integer < 0 else 1.0
            single = float(source * np.float32(of_slope) / output)
            assert rounded(integer, single) == rounded(integer, float(source) * of_slope / float(output))
    assert 200 < found < 1800


class Older(Interpreter):
    """A runtime that cannot quantize 8 bits to 16, as LiteRT before 2.2 and TensorFlow 2.16."""

    def get_signature_runner(self, signature_key=None):
        def run(**inputs):
            raise RuntimeError(f"quantize.cc:137 {self.reason}")

        return run


def test_a_runtime_that_is_too_old_is_named(tiny_generator, tiny_mels):
    data = exported(tiny_generator, "full_int8", (), FRAMES, tiny_mels[:1], integer_io=True)
    assert contract.read(data, "x").versions["least_runtime"] == "LiteRT 2.2"
    Older.reason = "output->type == kTfLiteInt8 was not true.\nNode number 80 (QUANTIZE) failed to prepare."
    message = r"^this runtime lacks an operation of the model, which takes LiteRT 2\.2 or newer \(quantize\.cc.*\)$"
    with pytest.raises(UserError, match=message):
        load_tflite(data, interpreter=Older).run(tiny_mels[0][:FRAMES])


class Oldest(Interpreter):
    """A runtime that does not know an operation at all."""

    def __init__(self, **_):
        raise ValueError("Didn't find op for builtin opcode 'GELU' version '2'. An older version might be supported.")


def test_a_runtime_that_does_not_know_an_operation_is_named(tiny_generator):
    data = exported(tiny_generator)
    with pytest.raises(UserError, match=r"lacks an operation of the model, which takes TFLite 2\.7 or newer"):
        load_tflite(data, interpreter=Oldest)


def test_other_errors_of_a_runtime_stay_what_they_are(tiny_generator, tiny_mels):
    data = exported(tiny_generator, "full_int8", (), FRAMES, tiny_mels[:1], integer_io=True)
    Older.reason = "out of memory"
    with pytest.raises(RuntimeError, match="out of memory"):
        load_tflite(data, interpreter=Older).run(tiny_mels[0][:FRAMES])
