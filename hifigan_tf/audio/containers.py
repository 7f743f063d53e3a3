"""Audio containers: whether a file is whole, by what its headers declare, where libsndfile reads on without complaint.

Files that were cut short lose their end there, of two files joined into one only the first is read or the header of the
second is taken for sound, and of a file whose header was never corrected a part: all without a word. Each chunk of
RIFF, AIFF, CAF and Wave64 declares its size, an AU header that of all samples, and each page of an Ogg stream says
whether it is the first or the last.

After the samples come the end or more chunks; anything else are samples that the header does not count.
"""

import mmap
import re
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, NamedTuple

from hifigan_tf.audio.mp3 import after_tags
from hifigan_tf.errors import UserError

# Sizes that programs write which cannot seek back to correct them: near 0xFFFFFFFF, or from 0x7FFFF000 to just above
# 0x80000000. Another large number is that of a large file.
PIPE_SIZES = (range(0x7FFFF000, 0x80000100), range(0xFFFFF000, 2**32), range(2**63 - 4096, 2**64))
JUNK = 256  # bytes after all chunks that are no sound yet
TAGS = (b"TAG", b"ID3", b"APETAGEX")  # of MP3, which some programs append to any file
METADATA = (b"LIST", b"ID3 ", b"id3 ", b"bext", b"iXML", b"_PMX")  # chunks that may be cut short: the sound is whole
OGG_PAGE = 27  # bytes of a page's header, before its table of segments
OGG_LAST_PAGE = 65536 + 1024  # bytes from the end in which the last page begins
FLAC_START = (b"fLaC\x00\x00\x00\x22", b"fLaC\x80\x00\x00\x22")  # the mark, and the header of STREAMINFO


class Container(NamedTuple):
    """How a kind of file is made of chunks: each a name, its size as the last bytes of its header, and its contents."""

    begins: re.Pattern[bytes]  # such a file
    samples: bytes  # the name of the chunk that holds them
    first: int  # where the first chunk begins
    header: int  # bytes of a chunk's header; 0 where the samples are all that there is
    size: str  # in the words of ``struct``
    counted: int  # bytes of the header that the size counts too
    multiple: int  # that a chunk is padded to
    named: bool = True  # the names are text


def _begins(pattern: bytes) -> re.Pattern[bytes]:
    return re.compile(pattern, re.DOTALL)


CONTAINERS = (
    Container(_begins(b"(RIFF|RF64|BW64).{4}WAVE"), b"data", 12, 8, "<I", 0, 2),
    Container(_begins(b"RIFX.{4}WAVE"), b"data", 12, 8, ">I", 0, 2),
    Container(_begins(b"FORM.{4}AIF[FC]"), b"SSND", 12, 8, ">I", 0, 2),
    Container(_begins(b"riff\x2e\x91\xcf\x11.{16}wave"), b"data", 40, 24, "<Q", 24, 8, named=False),
    Container(_begins(b"caff\0\1.{2}desc"), b"data", 8, 12, ">Q", 0, 1),
    Container(_begins(b"\\.snd\0\0.{6}\0\0\0"), b"", 0, 0, ">I", 0, 1),
    Container(_begins(b"dns\\..{2}\0\0.{5}\0\0\0"), b"", 0, 0, "<I", 0, 1),
)


class Chunk(NamedTuple):
    """A chunk of a file: where its contents begin, and the bytes that it declares."""

    name: bytes
    start: int
    size: int


def check_complete(path: Path, size: int) -> None:
    """Raises ``UserError`` for a file of ``size`` bytes that is cut short, unfinished, or two files in one."""
    with path.open("rb") as file:
        start = file.read(40)
        for container in CONTAINERS:
            if container.begins.match(start):
                _check_chunks(file, str(path), size, container)
        if start[:4] == b"OggS":
            _check_last_page(file, str(path), size)
            _check_one_stream(file, str(path), size)
        elif start[:4] == b"fLaC" or start[:3] == b"ID3":
            _check_one_flac(file, str(path))


def _chunk_at(file: BinaryIO, position: int, size: int, container: Container) -> Chunk | None:
    """The chunk whose header begins there, or None where no header fits into the file."""
    if not container.header or position + container.header > size:
        return None
    file.seek(position)
    header = file.read(container.header)
    (declared,) = struct.unpack(container.size, header[-struct.calcsize(container.size) :])
    return Chunk(header[:4], position + container.header, declared - container.counted)


def _chunks(file: BinaryIO, size: int, container: Container) -> Iterator[Chunk]:
    """The chunks of a file, in order. RF64 declares the size of its samples in a chunk of its own."""
    position, samples = container.first, None
    while chunk := _chunk_at(file, position, size, container):
        if chunk.name == b"ds64" and len(sizes := file.read(16)) == 16:
            samples = struct.unpack("<QQ", sizes)[1]
        if chunk.name == b"data" and chunk.size == 0xFFFFFFFF and samples is not None:
            chunk = chunk._replace(size=samples)
        chunk = chunk._replace(size=max(0, chunk.size))
        yield chunk
        position = _end(chunk, container)


def _end(chunk: Chunk, container: Container) -> int:
    """Where a chunk and its padding end."""
    return chunk.start + chunk.size + -chunk.size % container.multiple


def _samples_of_au(file: BinaryIO, container: Container) -> Chunk:
    file.seek(4)
    return Chunk(b"", *struct.unpack(container.size[0] + "II", file.read(8)))


def _check_chunks(file: BinaryIO, name: str, size: int, container: Container) -> None:
    """Checks the chunk that holds the samples against the bytes that are there, and what follows it."""
    chunks = _chunks(file, size, container) if container.header else iter([_samples_of_au(file, container)])
    end = container.first
    for chunk in chunks:
        end, there = chunk.start + chunk.size, size - chunk.start
        if chunk.name != container.samples:
            continue
        if end <= size:
            _check_rest(file, name, size, chunk, container)
        elif not any(chunk.size in sizes for sizes in PIPE_SIZES):
            raise UserError(f"{name} is truncated: {size} of {end} bytes are there; copy it again")
        elif there > 0:
            _check_one_file(file, name, chunk.start, container)
        return
    if end > size:
        raise UserError(f"{name} is truncated: {size} of {end} bytes are there; copy it again")


def _check_rest(file: BinaryIO, name: str, size: int, samples: Chunk, container: Container) -> None:
    """Raises ``UserError`` where the samples are followed by another file, or by what is no chunk."""
    chunk: Chunk | None = samples
    position = samples.start
    while chunk:
        position, previous, chunk = chunk.start + chunk.size, chunk, None
        for place in (_end(previous, container), position):  # some omit the padding
            file.seek(place)
            if container.begins.match(file.read(40)):
                raise _joined(name)
            found = _chunk_at(file, place, size, container)
            if found and _is_chunk(found, size, container):
                chunk = found
                break
    file.seek(position)
    rest = size - position
    if rest <= JUNK or file.read(8).startswith(TAGS) or _is_zero(file, position):
        return
    declared = f"{samples.size} bytes of samples" if samples.size else "no samples"
    raise UserError(
        f"{name} says that it holds {declared}, and {rest} bytes follow: the recorder did not finish it; repair its "
        "header with ffmpeg or sox, or record it again"
    )


def _is_chunk(chunk: Chunk, size: int, container: Container) -> bool:
    """Whether this is one, by its name and by where it ends, and no sound that looks like a header."""
    if container.named and not all(32 <= byte < 127 for byte in chunk.name):
        return False
    return 0 <= chunk.size <= size - chunk.start or chunk.name in METADATA


def _is_zero(file: BinaryIO, position: int) -> bool:
    """Whether a file holds nothing but zeros from there on, as some are padded to a whole block."""
    file.seek(position)
    while block := file.read(1 << 16):
        if block.count(0) < len(block):
            return False
    return True


def _check_one_file(file: BinaryIO, name: str, start: int, container: Container) -> None:
    """Raises ``UserError`` where another file begins in samples that go on to the end of the file."""
    file.seek(0)
    mark = file.read(4)
    with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
        while (start := data.find(mark, start)) >= 0:
            if container.begins.match(data[start : start + 40]):
                raise _joined(name)
            start += 1


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
    """Raises ``UserError`` where another file begins in a FLAC file, which may follow a tag."""
    with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
        begin = after_tags(data, 0)
        if data[begin : begin + 4] == b"fLaC" and any(data.find(start, begin + 4) >= 0 for start in FLAC_START):
            raise _joined(name)
