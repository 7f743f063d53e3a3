"""The same generator in PyTorch and ONNX Runtime, for the benchmark alone: neither is a requirement.

Each function takes plain weights and gives ``run(mel)``: ``[frames, num_mels]`` to ``[samples]``.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from hifigan_tf.errors import UserError

LEAKY_SLOPE, LAST_SLOPE = 0.1, 0.01


@dataclass(frozen=True)
class Layer:
    """A convolution in PyTorch's and ONNX' order of axes, norm folded. ``padding`` keeps or multiplies lengths."""

    kernel: np.ndarray
    bias: np.ndarray
    stride: int
    dilation: int
    padding: int


@dataclass(frozen=True)
class PlainGenerator:
    """The original's graph: ``stages`` are (upsampling, blocks), a block its units, a unit its convolutions."""

    pre: Layer
    stages: list[tuple[Layer, list[list[list[Layer]]]]]
    post: Layer


def plain(generator) -> PlainGenerator:
    """The weights of a Keras ``Generator``, so that the peers' processes need no Keras.

    Raises ``UserError`` for a generator that the original does not have.
    """
    import keras

    from hifigan_tf.export.network import layer_units

    if unknown := generator.hyper_parameters.beyond_paper:
        raise UserError(f"--against knows the paper's generator alone, and this one has {unknown}: leave it out")

    def layer(source, upsampling=False):
        kernel = keras.ops.convert_to_numpy(source.effective_kernel()).transpose(2, 1, 0)
        full = source.kernel_size - source.stride if upsampling else (source.kernel_size - 1) * source.dilation
        bias = keras.ops.convert_to_numpy(source.bias)
        return Layer(np.ascontiguousarray(kernel), bias, source.stride, source.dilation, full // 2)

    stages = [
        (layer(up, True), [[[layer(c) for c in unit] for unit in layer_units(block)] for block in mrf.resblocks])
        for up, mrf in zip(generator.ups, generator.mrfs, strict=True)
    ]
    return PlainGenerator(layer(generator.conv_pre), stages, layer(generator.conv_post))


def torch_runner(generator: PlainGenerator, threads: int) -> Callable[[np.ndarray], np.ndarray]:
    """PyTorch in float32, weight norm removed, as the original's inference script does."""
    import torch
    from torch.nn import functional

    torch.set_num_threads(threads)
    tensors = {}

    def weights(layer):
        if id(layer) not in tensors:
            tensors[id(layer)] = torch.from_numpy(layer.kernel), torch.from_numpy(layer.bias)
        return tensors[id(layer)]

    def conv(x, layer):
        return functional.conv1d(x, *weights(layer), padding=layer.padding, dilation=layer.dilation)

    @torch.inference_mode()
    def run(mel):
        x = conv(torch.from_numpy(np.ascontiguousarray(mel.T[None])), generator.pre)
        for up, blocks in generator.stages:
            x = functional.leaky_relu(x, LEAKY_SLOPE)
            x = functional.conv_transpose1d(x, *weights(up), stride=up.stride, padding=up.padding)
            total = 0
            for block in blocks:
                y = x
                for unit in block:
                    z = y
                    for layer in unit:
                        z = conv(functional.leaky_relu(z, LEAKY_SLOPE), layer)
                    y = y + z
                total = total + y
            x = total / len(blocks)
        return torch.tanh(conv(functional.leaky_relu(x, LAST_SLOPE), generator.post))[0, 0].numpy()

    return run


def onnx_model(generator: PlainGenerator) -> bytes:
    """The generator as an ONNX file: ``mel`` ``[1, num_mels, frames]`` to ``audio`` ``[1, 1, samples]``."""
    import onnx
    from onnx import TensorProto, helper, numpy_helper

    nodes, constants = [], []

    def node(kind, inputs, **attributes):
        nodes.append(helper.make_node(kind, inputs, [f"t{len(nodes)}"], **attributes))
        return nodes[-1].output[0]

    def constant(array):
        constants.append(numpy_helper.from_array(array, f"c{len(constants)}"))
        return constants[-1].name

    def conv(x, layer, kind="Conv"):
        inputs, pads = [x, constant(layer.kernel), constant(layer.bias)], [layer.padding, layer.padding]
        return node(kind, inputs, pads=pads, dilations=[layer.dilation], strides=[layer.stride])

    x = conv("mel", generator.pre)
    for up, blocks in generator.stages:
        x = conv(node("LeakyRelu", [x], alpha=LEAKY_SLOPE), up, "ConvTranspose")
        outputs = []
        for block in blocks:
            y = x
            for unit in block:
                z = y
                for layer in unit:
                    z = conv(node("LeakyRelu", [z], alpha=LEAKY_SLOPE), layer)
                y = node("Add", [y, z])
            outputs.append(y)
        x = node("Mul", [node("Sum", outputs), constant(np.float32(1 / len(outputs)))])
    node("Tanh", [conv(node("LeakyRelu", [x], alpha=LAST_SLOPE), generator.post)])
    nodes[-1].output[0] = "audio"
    bands, floats = generator.pre.kernel.shape[1], TensorProto.FLOAT
    graph = helper.make_graph(
        nodes,
        "generator",
        [helper.make_tensor_value_info("mel", floats, [1, bands, "frames"])],
        [helper.make_tensor_value_info("audio", floats, [1, 1, "samples"])],
        constants,
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    onnx.checker.check_model(model)
    return model.SerializeToString()


def onnxruntime_runner(generator: PlainGenerator, threads: int) -> Callable[[np.ndarray], np.ndarray]:
    """ONNX Runtime on the CPU in float32, all graph optimisations on."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads, options.inter_op_num_threads = threads, 1
    session = onnxruntime.InferenceSession(onnx_model(generator), options, providers=["CPUExecutionProvider"])

    def run(mel):
        return session.run(None, {"mel": np.ascontiguousarray(mel.T[None])})[0][0, 0]

    return run
