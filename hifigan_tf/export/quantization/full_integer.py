"""Full-integer quantization: stateless models for accelerators, where every tensor has a static range.

With 8-bit activations, TensorFlow's converter gets a graph whose tensors are marked with their ranges. It cannot mix 8
and 16 bits, so the sum of the pieces of the waveform and its tanh are added here, to the converted file. With 16-bit
activations the converter finds the ranges itself: they hardly matter. Layers that a recipe keeps in float are replaced
in the file too, because the converter would also compute their neighbours in float.

All operations are among those that Arm's Vela compiles for the smallest of its accelerators, Ethos-U55. It has no
stride above 3. So the last convolution, which computes several samples at a stride of as many steps, reads these steps
side by side, as the channels of a single one, with zeros where its kernel does not fill them: the same sums, stride 1.

    steps     | a b c d e f g h | i j k l m n o p |  each letter has all channels
    kernel    | w w w w w w w w   w w w w w w 0 0 |  eight samples from 14 steps at stride 8
                ^ one of two taps ^ the other        of eight times the channels at stride 1
"""

import math
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import tensorflow as tf
from ai_edge_litert import schema_py_generated as schema

from hifigan_tf.export.convert import WINDOW, mel_spec, to_tflite
from hifigan_tf.export.graph import Deployment, WindowGraph, time_slice
from hifigan_tf.export.network import Conv
from hifigan_tf.export.quantization.flatbuffer import Flatbuffer
from hifigan_tf.export.quantization.quantized_graphs import PIECES, StaticWindow, piece_range
from hifigan_tf.streaming.contract import AUDIO, MEL

PIECE = "piece_{}"
SUM_RANGE = 1.0 + max(abs(centre) + reach for centre, reach in PIECES)
HALF_WAY = 1e-4  # of a step; float32 moves the largest integer by a quarter of that
INT16 = 32768  # quantization steps on either side of zero
PHASES = 8  # samples computed together: with more, more of the kernel is zeros; with fewer, units stand idle


class WithoutStride(Deployment):
    """The weights of a deployment for windows whose last convolution has the stride 1."""

    def __init__(self, plain: Deployment):
        super().__init__(replace(plain.network, post=with_full_steps(plain.network.post)), plain.spec)
        post = self.network.post
        _, channels, filters = post.kernel.shape
        kernel = post.kernel.reshape(1, -1, post.stride * channels, filters)
        self.kernels[post.name] = tf.Variable(kernel, trainable=False)

    def whole(self, mel, valid=None):
        return WindowWithoutStride(self, valid).run(mel)


def with_full_steps(post: Conv) -> Conv:
    """The last convolution with ``PHASES`` phases, or fewer, and zeros up to a multiple of its stride."""
    phases, samples = math.gcd(post.stride, PHASES), post.kernel.shape[2] // post.stride
    taps, filters = len(post.kernel) - post.stride + phases, samples * phases
    zeros = -taps % phases
    kernel = np.pad(post.kernel[:taps, :, :filters], [[0, zeros], [0, 0], [0, 0]])
    return replace(post, kernel=kernel, bias=post.bias[:filters], stride=phases, ahead=post.delay + zeros)


class WindowWithoutStride(WindowGraph):
    """The graph over the weights of ``WithoutStride``."""

    def finish(self, x, post):
        return self.convolve(self.side_by_side(x, post), replace(post, stride=1))

    def side_by_side(self, x, post: Conv):
        """The input of the last convolution, each ``post.stride`` steps as the channels of one."""
        x = self.pad(x, post)
        x = time_slice(x, 0, self.frames * self.rate + post.reach)  # without what lies beyond the last frame
        return tf.reshape(x, [1, 1, x.shape[2] // post.stride, post.stride * x.shape[3]])


class MarkedWindow(WindowWithoutStride, StaticWindow):
    """``StaticWindow`` with constant ranges and kernels, for the converter; the pieces of the waveform are separate."""

    def __init__(self, deployment: WithoutStride, ranges: dict):
        super().__init__(deployment, self._mark, lambda _, kernel: kernel)
        self.ranges = ranges
        # As constants, so that their ranges are known.
        self.kernels = {name: kernel.numpy() for name, kernel in deployment.kernels.items()}
        self.biases = {name: bias.numpy() for name, bias in deployment.biases.items()}

    def _mark(self, x, name: str):
        return tf.quantization.fake_quant_with_min_max_args(x, *self.ranges[name])

    def kernel(self, conv: Conv, factor: float = 1.0):
        kernel = self.kernels[conv.name] * np.float32(factor)
        largest = np.maximum(np.abs(kernel).max((0, 1, 2)), np.finfo(np.float32).tiny)
        return tf.quantization.fake_quant_with_min_max_vars_per_channel(kernel, -largest, largest, narrow_range=True)

    def pieces(self, mel) -> dict:
        """``[1, frames, num_mels]`` to the pieces, ``[1, 1, samples / phases, phases]`` each."""
        self.run(mel)
        return self.found

    def finish(self, x, post):
        x = self.side_by_side(x, post)
        self.found = {}
        for index, (centre, reach) in enumerate(PIECES):
            # A separate convolution for each piece, because its saturation cuts the piece out. The factor keeps the
            # converter from merging equal kernels.
            kernel = self.kernel(post, 1 + index * 1e-6)
            y = tf.nn.conv2d(x, kernel, 1, "VALID") + (self.biases[post.name] - centre)
            y = tf.quantization.fake_quant_with_min_max_args(y, *piece_range(reach))
            self.found[PIECE.format(index)] = y
        return y


def full_int8(
    deployment: Deployment, frames: int, ranges: dict, integer_io: bool, float_layers: tuple[str, ...]
) -> bytes:
    """The ``.tflite``, with the signature ``window``; with ``integer_io`` mel and audio are integers too."""
    deployment = WithoutStride(deployment)

    def configure(converter):
        converter.inference_input_type = tf.int8 if integer_io else tf.float32
        converter.inference_output_type = tf.int8

    model = _converted(deployment, frames, MarkedWindow(deployment, ranges).pieces, configure)
    model = with_equal_rounding(_with_float_layers(model, deployment, float_layers))
    return _with_sum(model, integer_io)


def int16_activations(
    deployment: Deployment, frames: int, mels: list[np.ndarray], integer_io: bool, float_layers: tuple[str, ...]
) -> bytes:
    """The ``.tflite`` with 8-bit weights and 16-bit activations; ranges are calibrated on ``mels`` of ``frames``."""
    deployment = WithoutStride(deployment)

    def configure(converter):
        converter.representative_dataset = lambda: ((WINDOW, {MEL: mel[None]}) for mel in mels)
        converter.target_spec.supported_ops = [
            tf.lite.OpsSet.EXPERIMENTAL_TFLITE_BUILTINS_ACTIVATIONS_INT16_WEIGHTS_INT8
        ]
        if integer_io:
            converter.inference_input_type = converter.inference_output_type = tf.int16

    model = _converted(deployment, frames, lambda mel: {AUDIO: deployment.whole(mel)}, configure)
    return _with_float_layers(model, deployment, float_layers)


def _converted(deployment: Deployment, frames: int, graph: Callable, configure: Callable) -> bytes:
    """``graph`` of a mel ``[1, frames, num_mels]``, as the signature ``window`` of a quantized ``.tflite``."""
    function = tf.function(lambda **inputs: graph(inputs[MEL]), autograph=False)
    signatures = {WINDOW: function.get_concrete_function(**{MEL: mel_spec(deployment, frames)})}

    def quantized(converter):
        converter.optimizations = [tf.lite.Optimize.DEFAULT]
        configure(converter)

    return to_tflite(deployment, signatures, quantized)


def _with_sum(model: bytes, integer_io: bool) -> bytes:
    """The model with one output instead of the pieces: tanh of their sum, ``[1, samples]``."""
    file = Flatbuffer(model)
    tensors = file.graph.tensors
    outputs = {entry.name.decode(): entry.tensorIndex for entry in file.signature.outputs}
    total: int | None = None
    for index in range(len(PIECES)):
        piece = outputs[PIECE.format(index)]
        shape, (scale,) = tensors[piece].shape, tensors[piece].quantization.scale
        wide = file.tensor(shape, "int16", scale)  # the same integers, of the same scale
        if integer_io:
            wide = file.append("QUANTIZE", [piece], wide, 2)  # Ethos-U55 and U65 have no cast
        else:
            # For CPUs, whose older runtimes can quantize 8 bits only to 8.
            wide = file.append("CAST", [piece], wide, 1, schema.CastOptionsT())
        if total is not None:
            both = file.tensor(shape, "int16", SUM_RANGE / INT16)
            wide = file.append("ADD", [total, wide], both, 2, schema.AddOptionsT())
        total = wide
    assert total is not None, "there is a piece"
    total = file.append("TANH", [total], file.tensor(shape, "int16", 1 / INT16), 3)
    shape = np.array([1, np.prod(shape)], np.int32)
    options = schema.ReshapeOptionsT()
    options.newShape = shape
    audio = file.append("RESHAPE", [total, file.constant(shape)], file.tensor(shape, "int16", 1 / INT16), 1, options)
    if not integer_io:
        audio = file.append("DEQUANTIZE", [audio], file.tensor(shape, "float32"), 2)
    tensors[audio].name = AUDIO.encode()
    file.graph.outputs = [audio]
    entry = schema.TensorMapT()
    entry.name, entry.tensorIndex = AUDIO.encode(), audio
    file.signature.outputs = [entry]
    return file.dump()


def _with_float_layers(model: bytes, deployment: Deployment, float_layers: tuple[str, ...]) -> bytes:
    """The model with some convolutions in float; the tensors before and after them stay in integers."""
    file = Flatbuffer(model)
    tensors, operators = file.graph.tensors, file.graph.operators
    file.graph.operators, left = [], set(float_layers)
    for operator in operators:
        output = operator.outputs[0]
        found = [name for name in left if tensors[output].name.startswith(f"{name}/".encode())]
        if not found or file.kind(operator) != schema.BuiltinOperator.CONV_2D:
            file.graph.operators.append(operator)
            continue
        (layer,), integers = found, operator.inputs[0]
        left.remove(layer)
        x = file.append("DEQUANTIZE", [integers], file.tensor(tensors[integers].shape, "float32"), 2)
        kernel = np.ascontiguousarray(np.moveaxis(deployment.kernels[layer].numpy(), -1, 0))
        operator.inputs = [x, file.constant(kernel), file.constant(deployment.biases[layer].numpy())]
        operator.outputs = [file.tensor(tensors[output].shape, "float32")]
        file.graph.operators.append(operator)
        file.append("QUANTIZE", operator.outputs, output, 1)
    assert not left, f"the converter has named the convolutions {sorted(left)} otherwise"
    return file.dump()


def with_equal_rounding(model: bytes) -> bytes:
    """The model with scales for which all runtimes round a LeakyReLU alike.

    LiteRT divides the scale of its input by that of its output in float32, TensorFlow Lite Micro in float64. So an
    integer that becomes one half-way between two steps goes up in one and down in the other. Where there is such an
    integer, the output's scale, and that of tensors that only move its values, is changed in its last bits.
    """
    file = Flatbuffer(model)
    kinds, tensors = schema.BuiltinOperator, file.graph.tensors
    moving = (kinds.GATHER, kinds.PAD, kinds.MIRROR_PAD, kinds.RESHAPE, kinds.SLICE, kinds.STRIDED_SLICE)
    changed: dict[int, float] = {}  # {tensor: its scale}
    for operator in file.graph.operators:
        source, output = operator.inputs[0], operator.outputs[0]
        if file.kind(operator) == kinds.LEAKY_RELU:
            (zero_point,), (first,) = tensors[source].quantization.zeroPoint, tensors[output].quantization.scale
            (source_scale,), scale = tensors[source].quantization.scale, np.float32(first)
            while is_half_way(source_scale / float(scale), int(zero_point), operator.builtinOptions.alpha):
                scale = np.nextafter(scale, np.float32(np.inf))
            changed[output] = float(scale)
        elif file.kind(operator) in moving and source in changed:
            changed[output] = changed[source]
        if output in changed:
            tensors[output].quantization.scale = [changed[output]]
    return file.dump()


def is_half_way(ratio: float, zero_point: int, slope: float) -> bool:
    """Whether a LeakyReLU, with this ratio of scales, makes of any integer one half-way between two steps."""
    integers = np.arange(-128, 128) - zero_point
    for factor, those in ((ratio, integers[integers >= 0]), (ratio * slope, integers[integers < 0])):
        # For factors below a half the kernels round twice, first to a fraction.
        fractions = 2.0 ** max(0, -math.frexp(factor)[1])
        if np.any(np.abs(those * factor * fractions % 1 - 0.5) < HALF_WAY):
            return True
    return False


def io_quantization(model: bytes) -> dict:
    """Quantization parameters of ``mel`` and ``audio``: an integer stands for ``(integer - zero_point) * scale``."""
    file = Flatbuffer(model)
    result = {}
    for entry in (*file.signature.inputs, *file.signature.outputs):
        tensor = file.graph.tensors[entry.tensorIndex]
        dtype = {schema.TensorType.INT8: "int8", schema.TensorType.INT16: "int16"}[tensor.type]
        (scale,), (zero_point,) = tensor.quantization.scale, tensor.quantization.zeroPoint
        result[entry.name.decode()] = {"dtype": dtype, "scale": float(scale), "zero_point": int(zero_point)}
    return result
