"""Reads NeMo's ``.nemo`` files: a tar, also compressed, of a YAML config and PyTorch's weights.

Nothing is unpacked by name: the weights go through a temporary file without one.
"""

import gzip
import io
import tarfile
import tempfile
import zlib
from pathlib import Path, PurePosixPath
from typing import NamedTuple

from hifigan_tf.checkpoints import plain_yaml, torch_pickle
from hifigan_tf.errors import UserError, brief

GZIP_MAGIC, TAR_MAGIC, TAR_MAGIC_AT = b"\x1f\x8b", b"ustar", 257
# Weights hardly shrink when compressed: what grows far beyond this is no checkpoint.
LARGEST_GROWTH, FREE_BYTES = 20, 16 << 20
MOST_MEMBERS = 1000
PIECE = 1 << 20
# RecursionError: tarfile reads a header that stands for the name of the next one by calling itself.
DAMAGED = (tarfile.TarError, OSError, EOFError, zlib.error, ValueError, OverflowError, IndexError, RecursionError)


class Nemo(NamedTuple):
    """The weights as ``torch_pickle.read`` gives them, and the config."""

    weights: object
    config: object


class _Bounded(io.RawIOBase):
    """A file that may be read up to ``limit`` bytes; ``UserError`` beyond."""

    def __init__(self, file, limit: int):
        self.file, self.left = file, limit

    def readable(self) -> bool:
        return True

    def read(self, size=-1):
        data = self.file.read(min(PIECE, self.left + 1) if size is None or size < 0 else min(size, self.left + 1))
        self.left -= len(data)
        if self.left < 0:
            raise UserError("unpacks to far more bytes than weights of its size have: refused")
        return data


def read(path: Path) -> Nemo:
    """Weights and config. Raises ``UserError``, one line, for a file that is damaged, or unpacks to too much."""
    size = path.stat().st_size
    try:
        with path.open("rb") as file, tempfile.TemporaryFile() as weights:
            packed = file.read(2) == GZIP_MAGIC
            file.seek(0)
            content = gzip.GzipFile(fileobj=file) if packed else file
            config, found = None, 0
            bounded = _Bounded(content, LARGEST_GROWTH * size + FREE_BYTES if packed else size)
            with tarfile.open(fileobj=bounded, mode="r|") as archive:
                for number, member in enumerate(archive):
                    name = PurePosixPath(member.name)
                    if name.is_absolute() or ".." in name.parts:
                        raise UserError(f"has a member {brief(member.name)} outside of its own folder: refused")
                    if number == MOST_MEMBERS:
                        raise UserError(f"has more than {MOST_MEMBERS} members, which no checkpoint has: refused")
                    plain = member.type in (tarfile.REGTYPE, tarfile.AREGTYPE) and not member.issparse()
                    opened = archive.extractfile(member) if plain and member.size else None
                    if opened and name.suffix in (".yaml", ".yml") and config is None:
                        if member.size > plain_yaml.LARGEST:
                            raise UserError(f"has a config of {member.size} bytes: refused")
                        config = plain_yaml.parse(opened.read(), f"the config {brief(name.name)}")
                    elif opened and name.suffix == ".ckpt":
                        found += 1
                        while found == 1 and (piece := opened.read(PIECE)):
                            weights.write(piece)
            if config is None or found != 1:
                raise UserError(
                    f"is a tar with {found} .ckpt files and {'a' if config else 'no'} config: not NeMo's, or cut short"
                )
            weights.flush()
            return Nemo(torch_pickle.read_open(weights, f"checkpoint {path}: model_weights.ckpt"), config)
    except UserError as error:
        text = str(error)
        raise UserError(text if text.startswith("checkpoint") else f"checkpoint {path} {text}") from None
    except DAMAGED as error:
        raise UserError(f"checkpoint {path} is a tar cut short or damaged ({brief(error)})") from None
