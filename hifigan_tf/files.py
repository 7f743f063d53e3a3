"""Files: found by suffix, written atomically, and checked for names whose outputs would collide."""

import json
import os
import tempfile
from collections.abc import Collection, Iterable
from contextlib import contextmanager
from pathlib import Path

from hifigan_tf.errors import UserError


@contextmanager
def atomic_path(path: str | Path):
    """A temporary path beside ``path`` that replaces it when the block succeeds, and is removed when it fails."""
    path = Path(path)
    handle, name = tempfile.mkstemp(prefix=f".{path.stem[:50]}-", suffix=path.suffix, dir=path.parent)
    os.close(handle)
    temporary = Path(name)
    try:
        yield temporary
        with temporary.open("rb") as file:
            os.fsync(file.fileno())
        temporary.chmod(0o666 & ~_umask())
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


@contextmanager
def atomic_folder(path: str | Path):
    """A temporary folder beside ``path`` that replaces it when the block succeeds, and is removed when it fails."""
    path = Path(path)
    # Beside it, because a rename is atomic only within one file system.
    with tempfile.TemporaryDirectory(prefix=f".{path.name}-", dir=path.parent) as beside:
        new = Path(beside) / "new"
        new.mkdir()
        yield new
        if path.exists():
            path.rename(Path(beside) / "old")
        new.rename(path)


def write_bytes(path: str | Path, data: bytes) -> None:
    """Writes a whole file atomically; a full disk raises ``OSError`` and leaves no partial file behind."""
    with atomic_path(path) as temporary:
        temporary.write_bytes(data)


def write_json(path: str | Path, content) -> None:
    """Writes ``content`` as JSON, atomically. Raises ``ValueError`` for NaN, which JSON does not have."""
    write_bytes(path, (json.dumps(content, indent=2, allow_nan=False) + "\n").encode())


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


def find_files(folder: str | Path, suffixes: Collection[str]) -> list[Path]:
    """Every file under the folder with one of the suffixes, in lower or upper case, sorted by path."""
    return sorted(path for path in Path(folder).rglob("*") if path.suffix.lower() in suffixes and path.is_file())


def unique_stems(paths: Iterable[Path]) -> dict[str, Path]:
    """``{stem: path}``. Raises ``UserError`` when two files share a stem, because their outputs would collide."""
    result: dict[str, Path] = {}
    for path in paths:
        if path.stem in result:
            raise UserError(f"{result[path.stem]} and {path} share the name {path.stem!r}: rename one of them")
        result[path.stem] = path
    return result
