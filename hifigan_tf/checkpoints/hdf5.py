"""Reads the arrays of HDF5 files: weights of TensorFlowTTS, and statistics of ParallelWaveGAN."""

from pathlib import Path

from hifigan_tf.checkpoints.torch_pickle import brief
from hifigan_tf.errors import UserError

MAGIC = b"\x89HDF\r\n\x1a\n"
MOST_ARRAYS = 10_000


def read(path: Path) -> dict:
    """``{path in the file: array}``. Raises ``UserError``, one line, for a file that is damaged or cut short.

    Arrays that lie in other files, or are larger than the whole file, are refused.
    """
    import h5py
    import numpy as np

    size, result = path.stat().st_size, {}
    try:
        with h5py.File(path, "r") as file:
            names: list[str] = []
            file.visit(names.append)
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
                if item.size is None or item.size * item.dtype.itemsize > size:
                    raise ValueError(f"{brief(name)} is larger than the file")
                result[name] = np.asarray(item)
    except (OSError, ValueError, KeyError, RuntimeError, TypeError, MemoryError, AttributeError) as error:
        raise UserError(f"{path} is an HDF5 file cut short or damaged ({brief(error)})") from None
    return result
