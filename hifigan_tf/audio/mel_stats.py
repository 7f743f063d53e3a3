"""Mean and scale of mel bands, as other libraries store them beside their models."""

from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

import numpy as np

from hifigan_tf.audio import hdf5, numpy_files
from hifigan_tf.errors import UserError, brief

SUFFIXES = (".h5", ".hdf5", ".npz", ".npy")
NAMES = {"mean": ("mean",), "scale": ("scale", "std")}
LARGEST_NPZ = 16 << 20  # bytes of arrays in a zip file, which may be packed very small
MAKE = "give the mean and the scale of every mel band, in .h5 (stats.h5 of ParallelWaveGAN), .npz or .npy [2, num_mels]"


class MelStats(NamedTuple):
    """Mels are ``(logarithm - mean) / scale``; each is float64 ``[num_mels]``."""

    mean: np.ndarray
    scale: np.ndarray


@lru_cache(maxsize=4)  # for many mels, one at a time
def load_stats(path: Path, num_mels: int) -> MelStats:
    """Mean and scale from an HDF5 or ``.npz`` file with ``mean`` and ``scale`` (or ``std``), or a ``.npy`` of the two.

    Raises ``UserError`` for another file, another number of bands, numbers that are not finite, and a scale of 0.
    """
    if path.suffix.lower() not in SUFFIXES:
        raise UserError(f"{path} is no file of mel statistics known here: {MAKE}")
    if not path.is_file():
        raise UserError(f"{path} does not exist: {MAKE}")
    read = hdf5.read if path.suffix.lower() in (".h5", ".hdf5") else _read_numpy
    return checked_stats(path, read(path), num_mels)


def checked_stats(path: Path, arrays: dict[str, np.ndarray], num_mels: int) -> MelStats:
    """Mean and scale among the ``arrays`` of a file. Raises ``UserError`` as ``load_stats``."""
    found = []
    for name, spellings in NAMES.items():
        key = next((key for key in spellings if key in arrays), None)
        if key is None:
            raise UserError(f"{path} has no {name}, only {', '.join(sorted(arrays)) or 'nothing'}: {MAKE}")
        found.append(_checked(path, key, arrays[key], num_mels))
    mean, scale = found
    if scale.min() <= 0:
        band = int(np.argmin(scale))
        raise UserError(f"{path}: scale is {scale[band]:g} in band {band}: it must be above 0 in every band")
    return MelStats(mean, scale)


def _checked(path: Path, name: str, array: np.ndarray, num_mels: int) -> np.ndarray:
    array = np.asarray(array)
    if array.dtype.kind not in "fiu" or array.size != num_mels or max(array.shape) != num_mels:
        raise UserError(f"{path}: {name} has shape {list(array.shape)}: this model has {num_mels} mel bands")
    values = array.astype(np.float64).reshape(-1)
    if not np.isfinite(values).all():
        band = int(np.argmin(np.isfinite(values)))
        raise UserError(f"{path}: {name} is {values[band]} in band {band}: every number must be finite")
    return values


def _read_numpy(path: Path) -> dict[str, np.ndarray]:
    try:
        loaded = numpy_files.load(path)
        if isinstance(loaded, np.ndarray):
            if loaded.ndim != 2 or len(loaded) != 2:
                raise UserError(
                    f"{path} has shape {list(loaded.shape)}: it must be [2, num_mels], the mean and the scale"
                )
            return {"mean": loaded[0], "scale": loaded[1]}
        with loaded:
            if sum(member.file_size for member in loaded.zip.infolist()) > LARGEST_NPZ:
                raise UserError(f"{path} unpacks to more than {LARGEST_NPZ} bytes, which no statistics have: {MAKE}")
            return dict(loaded)
    except (OSError, *numpy_files.DAMAGE) as error:
        raise UserError(f"{path} cannot be read (cut short, or no NumPy file): {brief(error)}") from None
