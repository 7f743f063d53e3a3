"""MP3 frames: whether a file is whole, and how long it is when it does not say so itself.

libsndfile believes the number of frames in a Xing or Info header: of two files joined into one it reads the first.
Where there is none it guesses from the first bit rate: of a file of variable bit rate it then reads a part, and a whole
file can look truncated.
"""

import struct
from itertools import pairwise
from mmap import mmap
from pathlib import Path
from typing import NamedTuple

from hifigan_tf.errors import UserError

# Layer III: kbit/s by their index in the header, for MPEG 1 and for MPEG 2 and 2.5.
BIT_RATES = {
    True: (0, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320),
    False: (0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),
}
SAMPLING_RATES = (44100, 48000, 32000)
RATE_DIVISORS = {3: 1, 2: 2, 0: 4}  # MPEG 1, 2, 2.5
RESYNC = 1024  # bytes of junk that a decoder skips


class Frame(NamedTuple):
    """Where a frame begins and ends in the file, the bytes before its main data, its rate and number of channels."""

    start: int
    end: int
    overhead: int
    sampling_rate: int  # Hz
    mono: bool


def frame_at(data: bytes, start: int) -> Frame | None:
    """The layer III frame whose header is at ``start``, or None where there is none."""
    header = data[start : start + 4]
    if len(header) < 4 or header[0] != 0xFF or header[1] & 0xE6 != 0xE2:
        return None
    version, rate, bits = header[1] >> 3 & 3, header[2] >> 2 & 3, header[2] >> 4
    if version == 1 or rate == 3 or bits in (0, 15):
        return None
    first, mono = version == 3, header[3] >> 6 == 3
    sampling_rate = SAMPLING_RATES[rate] // RATE_DIVISORS[version]
    size = (144000 if first else 72000) * BIT_RATES[first][bits] // sampling_rate + (header[2] >> 1 & 1)
    side_information = {(True, False): 32, (False, True): 9}.get((first, mono), 17)
    return Frame(start, start + size, 4 + side_information, sampling_rate, mono)


def begins_mp3(path: Path) -> bool:
    """Whether a file begins as MP3 files do, whatever its name: with a tag, or with frames."""
    with path.open("rb") as file:
        start = file.read(8192)
    return start[:3] == b"ID3" or len(_run(start, 0)) >= 3


def _run(data: bytes, start: int) -> list[Frame]:
    frames = []
    while frame := frame_at(data, start):
        frames.append(frame)
        start = frame.end
    return frames


def _find_run(data: bytes, start: int, stop: int) -> list[Frame]:
    """The first unbroken run of three or more frames that begins from ``start`` on and before ``stop``."""
    position = data.find(b"\xff", start, stop)
    while position >= 0:
        if len(_run(data[position : position + 8192], 0)) >= 3:
            return _run(data, position)
        position = data.find(b"\xff", position + 1, stop)
    return []


def after_tags(data: bytes | mmap, start: int) -> int:
    """The first byte after the tags at ``start``: ID3 at the beginning of a file, APE and ID3's older kind at its end.

    Where two files were joined there are such tags in the middle.
    """
    while True:
        if data[start : start + 3] == b"ID3" and len(data) >= start + 10:
            size = data[start + 6 : start + 10]
            start += 10 + (size[0] << 21 | size[1] << 14 | size[2] << 7 | size[3])
        elif data[start : start + 8] == b"APETAGEX" and len(data) >= start + 32:
            start += 32 + struct.unpack("<I", data[start + 12 : start + 16])[0]  # which does not count this header
        elif data[start : start + 3] == b"TAG" and len(data) >= start + 128:
            start += 128
        else:
            return start


def _all_frames(data: bytes, name: str) -> list[Frame]:
    """The frames of the file; tags between them are passed over, and anything else there is damage.

    Raises ``UserError`` for that, for a file that ends inside a frame, and where rate or channels change.
    """
    start = after_tags(data, 0)
    frames = _find_run(data, start, start + RESYNC)
    while frames:
        last = frames[-1]
        if last.end > len(data):
            raise UserError(f"{name} is truncated: it ends inside an MP3 frame; copy it again")
        more = _run(data, after_tags(data, last.end)) if last.end < len(data) else []
        if not more:
            if _find_run(data, last.end, len(data)):
                raise UserError(f"{name} is damaged at byte {last.end}: copy it again")
            break
        frames += more
    if any((frame.sampling_rate, frame.mono) != (frames[0].sampling_rate, frames[0].mono) for frame in frames):
        raise UserError(
            f"{name} changes its sampling rate or its channels, as files do that were joined: make one recording of "
            "them, or two files"
        )
    return frames


def add_xing_header(data: bytes, name: str) -> bytes:
    """The file from its first frame on, with a Xing header that states its length where there was none or another.

    Other files are returned unchanged. Raises ``UserError`` when the file ends inside a frame or is broken
    in the middle, and where its rate or its channels change.
    """
    frames = _all_frames(data, name)
    if not frames:
        return data
    first = frames[0]
    marks = [at for mark in (b"Xing", b"Info") if (at := data.find(mark, first.start, first.end)) >= 0]
    gaps = any(one.end != other.start for one, other in pairwise(frames))
    whole = b"".join(data[frame.start : frame.end] for frame in frames) if gaps else data[first.start :]
    if marks:
        at = marks[0] - first.start
        flags, stated = struct.unpack(">II", whole[at + 4 : at + 12])  # flag 1: frames follow, flag 2: then bytes
        # Not a frame of audio itself, which some programs count.
        if not flags & 1 or stated in (len(frames) - 1, len(frames)) or stated > len(frames):
            return whole
        right = struct.pack(">I", len(frames) - 1) + (struct.pack(">I", len(whole)) if flags & 2 else b"")
        return whole[: at + 8] + right + whole[at + 8 + len(right) :]
    # The first frame's header without a checksum and with a bit rate that leaves room; silence instead of
    # side information; then the number of frames, which flag 1 announces.
    old = data[first.start : first.start + 4]
    header = bytes([old[0], old[1] | 1, old[2] & 0x0C | 0x80, old[3]])
    xing = header + bytes(first.overhead - 4) + struct.pack(">4sII", b"Xing", 1, len(frames))
    made = frame_at(header, 0)
    assert made is not None, "its bit rate is one of the table"
    return xing.ljust(made.end, b"\0") + whole
