"""Opens NumPy's files that others made: a damaged one raises one of ``DAMAGE``, and takes no more memory than it has.

Mels, mel statistics and speaker vectors come in them.
"""

import tokenize
import zipfile
import zlib
from pathlib import Path
from typing import BinaryIO

import numpy as np

# What numpy raises for a damaged header, which it reads as Python, and for a file that begins like a zip file.
DAMAGE = (
    *(ValueError, EOFError, SyntaxError, TypeError, MemoryError, RecursionError, tokenize.TokenError),
    *(zipfile.BadZipFile, zlib.error, NotImplementedError, RuntimeError),
)
LONGEST_HEADER = 10_000  # bytes, of which numpy parses no more


def load(path: Path):
    """What ``numpy.load`` finds, without objects: an array, mapped, or the archive of an ``.npz`` file.

    Mapped, because a header may declare more than there is. Raises ``OSError`` and those of ``DAMAGE``.
    """
    with path.open("rb") as file:
        check_header(file)
    return np.load(path, mmap_mode="r", allow_pickle=False)


def check_header(file: BinaryIO) -> None:
    """Raises ``ValueError`` for an array whose header is too long; numpy sets memory aside for any length.

    ``file`` is read from its beginning, and is there again afterwards.
    """
    start = file.read(12)
    file.seek(0)
    # The first version has two bytes for the length, which is never too much.
    if start.startswith(np.lib.format.MAGIC_PREFIX) and start[6:7] != b"\x01":
        length = int.from_bytes(start[8:12], "little")
        if length > LONGEST_HEADER:
            raise ValueError(f"its header is {length} bytes long")
