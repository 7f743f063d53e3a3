"""The one exception whose message is written for the user, and other errors as one line."""

import errno
import reprlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import PurePath

LONGEST_INTEGER = 200  # bits; Python refuses to print very large ones


class UserError(Exception):
    """Something the user can fix: the message is one line with what was wrong, the value, and what to do."""


def one_line(error: BaseException) -> str:
    """The first line of an error's text, so that a message stays on one line of the terminal."""
    lines = str(error).strip().splitlines()
    return lines[0].strip() if lines else type(error).__name__


def brief(value: object, quoted: bool = False) -> str:
    """At most 80 printable characters of a value from a file, with ``quoted`` strings in quotes.

    What is not shown is not printed either: text that doubles with every level of a nested list takes no time.
    """
    if isinstance(value, BaseException) or (isinstance(value, str) and not quoted):
        text = str(value)
    elif isinstance(value, str):
        text = repr(value[:80])
    else:
        text = _Short().repr(value)
    return "".join(character if character.isprintable() else "?" for character in text[:80])


class _Short(reprlib.Repr):
    """``repr`` of the first items of the first levels."""

    def __init__(self):
        super().__init__()
        self.maxlevel, self.maxdict = 3, 4
        self.maxlist = self.maxtuple = 12

    def repr_int(self, value: int, level: int) -> str:
        return repr(value) if value.bit_length() <= LONGEST_INTEGER else f"an integer of {value.bit_length()} bits"


def describe_os_error(error: OSError) -> str:
    """One line for a failure of the file system, with the file and what to do about it."""
    advice = {
        errno.ENOSPC: "the disk is full: free some space and run the same command again",
        errno.EDQUOT: "the disk quota is used up: free some space and run the same command again",
        errno.EACCES: "permission denied: choose a folder you may write to",
        errno.EPERM: "permission denied: choose a folder you may write to",
        errno.EROFS: "the file system is read-only: choose another folder",
        errno.ENOENT: "no such file or folder",
        errno.ENOTDIR: "a part of the path is a file, not a folder",
        errno.EISDIR: "this is a folder, a file is needed",
        errno.EEXIST: "this exists already and is not a folder",
    }
    text = advice.get(error.errno or 0, error.strerror or one_line(error))
    return f"{error.filename}: {text}" if error.filename else text


@contextmanager
def file_guard(path: str | PurePath, passing: tuple[type[Exception], ...] = ()) -> Iterator[None]:
    """Within the block, reading a file that others made, whatever goes wrong is a fault of that file.

    Libraries raise more kinds of errors than they document: each becomes a ``UserError`` that names ``path``, so that
    one odd file never ends a run over many. ``UserError``, ``OSError`` and those of ``passing`` pass. Only for reading:
    of what is done with the file afterwards an error may be of the machine or of this project.
    """
    let_through: tuple[type[Exception], ...] = (UserError, OSError, *passing)
    try:
        yield
    except let_through:
        raise
    except MemoryError:
        raise UserError(f"{path} is too large for the memory: split it") from None
    except Exception as error:
        raise UserError(
            f"{path} cannot be read ({type(error).__name__}: {one_line(error)}): leave it out, or make it again"
        ) from error
