"""Audio files: find, read with every check, resample, normalise, write."""

import io
import logging
import struct
import wave
from collections.abc import Iterator
from contextlib import contextmanager
from math import gcd
from pathlib import Path, PurePath
from typing import NamedTuple

import numpy as np

from hifigan_tf.audio.mp3 import add_xing_header
from hifigan_tf.errors import UserError
from hifigan_tf.files import atomic_path, find_files, write_bytes

log = logging.getLogger(__name__)

AUDIO_SUFFIXES = (".wav", ".flac", ".ogg", ".mp3")
PEAK = 0.95  # the original normalises every clip to this peak
SILENCE = 1e-4  # a peak below this (-80 dBFS) is no speech
PIECE = 1 << 16  # samples read at a time when a file is read in pieces
UNKNOWN_LENGTH = 2**62  # soundfile reports more samples than this for a FLAC that was written to a pipe
# One exact seek promises nothing of the next: MP3 and Opus decoders take a while to settle after it, and in the last
# page of a Vorbis file it arrives elsewhere.
NEVER_SEEKABLE = ("MPEG_LAYER_III", "OPUS", "VORBIS")
SEEK_TOLERANCE = 1e-5  # of the peak: soxr rounds a part and the whole otherwise, by up to 1e-6
SEEK_PROBE = 1024  # samples of each piece that are read again after a seek
RESAMPLER_MARGIN = 256  # samples of the lower rate: soxr's filters reach less far to either side


class AudioFile(NamedTuple):
    """A file that was read to its end and found good."""

    rate: int  # Hz
    samples: int  # at ``rate``
    resampled: int  # samples at the rate asked for
    peak: float  # largest magnitude at the rate asked for
    seekable: bool  # ``read_part`` gives what the whole file does
    encoding: str  # container and encoding in libsndfile's words, such as "WAV PCM_16"


def find_audio(folder: Path) -> list[Path]:
    """Every audio file under the folder, sorted by path."""
    return find_files(folder, AUDIO_SUFFIXES)


def read_audio(path: str | Path) -> tuple[np.ndarray, int]:
    """The file as mono float32 ``[samples]`` in -1 to 1, and its sampling rate in Hz.

    Raises ``UserError`` for a file that is missing, empty, corrupt, truncated, silent, or holds NaN.
    """
    with _open_audio(Path(path)) as file:
        rate = file.samplerate
        audio = _mono(file.read(dtype="float32", always_2d=True))
    check_samples(audio, str(path))
    return audio, rate


def read_pieces(path: str | Path, sampling_rate: int, warn: bool = False) -> Iterator[np.ndarray]:
    """A file read and resampled in pieces: a file of any length in constant memory.

    ``warn`` says whether to warn of a file of a lower rate. Raises ``UserError`` as ``read_audio`` does, except
    for silence, and only when it reaches the faulty piece.
    """
    with _open_audio(Path(path)) as file:
        if warn:
            _warn_of_empty_band(str(path), file.samplerate, sampling_rate)
        yield from _pieces(file, str(path), sampling_rate)


def _pieces(file, name: str, sampling_rate: int) -> Iterator[np.ndarray]:
    """The pieces of an open file, none of them with NaN."""
    convert = None
    if file.samplerate != sampling_rate:
        import soxr

        convert = soxr.ResampleStream(file.samplerate, sampling_rate, 1, dtype="float32", quality="HQ")
    left = file.frames
    while left > 0:
        audio = _mono(file.read(min(PIECE, left), dtype="float32", always_2d=True))
        _check_finite(audio, name, file.frames - left)
        left = left - len(audio) if len(audio) else 0
        yield convert.resample_chunk(audio, last=left <= 0) if convert else audio


def read_part(path: str | Path, sampling_rate: int, start: int, stop: int) -> np.ndarray:
    """Samples ``start`` to ``stop`` of what ``read_audio`` and ``resample`` make of a file, without reading the rest.

    For files that ``examine`` found to be ``seekable``. Raises ``UserError`` when the file ends before ``stop``.
    """
    path = Path(path)
    with _sound_file(path, path) as file:
        rate = file.samplerate
        first, last = _input_range(rate, sampling_rate, start, stop)
        audio = np.zeros(0, np.float32)
        if first < file.frames:
            file.seek(first)
            audio = _mono(file.read(min(last, file.frames) - first, dtype="float32", always_2d=True))
    begin = first * sampling_rate // rate  # without a remainder
    part = resample(audio, rate, sampling_rate)[start - begin : stop - begin]
    if len(part) < stop - start:
        raise UserError(f"{path} has become shorter since it was checked: copy it again")
    return part


def _input_range(rate: int, sampling_rate: int, start: int, stop: int) -> tuple[int, int]:
    """``(first, last)`` samples at ``rate`` that decide samples ``start`` to ``stop`` at ``sampling_rate``.

    Input and output samples fall on the same time every ``step`` input samples: at the bars, here for 24 to 16 kHz,
    where ``step`` is 3. ``first`` is a bar. Resampled from there, the filter meets the same samples at the same phase
    as in the whole file, and the margins hold all that it reaches from the part::

                 first                                           last
        input    | . . | . . | . . | . . | . . | . . | . . | . . | . .
                   :<- margin ->:                 :<- margin ->:
                   : or more    :                 :
        output   |  .  |  .  |  [  |  .  |  .  |  ]  |  .  |  .      what is between the brackets is kept
                 begin          start             stop
    """
    if rate == sampling_rate:
        return start, stop
    step = rate // gcd(rate, sampling_rate)
    margin = RESAMPLER_MARGIN * max(rate, sampling_rate) // sampling_rate
    first = max(0, start * rate // sampling_rate - margin) // step * step
    return first, -(-stop * rate // sampling_rate) + margin


def examine(path: str | Path, sampling_rate: int) -> AudioFile:
    """Reads a file to its end in constant memory, with every check, and a part of each piece again after a seek.

    Raises ``UserError`` as ``read_audio`` does; a file is silent when nothing is left of it at ``sampling_rate`` Hz.
    """
    path = Path(path)
    with _open_audio(path) as file:
        rate, samples, encoding = file.samplerate, file.frames, f"{file.format} {file.subtype}"
        seekable, position, peak = file.subtype not in NEVER_SEEKABLE and file.seekable(), 0, 0.0
        piece, rng = np.zeros(0, np.float32), np.random.default_rng(0)
        for piece in _pieces(file, str(path), sampling_rate):
            peak = max(peak, float(np.abs(piece).max(initial=0)))
            if seekable and len(piece):
                seekable = _seeks_to(path, sampling_rate, position, piece, int(rng.integers(len(piece))))
            position += len(piece)
    _check_loud(peak, str(path))
    if seekable:  # at the very end too
        seekable = _seeks_to(path, sampling_rate, position - len(piece), piece, max(0, len(piece) - SEEK_PROBE))
    return AudioFile(rate, samples, position, peak, seekable, encoding)


def _seeks_to(path: Path, sampling_rate: int, position: int, piece: np.ndarray, offset: int) -> bool:
    """Whether ``read_part`` gives what is in this piece, which begins at ``position``, from ``offset`` on."""
    expected = piece[offset : offset + SEEK_PROBE]
    try:
        found = read_part(path, sampling_rate, position + offset, position + offset + len(expected))
    except UserError:
        return False
    return float(np.abs(found - expected).max(initial=0)) <= SEEK_TOLERANCE * max(SILENCE, np.abs(piece).max())


def measure(path: str | Path, sampling_rate: int) -> tuple[int, float]:
    """Number of samples and largest magnitude of a file at ``sampling_rate`` Hz, with the checks of ``load_audio``."""
    samples, peak = 0, 0.0
    for piece in read_pieces(path, sampling_rate, warn=True):
        samples, peak = samples + len(piece), max(peak, float(np.abs(piece).max(initial=0)))
    _check_loud(peak, str(path))
    return samples, peak


@contextmanager
def _open_audio(path: Path):
    """The file as a ``SoundFile``, which must be read to its end inside the block; the end of the block checks this."""
    source: Path | io.BytesIO = path
    try:
        size = path.stat().st_size
        if size == 0:
            raise UserError(f"{path} is empty: record or copy it again")
        _check_complete(path, size)
        if path.suffix.lower() == ".mp3":
            source = io.BytesIO(add_xing_header(path.read_bytes(), str(path)))
    except OSError as error:
        raise _unreadable(path, error) from None
    with _sound_file(path, source) as file:
        if file.frames > UNKNOWN_LENGTH:
            raise UserError(f"{path} does not state its length, as it was written to a pipe: write to a file")
        yield file
        there, expected = file.tell(), file.frames
    if there < expected:
        raise UserError(f"{path} is truncated: {there} of {expected} samples are there; copy it again")
    if there == 0:
        raise UserError(f"{path} holds no samples: record or copy it again")


@contextmanager
def _sound_file(path: Path, source: Path | io.BytesIO):
    """``source`` as a ``SoundFile``; its errors inside the block become a ``UserError`` about ``path``."""
    import soundfile

    try:
        with soundfile.SoundFile(source) as file:
            yield file
    except OSError as error:
        raise _unreadable(path, error) from None
    except (soundfile.LibsndfileError, RuntimeError) as error:
        if not path.exists():
            raise _unreadable(path, FileNotFoundError()) from None
        reason = str(getattr(error, "error_string", error)).strip().rstrip(".")
        raise UserError(f"{path} cannot be decoded ({reason}): is it really {path.suffix[1:].upper()}?") from None


def _unreadable(path: Path, error: OSError) -> UserError:
    if isinstance(error, FileNotFoundError):
        return UserError(f"{path} does not exist: check the path")
    return UserError(f"{path} cannot be read: {error.strerror or error}")


def _mono(audio: np.ndarray) -> np.ndarray:
    return audio.mean(axis=1) if audio.shape[1] > 1 else audio[:, 0]


def check_samples(audio: np.ndarray, name: str) -> None:
    """Raises ``UserError`` when the samples hold NaN or infinity, or are silent."""
    _check_finite(audio, name)
    _check_loud(float(np.abs(audio).max()), name)


def _check_finite(audio: np.ndarray, name: str, position: int = 0) -> None:
    """``position`` is that of the first of these samples in the file."""
    if not np.isfinite(audio).all():
        first = position + np.argmin(np.isfinite(audio))
        raise UserError(f"{name} holds NaN or infinite samples (first at {first}): export it again")


def _check_loud(peak: float, name: str) -> None:
    if peak < SILENCE:
        raise UserError(f"{name} is silent (peak {peak:.1e}): leave it out")


def check_length(path: PurePath, samples: int, hop_size: int) -> None:
    """Raises ``UserError`` when a recording of this many samples holds no whole frame."""
    if samples < hop_size:
        raise UserError(f"{path} is shorter than one frame: {samples} of {hop_size} samples")


def _check_complete(path: Path, size: int) -> None:
    """Finds files cut short that libsndfile reads without complaint: WAV, and Ogg without its last page."""
    with path.open("rb") as file:
        start = file.read(12)
        if start[:4] == b"RIFF" and start[8:12] == b"WAVE":
            (declared,) = struct.unpack("<I", start[4:8])
            # Programs that write to a pipe leave 0 or a number near the maximum, and some omit the final pad byte.
            if 0 < declared < 0x7FFFF000 and declared + 8 > size + 1:
                raise UserError(f"{path} is truncated: {size} of {declared + 8} bytes are there; copy it again")
        elif start[:4] == b"OggS":
            file.seek(max(0, size - 65536 - 1024))
            tail = file.read()
            last = tail.rfind(b"OggS")
            if last < 0 or len(tail) < last + 27 or not tail[last + 5] & 4:
                raise UserError(f"{path} is truncated: its last Ogg page is missing; copy it again")
            segments = tail[last + 26]
            table = tail[last + 27 : last + 27 + segments]
            if len(table) < segments or len(tail) < last + 27 + segments + sum(table):
                raise UserError(f"{path} is truncated inside its last Ogg page; copy it again")


def resample(audio: np.ndarray, rate: int, sampling_rate: int) -> np.ndarray:
    """``audio`` ``[samples]`` at ``rate`` Hz as float32 at ``sampling_rate`` Hz (soxr, high quality)."""
    if rate == sampling_rate:
        return audio
    import soxr

    return soxr.resample(audio, rate, sampling_rate, quality="HQ").astype(np.float32)


def load_audio(path: str | Path, sampling_rate: int) -> np.ndarray:
    """The file as mono float32 ``[samples]`` at ``sampling_rate`` Hz.

    A file of a lower rate is used, with a warning that its upper band is empty. Raises ``UserError`` as
    ``read_audio`` does.
    """
    audio, rate = read_audio(path)
    _warn_of_empty_band(str(path), rate, sampling_rate)
    return resample(audio, rate, sampling_rate)


def _warn_of_empty_band(name: str, rate: int, sampling_rate: int) -> None:
    if rate < sampling_rate:
        log.warning("warning: %s", empty_band(name, rate, sampling_rate))


def empty_band(name: str, rate: int, sampling_rate: int) -> str:
    """The text of the warning about a recording of a rate below the model's."""
    return f"{name} is recorded at {rate} Hz, below {sampling_rate} Hz: the band above {rate // 2} Hz stays empty"


def normalize(audio: np.ndarray) -> np.ndarray:
    """``audio`` scaled to a peak of 0.95, as the original does before training and analysis."""
    return (audio * (PEAK / np.abs(audio).max())).astype(np.float32)


def to_pcm16(audio: np.ndarray) -> np.ndarray:
    """Samples in -1 to 1 as int16: clipped, never wrapped."""
    return np.clip(np.rint(np.asarray(audio, np.float64) * 32767.0), -32768, 32767).astype(np.int16)


def pcm16_bytes(audio: np.ndarray) -> bytes:
    """Samples in -1 to 1 as 16-bit little-endian PCM, as WAV files and ``aplay`` take it."""
    return to_pcm16(audio).astype("<i2").tobytes()


def write_wav(path: str | Path, audio: np.ndarray, sampling_rate: int) -> None:
    """Writes ``[samples]`` as a 16-bit mono WAV, atomically: a full disk leaves no half file."""
    import soundfile

    # Encoded in memory first, because libsndfile does not report that the disk is full.
    encoded = io.BytesIO()
    soundfile.write(encoded, to_pcm16(audio), sampling_rate, format="WAV", subtype="PCM_16")
    write_bytes(path, encoded.getvalue())


@contextmanager
def wav_writer(path: str | Path, sampling_rate: int):
    """A function that appends ``[samples]`` to a 16-bit mono WAV, which appears at ``path`` when it is complete."""
    with atomic_path(path) as temporary, temporary.open("wb") as file, wave.open(file, "wb") as wav:
        wav.setparams((1, 2, sampling_rate, 0, "NONE", ""))
        yield lambda audio: wav.writeframesraw(pcm16_bytes(audio))
