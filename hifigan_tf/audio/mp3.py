"""MP3 frames: whether a file is whole, and how long it is when it does not say so itself.

libsndfile believes the number of frames in a Xing or Info header. Where there is none it guesses from the
first bit rate: of a file of variable bit rate it then reads a part, and a whole file can look truncated.
"""

import struct
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
    """Where a frame begins and ends in the file, and the bytes before its main data."""

    start: int
    end: int
    overhead: int


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
    return Frame(start, start + size, 4 + side_information)


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


def add_xing_header(data: bytes, name: str) -> bytes:
    """The file from its first frame on, with a Xing header that states its length where there was none.

    Other files are returned unchanged. Raises ``UserError`` when the file ends inside a frame or is broken
    in the middle.
    """
    start = 0
    if data[:3] == b"ID3" and len(data) > 10:
        start = 10 + (data[6] << 21 | data[7] << 14 | data[8] << 7 | data[9])
    frames = _find_run(data, start, start + RESYNC)
    if not frames:
        return data
    first, last = frames[0], frames[-1]
    if last.end > len(data):
        raise UserError(f"{name} is truncated: it ends inside an MP3 frame; copy it again")
    if _find_run(data, last.end, len(data)):
        raise UserError(f"{name} is damaged at byte {last.end}: copy it again")
    if any(mark in data[first.start : first.end] for mark in (b"Xing", b"Info")):
        return data[first.start :]
    # The first frame's header without a checksum and with a bit rate that leaves room; silence instead of
    # side information; then the number of frames, which flag 1 announces.
    old = data[first.start : first.start + 4]
    header = bytes([old[0], old[1] | 1, old[2] & 0x0C | 0x80, old[3]])
    xing = header + bytes(first.overhead - 4) + struct.pack(">4sII", b"Xing", 1, len(frames))
    made = frame_at(header, 0)
    assert made is not None, "its bit rate is one of the table"
    return xing.ljust(made.end, b"\0") + data[first.start :]
