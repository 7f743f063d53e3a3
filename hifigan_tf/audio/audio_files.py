"""Audio files: find, read with every check, resample, normalise, write."""

import io
import logging
import struct
import wave
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from hifigan_tf.audio.mp3 import with_length
from hifigan_tf.errors import UserError
from hifigan_tf.files import atomic_path, find_files, write_bytes

log = logging.getLogger(__name__)

AUDIO_SUFFIXES = (".wav", ".flac", ".ogg", ".mp3")
PEAK = 0.95  # the original normalises every clip to this peak
SILENCE = 1e-4  # a peak below this (-80 dBFS) is no speech
PIECE = 1 << 16  # samples read at a time when a file is read in pieces
UNKNOWN_LENGTH = 2**62  # soundfile reports more samples than this for a FLAC that was written to a pipe


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
        convert = None
        if file.samplerate != sampling_rate:
            import soxr

            convert = soxr.ResampleStream(file.samplerate, sampling_rate, 1, dtype="float32", quality="HQ")
        left = file.frames
        while left > 0:
            audio = _mono(file.read(min(PIECE, left), dtype="float32", always_2d=True))
            left = left - len(audio) if len(audio) else 0
            if not np.isfinite(audio).all():
                check_samples(audio, str(path))
            yield convert.resample_chunk(audio, last=left <= 0) if convert else audio


def measure(path: str | Path, sampling_rate: int) -> tuple[int, float]:
    """Number of samples and largest magnitude of a file at ``sampling_rate`` Hz, with the checks of ``load_audio``."""
    samples, peak = 0, 0.0
    for piece in read_pieces(path, sampling_rate, warn=True):
        samples, peak = samples + len(piece), max(peak, float(np.abs(piece).max(initial=0)))
    check_samples(np.array([peak]), str(path))
    return samples, peak


@contextmanager
def _open_audio(path: Path):
    """The file as a ``SoundFile``, which must be read to its end inside the block; the end of the block checks this."""
    import soundfile

    try:
        size = path.stat().st_size
        if size == 0:
            raise UserError(f"{path} is empty: record or copy it again")
        _check_complete(path, size)
        source = io.BytesIO(with_length(path.read_bytes(), str(path))) if path.suffix.lower() == ".mp3" else path
        with soundfile.SoundFile(source) as file:
            if file.frames > UNKNOWN_LENGTH:
                raise UserError(f"{path} does not state its length, as it was written to a pipe: write to a file")
            yield file
            there, expected = file.tell(), file.frames
    except FileNotFoundError:
        raise UserError(f"{path} does not exist: check the path") from None
    except OSError as error:
        raise UserError(f"{path} cannot be read: {error.strerror or error}") from None
    except (soundfile.LibsndfileError, RuntimeError) as error:
        reason = str(getattr(error, "error_string", error)).strip().rstrip(".")
        raise UserError(f"{path} cannot be decoded ({reason}): is it really {path.suffix[1:].upper()}?") from None
    if there < expected:
        raise UserError(f"{path} is truncated: {there} of {expected} samples are there; copy it again")
    if there == 0:
        raise UserError(f"{path} holds no samples: record or copy it again")


def _mono(audio: np.ndarray) -> np.ndarray:
    return audio.mean(axis=1) if audio.shape[1] > 1 else audio[:, 0]


def check_samples(audio: np.ndarray, name: str) -> None:
    """Raises ``UserError`` when the samples hold NaN or infinity, or are silent."""
    if not np.isfinite(audio).all():
        raise UserError(
            f"{name} holds NaN or infinite samples (first at {np.argmin(np.isfinite(audio))}): export it again"
        )
    peak = float(np.abs(audio).max())
    if peak < SILENCE:
        raise UserError(f"{name} is silent (peak {peak:.1e}): leave it out")


def check_length(path: Path, samples: int, hop_size: int) -> None:
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
