"""Writers of other libraries' files for tests: safetensors, tar, and ONNX in two spellings."""

import io
import json
import struct
import tarfile
from pathlib import Path

import numpy as np


def safetensors_bytes(arrays: dict, bfloat16: bool = False) -> bytes:
    """Arrays as a safetensors file; in bfloat16 by cutting float32."""
    header, data = {"__metadata__": {"format": "pt"}}, b""
    for name, array in arrays.items():
        content = np.ascontiguousarray(array)
        kind = {"<f4": "F32", "<f2": "F16", "<f8": "F64", "|u1": "U8"}[content.dtype.str]
        if bfloat16:
            content, kind = (content.view(np.uint32) >> 16).astype(np.uint16), "BF16"
        numbers = content.tobytes()
        header[name] = {
            "dtype": kind,
            "shape": list(array.shape),
            "data_offsets": [len(data), len(data) + len(numbers)],
        }
        data += numbers
    text = json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + data


def tar_bytes(members: dict, mode: str = "w") -> bytes:
    """A tar of ``{name: bytes}``; ``w:gz`` compresses it."""
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode=mode) as archive:
        for name, content in members.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return stream.getvalue()


# Protobuf.


def varint(number: int) -> bytes:
    number &= (1 << 64) - 1
    parts = []
    while number > 127:
        parts.append(number & 127 | 128)
        number >>= 7
    return bytes([*parts, number])


def entry(number: int, value) -> bytes:
    """A field: a varint, or bytes."""
    if isinstance(value, int):
        return varint(number << 3) + varint(value)
    value = value.encode() if isinstance(value, str) else value
    return varint(number << 3 | 2) + varint(len(value)) + value


def attribute(name: str, value) -> bytes:
    if isinstance(value, float):
        return entry(1, name) + varint(2 << 3 | 5) + struct.pack("<f", value) + entry(20, 1)
    if isinstance(value, int):
        return entry(1, name) + entry(3, value) + entry(20, 2)
    if isinstance(value, str):
        return entry(1, name) + entry(4, value) + entry(20, 3)
    return entry(1, name) + entry(8, b"".join(map(varint, value))) + entry(20, 7)


class OnnxWriter:
    """An ONNX graph of a generator, node after node.

    By default as PyTorch's classic exporter, of which the sample files are. ``newer`` is what newer versions of ONNX
    and PyTorch may write instead: axes as inputs, packed dimensions, a mean by multiplication, other names. With
    ``external`` the numbers are in a file beside the model.
    """

    def __init__(self, newer: bool = False, external: Path | None = None):
        self.newer, self.external = newer, external
        self.nodes: list[bytes] = []
        self.initializers: list[bytes] = []
        self.numbers = b""

    def node(self, op: str, inputs: list[str], domain: str = "", **attributes) -> str:
        name = f"val_{len(self.nodes)}" if self.newer else f"/{op}_output_{len(self.nodes)}"
        parts = b"".join(entry(1, each) for each in inputs) + entry(2, name) + entry(4, op)
        parts += b"".join(entry(5, attribute(key, value)) for key, value in attributes.items())
        self.nodes.append(parts + (entry(7, domain) if domain else b""))
        return name

    def constant(self, array, name: str = "") -> str:
        array = np.asarray(array)
        name = name or f"const_{len(self.initializers)}"
        dims = b"".join(map(varint, array.shape))
        shape = entry(1, dims) if self.newer else b"".join(entry(1, size) for size in array.shape)
        tensor = shape + entry(2, {"<f4": 1, "<i8": 7}[array.dtype.str]) + entry(8, name)
        if self.external and array.size > 8:
            where = {"location": self.external.name, "offset": len(self.numbers), "length": array.nbytes}
            tensor += b"".join(entry(13, entry(1, key) + entry(2, str(value))) for key, value in where.items())
            self.numbers += array.tobytes()
        else:
            tensor += entry(9, array.tobytes())
        self.initializers.append(tensor + (entry(14, 1) if self.external and array.size > 8 else b""))
        return name

    def weight(self, state: dict, name: str) -> list[str]:
        """Names of kernel and bias; a norm is left in the graph."""
        gain = state.get(f"{name}.weight_g")
        if gain is None:
            kernel = self.constant(state[f"{name}.weight"])
        else:
            v = self.constant(state[f"{name}.weight_v"])
            axes = self.constant(np.array([1, 2]))
            norm = self.node("ReduceL2", [v, axes], keepdims=1)
            kernel = self.node("Mul", [v, self.node("Div", [self.constant(gain), norm])])
        bias = state.get(f"{name}.bias")
        return [kernel] if bias is None else [kernel, self.constant(bias)]

    def conv(self, x: str, state: dict, name: str, dilation: int = 1) -> str:
        taps = next(state[key] for key in (f"{name}.weight", f"{name}.weight_v") if key in state).shape[2]
        pad = (taps - 1) * dilation // 2
        settings = {"auto_pad": "NOTSET"} if self.newer else {"kernel_shape": [taps]}
        inputs = [x, *self.weight(state, name)]
        return self.node("Conv", inputs, dilations=[dilation], group=1, pads=[pad, pad], strides=[1], **settings)

    def generator(self, state: dict, config, x: str = "mel") -> str:
        """The nodes of a generator of this ``GeneratorConfig``."""

        def active(x, slope=config.leaky_slope):
            return self.node("LeakyRelu", [x], alpha=float(slope))

        x, number = self.conv(x, state, "conv_pre"), 0
        for stage, (rate, kernel) in enumerate(zip(config.upsample_rates, config.upsample_kernel_sizes, strict=True)):
            shift, added = config.upsample_shift(rate, kernel), config.upsample_added(rate, kernel)
            settings = {"pads": [shift, shift], "strides": [rate], "output_padding": [added]}
            x = self.node("ConvTranspose", [active(x), *self.weight(state, f"ups.{stage}")], **settings)
            total = ""
            for dilations in config.resblock_dilation_sizes:
                y = x
                for index, dilation in enumerate(dilations):
                    parts = ("convs1", "convs2") if config.resblock == "1" else ("convs",)
                    z = y
                    for part in parts:
                        name = f"resblocks.{number}.{part}.{index}"
                        z = self.conv(active(z), state, name, 1 if part == "convs2" else dilation)
                    y = self.node("Add", [z, y])
                total = self.node("Add", [total, y]) if total else y
                number += 1
            blocks = len(config.resblock_dilation_sizes)
            if self.newer:
                x = self.node("Mul", [total, self.constant(np.float32(1 / blocks))])
            else:
                x = self.node("Div", [total, self.constant(np.float32(blocks))])
        x = self.conv(active(x, config.last_leaky_slope), state, "conv_post")
        return self.node("Tanh", [x])

    def dump(self, output: str) -> bytes:
        """The file; the external numbers are written too."""
        graph = b"".join(entry(1, node) for node in self.nodes) + entry(2, "main_graph")
        graph += b"".join(entry(5, tensor) for tensor in self.initializers)
        graph += entry(11, entry(1, "mel")) + entry(12, entry(1, output))
        if self.external:
            self.external.write_bytes(self.numbers)
        return entry(1, 10) + entry(2, "pytorch") + entry(7, graph) + entry(8, entry(2, 18))


def onnx_bytes(state: dict, config, newer: bool = False, external: Path | None = None) -> bytes:
    """A generator's state in the original's names as an ONNX file."""
    writer = OnnxWriter(newer, external)
    return writer.dump(writer.generator(state, config))
