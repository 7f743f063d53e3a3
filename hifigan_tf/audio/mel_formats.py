"""Mels of other front ends: recognised, reported, and converted on request.

This project's mel is ``[frames, num_mels]`` in natural logarithms of at least 1e-5 (``mel.py``). An array on
another scale would become noise, so every ``.npy`` file is checked here. The limits follow from the definition of
each scale where possible, and otherwise from 46 clips of real and synthetic speech: clean, 20 and 40 dB quieter,
clipped, in noise, and smoothed as by an acoustic model. If in doubt, a mel is taken as natural.
"""

import logging
import tokenize
import zipfile
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from hifigan_tf.config import LOG_MIN
from hifigan_tf.errors import UserError

log = logging.getLogger(__name__)

FOREIGN_MELS = (".npz", ".pt", ".pth")  # files of arrays that are often given instead of .npy files

# From each scale to natural logarithms. Decibels are those of magnitudes, 20 * log10.
TO_NATURAL = {
    "log": lambda mel: mel,
    "log10": lambda mel: mel * np.log(10),
    "db": lambda mel: mel * (np.log(10) / 20),
    "linear": lambda mel: np.log(np.maximum(mel, np.finfo(np.float32).tiny)),
}
LOOKS_LIKE = {
    "log10": "look like base-10 logarithms",
    "db": "look like decibels",
    "linear": "look like magnitudes without a logarithm",
    "normalized": "look normalised",
    "unknown": "are on no scale known here",
}
# A sine of full scale gives 2.6 and silence ln(1e-5) = -11.5; the rest is a margin for acoustic models that overshoot.
NATURAL_MIN, NATURAL_MAX = -13.5, 4.0
# Silence is at -100 dB (-80 with librosa's top_db), and even a loud vowel has bands below -40.
DECIBEL_BELOW, DECIBEL_MAX = -30.0, 40.0
# Base 10: the natural scale's limits over ln(10), with room for a floor below 1e-5. Medians of natural
# logarithms are -2.6 to -10, and only clipped speech or one 10 dB above white noise comes above -3.4.
LOG10_MIN, LOG10_MEDIAN, LOG10_MAX = -5.5, -3.4, 1.2
# The median second difference over time. Between overlapping frames of a noise it does not depend on the
# noise's level, only on the base: 0.26 to 0.48 in natural logarithms, 0.11 to 0.21 in base 10.
LOG10_ROUGHNESS = 0.24
# A minimum above -4.1 or a median above -1.8 is not speech in natural logarithms: speech 10 dB above white noise
# has -5.0 and -3.1. A minimum above -1.8 is not speech in base 10 either (-2.2).
NORMALIZED_ABOVE, NARROW_ABOVE = -4.1, -1.8
# Magnitudes of speech span decades, so their median lies far below the largest.
LINEAR_MEDIAN = 0.2
# Fewer frames (0.74 s at the paper's hop) may be one loud vowel, whose narrow range is not conclusive.
SURE_FRAMES = 64
BLOCK = 1024  # frames read at a time
SAMPLE = 16384  # frames from which the scale is recognised: three minutes


class MelFormat(NamedTuple):
    """The value of ``--mel-format``: a key of ``TO_NATURAL``, or None to recognise the scale, and the axes' order."""

    scale: str | None = None
    transposed: bool = False

    @classmethod
    def parse(cls, text: str) -> "MelFormat":
        """From the option's text, such as ``log10,transposed``. Raises ``UserError``."""
        scale, transposed = None, False
        for word in text.lower().split(","):
            if word == "transposed" and not transposed:
                transposed = True
            elif word in TO_NATURAL and scale is None:
                scale = word
            else:
                known = ", ".join(TO_NATURAL)
                raise UserError(f"--mel-format {text!r}: give one of {known}, or transposed, or both with a comma")
        return cls(scale, transposed)

    def __str__(self) -> str:
        if self == RECOGNIZE:
            return "recognised"
        return ",".join(filter(None, (self.scale, "transposed" * self.transposed)))


RECOGNIZE = MelFormat()


class MelFile:
    """A mel in a ``.npy`` file of any length, checked, to be read a block at a time.

    A batch axis of one is dropped. Raises ``UserError`` for a file that is not a mel, holds NaN, or is on another
    scale than ``mel_format`` says; the message names the option that reads it.
    """

    def __init__(self, path: str | Path, num_mels: int, mel_format: MelFormat = RECOGNIZE):
        self.path = Path(path)
        shape = list(_open(self.path).shape)
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
        if mel_format == RECOGNIZE:
            warn_if_square(path, shape, ", or pass --mel-format transposed to vocode")
        self.frames = frames
        for start in range(0, frames, BLOCK):
            _require_finite(self._block(start, start + BLOCK), path, start)
        sample = self._block(0, SAMPLE)
        self.scale = mel_format.scale or recognize(sample)
        foreign = mel_format.scale is None and self.scale != "log"
        found = []
        if turned:
            found.append(f"shape {shape} is [num_mels, frames]")
        if foreign:
            found.append(f"{_values(sample)} {LOOKS_LIKE[self.scale]}")
        if found:
            needed = MelFormat(self.scale if foreign else mel_format.scale, turned or mel_format.transposed)
            raise UserError(f"{path}: {' and '.join(found)}: {_advice(needed)}")
        require_scale(sample, self.scale, str(path))

    def blocks(self) -> Iterator[np.ndarray]:
        """The whole mel in order, float32 ``[up to 1024, num_mels]`` in natural logarithms."""
        for start in range(0, self.frames, BLOCK):
            yield to_natural(self._block(start, start + BLOCK), self.scale)

    def _block(self, start: int, stop: int) -> np.ndarray:
        # Mapped anew each time, because pages that were read stay in memory as long as the mapping.
        mel = _open(self.path)
        mel = mel.T[start:stop] if self.transposed else mel[start:stop]
        with np.errstate(over="ignore"):
            return np.array(mel, np.float32, order="C")


def natural_blocks(blocks: Iterable[np.ndarray], scale: str | None, name: str) -> Iterator[np.ndarray]:
    """A mel that is still being made, in blocks ``[frames, num_mels]``: checked, in natural logarithms.

    If ``scale`` is None, the scale is detected from the first frames once they are conclusive. Raises ``UserError``
    with the checks and the advice of ``MelFile``; the frames before a NaN are yielded first.
    """
    head, count = None, 0
    for block in blocks:
        finite = np.isfinite(block).all(axis=1)
        good = block if finite.all() else block[: np.argmin(finite)]
        if len(good):
            if head is None or len(head) < SURE_FRAMES:
                head = (good if head is None else np.concatenate([head, good]))[:SURE_FRAMES]
                found = scale or recognize(head)
                if found != (scale or "log"):
                    reason = f"{LOOKS_LIKE[found]}: {_advice(MelFormat(found))}"
                    if found == "normalized" and len(head) < SURE_FRAMES:  # or magnitudes that begin with silence
                        reason = "are no logarithms: pass --mel-format linear if they are magnitudes"
                    raise UserError(f"{name}: {_values(head)} {reason}")
                require_scale(head, found, name)
            yield to_natural(good, found)
        _require_finite(block, name, count)
        count += len(block)


def load_given_mel(path: str | Path, num_mels: int, check_scale: bool) -> np.ndarray:
    """A teacher-forced mel ``.npy``, in either order of axes, as float32 ``[frames, num_mels]``.

    If both fit, it is read as ``[frames, num_mels]``, as by ``MelFile``. Raises ``UserError`` for a file that is not a
    mel or holds NaN and, with ``check_scale``, for one on another scale than natural logarithms.
    """
    mel = read_mel(Path(path))
    if num_mels not in mel.shape:
        raise UserError(f"{path} has shape {list(mel.shape)}: it must be [{num_mels}, frames] or [frames, {num_mels}]")
    if check_scale:
        warn_if_square(path, mel.shape)
    mel = np.ascontiguousarray(mel if mel.shape[1] == num_mels else mel.T)
    _require_finite(mel, path)
    if check_scale and (scale := recognize(mel)) != "log":
        raise UserError(f"{path}: {_values(mel)} {LOOKS_LIKE[scale]}: training takes natural ones of at least 1e-5")
    return mel


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
    made = f'numpy.save("{path.stem}.npy", '
    if path.suffix.lower() == ".npz":
        how = f'with {made}next(iter(numpy.load("{path.name}").values())))'
    else:
        how = f'with {made}torch.load("{path.name}", map_location="cpu").numpy()) where PyTorch is'
    return UserError(f"{path} is no .npy file: make one of it, {how}")


def to_natural(mel: np.ndarray, scale: str) -> np.ndarray:
    """A mel of a known scale as float32 natural logarithms of at least 1e-5; natural ones are unchanged."""
    if scale == "log":
        return mel
    return np.maximum(TO_NATURAL[scale](mel.astype(np.float64)), LOG_MIN).astype(np.float32)


def require_scale(mel: np.ndarray, scale: str, name: str) -> None:
    """Raises ``UserError`` when the values cannot be of that scale."""
    if scale == "log":
        return
    natural = TO_NATURAL[scale](mel.astype(np.float64))
    impossible = (
        natural.max() > NATURAL_MAX
        or (scale == "linear" and mel.min() < 0)
        or (len(mel) >= SURE_FRAMES and natural.min() > NARROW_ABOVE)
    )
    if impossible:
        raise UserError(f"{name}: {_values(mel)} cannot be {scale} of speech: choose another --mel-format")


def recognize(mel: np.ndarray) -> str:
    """The scale of a mel ``[frames, num_mels]``: ``log`` or a key of ``LOOKS_LIKE``."""
    low, high = float(mel.min()), float(mel.max())
    if low >= 0:
        return "linear" if np.median(mel) <= LINEAR_MEDIAN * high else "normalized"
    if low < DECIBEL_BELOW:
        return "db" if high <= DECIBEL_MAX else "unknown"
    # The minimum is a whole power of ten, such as -5 or -10, and occurs more than once: a floor, not chance.
    whole = -10 <= round(low) <= -5 and abs(low - round(low)) < 1e-4
    if whole and high <= LOG10_MAX and np.count_nonzero(mel == low) > 1:
        return "log10"
    if low < NATURAL_MIN or high > NATURAL_MAX:
        return "unknown"
    if len(mel) >= SURE_FRAMES:
        median, roughness = np.median(mel), np.median(np.abs(np.diff(mel, 2, axis=0)))
        base_10 = LOG10_MIN <= low <= NARROW_ABOVE and median >= LOG10_MEDIAN and high <= LOG10_MAX
        if base_10 and roughness < LOG10_ROUGHNESS:
            return "log10"
        if low > NORMALIZED_ABOVE or median > NARROW_ABOVE:
            return "normalized"
    return "log"


def _values(mel: np.ndarray) -> str:
    return f"values from {mel.min():.1f} to {mel.max():.1f}"


def _advice(needed: MelFormat) -> str:
    if needed.scale is None or needed.scale in TO_NATURAL:
        return f"pass --mel-format {needed}"
    natural = MelFormat("log", needed.transposed)
    return f"make natural logarithms of at least 1e-5 of them, or pass --mel-format {natural} if they are"


def _require_finite(mel: np.ndarray, path: str | Path, start: int = 0) -> None:
    if not np.isfinite(mel).all():
        frame, band = np.argwhere(~np.isfinite(mel))[0]
        raise UserError(
            f"{path} holds NaN or infinite values (first at frame {start + frame}, band {band}): make it again"
        )


# Raised by numpy for a damaged header, which it reads as Python, and for a file that begins like a zip file.
_DAMAGED = (ValueError, EOFError, SyntaxError, TypeError, tokenize.TokenError, zipfile.BadZipFile)


def read_mel(path: Path) -> np.ndarray:
    """The array in a ``.npy`` file as float32 with two axes, a batch axis of one dropped.

    Raises ``UserError`` for any other file.
    """
    with np.errstate(over="ignore"):
        return np.array(_open(path), np.float32)


def _open(path: Path) -> np.ndarray:
    """The array in a ``.npy`` file with two axes, mapped into memory where it can be."""
    if path.suffix.lower() in FOREIGN_MELS:
        raise no_mel(path)
    try:
        try:
            mel = np.load(path, mmap_mode="r", allow_pickle=False)
        except ValueError:  # an empty array cannot be mapped
            mel = np.load(path, allow_pickle=False)
    except OSError as error:
        raise UserError(f"{path} cannot be read: {error.strerror or error}") from None
    except MemoryError:
        raise UserError(f"{path} declares more numbers than the memory holds (damaged?): make it again") from None
    except _DAMAGED:
        mel = None
    if not isinstance(mel, np.ndarray) or mel.dtype.kind not in "fiu":
        raise UserError(f"{path} is no .npy array of numbers (cut short, or another kind of file): make it again")
    while mel.ndim > 2 and mel.shape[0] == 1:
        mel = mel[0]
    if mel.ndim != 2 or mel.size == 0:
        raise UserError(f"{path}: shape {list(mel.shape)} is no mel: it must be [frames, num_mels]")
    return mel
