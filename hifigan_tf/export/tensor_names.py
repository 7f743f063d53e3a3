"""Names for the inputs and outputs of a finished ``.tflite``, for hosts that cannot run signatures."""

from ai_edge_litert import schema_py_generated as schema

NAME_FIELD = 10  # of a tensor, in the table of its fields: the fourth, two bytes each, after a header of four


def with_tensor_names(model: bytes) -> bytes:
    """The model with each signature's tensors called ``<signature>_<name>``, new states ``<signature>_next_<name>``.

    The converter calls all outputs ``StatefulPartitionedCall``, which leaves only their shapes to tell them apart.
    """
    data = bytearray(model)
    tree = schema.Model.GetRootAsModel(data, 0)
    for signature in map(tree.SignatureDefs, range(tree.SignatureDefsLength())):
        graph, key = tree.Subgraphs(signature.SubgraphIndex()), signature.SignatureKey()
        inputs = {entry.Name(): entry.TensorIndex() for entry in _entries(signature.Inputs, signature.InputsLength())}
        for name, index in inputs.items():
            _rename(data, graph.Tensors(index), key + b"_" + name)
        for entry in _entries(signature.Outputs, signature.OutputsLength()):
            prefix = b"_next_" if entry.Name() in inputs else b"_"
            _rename(data, graph.Tensors(entry.TensorIndex()), key + prefix + entry.Name())
    return bytes(data)


def _entries(entry, count: int) -> list:
    return [entry(index) for index in range(count)]


def _rename(model: bytearray, tensor, name: bytes) -> None:
    """Renames a tensor in place. Only a name that is no longer than before fits; others keep theirs.

    Nothing moves, so that weights stay aligned as the converter aligned them.
    """
    if len(name) > len(tensor.Name()):
        return
    offset = tensor._tab.Pos + tensor._tab.Offset(NAME_FIELD)
    start = offset + int.from_bytes(model[offset : offset + 4], "little")
    length = int.from_bytes(model[start : start + 4], "little")
    model[start : start + 4 + length] = len(name).to_bytes(4, "little") + name.ljust(length, b"\0")
