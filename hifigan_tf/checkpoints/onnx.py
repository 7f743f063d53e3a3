"""Reads the generator out of ONNX files, of PyTorch's classic exporter and of the newer one.

The file is a protobuf message, read here without its library. The graph is followed from the waveform back to the mel:

    Tanh <- Conv <- LeakyRelu <- [Div <- Add of blocks <- ConvTranspose <- LeakyRelu] per stage <- Conv <- mel

Rates, dilations, slopes and padding stand in its nodes. Weights that a weight norm still makes in the graph are
computed here, with a handful of array operations.
"""

import math
import struct
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any

from hifigan_tf.checkpoints.torch_pickle import brief
from hifigan_tf.errors import UserError

# Numbers of the fields in onnx.proto.
MODEL_GRAPH, GRAPH_NODE, GRAPH_INITIALIZER, GRAPH_INPUT, GRAPH_OUTPUT, GRAPH_SPARSE = 7, 1, 5, 11, 12, 15
NODE_INPUT, NODE_OUTPUT, NODE_OP, NODE_ATTRIBUTE, NODE_DOMAIN = 1, 2, 4, 5, 7
TENSOR_DIMS, TENSOR_TYPE, TENSOR_NAME, TENSOR_RAW, TENSOR_EXTERNAL = 1, 2, 8, 9, 13
DTYPES = {1: "<f4", 6: "<i4", 7: "<i8", 10: "<f2", 11: "<f8"}
TYPED_DATA = {4: "<f4", 10: "<f8"}  # fields with packed numbers of a fixed width
VARINTS = {5, 7}  # fields with packed integers
# Operations between the mel and the first convolution, or the last one and the waveform, that move nothing.
PASSIVE = {"Identity", "Squeeze", "Unsqueeze", "Reshape", "Transpose", "Cast", "Flatten"}
LARGEST_GROWTH = 16  # of all constants that the graph makes, over those that the file holds
# Operations that no HiFi-GAN has, and the vocoders that do.
FOREIGN = {
    "Sin": "BigVGAN's Snake activations, or the sine source of an NSF-HiFiGAN",
    "RandomNormalLike": "the noise of VITS or of an NSF-HiFiGAN",
    "RandomNormal": "the noise of VITS or of an NSF-HiFiGAN",
    "STFT": "a Fourier transform, as Vocos or iSTFTNet",
    "DFT": "a Fourier transform, as Vocos or iSTFTNet",
    "Erf": "the GELU of Vocos",
    "LayerNormalization": "Vocos",
    "DequantizeLinear": "8-bit weights: give the float model",
    "ConvInteger": "8-bit weights: give the float model",
}


@dataclass
class Node:
    """One operation of the graph; ``place`` is its number in the file's order."""

    op: str
    place: int
    inputs: list[str] = field(default_factory=list)
    outputs: list[str] = field(default_factory=list)
    attributes: dict[str, Any] = field(default_factory=dict)


def fields(data: memoryview) -> Iterator[tuple[int, Any]]:
    """``(number, value)`` of a protobuf message: int for varints, else the bytes. ``ValueError`` when it is damaged."""
    position = 0
    while position < len(data):
        key, position = _varint(data, position)
        kind = key & 7
        if kind == 0:
            value, position = _varint(data, position)
            yield key >> 3, value
            continue
        if kind == 2:
            length, position = _varint(data, position)
        elif kind in (1, 5):
            length = {1: 8, 5: 4}[kind]
        else:
            raise ValueError(f"a field of kind {kind}")
        if position + length > len(data):
            raise ValueError("a field ends behind the end")
        yield key >> 3, data[position : position + length]
        position += length


def _varint(data: memoryview, position: int) -> tuple[int, int]:
    value = 0
    for shift in range(0, 70, 7):
        if position >= len(data):
            raise ValueError("cut short")
        byte = data[position]
        position += 1
        value |= (byte & 127) << shift
        if byte < 128:
            return value, position
    raise ValueError("a number of more than 64 bits")


def _integers(value) -> list[int]:
    """One integer, or packed ones, signed."""
    numbers, position = ([value], 0) if isinstance(value, int) else ([], 0)
    while not isinstance(value, int) and position < len(value):
        number, position = _varint(value, position)
        numbers.append(number)
    return [number - (1 << 64) if number >= 1 << 63 else number for number in numbers]


def _text(value) -> str:
    return bytes(value).decode()


class Graph:
    """The nodes and constants of an ONNX file; ``folder`` is where its external data lies."""

    def __init__(self, data: bytes, folder: Path):
        self.folder = folder
        self.constants: dict[str, Any] = {}
        self.producers: dict[str, Node] = {}
        self.inputs: set[str] = set()
        self.outputs: list[str] = []
        graphs = [value for number, value in fields(memoryview(data)) if number == MODEL_GRAPH]
        if len(graphs) != 1 or isinstance(graphs[0], int):
            raise ValueError(f"it has {len(graphs)} graphs")
        self.nodes: list[Node] = []
        for number, value in fields(graphs[0]):
            if number == GRAPH_NODE:
                self.nodes.append(self._node(value, len(self.nodes)))
            elif number == GRAPH_INITIALIZER:
                name, array = self._tensor(value)
                self.constants[name] = array
            elif number in (GRAPH_INPUT, GRAPH_OUTPUT):
                name = next(_text(part) for key, part in fields(value) if key == 1)
                self.inputs.add(name) if number == GRAPH_INPUT else self.outputs.append(name)
            elif number == GRAPH_SPARSE:
                raise ValueError("it has sparse weights")
        self.inputs -= self.constants.keys()
        self.known = {*self.inputs, *self.constants}
        for node in self.nodes:
            if node.op in FOREIGN:
                raise UserError(f"has the operation {node.op}, {FOREIGN[node.op]}: no HiFi-GAN from mels has it")
        given = sum(array.nbytes for array in self.constants.values() if array is not None)
        self.largest = LARGEST_GROWTH * given + (1 << 16)
        for node in self.nodes:
            # Every input made before, and once: so no walk along the graph is endless.
            if any(name not in self.known for name in node.inputs if name) or self.known & set(node.outputs):
                raise ValueError("its nodes are not in order")
            self._fold(node)
            self.producers |= dict.fromkeys(node.outputs, node)
            self.known.update(node.outputs)

    def _node(self, data, place: int) -> Node:
        node = Node("", place)
        for number, value in fields(data):
            if number == NODE_INPUT:
                node.inputs.append(_text(value))
            elif number == NODE_OUTPUT:
                node.outputs.append(_text(value))
            elif number == NODE_OP:
                node.op = _text(value)
            elif number == NODE_ATTRIBUTE:
                name, content = self._attribute(value)
                node.attributes[name] = content
            elif number == NODE_DOMAIN and _text(value) not in ("", "ai.onnx"):
                raise UserError(f"has operations of {brief(_text(value))}, which are not ONNX's own: refused")
        return node

    def _attribute(self, data) -> tuple[str, Any]:
        many: list = []
        name, content = "", None
        for number, value in fields(data):
            if number == 1:
                name = _text(value)
            elif number == 2:
                content = struct.unpack("<f", value)[0]
            elif number == 3:
                content = _integers(value)[0]
            elif number == 4:
                content = bytes(value)
            elif number == 5:
                content = self._tensor(value)[1]
            elif number == 7:
                many += struct.unpack(f"<{len(value) // 4}f", value)
            elif number == 8:
                many += _integers(value)
        return name, many or content

    def _tensor(self, data) -> tuple[str, Any]:
        """Name and array of a TensorProto."""
        import numpy as np

        shape: list[int] = []
        kind, name, raw, numbers, external = 0, "", None, [], {}
        for number, value in fields(data):
            if number == TENSOR_DIMS:
                shape += _integers(value)
            elif number == TENSOR_TYPE:
                kind = value
            elif number == TENSOR_NAME:
                name = _text(value)
            elif number == TENSOR_RAW:
                raw = value
            elif number in TYPED_DATA and not isinstance(value, int):
                numbers.append(np.frombuffer(value, TYPED_DATA[number]))
            elif number in VARINTS:
                numbers.append(np.array(_integers(value), np.int64))
            elif number == TENSOR_EXTERNAL:
                pair = {key: _text(part) for key, part in fields(value)}
                external[pair.get(1)] = pair.get(2, "")
        if kind not in DTYPES:
            return name, None
        if external:
            raw = self._external(external)
        flat = np.frombuffer(raw, DTYPES[kind]) if raw is not None else np.concatenate([np.zeros(0), *numbers])
        if any(size < 0 for size in shape) or math.prod(shape) != flat.size:
            raise ValueError(f"{brief(name)} has {flat.size} numbers, and the shape {brief(shape)}")
        return name, flat.astype(DTYPES[kind], copy=False).reshape(shape)

    def _external(self, where: dict) -> bytes:
        """Numbers in a file beside the model."""
        location = where.get("location", "")
        path = self.folder / location
        if Path(location).name != location or location in ("", ".", "..") or not path.is_file():
            raise UserError(f"keeps its weights in {brief(location)!r}, which is no file beside it: copy both")
        offset, length = int(where.get("offset", 0)), int(where.get("length", -1))
        if offset < 0 or length < 0 or offset + length > path.stat().st_size:
            raise UserError(
                f"keeps weights in {brief(location)} at bytes that this file does not have: copy both again"
            )
        with path.open("rb") as file:
            file.seek(offset)
            return file.read(length)

    def _fold(self, node: Node) -> None:
        """Computes a node whose inputs are constants, such as a weight norm's."""
        import numpy as np

        if node.op == "Constant" and len(node.outputs) == 1:
            content = next(iter(node.attributes.values()), None)
            if content is not None and not isinstance(content, bytes):
                self.constants[node.outputs[0]] = np.asarray(content)
            return
        inputs = [array for name in node.inputs if (array := self.constants.get(name)) is not None]
        if node.op not in _folding() or not inputs or len(inputs) < len(node.inputs) or len(node.outputs) != 1:
            return
        shapes = [array.shape for array in inputs]
        self.largest -= 8 * math.prod(np.broadcast_shapes(*shapes) if node.op in BINARY else shapes[0])
        if self.largest < 0:
            raise ValueError("its constants are far larger than the file")
        with np.errstate(all="ignore"):
            self.constants[node.outputs[0]] = _folding()[node.op](node.attributes, *inputs)


def _axes(attributes, axes) -> tuple[int, ...] | None:
    found = attributes.get("axes") if axes is None else axes.tolist()
    return None if found is None else tuple(found)


def _reduce(function: Callable) -> Callable:
    return lambda attributes, x, axes=None: function(
        x, axis=_axes(attributes, axes), keepdims=bool(attributes.get("keepdims", 1))
    )


@lru_cache(maxsize=1)
def _folding() -> dict[str, Callable]:
    """``{operation: function of its attributes and arrays}``, those that make the kernels of a weight norm."""
    import numpy as np

    def l2(x, **settings):
        return np.sqrt(np.sum(np.square(x), **settings))

    def unsqueezed(attributes, x, axes=None):
        return np.expand_dims(x, _axes(attributes, axes) or ())

    def squeezed(attributes, x, axes=None):
        return np.squeeze(x, _axes(attributes, axes))

    return {
        "Mul": lambda _, a, b: a * b,
        "Div": lambda _, a, b: a / b,
        "Add": lambda _, a, b: a + b,
        "Sub": lambda _, a, b: a - b,
        "Pow": lambda _, a, b: np.power(a, b).astype(a.dtype),
        "Sqrt": lambda _, a: np.sqrt(a),
        "Abs": lambda _, a: np.abs(a),
        "Identity": lambda _, a: a,
        "ReduceL2": _reduce(l2),
        "ReduceSum": _reduce(np.sum),
        "ReduceSumSquare": _reduce(lambda x, **settings: np.sum(np.square(x), **settings)),
        "Reshape": lambda _, a, shape: a.reshape(shape.tolist()),
        "Transpose": lambda attributes, a: a.transpose(attributes.get("perm")),
        "Unsqueeze": unsqueezed,
        "Squeeze": squeezed,
    }


BINARY = {"Mul", "Div", "Add", "Sub", "Pow"}


class Generator:
    """Follows a graph from the waveform to the mel, and collects tensors and settings in the original's names."""

    def __init__(self, graph: Graph):
        self.graph = graph
        self.tensors: dict = {}
        self.keys: dict = {}

    def read(self) -> None:
        node = self.step(self.graph.outputs[0] if self.graph.outputs else "", "Tanh", passive=True)
        post = self.step(node.inputs[0], "Conv", passive=True)
        active = self.step(post.inputs[0], "LeakyRelu")
        self.keys["last_leaky_slope"] = _slope(active)
        stages: list[dict] = []
        slopes: set[float] = set()
        name, pre = active.inputs[0], None
        while pre is None:
            stage = self.stage(name)
            stages.insert(0, stage)
            active = self.step(stage["up"].inputs[0], "LeakyRelu")
            slopes |= {_slope(active), *stage["slopes"]}
            name = active.inputs[0]
            producer = self.graph.producers.get(name)
            pre = producer if producer and producer.op == "Conv" else None
        if len(slopes) != 1:
            raise UserError(f"has LeakyReLUs of the slopes {sorted(slopes)}: a HiFi-GAN has one, and one for the last")
        self.keys["leaky_slope"] = slopes.pop()
        self.input(pre.inputs[0])
        self.collect(pre, stages, post)

    def step(self, name: str, op: str, passive: bool = False) -> Node:
        """The node that makes ``name``, which must be an ``op``."""
        node = self.graph.producers.get(name)
        while passive and node and node.op in PASSIVE and node.inputs:
            node = self.graph.producers.get(node.inputs[0])
        if node is None or node.op != op or not node.inputs:
            raise UserError(f"has a graph that is no HiFi-GAN's: {node.op if node else 'nothing'} where {op} belongs")
        return node

    def stage(self, name: str) -> dict:
        """Upsampling, blocks and slopes of the stage whose output is ``name``."""
        node = self.graph.producers.get(name)
        count = 1
        if node and node.op in ("Div", "Mul") and len(node.inputs) == 2:
            constants = [self.graph.constants.get(each) for each in node.inputs]
            factor = next((array for array in constants if array is not None and array.size == 1), None)
            if factor is None:
                raise UserError(f"has a graph that is no HiFi-GAN's: a {node.op} of two signals")
            value = float(factor.reshape(()))
            count = round(value if node.op == "Div" else 1 / value) if value else 0
            name = next(each for each, array in zip(node.inputs, constants, strict=True) if array is None)
        names = [name]
        if not 1 <= count <= 64:
            raise ValueError(f"a mean over {count} blocks")
        while len(names) < count:
            node = self.graph.producers.get(names[0])
            if node is None or node.op not in ("Add", "Sum"):
                raise UserError("has a graph that is no HiFi-GAN's: its blocks are not added")
            names = [*node.inputs, *names[1:]]
        blocks = [self.block(each) for each in names]
        ups = {id(block[0]): block[0] for block in blocks}
        if len(ups) != 1:
            raise UserError("has a graph that is no HiFi-GAN's: blocks of one stage have several inputs")
        slopes = {slope for block in blocks for slope in block[2]}
        return {"up": blocks[0][0], "blocks": [block[1] for block in blocks], "slopes": slopes}

    def block(self, name: str) -> tuple[Node, list[list[Node]], set]:
        """The upsampling before a residual block, its convolutions by skip, and its slopes."""
        units: list[list[Node]] = []
        slopes: set[float] = set()
        node: Node | None = self.step(name, self.graph.producers[name].op if name in self.graph.producers else "Add")
        while node is None or node.op != "ConvTranspose":
            if node is None:
                raise UserError("has a graph that is no HiFi-GAN's: a skip that begins nowhere")
            if node.op != "Add" or len(node.inputs) != 2:
                raise UserError(f"has a graph that is no HiFi-GAN's: {node.op} where a residual block ends")
            makers = [self.graph.producers.get(each) for each in node.inputs]
            branch = 0 if makers[0] and makers[0].op == "Conv" else 1
            unit: list[Node] = []
            maker = makers[branch]
            skip = node.inputs[1 - branch]
            while True:
                if maker is None or maker.op != "Conv" or len(unit) == 2:
                    raise UserError("has a graph that is no HiFi-GAN's: a residual block of other operations")
                unit.insert(0, maker)
                active = self.step(maker.inputs[0], "LeakyRelu")
                slopes.add(_slope(active))
                if active.inputs[0] == skip:
                    break
                maker = self.graph.producers.get(active.inputs[0])
            units.insert(0, unit)
            node = makers[1 - branch]
        return node, units, slopes

    def input(self, name: str) -> None:
        """What comes before the first convolution: nothing, or a normalisation by constants."""
        found = {}
        node = self.graph.producers.get(name)
        while node is not None:
            constants = [self.graph.constants.get(each) for each in node.inputs]
            if node.op in ("Sub", "Div") and len(constants) == 2 and constants[1] is not None and constants[0] is None:
                key = {"Sub": "input_mean", "Div": "input_scale"}[node.op]
                if key in found or (key == "input_scale" and "input_mean" in found):
                    raise UserError("begins with other operations than (mel - mean) / scale")
                found[key] = constants[1].reshape(-1).astype(float).tolist()
            elif node.op not in PASSIVE:
                raise UserError(f"begins with {node.op}, not with the convolution of a mel")
            name = node.inputs[0]
            node = self.graph.producers.get(name)
        if name not in self.graph.inputs:
            raise UserError("has a graph that is no HiFi-GAN's: its first convolution does not read the input")
        self.keys |= found

    def collect(self, pre: Node, stages: list[dict], post: Node) -> None:
        """Tensors and keys."""
        self.conv(pre, "conv_pre")
        self.conv(post, "conv_post")
        kinds = {len(unit) for stage in stages for block in stage["blocks"] for unit in block}
        if len(kinds) != 1:
            raise UserError("has a graph that is no HiFi-GAN's: residual blocks of both kinds")
        lists = ("convs1", "convs2") if kinds == {2} else ("convs",)
        sizes, padded, number = [], [], 0
        for index, stage in enumerate(stages):
            padded.append(self.up(stage["up"], f"ups.{index}"))
            kernels, dilations = [], []
            for block in stage["blocks"]:
                taps = set()
                for position, unit in enumerate(block):
                    for part, node in zip(lists, unit, strict=True):
                        taps.add(self.conv(node, f"resblocks.{number}.{part}.{position}"))
                if len(taps) != 1 or any(_dilation(unit[1]) != 1 for unit in block if len(unit) == 2):
                    raise UserError("has a graph that is no HiFi-GAN's: kernels or dilations differ within a block")
                kernels.append(taps.pop())
                dilations.append([_dilation(unit[0]) for unit in block])
                number += 1
            sizes.append((kernels, dilations))
        if any(size != sizes[0] for size in sizes):
            raise UserError("has a graph that is no HiFi-GAN's: its stages have different blocks")
        self.keys |= {
            "resblock": "1" if len(lists) == 2 else "2",
            "upsample_rates": [rate for rate, _ in padded],
            "upsample_kernel_sizes": [self.tensors[f"ups.{index}.weight"].shape[2] for index in range(len(stages))],
            "upsample_initial_channel": self.tensors["conv_pre.weight"].shape[0],
            "resblock_kernel_sizes": sizes[0][0],
            "resblock_dilation_sizes": sizes[0][1],
        }
        odd = {kind for _, kind in padded if kind is not None}
        if len(odd) > 1:
            raise UserError("pads its upsamplings in two ways")
        if odd:
            self.keys["upsample_output_padding"] = odd.pop()

    def parameters(self, node: Node, name: str) -> int:
        """Keeps weight and bias of a convolution; returns its taps."""
        import numpy as np

        names = [each for each in node.inputs[1:3] if each]
        arrays = [array for each in names if (array := self.graph.constants.get(each)) is not None]
        if not arrays or len(arrays) < len(names) or arrays[0].ndim != 3:
            raise UserError(f"makes the weights of {name} in the graph, in a way that is not a weight norm")
        if node.attributes.get("group", 1) != 1 or node.attributes.get("auto_pad", b"NOTSET") != b"NOTSET":
            raise UserError(f"has a grouped or automatically padded convolution {name}, which no HiFi-GAN has")
        weight = arrays[0]
        self.tensors[f"{name}.weight"] = weight
        filters = weight.shape[1 if node.op == "ConvTranspose" else 0]
        self.tensors[f"{name}.bias"] = arrays[1] if len(arrays) == 2 else np.zeros(filters, np.float32)
        return weight.shape[2]

    def conv(self, node: Node, name: str) -> int:
        taps = self.parameters(node, name)
        pad = (taps - 1) * _dilation(node) / 2
        if node.attributes.get("pads", [0, 0]) != [pad, pad] or node.attributes.get("strides", [1]) != [1]:
            raise UserError(f"does not pad its convolution {name} by zeros as many as a HiFi-GAN does")
        return taps

    def up(self, node: Node, name: str) -> tuple[int, bool | None]:
        """Rate, and for odd kernels whether it has output padding."""
        taps = self.parameters(node, name)
        (rate,) = node.attributes.get("strides", [1])
        pads, (added,) = node.attributes.get("pads", [0, 0]), node.attributes.get("output_padding", [0])
        odd = (taps - rate) % 2
        for kind in (True, False) if odd else (None,):
            shift = (taps - rate + bool(kind)) // 2
            if pads == [shift, shift] and added == bool(kind) and _dilation(node) == 1:
                return rate, kind
        raise UserError(f"pads its upsampling {name} by {brief(pads)}, as no HiFi-GAN does")


def _dilation(node: Node) -> int:
    return node.attributes.get("dilations", [1])[0]


def _slope(node: Node) -> float:
    """A slope as it was written in the program, not as float32 rounds it."""
    return float(f"{node.attributes.get('alpha', 0.01):.6g}")


def read(path: Path) -> tuple[dict, dict]:
    """``{name: array}`` in the original's names, norms folded, and the keys of ``GeneratorConfig``.

    Raises ``UserError``, one line, for a damaged file and for a graph that is not a HiFi-GAN's.
    """
    try:
        generator = Generator(Graph(path.read_bytes(), path.parent))
        generator.read()
    except UserError as error:
        raise UserError(f"checkpoint {path} {error}") from None
    except (ValueError, TypeError, KeyError, IndexError, AttributeError, StopIteration, OverflowError) as error:
        raise UserError(f"checkpoint {path} is no ONNX file, or is damaged or cut short ({brief(error)})") from None
    except (struct.error, RecursionError, ZeroDivisionError, MemoryError) as error:
        raise UserError(f"checkpoint {path} is no ONNX file, or is damaged or cut short ({brief(error)})") from None
    return generator.tensors, generator.keys
