"""The same generator in ONNX Runtime, only for the benchmark: neither it nor ``onnx`` is a requirement."""

from collections.abc import Callable

import numpy as np

from benchmarks.original import Original
from hifigan_tf.config import GeneratorConfig


def onnx_model(generator: Original) -> bytes:
    """The generator as an ONNX file: ``mel`` ``[1, num_mels, frames]`` to ``audio`` ``[1, 1, samples]``."""
    import onnx
    from onnx import TensorProto, helper, numpy_helper

    config, nodes, constants = generator.config, [], []

    def node(kind, inputs, **attributes):
        nodes.append(helper.make_node(kind, inputs, [f"t{len(nodes)}"], **attributes))
        return nodes[-1].output[0]

    def constant(array):
        constants.append(numpy_helper.from_array(array, f"c{len(constants)}"))
        return constants[-1].name

    def conv(x, name, dilation=1):
        kernel, bias = generator.weights[name]
        padding = (kernel.shape[2] - 1) * dilation // 2
        inputs = [x, constant(kernel), constant(bias)]
        return node("Conv", inputs, pads=[padding, padding], dilations=[dilation])

    def upsample(x, name, rate):
        kernel, bias = generator.weights[name]
        shift, added = config.upsample_shift(rate, kernel.shape[2]), config.upsample_added(rate, kernel.shape[2])
        settings = {"pads": [shift, shift], "output_padding": [added], "strides": [rate]}
        return node("ConvTranspose", [x, constant(kernel), constant(bias)], **settings)

    def active(x, slope=GeneratorConfig.leaky_slope):
        return node("LeakyRelu", [x], alpha=slope)

    def block(x, name, dilations):
        for index, dilation in enumerate(dilations):
            if config.resblock == "1":
                y = conv(active(x), f"{name}.convs1.{index}", dilation)
                y = conv(active(y), f"{name}.convs2.{index}")
            else:
                y = conv(active(x), f"{name}.convs.{index}", dilation)
            x = node("Add", [x, y])
        return x

    x, number = conv("mel", "conv_pre"), 0
    for stage, rate in enumerate(config.upsample_rates):
        x, outputs = upsample(active(x), f"ups.{stage}", rate), []
        for dilations in config.resblock_dilation_sizes:
            outputs.append(block(x, f"resblocks.{number}", dilations))
            number += 1
        x = node("Mul", [node("Sum", outputs), constant(np.float32(1 / len(outputs)))])
    node("Tanh", [conv(active(x, GeneratorConfig.last_leaky_slope), "conv_post")])
    nodes[-1].output[0] = "audio"
    floats = TensorProto.FLOAT
    graph = helper.make_graph(
        nodes,
        "generator",
        [helper.make_tensor_value_info("mel", floats, [1, generator.num_mels, "frames"])],
        [helper.make_tensor_value_info("audio", floats, [1, 1, "samples"])],
        constants,
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    onnx.checker.check_model(model)
    return model.SerializeToString()


def onnxruntime_runner(generator: Original, threads: int) -> Callable[[np.ndarray], np.ndarray]:
    """``run(mel)``: ``[frames, num_mels]`` to ``[samples]`` on the CPU in float32, all graph optimisations on."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads, options.inter_op_num_threads = threads, 1
    session = onnxruntime.InferenceSession(onnx_model(generator), options, providers=["CPUExecutionProvider"])

    def run(mel):
        return session.run(None, {"mel": np.ascontiguousarray(mel.T[None])})[0][0, 0]

    return run
