"""Files: found by suffix, written atomically, and checked for names whose outputs would collide."""

import json
import logging
import lzma
import os
import platform
import sys
import tempfile
import zipfile
import zlib
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from hifigan_tf.errors import UserError, describe_os_error, one_line

log = logging.getLogger(__name__)

LOCK = ".in-use"  # the file in a folder that the process which writes there has locked
LOCKED_BYTE = 4096
# What zipfile raises for a damaged archive.
ZIP_DAMAGE = (zipfile.BadZipFile, zlib.error, lzma.LZMAError, EOFError, NotImplementedError, OSError, RuntimeError)


@contextmanager
def atomic_path(path: str | Path):
    """A temporary path beside ``path`` that replaces it when the block succeeds, and is removed when it fails."""
    path = Path(path)
    handle, name = tempfile.mkstemp(prefix=f".{path.stem[:50]}-", suffix=path.suffix, dir=path.parent)
    os.close(handle)
    temporary = Path(name)
    try:
        yield temporary
        flush(temporary)
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


def flush(path: Path) -> None:
    """Waits until a file, or the list of names that a folder is, has reached the disk."""
    # Windows flushes only what is open for writing, and there a folder cannot be opened: its names need no flush.
    try:
        descriptor = os.open(path, os.O_RDONLY if path.is_dir() else os.O_RDWR)
    except PermissionError:
        if path.is_dir():
            return
        raise
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextmanager
def sole_user(folder: Path) -> Iterator[None]:
    """Within the block no other process is in a block for this folder. Raises ``UserError`` where one is.

    The lock is the operating system's, so that a process that was killed leaves none behind.
    """
    with (folder / LOCK).open("a+") as file:
        try:
            _lock(file.fileno())
        except (BlockingIOError, PermissionError):
            file.seek(0)
            who = file.read(200).strip() or "another process"
            raise UserError(f"{folder} is in use by {who}: wait for it to end, or choose another folder") from None
        except OSError as error:  # not every network file system has locks
            log.warning("warning: %s cannot be locked (%s): take care that nothing else writes there", folder, error)
        file.truncate(0)
        file.write(f"process {os.getpid()} on {platform.node()}\n")
        file.flush()
        yield


def _lock(descriptor: int) -> None:
    if sys.platform == "win32":
        import msvcrt

        os.lseek(descriptor, LOCKED_BYTE, os.SEEK_SET)  # beyond the text, which others could not read otherwise
        msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
    else:
        import fcntl

        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)


def write_bytes(path: str | Path, data: bytes) -> None:
    """Writes a whole file atomically; a full disk raises ``OSError`` and leaves no partial file behind."""
    with atomic_path(path) as temporary:
        temporary.write_bytes(data)


def write_json(path: str | Path, content) -> None:
    """Writes ``content`` as JSON, atomically. Raises ``ValueError`` for NaN, which JSON does not have."""
    write_bytes(path, (json.dumps(content, indent=2, allow_nan=False) + "\n").encode())


def parse_json(data: bytes, what: str, **options) -> Any:
    """What a JSON file holds, in UTF-8 with a byte order mark or without; ``options`` are those of ``json.loads``.

    Raises ``UserError`` naming ``what`` for anything else.
    """
    try:
        return json.loads(decode_text(data, what), **options)
    except (ValueError, RecursionError) as error:  # of brackets that are nested by the thousand
        raise UserError(f"{what} is not valid JSON: {one_line(error)}") from None


def read_json(path: str | Path, **options) -> Any:
    """``parse_json`` of a file, named by its path."""
    return parse_json(Path(path).read_bytes(), str(path), **options)


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


def find_files(folder: str | Path, suffixes: Collection[str]) -> list[Path]:
    """Every file under the folder with one of the suffixes, in lower or upper case, sorted by path.

    Links to folders are followed, each folder once, so that cycles end; a link to nothing is a file that cannot be
    read. Hidden files and folders, and what macOS puts into archives, are not looked at.
    """
    found, linked, seen = [], [Path(folder)], set()
    while linked:  # after all that is not behind a link, so that a folder goes by its own name where it has one
        for root, folders, names in os.walk(linked.pop(0), onerror=_warn_of_a_folder):
            real = os.path.realpath(root)
            folders[:] = [] if real in seen else sorted(name for name in folders if not _is_hidden(name))
            if real in seen:
                continue
            seen.add(real)
            linked += [path for name in folders if (path := Path(root, name)).is_symlink()]
            paths = (Path(root, name) for name in names if not _is_hidden(name))
            wanted = (path for path in paths if path.suffix.lower() in suffixes)
            found += [path for path in wanted if path.is_file() or path.is_symlink()]
    return sorted(found)


def _is_hidden(name: str) -> bool:
    return name.startswith(".") or name == "__MACOSX"


def _warn_of_a_folder(error: OSError) -> None:
    log.warning("warning: what lies in a folder is passed over: %s", describe_os_error(error))


def decode_text(data: bytes, what: str) -> str:
    """The text of a file as UTF-8, with a byte order mark or without.

    Raises ``UserError`` naming ``what`` for UTF-16 and for zero bytes, and ``UnicodeDecodeError`` for other bytes.
    """
    zeros = sorted((data[:1000:2].count(0), data[1:1000:2].count(0)))
    # One of the two bytes of most letters is zero, and always the same one.
    if data[:2] in (b"\xff\xfe", b"\xfe\xff") or (zeros[0] == 0 and zeros[1] > min(len(data), 1000) // 4):
        raise UserError(f"{what} cannot be read: it is UTF-16, as some editors write: save it as UTF-8")
    if b"\0" in data:
        raise UserError(f"{what} cannot be read: it holds zero bytes, and is no text or damaged: save it as UTF-8")
    return data.decode("utf-8-sig")


def real_path(path: str | Path) -> Path:
    """The absolute path without links. A link to itself, of which ``Path.resolve`` makes an error, stays as it is."""
    return Path(os.path.realpath(path))


def with_suffix(files: Collection[Path], suffixes: Collection[str]) -> list[Path]:
    """Those of the files that have one of the suffixes, in lower or upper case."""
    return [path for path in files if path.suffix.lower() in suffixes]


def printable(text: str) -> str:
    """A name for a line of text: what is not UTF-8 in it, and what ends lines or moves the cursor, as ``\\xe9``."""
    text = os.fsencode(text).decode("utf-8", "backslashreplace")
    return "".join(letter if letter.isprintable() else letter.encode("unicode_escape").decode() for letter in text)
