"""Which file is meant: recordings, mels, generated files and lists are matched by their names.

The name of a file is its path in its folder without the suffix, ``p225/001``: speakers whose files have equal names
stay apart. Another program may have named it from further up or further down, so a name means a file where it is the
end of that file's name, or that file's name is the end of it, and only one file fits:

    name                     files                        means
    p225/001                 p225/001, p226/001           p225/001
    001                      wavs/001                     wavs/001
    DUMMY/001, /data/001     001                          001
    001                      p225/001, p226/001           neither: either may be meant
    p227/001                 p225/001                     nothing
"""

import unicodedata
from collections.abc import Iterable
from pathlib import Path, PurePosixPath

from hifigan_tf.audio.audio_files import AUDIO_SUFFIXES, FOREIGN_SUFFIXES
from hifigan_tf.errors import UserError

SUFFIXES = {*AUDIO_SUFFIXES, *FOREIGN_SUFFIXES, ".npy", ".npz", ".pt", ".pth"}
PLACEHOLDER = "DUMMY"  # stands in many lists for the folder of the corpus


def plain_name(text: str) -> str:
    """A path as a name: with slashes, without ``./``, the placeholder of lists and the suffix, and in Unicode's NFC."""
    text = unicodedata.normalize("NFC", text.replace("\\", "/"))
    parts = [part for part in text.split("/") if part not in ("", ".")]
    if parts[:1] == [PLACEHOLDER]:
        parts = parts[1:]
    name = "/".join(parts)
    suffix = PurePosixPath(name).suffix
    return name[: -len(suffix)] if suffix.lower() in SUFFIXES else name


def relative_names(folder: Path, paths: Iterable[Path]) -> dict[str, Path]:
    """``{path in the folder, with slashes: path}``."""
    return {path.relative_to(folder).as_posix(): path for path in paths}


def unique_names(files: dict[str, Path]) -> dict[str, Path]:
    """``{name: path}`` of ``{path in the folder: path}``.

    Raises ``UserError`` where two differ in their suffix alone.
    """
    result: dict[str, Path] = {}
    for text, path in files.items():
        name = plain_name(text)
        if name in result:
            raise UserError(f"{result[name]} and {path} share the name {name!r}: rename one of them")
        result[name] = path
    return result


class NameIndex:
    """Finds which of these names, as ``plain_name`` makes them, another name means."""

    def __init__(self, names: Iterable[str]):
        self._names = dict.fromkeys(names)
        self._ends: dict[str, list[str]] = {}
        for name in self._names:
            for end in _ends(name):
                self._ends.setdefault(end, []).append(name)

    def meant_by(self, name: str) -> list[str]:
        """The names that ``name`` can mean: one where the meaning is clear, none or several where it is not."""
        if name in self._names:
            return [name]
        if name in self._ends:
            return self._ends[name]
        return next(([end] for end in _ends(name) if end in self._names), [])


def pair_names(names: Iterable[str], others: Iterable[str]) -> dict[str, str]:
    """``{name: other}`` where either means the other and nothing else."""
    names = list(names)
    index, other_index = NameIndex(names), NameIndex(others)
    meant = {name: other_index.meant_by(name) for name in names}
    return {name: found[0] for name, found in meant.items() if len(found) == 1 and index.meant_by(found[0]) == [name]}


def _ends(name: str) -> list[str]:
    """``p225/001`` and ``001`` of ``p225/001``: the longest first."""
    parts = name.split("/")
    return ["/".join(parts[start:]) for start in range(len(parts))]
