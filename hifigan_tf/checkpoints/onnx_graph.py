"""ONNX files as nodes and constants: a protobuf message, read here without its library.

Weights that a weight norm still makes in the graph are computed here, with a handful of array operations.
"""

import math
import mmap
import struct
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any

from hifigan_tf.checkpoints.torch_pickle import MOST_AXES
from hifigan_tf.errors import UserError, brief

# Numbers of the fields in onnx.proto.
MODEL_GRAPH, GRAPH_NODE, GRAPH_INITIALIZER, GRAPH_INPUT, GRAPH_OUTPUT, GRAPH_SPARSE = 7, 1, 5, 11, 12, 15
NODE_INPUT, NODE_OUTPUT, NODE_OP, NODE_ATTRIBUTE, NODE_DOMAIN = 1, 2, 4, 5, 7
TENSOR_DIMS, TENSOR_TYPE, TENSOR_NAME, TENSOR_RAW, TENSOR_EXTERNAL = 1, 2, 8, 9, 13
DTYPES = {1: "<f4", 6: "<i4", 7: "<i8", 10: "<f2", 11: "<f8", 16: "<u2"}
# Types of two bytes, which integer fields hold as bit patterns. NumPy has no bfloat16, the upper half of a float32.
FLOAT16, BFLOAT16 = 10, 16
TYPED_DATA = {4: "<f4", 10: "<f8"}  # fields with packed numbers of a fixed width
VARINTS = {5, 7}  # fields with packed integers
LARGEST_GROWTH = 16  # of all constants that the graph makes, over the bytes of the files
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
        self.files: dict[str, mmap.mmap] = {}  # beside the model, with external data
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
        given = len(data) + sum(map(len, self.files.values()))
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
        if raw is not None:
            flat = np.frombuffer(raw, DTYPES[kind])
        else:
            flat = np.concatenate([np.zeros(0, DTYPES[kind]), *numbers])
            flat = flat.astype(np.uint16).view(DTYPES[kind]) if kind in (FLOAT16, BFLOAT16) else flat
        if len(shape) > MOST_AXES or any(size < 0 for size in shape) or math.prod(shape) != flat.size:
            raise ValueError(f"{brief(name)} has {flat.size} numbers, and the shape {brief(shape)}")
        if kind == BFLOAT16:
            return name, (flat.astype(np.uint32) << 16).view(np.float32).reshape(shape)
        return name, flat.astype(DTYPES[kind], copy=False).reshape(shape)

    def _external(self, where: dict) -> memoryview:
        """Numbers in a file beside the model, which is mapped once; without a length they go on to its end."""
        location = where.get("location", "")
        path = self.folder / location
        if Path(location).name != location or location in ("", ".", "..") or not path.is_file():
            raise UserError(f"keeps its weights in {brief(location)!r}, which is no file beside it: copy both")
        if location not in self.files:
            with path.open("rb") as file:
                self.files[location] = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        content = memoryview(self.files[location])
        offset = int(where.get("offset", 0))
        length = int(where.get("length", len(content) - offset))
        if offset < 0 or length < 0 or offset + length > len(content):
            raise UserError(
                f"keeps weights in {brief(location)} at bytes that this file does not have: copy both again"
            )
        return content[offset : offset + length]

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
