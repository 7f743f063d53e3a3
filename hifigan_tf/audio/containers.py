"""Audio containers: whether a file is whole, by what its headers declare, where libsndfile reads on without complaint.

Files that were cut short lose their end there, and of two files joined into one only the first is read: both without
a word. Each chunk of RIFF, AIFF, CAF and Wave64 declares its size, an AU header that of all samples, and each page of
an Ogg stream says whether it is the first or the last.
"""

import mmap
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, NamedTuple

from hifigan_tf.errors import UserError

# Sizes that programs write which cannot seek back to correct them: near 0xFFFFFFFF, or from 0x7FFFF000 to just above
# 0x80000000. Another large number is that of a large file.
PIPE_SIZES = (range(0x7FFFF000, 0x80000100), range(0xFFFFF000, 2**32), range(2**63 - 4096, 2**64))
OGG_PAGE = 27  # bytes of a page's header, before its table of segments
OGG_LAST_PAGE = 65536 + 1024  # bytes from the end in which the last page begins
FLAC_START = (b"fLaC\x00\x00\x00\x22", b"fLaC\x80\x00\x00\x22")  # the mark, and the header of STREAMINFO


class Chunk(NamedTuple):
    """A chunk of a file: where its contents begin, and the bytes that it declares."""

    name: bytes
    start: int
    size: int


def check_complete(path: Path, size: int) -> None:
    """Raises ``UserError`` for a file of ``size`` bytes that is cut short, unfinished, or two files in one."""
    with path.open("rb") as file:
        start = file.read(40)
        if start[:4] in (b"RIFF", b"RF64", b"BW64") and start[8:12] == b"WAVE":
            _check_chunks(file, str(path), size, b"data", _riff_chunks(file, size, "<I"))
            _check_joined(file, str(path), struct.unpack("<I", start[4:8])[0] + 8)
        elif start[:4] == b"FORM" and start[8:12] in (b"AIFF", b"AIFC"):
            _check_chunks(file, str(path), size, b"SSND", _riff_chunks(file, size, ">I"))
            _check_joined(file, str(path), struct.unpack(">I", start[4:8])[0] + 8)
        elif start[:4] == b"riff" and start[24:28] == b"wave":
            _check_chunks(file, str(path), size, b"data", _wave64_chunks(file, size))
        elif start[:4] == b"caff":
            _check_chunks(file, str(path), size, b"data", _caf_chunks(file, size))
        elif start[:4] == b".snd" and len(start) >= 12:
            offset, declared = struct.unpack(">II", start[4:12])
            _check_chunks(file, str(path), size, b"data", iter([Chunk(b"data", offset, declared)]))
        elif start[:4] == b"OggS":
            _check_last_page(file, str(path), size)
            _check_one_stream(file, str(path), size)
        elif start[:4] == b"fLaC":
            _check_one_flac(file, str(path))


def _riff_chunks(file: BinaryIO, size: int, number: str) -> Iterator[Chunk]:
    """The chunks of RIFF (little-endian) or AIFF. RF64 declares the size of its samples in a chunk of its own."""
    position, samples = 12, None
    while position + 8 <= size:
        file.seek(position)
        header = file.read(8)
        name, declared = header[:4], struct.unpack(number, header[4:])[0]
        if name == b"ds64" and len(sizes := file.read(16)) == 16:
            samples = struct.unpack("<QQ", sizes)[1]
        if name == b"data" and declared == 0xFFFFFFFF and samples is not None:
            declared = samples
        yield Chunk(name, position + 8, declared)
        position += 8 + declared + declared % 2


def _wave64_chunks(file: BinaryIO, size: int) -> Iterator[Chunk]:
    """The chunks of Wave64: names of 16 bytes, sizes that count the header, all a multiple of 8."""
    position = 40
    while position + 24 <= size:
        file.seek(position)
        header = file.read(24)
        (declared,) = struct.unpack("<Q", header[16:])
        yield Chunk(header[:4], position + 24, max(0, declared - 24))
        position += -(-max(24, declared) // 8) * 8


def _caf_chunks(file: BinaryIO, size: int) -> Iterator[Chunk]:
    """The chunks of Apple's Core Audio Format; -1, to the end of the file, is a large number here."""
    position = 8
    while position + 12 <= size:
        file.seek(position)
        header = file.read(12)
        (declared,) = struct.unpack(">Q", header[4:])
        yield Chunk(header[:4], position + 12, declared)
        position += 12 + declared


def _check_chunks(file: BinaryIO, name: str, size: int, wanted: bytes, chunks: Iterator[Chunk]) -> None:
    """Checks the chunk ``wanted``, which holds the samples, against the bytes that are there."""
    end = 12
    for chunk in chunks:
        end, there = chunk.start + chunk.size, size - chunk.start
        if chunk.name == wanted:
            if chunk.size == 0 and there > 0 and not _is_chunk(file, chunk.start, size):
                raise UserError(
                    f"{name} says that it holds no samples, and {there} bytes follow: the recorder did not finish it; "
                    "repair its header with ffmpeg or sox, or record it again"
                )
            if chunk.size > there and not _of_a_pipe(chunk.size):
                raise UserError(f"{name} is truncated: {size} of {end} bytes are there; copy it again")
            return
    if end > size:
        raise UserError(f"{name} is truncated: {size} of {end} bytes are there; copy it again")


def _of_a_pipe(declared: int) -> bool:
    return any(declared in sizes for sizes in PIPE_SIZES)


def _is_chunk(file: BinaryIO, position: int, size: int) -> bool:
    """Whether a chunk begins here: its name is text, and it ends within the file."""
    file.seek(position)
    header = file.read(8)
    if len(header) < 8 or not all(32 <= byte < 127 for byte in header[:4]):
        return False
    return any(position + 8 + struct.unpack(number, header[4:])[0] <= size for number in ("<I", ">I"))


def _check_joined(file: BinaryIO, name: str, end: int) -> None:
    """Raises ``UserError`` where another file begins at the end that the header declares."""
    file.seek(0)
    own = file.read(4)
    file.seek(end)
    following = file.read(13)
    for start in (0, 1):  # some omit the pad byte
        if following[start : start + 4] == own and following[start + 8 : start + 12] in (b"WAVE", b"AIFF", b"AIFC"):
            raise _joined(name)


def _joined(name: str) -> UserError:
    return UserError(
        f"{name} is two files joined into one, and only the first would be read: make one recording of them, or two "
        "files"
    )


def _check_last_page(file: BinaryIO, name: str, size: int) -> None:
    file.seek(max(0, size - OGG_LAST_PAGE))
    tail = file.read()
    last = tail.rfind(b"OggS")
    if last < 0 or len(tail) < last + OGG_PAGE or not tail[last + 5] & 4:
        raise UserError(f"{name} is truncated: its last Ogg page is missing; copy it again")
    segments = tail[last + 26]
    table = tail[last + OGG_PAGE : last + OGG_PAGE + segments]
    if len(table) < segments or len(tail) < last + OGG_PAGE + segments + sum(table):
        raise UserError(f"{name} is truncated inside its last Ogg page; copy it again")


def _check_one_stream(file: BinaryIO, name: str, size: int) -> None:
    """Raises ``UserError`` where a page begins another stream after pages with samples."""
    position, begun = 0, False
    while position + OGG_PAGE <= size:
        file.seek(position)
        header = file.read(OGG_PAGE)
        if header[:4] != b"OggS":
            return  # libsndfile says what is wrong
        first = bool(header[5] & 2)
        if first and begun:
            raise _joined(name)
        begun = begun or not first
        position += OGG_PAGE + header[26] + sum(file.read(header[26]))


def _check_one_flac(file: BinaryIO, name: str) -> None:
    with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
        if any(data.find(start, 4) >= 0 for start in FLAC_START):
            raise _joined(name)
