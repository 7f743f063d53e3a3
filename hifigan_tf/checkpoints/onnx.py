"""Reads the generator out of ONNX files, as PyTorch's exporters write them.

The graph is followed from the waveform back to the mel:

    Tanh <- Conv <- LeakyRelu <- [Div <- Add of blocks <- ConvTranspose <- LeakyRelu] per stage <- Conv <- mel

Rates, dilations, slopes and padding stand in its nodes.
"""

import struct
from pathlib import Path

from hifigan_tf.checkpoints.onnx_graph import Graph, Node
from hifigan_tf.errors import UserError, brief

# Operations between the mel and the first convolution, or the last one and the waveform, that move nothing.
PASSIVE = {"Identity", "Squeeze", "Unsqueeze", "Reshape", "Transpose", "Cast", "Flatten"}


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
