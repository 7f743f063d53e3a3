"""Where the clips of a corpus are, which to train on and which to hold out."""

import logging
from pathlib import Path, PurePosixPath
from typing import TypeVar

from hifigan_tf.audio.audio_files import find_audio
from hifigan_tf.cli import warn_skipped
from hifigan_tf.errors import UserError

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


def corpus_files(folder: Path) -> dict[str, Path]:
    """Every audio file under the folder by its name in there, sorted by path."""
    return {path.relative_to(folder).as_posix(): path for path in find_audio(folder)}


def read_file_list(file_list: Path, clips: dict[str, T], folder: str | Path) -> list[T]:
    """Those of the ``{name: clip}`` in ``folder`` that one of the original's lists names, in its order.

    A line is ``LJ001-0001|text``, without a suffix or with. Raises ``UserError`` when the list cannot be read or
    names no clip that exists; names missing ones in a warning.
    """
    try:
        lines = file_list.read_text(encoding="utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"file list {file_list} cannot be read: {error}") from None
    names = [line.split("|")[0].strip() for line in lines if line.strip()]
    if not names:
        raise UserError(f"file list {file_list} is empty: it needs lines such as LJ001-0001|text")
    by_name: dict[str, T] = {}
    for name, clip in clips.items():
        for known in (name, str(PurePosixPath(name).with_suffix(""))):
            by_name.setdefault(known, clip)
    missing = [name for name in names if name not in by_name]
    if len(missing) == len(names):
        raise UserError(f"file list {file_list}: none of its {len(names)} files is in {folder} (first: {names[0]})")
    warn_skipped([f"{file_list} names {name}, which is not in {folder}" for name in missing])
    return [by_name[name] for name in names if name in by_name]


def hold_out(clips: list, folder: str | Path) -> tuple[list, list]:
    """``(training, validation)``: every 20th clip is held out, at least one. Raises ``UserError`` below two."""
    if len(clips) < 2:
        raise UserError(
            f"{folder} holds {len(clips)} usable audio files (WAV, FLAC, OGG, MP3): one to train on and one to hold "
            "out are the least"
        )
    places = range(HOLD_OUT_EVERY - 1, len(clips), HOLD_OUT_EVERY) or [len(clips) - 1]
    return [clip for place, clip in enumerate(clips) if place not in places], [clips[place] for place in places]
