"""Audio files: find, read with every check, resample, normalise, write."""

import io
import logging
import struct
from pathlib import Path

import numpy as np

from hifigan_tf.errors import UserError
from hifigan_tf.files import write_bytes
from hifigan_tf.mp3 import with_length

log = logging.getLogger(__name__)

AUDIO_SUFFIXES = (".wav", ".flac", ".ogg", ".mp3")
PEAK = 0.95  # the original normalises every clip to this peak
SILENCE = 1e-4  # a peak below this (-80 dBFS) is no speech
UNKNOWN_LENGTH = 2**62  # soundfile gives more frames than this where a FLAC written to a pipe tells none


def find_audio(folder: Path) -> list[Path]:
    """Every audio file under the folder, sorted by path."""
    return sorted(path for path in Path(folder).rglob("*") if path.suffix.lower() in AUDIO_SUFFIXES and path.is_file())


def read_audio(path: str | Path) -> tuple[np.ndarray, int]:
    """The file as mono float32 ``[samples]`` in -1 to 1, and its sampling rate in Hz.

    Raises ``UserError`` for a file that is missing, empty, corrupt, truncated, silent, or holds NaN.
    """
    import soundfile

    path = Path(path)
    try:
        size = path.stat().st_size
        if size == 0:
            raise UserError(f"{path} is empty: record or copy it again")
        _check_complete(path, size)
        source = io.BytesIO(with_length(path.read_bytes(), str(path))) if path.suffix.lower() == ".mp3" else path
        with soundfile.SoundFile(source) as file:
            expected, rate = file.frames, file.samplerate
            audio = _read_blocks(file) if expected > UNKNOWN_LENGTH else file.read(dtype="float32", always_2d=True)
    except FileNotFoundError:
        raise UserError(f"{path} does not exist: check the path") from None
    except OSError as error:
        raise UserError(f"{path} cannot be read: {error.strerror or error}") from None
    except (soundfile.LibsndfileError, RuntimeError) as error:
        reason = str(getattr(error, "error_string", error)).strip().rstrip(".")
        raise UserError(f"{path} cannot be decoded ({reason}): is it really {path.suffix[1:].upper()}?") from None
    if len(audio) < expected < UNKNOWN_LENGTH:
        raise UserError(f"{path} is truncated: {len(audio)} of {expected} samples are there; copy it again")
    if len(audio) == 0:
        raise UserError(f"{path} holds no samples: record or copy it again")
    audio = audio.mean(axis=1) if audio.shape[1] > 1 else audio[:, 0]
    check_samples(audio, str(path))
    return audio, rate


def _read_blocks(file) -> np.ndarray:
    """All of a ``SoundFile`` whose length is not known, ``[samples, channels]``."""
    blocks = []
    while not blocks or len(blocks[-1]):
        blocks.append(file.read(65536, dtype="float32", always_2d=True))
    return np.concatenate(blocks)


def check_samples(audio: np.ndarray, name: str) -> None:
    """Raises ``UserError`` when the samples hold NaN or infinity, or are silent."""
    if not np.isfinite(audio).all():
        raise UserError(
            f"{name} holds NaN or infinite samples (first at {np.argmin(np.isfinite(audio))}): export it again"
        )
    peak = float(np.abs(audio).max())
    if peak < SILENCE:
        raise UserError(f"{name} is silent (peak {peak:.1e}): leave it out")


def _check_complete(path: Path, size: int) -> None:
    """Finds files cut short that libsndfile reads without complaint: WAV, and Ogg without its last page."""
    with path.open("rb") as file:
        start = file.read(12)
        if start[:4] == b"RIFF" and start[8:12] == b"WAVE":
            (declared,) = struct.unpack("<I", start[4:8])
            # Writers to a pipe leave 0 or a number near the largest, and some forget the final pad byte.
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
    if rate < sampling_rate:
        log.warning("warning: %s", empty_band(str(path), rate, sampling_rate))
    return resample(audio, rate, sampling_rate)


def empty_band(name: str, rate: int, sampling_rate: int) -> str:
    """The words of the warning about a recording of a rate below the model's."""
    return f"{name} is recorded at {rate} Hz, below {sampling_rate} Hz: the band above {rate // 2} Hz stays empty"


def normalize(audio: np.ndarray) -> np.ndarray:
    """``audio`` scaled to a peak of 0.95, as the original does before training and analysis."""
    return (audio * (PEAK / np.abs(audio).max())).astype(np.float32)


def to_pcm16(audio: np.ndarray) -> np.ndarray:
    """Samples in -1 to 1 as int16: clipped, never wrapped."""
    return np.clip(np.rint(np.asarray(audio, np.float64) * 32767.0), -32768, 32767).astype(np.int16)


def write_wav(path: str | Path, audio: np.ndarray, sampling_rate: int) -> None:
    """Writes ``[samples]`` as a 16-bit mono WAV, atomically: a full disk leaves no half file."""
    import soundfile

    # Encoded in memory first: libsndfile, writing to a full disk, does not tell why it failed.
    encoded = io.BytesIO()
    soundfile.write(encoded, to_pcm16(audio), sampling_rate, format="WAV", subtype="PCM_16")
    write_bytes(path, encoded.getvalue())
