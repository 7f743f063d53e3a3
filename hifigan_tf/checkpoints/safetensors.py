"""Reads safetensors files: a JSON header with types, shapes and positions, then the numbers."""

import json
import math
import mmap
from pathlib import Path

from hifigan_tf.checkpoints.torch_pickle import MOST_AXES, Opaque
from hifigan_tf.errors import UserError, brief

LENGTH_BYTES = 8  # of the header's own length, before it
# NumPy's types; it has no bfloat16, which is the upper half of a float32.
DTYPES = {"F64": "<f8", "F32": "<f4", "F16": "<f2", "BF16": "<u2", "I64": "<i8", "I32": "<i4", "I16": "<i2"} | {
    "I8": "i1",
    "U8": "u1",
    "BOOL": "b1",
}


def read(path: Path) -> dict:
    """``{name: array}``, each array a view of the file; numbers of other types become ``Opaque``.

    Raises ``UserError``, one line, for a file that is damaged or cut short.
    """
    import numpy as np

    with path.open("rb") as file:
        memory = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
    result: dict = {}
    try:
        length = int.from_bytes(memory[:LENGTH_BYTES], "little")
        start = LENGTH_BYTES + length
        if start > len(memory):
            raise ValueError(f"its header has {length} bytes, the file {len(memory)}")
        header = json.loads(memory[LENGTH_BYTES:start])
        header.pop("__metadata__", None)
        for name, entry in header.items():
            kind, shape, (begin, end) = entry["dtype"], entry["shape"], entry["data_offsets"]
            if kind not in DTYPES:
                result[name] = Opaque(f"numbers of type {brief(kind)}")
                continue
            dtype = np.dtype(DTYPES[kind])
            if not all(type(number) is int and number >= 0 for number in (*shape, begin, end)):
                raise ValueError(f"{brief(name)} has a shape or position that is no number")
            if len(shape) > MOST_AXES:
                raise ValueError(f"{brief(name)} has {len(shape)} axes")
            count = math.prod(shape)
            if end - begin != count * dtype.itemsize or start + end > len(memory):
                raise ValueError(f"{brief(name)} does not fit its shape, or ends behind the end of the file")
            array = np.frombuffer(memory, dtype, count, start + begin) if count else np.zeros(0, dtype)
            array = array.reshape(shape)
            result[name] = (array.astype(np.uint32) << 16).view(np.float32) if kind == "BF16" else array
    except (ValueError, TypeError, KeyError, AttributeError, OverflowError, RecursionError) as error:
        raise UserError(f"checkpoint {path} is a safetensors file cut short or damaged ({brief(error)})") from None
    return result
