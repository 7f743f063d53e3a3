"""Where the clips of a corpus are, which to train on and which to hold out."""

import logging
import os
import re
from collections.abc import Sequence
from pathlib import Path, PurePosixPath
from typing import NamedTuple, TypeVar

from hifigan_tf.audio.audio_files import AUDIO_KINDS, find_audio
from hifigan_tf.audio.names import NameIndex, plain_name, relative_names
from hifigan_tf.cli import warn_skipped
from hifigan_tf.errors import UserError, describe_os_error
from hifigan_tf.files import decode_text, printable, real_path

log = logging.getLogger(__name__)

T = TypeVar("T")
HOLD_OUT_EVERY = 20
MANIFEST = "manifest.json"  # of a packed corpus
SHARDS = "shard-*.tfrecord"


def is_packed(data: str) -> bool:
    """Whether this is what ``python -m hifigan_tf.preprocess`` writes, and not a folder of audio files.

    On an object store only packed corpora are read.
    """
    folder = Path(data)
    return "://" in data or (folder / MANIFEST).is_file() or any(folder.glob(SHARDS))


class CorpusFile(NamedTuple):
    """An audio file of a corpus."""

    path: Path
    name: str  # relative to the folder of the corpus; of several corpora, to the folder that holds them all


def corpus_files(folder: Path) -> dict[str, Path]:
    """Every audio file under the folder by its name in there, sorted by path."""
    return relative_names(folder, find_audio(folder))


def corpus_names(folders: Sequence[str]) -> list[str]:
    """What the names of the clips in each of several corpora begin with: the path from the folder that holds them all.

    Empty for a single corpus. Raises ``UserError`` where one lies inside another.
    """
    if len(folders) == 1:
        return [""]
    paths = [PurePosixPath(folder if "://" in folder else real_path(folder).as_posix()) for folder in folders]
    try:
        common = len(PurePosixPath(os.path.commonpath(paths)).parts)
    except ValueError:  # none holds them all: a folder and an object store, two drives of Windows
        common = 0
    names = ["".join(f"{part.strip('/')}/" for part in path.parts[common:]) for path in paths]
    for one, first in enumerate(names):
        for other, second in enumerate(names):
            if one != other and second.startswith(first):
                raise UserError(f"{folders[other]} lies in {folders[one]}, or is the same folder: give one of them")
    return names


def read_file_list(file_list: Path, clips: dict[str, T], folder: str | Path) -> list[T]:
    """Those of the ``{name: clip}`` in ``folder`` that one of the original's lists names, in its order.

    A line is ``LJ001-0001|text``, or with a tab, without a suffix or with; ``audio/names.py`` says which clip a name
    means. Raises ``UserError`` when the list cannot be read or names no clip that exists; names missing ones in a
    warning.
    """
    lines = re.split("\r\n|\r|\n", _read_text(file_list))  # splitlines() would split at U+2028 and U+0085 too
    names = {line: name for line, text in enumerate(lines, 1) if (name := re.split("[|\t]", text)[0].strip())}
    if not names:
        raise UserError(f"file list {file_list} is empty: it needs lines such as LJ001-0001|text")
    by_path = {name.replace(os.sep, "/"): clip for name, clip in clips.items()}
    by_name: dict[str, list[str]] = {}
    for name in by_path:
        by_name.setdefault(plain_name(name), []).append(name)
    index = NameIndex(by_name)
    found, missing = [], []
    for line, name in names.items():
        if name in by_path:  # it may tell files apart that differ in their suffix alone
            found.append(by_path[name])
            continue
        meant = index.meant_by(plain_name(name))
        if len(meant) == 1:
            found.append(by_path[by_name[meant[0]][0]])
            continue
        problem = f"{file_list} names {printable(name)} in line {line}, which is not in {folder}"
        if meant:
            first, second = (by_name[other][0] for other in meant[:2])
            missing.append(f"{problem} as such, and may mean {first} or {second}: write which")
        else:
            missing.append(
                f"{problem}: looked for an audio file {printable(plain_name(name))} there, and for one ending in that"
            )
    if not found:
        raise UserError(
            f"file list {file_list}: none of its {len(names)} files is in {folder} (the first: {missing[0]})"
        )
    warn_skipped(missing)
    return found


def _read_text(file_list: Path) -> str:
    try:
        data = file_list.read_bytes()
    except OSError as error:
        raise UserError(f"file list {file_list} cannot be read: {describe_os_error(error)}") from None
    try:
        return decode_text(data, f"file list {file_list}")
    except UnicodeDecodeError:
        return os.fsdecode(data)  # as the names of files, which need not be UTF-8 either


def hold_out(clips: list, folder: str | Path) -> tuple[list, list]:
    """``(training, validation)``: every 20th clip is held out, at least one. Raises ``UserError`` below two."""
    if len(clips) < 2:
        raise UserError(
            f"{folder} holds {len(clips)} usable audio files ({AUDIO_KINDS}): one to train on and one to hold "
            "out are the least"
        )
    places = range(HOLD_OUT_EVERY - 1, len(clips), HOLD_OUT_EVERY) or [len(clips) - 1]
    return [clip for place, clip in enumerate(clips) if place not in places], [clips[place] for place in places]
