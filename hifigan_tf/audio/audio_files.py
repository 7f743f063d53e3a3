"""Audio files: find, read with every check, resample, normalise, write."""

import io
import logging
import os
import shlex
import subprocess
import sys
import wave
from collections.abc import Iterator
from contextlib import contextmanager
from math import gcd
from pathlib import Path, PurePath
from typing import NamedTuple

import numpy as np

from hifigan_tf.audio.containers import check_complete
from hifigan_tf.audio.mp3 import add_xing_header, begins_mp3
from hifigan_tf.errors import UserError, file_guard
from hifigan_tf.files import atomic_path, find_files, with_suffix, write_bytes

log = logging.getLogger(__name__)

AUDIO_KINDS = "WAV, FLAC, OGG, Opus, MP3, AIFF, AU, CAF, W64"  # as messages and help say it
AUDIO_SUFFIXES = (
    *(".wav", ".wave", ".flac", ".ogg", ".oga", ".opus", ".mp3", ".aiff", ".aif", ".aifc", ".au", ".snd", ".caf"),
    *(".w64", ".rf64"),
)
# Recordings that libsndfile cannot read.
FOREIGN_SUFFIXES = (
    *(".m4a", ".m4b", ".aac", ".mp4", ".mov", ".webm", ".mkv", ".mka", ".wma", ".amr", ".3gp", ".ape", ".wv", ".ac3"),
    *(".spx", ".dsf", ".tta"),
)
PEAK = 0.95  # the original normalises every clip to this peak
LOWEST_RATE = 1000  # Hz, below which it is a damaged header that says so
SILENCE = 1e-4  # a peak below this (-80 dBFS) is no speech
FULL_SCALE_LIMIT = 2.0  # a larger peak is no overshoot (of a filter, a codec or a mix), but another scale
DC_LIMIT = 0.01  # of the peak: a mean beyond this is no speech's
CANCELLED = 0.01  # of the channels' power: with less left in their mean, they are opposites
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
    dc: float  # mean of the samples


def find_audio(folder: Path) -> list[Path]:
    """Every audio file under the folder, sorted by path. Warns of recordings of kinds that cannot be read."""
    files = find_files(folder, {*AUDIO_SUFFIXES, *FOREIGN_SUFFIXES})
    warn_of_foreign(folder, with_suffix(files, FOREIGN_SUFFIXES))
    return with_suffix(files, AUDIO_SUFFIXES)


def warn_of_foreign(folder: Path, files: list[Path]) -> None:
    """Warns of recordings under the folder that are passed over, because libsndfile cannot read their kind."""
    if files:
        suffixes = ", ".join(sorted({path.suffix.lower() for path in files}))
        log.warning(
            "warning: %d file%s passed over in %s, of kinds that cannot be read (%s; the first is %s): %s",
            *(len(files), "s are" if len(files) > 1 else " is", folder, suffixes, files[0], how_to_convert(files[0])),
        )


def how_to_convert(path: Path) -> str:
    """The command that makes a WAV file of a recording of another kind."""
    command = ["ffmpeg", "-i", str(path), str(path.with_suffix(".wav"))]
    quoted = subprocess.list2cmdline(command) if sys.platform == "win32" else shlex.join(command)
    return f"make WAV files of such ones, with {quoted}"


def read_audio(path: str | Path) -> tuple[np.ndarray, int]:
    """The file as mono float32 ``[samples]`` in -1 to 1, and its sampling rate in Hz.

    Raises ``UserError`` for a file that is missing, empty, corrupt, truncated, silent, or holds NaN.
    """
    with _open_audio(Path(path)) as file:
        audio = file.whole(file.rate)
    check_samples(audio, str(path))
    return audio, file.rate


def read_pieces(path: str | Path, sampling_rate: int, warn: bool = False) -> Iterator[np.ndarray]:
    """A file read and resampled in pieces: a file of any length in constant memory.

    ``warn`` says whether to warn of a file of a lower rate. Raises ``UserError`` as ``read_audio`` does, except
    for silence, and only when it reaches the faulty piece.
    """
    with _open_audio(Path(path)) as file:
        if warn:
            _warn_of_empty_band(str(path), file.rate, sampling_rate)
        yield from file.pieces(sampling_rate)
        if warn:
            _warn_of_level(str(path), file.peak, file.dc)


class _Reader:
    """An open file as mono samples, in order; what was read is counted and measured."""

    def __init__(self, file, name: str):
        self._file, self._name = file, name
        self.rate, self.samples = file.samplerate, file.frames
        self.encoding = f"{file.format} {file.subtype}"
        self.seekable = file.subtype not in NEVER_SEEKABLE and file.seekable()
        # Or soundfile seeks after every read to where it is already, and MP3 decoders take a while to settle after it.
        file.seekable = lambda: False
        self.there = 0  # samples read
        self.peak = 0.0
        self._sum = self._power = self._channel_power = 0.0

    def read(self, samples: int) -> np.ndarray:
        """The next ``samples`` samples, mixed to mono, none of them NaN; fewer at the end."""
        channels = self._file.read(samples, dtype="float32", always_2d=True)
        audio = channels[:, 0] if channels.shape[1] == 1 else channels.mean(axis=1)
        _check_finite(audio, self._name, self.there)
        self.there += len(audio)
        self.peak = max(self.peak, float(np.abs(audio).max(initial=0)))
        self._sum += float(audio.sum(dtype=np.float64))
        if channels.shape[1] > 1:
            self._power += float(np.square(audio, dtype=np.float64).sum())
            self._channel_power += float(np.square(channels, dtype=np.float64).mean(axis=1).sum())
        return audio

    def pieces(self, sampling_rate: int) -> Iterator[np.ndarray]:
        """The whole file in pieces at ``sampling_rate`` Hz."""
        convert = None
        if self.rate != sampling_rate:
            import soxr

            convert = soxr.ResampleStream(self.rate, sampling_rate, 1, dtype="float32", quality="HQ")
        last = False
        while not last and self.samples:
            audio = self.read(min(PIECE, self.samples - self.there))
            last = self.there >= self.samples or not len(audio)
            yield convert.resample_chunk(audio, last=last) if convert else audio

    def whole(self, sampling_rate: int) -> np.ndarray:
        """The whole file at ``sampling_rate`` Hz. In pieces, because a damaged header may promise any length."""
        return np.concatenate(list(self.pieces(sampling_rate)) or [np.zeros(0, np.float32)])

    @property
    def dc(self) -> float:
        """The mean of the samples read."""
        return self._sum / max(1, self.there)

    def check_end(self) -> None:
        """Raises ``UserError`` unless the file was read to its end, and holds samples that the mix has left over."""
        if self.there < self.samples:
            raise UserError(
                f"{self._name} is truncated: {self.there} of {self.samples} samples are there; copy it again"
            )
        if self.there == 0:
            raise UserError(f"{self._name} holds no samples: record or copy it again")
        if self._power < CANCELLED * self._channel_power:
            raise UserError(
                f"{self._name} has channels that cancel each other when they are mixed to mono: invert one of them, or "
                "take one alone"
            )


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
            audio = _Reader(file, str(path)).read(min(last, file.frames) - first)
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
        seekable, position, peak = file.seekable, 0, 0.0
        piece, rng = np.zeros(0, np.float32), np.random.default_rng(0)
        for piece in file.pieces(sampling_rate):
            peak = max(peak, float(np.abs(piece).max(initial=0)))
            if seekable and len(piece):
                seekable = _seeks_to(path, sampling_rate, position, piece, int(rng.integers(len(piece))))
            position += len(piece)
    _check_loud(peak, str(path))
    if seekable:  # at the very end too
        seekable = _seeks_to(path, sampling_rate, position - len(piece), piece, max(0, len(piece) - SEEK_PROBE))
    return AudioFile(file.rate, file.samples, position, peak, seekable, file.encoding, file.dc)


def _seeks_to(path: Path, sampling_rate: int, position: int, piece: np.ndarray, offset: int) -> bool:
    """Whether ``read_part`` gives what is in this piece, which begins at ``position``, from ``offset`` on."""
    expected = piece[offset : offset + SEEK_PROBE]
    try:
        found = read_part(path, sampling_rate, position + offset, position + offset + len(expected))
    except UserError:
        return False
    return float(np.abs(found - expected).max(initial=0)) <= SEEK_TOLERANCE * max(SILENCE, np.abs(piece).max())


def read_resampled(path: str | Path, sampling_rate: int) -> tuple[np.ndarray, AudioFile]:
    """The file as ``read_pieces`` gives it, in one array ``[samples]``, and what was found out about it.

    Raises ``UserError`` as ``read_audio`` does.
    """
    with _open_audio(Path(path)) as file:
        audio = file.whole(sampling_rate)
    check_samples(audio, str(path))
    peak = float(np.abs(audio).max())
    return audio, AudioFile(file.rate, file.samples, len(audio), peak, file.seekable, file.encoding, file.dc)


def measure(path: str | Path, sampling_rate: int) -> tuple[int, float]:
    """Number of samples and largest magnitude of a file at ``sampling_rate`` Hz, with the checks of ``load_audio``."""
    samples, peak = 0, 0.0
    for piece in read_pieces(path, sampling_rate, warn=True):
        samples, peak = samples + len(piece), max(peak, float(np.abs(piece).max(initial=0)))
    _check_loud(peak, str(path))
    return samples, peak


@contextmanager
def _open_audio(path: Path) -> Iterator[_Reader]:
    """The file, which must be read to its end inside the block; the end of the block checks this."""
    source: Path | io.BytesIO = path
    try:
        size = path.stat().st_size
        if size == 0:
            raise UserError(f"{path} is empty: record or copy it again")
        with file_guard(path):
            check_complete(path, size)
            if path.suffix.lower() == ".mp3" or begins_mp3(path):
                source = io.BytesIO(add_xing_header(path.read_bytes(), str(path)))
    except OSError as error:
        raise _unreadable(path, error) from None
    with _sound_file(path, source) as file:
        if file.frames > UNKNOWN_LENGTH:
            raise UserError(f"{path} does not state its length, as it was written to a pipe: write to a file")
        reader = _Reader(file, str(path))
        yield reader
        reader.check_end()


@contextmanager
def _sound_file(path: Path, source: Path | io.BytesIO):
    """``source`` as a ``SoundFile``; its errors inside the block become a ``UserError`` about ``path``."""
    import soundfile

    # A name may be any bytes, and soundfile encodes text as UTF-8 alone.
    file_or_name = os.fsencode(source) if isinstance(source, Path) and os.name == "posix" else source
    with file_guard(path):
        try:
            with soundfile.SoundFile(file_or_name) as file:
                if file.samplerate < LOWEST_RATE:
                    raise UserError(
                        f"{path} is at {file.samplerate} Hz by its header, as no recording is: copy it again"
                    )
                yield file
        except OSError as error:
            raise _unreadable(path, error) from None
        except (soundfile.LibsndfileError, RuntimeError) as error:
            if not path.exists():
                raise _unreadable(path, FileNotFoundError()) from None
            if path.suffix.lower() in FOREIGN_SUFFIXES:
                raise UserError(f"{path} is of a kind that cannot be read: {how_to_convert(path)}") from None
            reason = str(getattr(error, "error_string", error)).strip().rstrip(".")
            raise UserError(f"{path} cannot be decoded ({reason}): is it really {path.suffix[1:].upper()}?") from None


def _unreadable(path: Path, error: OSError) -> UserError:
    if isinstance(error, FileNotFoundError):
        return UserError(f"{path} does not exist: check the path")
    return UserError(f"{path} cannot be read: {error.strerror or error}")


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


def level_problems(name: str, peak: float, dc: float) -> list[str]:
    """Texts of warnings about samples on another scale than -1 to 1, and about a mean that is not 0."""
    problems = [problem] if (problem := _scale_problem(name, peak)) else []
    if abs(dc) > DC_LIMIT * peak:
        problems.append(
            f"{name} has a DC offset of {dc:.3f} at a peak of {peak:.3f}, which a model takes for sound: remove it, "
            "with a high-pass filter"
        )
    return problems


def warn_of_level(name: str, audio: np.ndarray) -> None:
    """Warns of the ``level_problems`` of ``[samples]``."""
    _warn_of_level(name, float(np.abs(audio).max()), float(audio.mean(dtype=np.float64)))


def _warn_of_level(name: str, peak: float, dc: float) -> None:
    for problem in level_problems(name, peak, dc):
        log.warning("warning: %s", problem)


def check_scale(name: str, peak: float) -> None:
    """Raises ``UserError`` when samples whose level is to stay are on another scale than -1 to 1."""
    if problem := _scale_problem(name, peak):
        raise UserError(f"{problem}: divide them by their full scale")


def _scale_problem(name: str, peak: float) -> str | None:
    if peak <= FULL_SCALE_LIMIT:
        return None
    return f"{name} holds samples up to {peak:.6g}, far beyond -1 to 1, as integers written as floats do"


def rate_of(path: str | Path) -> int:
    """The sampling rate of a file in Hz, by its header. Raises ``UserError`` when it has none that can be read."""
    with _sound_file(Path(path), Path(path)) as file:
        return file.samplerate


def check_rate(path: str | Path, sampling_rate: int, why: str) -> None:
    """Raises ``UserError`` when a file is of another rate; ``why`` says whose rate this is."""
    rate = rate_of(path)
    if rate != sampling_rate:
        raise UserError(
            f"{path} is at {rate} Hz, and {why} at {sampling_rate} Hz: give the --checkpoint or --config that it is for"
        )


def check_length(path: PurePath, samples: int, hop_size: int) -> None:
    """Raises ``UserError`` when a recording of this many samples holds no whole frame."""
    if samples < hop_size:
        raise UserError(f"{path} is shorter than one frame: {samples} of {hop_size} samples")


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
    with file_guard(path):
        audio, rate = read_audio(path)
        converted = resample(audio, rate, sampling_rate)
    _warn_of_empty_band(str(path), rate, sampling_rate)
    warn_of_level(str(path), audio)
    return converted


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
        written = clipped = 0

        def write(audio):
            nonlocal written, clipped
            written, clipped = written + len(audio), clipped + int(np.count_nonzero(np.abs(audio) > 1))
            wav.writeframesraw(pcm16_bytes(audio))

        yield write
        if clipped:
            log.warning(
                "warning: %s: %.2g %% of the samples lie beyond -1 to 1 and are clipped", path, 100 * clipped / written
            )
