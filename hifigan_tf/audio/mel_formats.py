"""Mels from files and pipes: checked against the model's own mel, and converted to it on request.

What a model takes is in its ``AudioConfig``; ``mel_recognition.py`` tells it from mels of other front ends. An array on
another scale would become noise, so every mel that is given is checked here.
"""

import argparse
import dataclasses
import logging
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from hifigan_tf.audio import numpy_files
from hifigan_tf.audio.mel_recognition import (
    LOOKS_LIKE,
    MEDIAN_MAX,
    NATURAL_MAX,
    OWN,
    SURE_FRAMES,
    TO_NATURAL,
    own_scale,
    recognize,
)
from hifigan_tf.audio.mel_scale import mean_and_scale, to_model_mel
from hifigan_tf.audio.mel_stats import load_stats
from hifigan_tf.config import AudioConfig
from hifigan_tf.errors import UserError, file_guard

log = logging.getLogger(__name__)

FOREIGN_MELS = (".npz", ".pt", ".pth")  # files of arrays that are often given instead of .npy files
BLOCK = 1024  # frames read at a time
SAMPLE = 16384  # frames from which the scale is recognised: three minutes
CHECKED_FRAMES = 4 * SURE_FRAMES  # of a stream: three seconds, in which there is speech
SCALES = (*TO_NATURAL, OWN)


class ForeignMelError(UserError):
    """Frames that cannot be speech in the mel that a model takes."""


class MelFormat(NamedTuple):
    """What given mels hold.

    ``scale`` and ``transposed`` are the value of ``--mel-format``: one of ``SCALES``, or None to recognise it, and the
    order of the axes. ``stats`` is the file of ``--mel-stats``: the mean that was taken off and the scale that was
    divided by afterwards.
    """

    scale: str | None = None
    transposed: bool = False
    stats: Path | None = None

    @classmethod
    def parse(cls, text: str) -> "MelFormat":
        """From the option's text, such as ``log10,transposed``. Raises ``UserError``."""
        scale, transposed = None, False
        for word in text.lower().split(","):
            if word == "transposed" and not transposed:
                transposed = True
            elif word in SCALES and scale is None:
                scale = word
            else:
                known = ", ".join(SCALES)
                raise UserError(f"--mel-format {text!r}: give one of {known}, or transposed, or both with a comma")
        return cls(scale, transposed)

    def __str__(self) -> str:
        if self.scale is None and not self.transposed:
            return "recognised"
        return ",".join(filter(None, (self.scale, "transposed" * self.transposed)))


RECOGNIZE = MelFormat()
FORMAT_HELP = """what the {mels} hold, where it is not the model's own mel, which extract_mel writes: log (natural
logarithms), log10 (base 10), db (20 * log10), linear (no logarithm){transposed}; model means the model's own and no
check of its range, and so does log where that is the model's"""
STATS_HELP = """the mean and the scale of every band by which the {mels} were normalised, to be undone: stats.h5 of
ParallelWaveGAN and ESPnet, or .npz or .npy"""
TRANSPOSED_HELP = ", transposed ([num_mels, frames]), or two such as log10,transposed"


def add_mel_options(parser: argparse.ArgumentParser, mels: str, transposed: bool = True) -> None:
    """Adds ``--mel-format`` and ``--mel-stats``, which ``mel_format_of`` reads; ``mels`` says of what they are."""
    words = FORMAT_HELP.format(mels=mels, transposed=TRANSPOSED_HELP if transposed else "")
    parser.add_argument("--mel-format", type=MelFormat.parse, default=RECOGNIZE, metavar="FORMAT", help=words)
    parser.add_argument("--mel-stats", type=Path, metavar="FILE", help=STATS_HELP.format(mels=mels))


def mel_format_of(args: argparse.Namespace, transposed: str | None = None) -> MelFormat:
    """What the options of ``add_mel_options`` say. Raises ``UserError`` with ``transposed``, where that cannot be."""
    if transposed and args.mel_format.transposed:
        raise UserError(f"--mel-format {args.mel_format}: {transposed}")
    return args.mel_format._replace(stats=args.mel_stats)


class MelConversion:
    """From mels of one format to the mel of one model, with their checks. Raises ``UserError`` for bad ``stats``."""

    def __init__(self, audio: AudioConfig, mel_format: MelFormat = RECOGNIZE):
        self.audio = audio
        self.format = mel_format
        self.stats = load_stats(mel_format.stats, audio.num_mels) if mel_format.stats else None
        # Without the mean and the scale of the caller's statistics, a mel has none of the model's either.
        self.plain = dataclasses.replace(audio, mel_mean=0.0, mel_scale=1.0) if mel_format.stats else audio
        self.own = own_scale(self.plain)

    def undo_stats(self, mel: np.ndarray) -> np.ndarray:
        """A given mel ``[frames, num_mels]`` without the mean and the scale of the caller's statistics."""
        return mel if self.stats is None else (mel * self.stats.scale + self.stats.mean).astype(np.float32)

    def scale_of(self, mel: np.ndarray) -> str:
        """The scale that is asked for, or else the one that these frames have."""
        return self.format.scale or recognize(mel, self.plain)

    def is_foreign(self, scale: str) -> bool:
        """Whether a scale was not asked for and is not the model's own."""
        return self.format.scale is None and scale != self.own

    def to_model(self, mel: np.ndarray, scale: str) -> np.ndarray:
        """A mel of this scale, its statistics undone, as the model's, float32. The model's own is unchanged."""
        own = scale in (OWN, self.own)
        if own and self.plain is self.audio:
            return mel
        return to_model_mel(TO_NATURAL[self.own if own else scale](mel.astype(np.float64)), self.audio)

    def advice(self, scale: str, transposed: bool = False) -> str:
        """What to do about a mel of this scale, and of this order of axes."""
        asked = self.format.scale
        if asked or scale == self.own or scale in TO_NATURAL:
            return f"pass --mel-format {MelFormat(asked or (None if scale == self.own else scale), transposed)}"
        trusted = MelFormat("log" if self.own == "log" else OWN, transposed)
        undo = "" if self.format.stats else " (--mel-stats undoes a mean and a scale)"
        return f"make {description(self.plain)} of them{undo}, or pass --mel-format {trusted} if they are"


class TeacherMel(NamedTuple):
    """The teacher-forced mel of a clip: a ``.npy`` file, and what it holds."""

    path: str
    mel_format: MelFormat


class MelFile:
    """A mel in a ``.npy`` file of any length, checked, to be read a block at a time as a model's mel.

    A batch axis of one is dropped. Raises ``UserError`` for a file that is not a mel, holds NaN, or is on another
    scale than the model's or the one asked for; the message names the option that reads it.
    """

    def __init__(self, path: str | Path, conversion: MelConversion):
        self.path, self.conversion = Path(path), conversion
        mel_format, num_mels, shape = conversion.format, conversion.audio.num_mels, list(_open(self.path).shape)
        self.transposed = mel_format.transposed
        frames, bands = shape[::-1] if self.transposed else shape
        turned = frames == num_mels != bands
        if turned:
            if mel_format.transposed:
                raise UserError(f"{path}: shape {shape} is [frames, num_mels] already: leave out transposed")
            self.transposed, frames, bands = True, bands, frames
        if bands != num_mels:
            raise UserError(
                f"{path}: shape {shape} has no axis of the {num_mels} mel bands that this model needs: "
                "make it again with python -m hifigan_tf.extract_mel"
            )
        if mel_format.scale is None and not mel_format.transposed:
            warn_if_square(path, shape, ", or pass --mel-format transposed to vocode")
        self.frames = frames
        for start in range(0, frames, BLOCK):
            _require_finite(self._block(start, start + BLOCK), path, start)
        sample = self.conversion.undo_stats(self._block(0, SAMPLE))
        self.scale = self.conversion.scale_of(sample)
        foreign = self.conversion.is_foreign(self.scale)
        found = []
        if turned:
            found.append(f"shape {shape} is [num_mels, frames]")
        if foreign:
            found.append(looks(sample, self.scale))
        if found:
            advice = self.conversion.advice(self.scale, turned or mel_format.transposed)
            raise UserError(f"{path}: {' and '.join(found)}: {advice}")
        require_scale(sample, self.scale, str(path))

    def blocks(self) -> Iterator[np.ndarray]:
        """The whole mel in order, float32 ``[up to 1024, num_mels]``, as the model takes it."""
        for start in range(0, self.frames, BLOCK):
            yield self.conversion.to_model(self.conversion.undo_stats(self._block(start, start + BLOCK)), self.scale)

    def _block(self, start: int, stop: int) -> np.ndarray:
        # Mapped anew each time, because pages that were read stay in memory as long as the mapping.
        mel = _open(self.path)
        mel = mel.T[start:stop] if self.transposed else mel[start:stop]
        with np.errstate(over="ignore"):
            return np.array(mel, np.float32, order="C")


class MelCheck:
    """Looks at the frames of a stream as they come, until they are sure to be the model's mel.

    ``head`` are the first frames; ``foreign`` is what they look like as soon as they contradict the model's mel.
    """

    def __init__(self, audio: AudioConfig):
        self.audio = audio
        self.head = np.zeros([0, audio.num_mels], np.float32)
        self.foreign: str | None = None
        self._next = 1  # the number of frames from which to look again

    def add(self, frames: np.ndarray) -> str | None:
        """Takes frames ``[frames, num_mels]``; returns ``foreign``, which stays."""
        if self.foreign or len(self.head) >= CHECKED_FRAMES or len(frames) == 0:
            return self.foreign
        self.head = np.concatenate([self.head, frames[: CHECKED_FRAMES - len(self.head)]])
        if len(self.head) >= self._next:
            scale = recognize(self.head, self.audio)
            self.foreign = None if scale == own_scale(self.audio) else scale
            self._next = len(self.head) + (1 if len(self.head) < SURE_FRAMES else SURE_FRAMES)
        return self.foreign


def model_blocks(blocks: Iterable[np.ndarray], conversion: MelConversion, name: str) -> Iterator[np.ndarray]:
    """A mel that is still being made, in blocks ``[frames, num_mels]``: checked, as the model takes it.

    Where no scale is asked for it must be the model's own, and is refused as soon as frames contradict that. Raises
    ``ForeignMelError`` then, with the advice of ``MelFile``, and ``UserError`` for NaN, after the frames before it.
    """
    asked, check, count = conversion.format.scale, MelCheck(conversion.plain), 0
    head = np.zeros([0, conversion.audio.num_mels], np.float32)  # of a scale that is asked for
    for block in blocks:
        finite = np.isfinite(block).all(axis=1)
        good = conversion.undo_stats(block if finite.all() else block[: np.argmin(finite)])
        if len(good):
            if asked is None and (scale := check.add(good)):
                raise ForeignMelError(f"{name}: {_values(check.head)} {_reason(conversion, scale, check.head)}")
            if asked and len(head) < SURE_FRAMES:
                head = np.concatenate([head, good])[:SURE_FRAMES]
                require_scale(head, asked, name)
            yield conversion.to_model(good, asked or conversion.own)
        _require_finite(block, name, count)
        count += len(block)


def load_given_mel(path: str | Path, conversion: MelConversion, check_scale: bool = True) -> np.ndarray:
    """A teacher-forced mel ``.npy``, in either order of axes, as the model's mel, float32 ``[frames, num_mels]``.

    If both fit, it is read as ``[frames, num_mels]``, as by ``MelFile``. Raises ``UserError`` for a file that is not a
    mel or holds NaN and, with ``check_scale``, for one on another scale than the model's or the one asked for.
    """
    num_mels, mel = conversion.audio.num_mels, read_mel(Path(path))
    if num_mels not in mel.shape:
        raise UserError(f"{path} has shape {list(mel.shape)}: it must be [{num_mels}, frames] or [frames, {num_mels}]")
    if check_scale:
        warn_if_square(path, mel.shape)
    mel = np.ascontiguousarray(mel if mel.shape[1] == num_mels else mel.T)
    _require_finite(mel, path)
    mel, scale = conversion.undo_stats(mel), conversion.format.scale or conversion.own
    if check_scale:
        scale = conversion.scale_of(mel)
        if conversion.is_foreign(scale):
            raise UserError(f"{path}: {looks(mel, scale)}: {conversion.advice(scale)}")
        require_scale(mel, scale, str(path))
    return conversion.to_model(mel, scale)


def warn_if_square(path: str | Path, shape: Sequence[int], other: str = "") -> None:
    """Warns of a mel with as many frames as bands, whose order of axes does not show; ``other`` names an option."""
    if shape[0] == shape[1]:
        log.warning(
            "warning: %s: shape %s is read as [frames, num_mels]; if it is not, transpose it%s",
            path,
            list(shape),
            other,
        )


def no_mel(path: Path) -> UserError:
    """The error for a file that holds arrays of another kind, and how to convert it."""
    made, name = f"numpy.save({str(path.with_suffix('.npy'))!r}, ", str(path)
    if path.suffix.lower() == ".npz":
        how = f"with {made}next(iter(numpy.load({name!r}).values())))"
    else:
        how = f"with {made}torch.load({name!r}, map_location='cpu').numpy()) where PyTorch is"
    return UserError(f"{path} is no .npy file: make one of it, {how}")


def description(audio: AudioConfig) -> str:
    """The mel that a model takes, in words."""
    base = {"natural": "natural", "log10": "base-10"}[audio.mel_log]
    text = f"{base} logarithms of at least {audio.mel_floor:g}".replace("e-0", "e-")
    mean, scale = mean_and_scale(audio)
    if np.any(mean != 0) or np.any(scale != 1):
        text += " with the model's mean and scale"
    return text


def require_scale(mel: np.ndarray, scale: str, name: str) -> None:
    """Raises ``UserError`` when the values cannot be of that scale; ``log`` and ``OWN`` are trusted."""
    if scale in ("log", OWN):
        return
    natural = TO_NATURAL[scale](mel.astype(np.float64))
    impossible = (
        natural.max() > NATURAL_MAX
        or (scale == "linear" and mel.min() < 0)
        or (len(mel) >= SURE_FRAMES and natural.min() > MEDIAN_MAX)
    )
    if impossible:
        raise UserError(f"{name}: {_values(mel)} cannot be {scale} of speech: choose another --mel-format")


def _reason(conversion: MelConversion, scale: str, head: np.ndarray) -> str:
    """What a stream's first frames look like, and what to do."""
    if scale == "normalized" and head.min() >= 0 and len(head) < SURE_FRAMES:  # or magnitudes that begin with silence
        return "are no logarithms: pass --mel-format linear if they are magnitudes"
    return f"{LOOKS_LIKE[scale]}: {conversion.advice(scale)}"


def looks(mel: np.ndarray, scale: str) -> str:
    """The range of a mel and what it looks like, in words."""
    return f"{_values(mel)} {LOOKS_LIKE[scale]}"


def _values(mel: np.ndarray) -> str:
    return f"values from {mel.min():.1f} to {mel.max():.1f}"


def _require_finite(mel: np.ndarray, path: str | Path, start: int = 0) -> None:
    if not np.isfinite(mel).all():
        frame, band = np.argwhere(~np.isfinite(mel))[0]
        raise UserError(
            f"{path} holds NaN or infinite values (first at frame {start + frame}, band {band}): make it again"
        )


def read_mel(path: Path) -> np.ndarray:
    """The array in a ``.npy`` file as float32 with two axes, a batch axis of one dropped.

    Raises ``UserError`` for any other file.
    """
    with np.errstate(over="ignore"):
        return np.array(_open(path), np.float32)


def _open(path: Path) -> np.ndarray:
    """The array in a ``.npy`` file with two axes, mapped: a header may declare more than there is."""
    if path.suffix.lower() in FOREIGN_MELS:
        raise no_mel(path)
    try:
        with file_guard(path, passing=numpy_files.DAMAGE):
            mel = numpy_files.load(path)
    except OSError as error:
        raise UserError(f"{path} cannot be read: {error.strerror or error}") from None
    except numpy_files.DAMAGE:
        mel = None
    if not isinstance(mel, np.ndarray) or mel.dtype.kind not in "fiu":
        raise UserError(f"{path} is no .npy array of numbers (cut short, or another kind of file): make it again")
    while mel.ndim > 2 and mel.shape[0] == 1:
        mel = mel[0]
    if mel.ndim != 2 or mel.size == 0:
        raise UserError(f"{path}: shape {list(mel.shape)} is no mel: it must be [frames, num_mels]")
    return mel
