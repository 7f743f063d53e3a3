"""Adds operations to a finished ``.tflite`` of one graph and one signature that the converter cannot make."""

import numpy as np
from ai_edge_litert import schema_py_generated as schema
from ai_edge_litert.tools import flatbuffer_utils

TYPES = {"float32": schema.TensorType.FLOAT32, "int16": schema.TensorType.INT16, "int32": schema.TensorType.INT32}


class Flatbuffer:
    """A parsed model: ``graph`` and ``signature`` are objects of the schema. Tensors are given by index."""

    def __init__(self, model: bytes):
        self.tree = schema.ModelT.InitFromObj(schema.Model.GetRootAsModel(model, 0))
        (self.graph,), (self.signature,) = self.tree.subgraphs, self.tree.signatureDefs

    def dump(self) -> bytes:
        """The model as bytes, without the data of tensors that nothing reads any more."""
        read = {index for operator in self.graph.operators for index in operator.inputs}
        read |= {*self.graph.inputs, *self.graph.outputs}
        kept = {self.graph.tensors[index].buffer for index in read if index >= 0}
        for index, tensor in enumerate(self.graph.tensors):
            if index not in read and tensor.buffer not in kept:
                self.tree.buffers[tensor.buffer].data = None
        return bytes(flatbuffer_utils.convert_object_to_bytearray(self.tree))

    def kind(self, operator) -> int:
        """The operator's code in ``schema.BuiltinOperator``."""
        code = self.tree.operatorCodes[operator.opcodeIndex]
        return max(code.builtinCode, code.deprecatedBuiltinCode)

    def append(self, name: str, inputs: list[int], output: int, version: int, options=None) -> int:
        """Appends an operation to the graph; returns its output."""
        operator = schema.OperatorT()
        operator.opcodeIndex = self._code(getattr(schema.BuiltinOperator, name), version)
        operator.inputs, operator.outputs = inputs, [output]
        if options is not None:
            kind = getattr(schema.BuiltinOptions, type(options).__name__.removesuffix("T"))
            operator.builtinOptions, operator.builtinOptionsType = options, kind
        self.graph.operators.append(operator)
        return output

    def tensor(self, shape, dtype: str, scale: float | None = None) -> int:
        """A new tensor; if ``scale`` is given, its integers stand for integer times scale."""
        tensor = schema.TensorT()
        tensor.shape, tensor.type, tensor.buffer = [int(size) for size in shape], TYPES[dtype], self._buffer(None)
        if scale is not None:
            tensor.quantization = schema.QuantizationParametersT()
            tensor.quantization.scale, tensor.quantization.zeroPoint = [scale], [0]
        tensor.name = f"tensor_{len(self.graph.tensors)}".encode()
        self.graph.tensors.append(tensor)
        return len(self.graph.tensors) - 1

    def constant(self, values: np.ndarray) -> int:
        """A new constant tensor."""
        tensor = self.tensor(values.shape, values.dtype.name)
        self.graph.tensors[tensor].buffer = self._buffer(values.tobytes())
        return tensor

    def _buffer(self, data: bytes | None) -> int:
        buffer = schema.BufferT()
        buffer.data = None if data is None else np.frombuffer(data, np.uint8)
        self.tree.buffers.append(buffer)
        return len(self.tree.buffers) - 1

    def _code(self, builtin: int, version: int) -> int:
        for index, code in enumerate(self.tree.operatorCodes):
            if (code.builtinCode, code.version) == (builtin, version):
                return index
        code = schema.OperatorCodeT()
        code.builtinCode, code.deprecatedBuiltinCode, code.version = builtin, min(builtin, 127), version
        self.tree.operatorCodes.append(code)
        return len(self.tree.operatorCodes) - 1
