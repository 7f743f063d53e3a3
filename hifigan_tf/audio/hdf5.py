"""Reads the arrays of HDF5 files: mel statistics of ParallelWaveGAN, weights of TensorFlowTTS."""

from pathlib import Path

from hifigan_tf import extras
from hifigan_tf.errors import UserError, brief

MAGIC = b"\x89HDF\r\n\x1a\n"
MOST_ARRAYS = 10_000


def read(path: Path) -> dict:
    """``{path in the file: array}``. Raises ``UserError``, one line, for a file that is damaged or cut short.

    Arrays that lie in other files, or are together larger than the whole file, are refused.
    """
    extras.require("an HDF5 file")
    import h5py
    import numpy as np

    left, result = path.stat().st_size, {}
    try:
        with h5py.File(path, "r") as file:
            names: list[str | bytes] = []  # bytes where they are no UTF-8
            file.visit(names.append)  # of what is in this file: links to others are not followed
            if len(names) > MOST_ARRAYS:
                raise ValueError(f"it has {len(names)} entries")
            for name in names:
                item = file[name]
                if not isinstance(item, h5py.Dataset):
                    continue
                if item.is_virtual or item.external:
                    raise ValueError(f"{brief(name)} lies in another file")
                if item.dtype.kind not in "fiu":
                    continue
                if item.size is None or (left := left - item.size * item.dtype.itemsize) < 0:
                    raise ValueError(f"with {brief(name)} its arrays are larger than the file")
                result[name if isinstance(name, str) else name.decode(errors="backslashreplace")] = np.asarray(item)
    except (OSError, ValueError, KeyError, RuntimeError, TypeError, MemoryError, AttributeError) as error:
        raise UserError(f"{path} cannot be read (cut short, or no HDF5 file): {brief(error)}") from None
    return result
