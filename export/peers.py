"""The same generator in PyTorch and ONNX Runtime, for the benchmark alone: neither is a requirement.

Each function takes a folded generator and gives ``run(mel)``: ``[frames, num_mels]`` to ``[samples]``.
"""

from collections.abc import Callable

import keras
import numpy as np

from export.network import layer_units
from hifigan_tf.generator import LAST_SLOPE, Generator
from hifigan_tf.layers import LEAKY_SLOPE


def _weights(layer) -> tuple[np.ndarray, np.ndarray]:
    """Kernel in PyTorch's (and ONNX') order of axes, and bias."""
    kernel = keras.ops.convert_to_numpy(layer.effective_kernel()).transpose(2, 1, 0)
    return np.ascontiguousarray(kernel), keras.ops.convert_to_numpy(layer.bias)


def torch_runner(generator: Generator, threads: int) -> Callable[[np.ndarray], np.ndarray]:
    """PyTorch in float32, weight norm removed, as the original's inference script does."""
    import torch
    from torch.nn import functional

    torch.set_num_threads(threads)
    weights = {}

    def conv(x, layer):
        kernel, bias = weights[layer]
        padding = (layer.kernel_size - 1) * layer.dilation // 2
        return functional.conv1d(x, kernel, bias, padding=padding, dilation=layer.dilation)

    layers = [generator.conv_pre, *generator.ups, generator.conv_post]
    layers += [layer for block in generator.resblocks for unit in layer_units(block) for layer in unit]
    for layer in layers:
        weights[layer] = tuple(torch.from_numpy(array) for array in _weights(layer))

    @torch.inference_mode()
    def run(mel):
        x = conv(torch.from_numpy(np.ascontiguousarray(mel.T[None])), generator.conv_pre)
        for up, mrf in zip(generator.ups, generator.mrfs, strict=True):
            x = functional.leaky_relu(x, LEAKY_SLOPE)
            shift = (up.kernel_size - up.stride) // 2
            x = functional.conv_transpose1d(x, *weights[up], stride=up.stride, padding=shift)
            total = 0
            for block in mrf.resblocks:
                y = x
                for unit in layer_units(block):
                    z = y
                    for layer in unit:
                        z = conv(functional.leaky_relu(z, LEAKY_SLOPE), layer)
                    y = y + z
                total = total + y
            x = total / len(mrf.resblocks)
        return torch.tanh(conv(functional.leaky_relu(x, LAST_SLOPE), generator.conv_post))[0, 0].numpy()

    return run


def onnx_model(generator: Generator) -> bytes:
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

    def conv(x, layer):
        padding = (layer.kernel_size - 1) * layer.dilation // 2
        inputs = [x, *map(constant, _weights(layer))]
        return node("Conv", inputs, pads=[padding, padding], dilations=[layer.dilation])

    x = conv("mel", generator.conv_pre)
    for up, mrf in zip(generator.ups, generator.mrfs, strict=True):
        x = node("LeakyRelu", [x], alpha=LEAKY_SLOPE)
        shift = (up.kernel_size - up.stride) // 2
        x = node("ConvTranspose", [x, *map(constant, _weights(up))], strides=[up.stride], pads=[shift, shift])
        outputs = []
        for block in mrf.resblocks:
            y = x
            for unit in layer_units(block):
                z = y
                for layer in unit:
                    z = conv(node("LeakyRelu", [z], alpha=LEAKY_SLOPE), layer)
                y = node("Add", [y, z])
            outputs.append(y)
        x = node("Mul", [node("Sum", outputs), constant(np.float32(1 / len(outputs)))])
    x = node("Tanh", [conv(node("LeakyRelu", [x], alpha=LAST_SLOPE), generator.conv_post)])
    nodes[-1].output[0] = "audio"
    bands, floats = generator.audio.num_mels, TensorProto.FLOAT
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


def onnxruntime_runner(generator: Generator, threads: int) -> Callable[[np.ndarray], np.ndarray]:
    """ONNX Runtime on the CPU in float32, all graph optimisations on."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads, options.inter_op_num_threads = threads, 1
    session = onnxruntime.InferenceSession(onnx_model(generator), options, providers=["CPUExecutionProvider"])

    def run(mel):
        return session.run(None, {"mel": np.ascontiguousarray(mel.T[None])})[0][0, 0]

    return run
