"""Audio files decoded and resampled inside the tf.data graph by tensorflow-io, or outside it by soundfile and soxr."""

import logging
from collections.abc import Sequence
from functools import cache
from math import gcd
from pathlib import Path

import numpy as np
import tensorflow as tf

from hifigan_tf.audio.audio_files import read_audio, resample

log = logging.getLogger(__name__)


@cache
def tfio():
    """tensorflow-io, or None (told once) where it is not installed; soundfile and soxr then do its work."""
    try:
        import tensorflow_io
    except ImportError:
        log.warning("warning: tensorflow-io is not installed: audio is decoded outside the graph, which is slower")
        return None
    return tensorflow_io


# How tensorflow-io decodes what soundfile calls by these names: (decoder, dtype of the file's bit depth).
# 32-bit PCM is missing because it gives NaN there; Opus and everything unknown because it is refused.
DECODERS = {
    "WAV PCM_16": ("wav", tf.int16),
    "WAV PCM_24": ("wav", tf.int32),
    "WAV PCM_U8": ("wav", tf.uint8),
    "WAV FLOAT": ("wav", tf.float32),
    "FLAC PCM_16": ("flac", tf.int16),
    "FLAC PCM_24": ("flac", tf.int32),
    "FLAC PCM_S8": ("flac", tf.uint8),
    "OGG VORBIS": ("vorbis", None),
    "MP3 MPEG_LAYER_III": ("mp3", None),
}
RESAMPLER_TAPS = 64  # of the filter of tensorflow-io's resampler (Speex, quality 4) when it raises the rate


def _to_float(samples, dtype):
    """Integer PCM of any width as float32 in -1 to 1."""
    if dtype == tf.uint8:
        return (tf.cast(samples, tf.float32) - 128.0) / 128.0
    return tf.cast(samples, tf.float32) / {tf.int16: 2.0**15, tf.int32: 2.0**31}.get(dtype, 1.0)


def _decode(kind: str, path):
    """The file as mono float32 ``[samples]`` by tensorflow-io."""
    name, dtype = DECODERS[kind]
    decode = getattr(tfio().audio, f"decode_{name}")
    contents = tf.io.read_file(path)
    samples = decode(contents) if dtype is None else decode(contents, dtype=dtype)
    return tf.reduce_mean(_to_float(samples, dtype), axis=1)


def decodes_alike(kind: str, path: Path, audio: np.ndarray) -> bool:
    """Whether tensorflow-io gives ``audio`` for this file too.

    It gives up on WAV chunks of odd size and those it does not know, and does not trim an MP3 whose length
    had to be counted.
    """
    if tfio() is None or kind not in DECODERS:
        return False
    with path.open("rb") as file:
        start = file.read(8)
    if start[:4] == b"RIFF" and int.from_bytes(start[4:], "little") > path.stat().st_size:
        return False  # written to a pipe: tensorflow-io would allocate the 2 GB that the header promises
    try:
        with tf.device("CPU"):
            decoded = _decode(kind, str(path)).numpy()
    except tf.errors.OpError:
        return False
    return decoded.shape == audio.shape and float(np.abs(decoded - audio).max()) < 1e-4


def _filter_delay(rate: int, sampling_rate: int) -> tuple[int, int]:
    """Zeros to put before the resampler's input, and samples to drop from its output, for exact alignment.

    The delay is half the filter, in input samples, and need not be a whole number of output samples; with
    the zeros it is. Lowering the rate lengthens the filter, to a multiple of 8.
    """
    divisor = gcd(rate, sampling_rate)
    step_in, step_out = rate // divisor, sampling_rate // divisor
    taps = RESAMPLER_TAPS if rate < sampling_rate else -(-(RESAMPLER_TAPS * rate // sampling_rate) // 8) * 8
    zeros = -(taps // 2) % step_in
    return zeros, (zeros + taps // 2) // step_in * step_out


def path_of(path) -> str:
    """A path as ``tf.numpy_function`` hands it over: bytes in a graph, an array of them outside."""
    return np.asarray(path).item().decode()


class Decoder:
    """Decodes, mixes to mono and resamples file ``index`` inside the graph: float32 ``[samples]``.

    ``rates`` are those of the files in Hz; ``kinds`` are keys of ``DECODERS``, or None for files that soundfile
    and soxr, called from the graph, must read.
    """

    def __init__(self, paths: Sequence[Path], rates: Sequence[int], kinds: Sequence[str | None], sampling_rate: int):
        self.sampling_rate = sampling_rate
        self.kinds = sorted({kind for kind in kinds if kind})
        self.paths = tf.constant([str(path) for path in paths])
        self.rates = tf.constant(rates, tf.int64)
        self.delays = tf.constant([_filter_delay(rate, sampling_rate) for rate in rates], tf.int64)
        self.branches = tf.constant([self.kinds.index(kind) if kind else len(self.kinds) for kind in kinds])
        # Most corpora have the model's rate: then the graph needs no resampler.
        resampled = [kind is not None and rate != sampling_rate for kind, rate in zip(kinds, rates, strict=True)]
        self.resampled = tf.constant(resampled) if any(resampled) else None

    def __call__(self, index):
        path = self.paths[index]
        branches = [lambda kind=kind: _decode(kind, path) for kind in self.kinds]
        audio = tf.switch_case(self.branches[index], [*branches, lambda: self._outside(path)])
        if self.resampled is not None:
            audio = tf.cond(self.resampled[index], lambda: self._resample(audio, index), lambda: audio)
        return tf.ensure_shape(audio, [None])

    def _resample(self, audio, index):
        rate, zeros, dropped = self.rates[index], self.delays[index, 0], self.delays[index, 1]
        # Rounded as soxr rounds; zeros behind flush the filter, whose length grows with the ratio.
        length = (2 * tf.size(audio, tf.int64) * self.sampling_rate + rate) // (2 * rate)
        flush = RESAMPLER_TAPS * (1 + rate // self.sampling_rate)
        padded = tf.pad(audio, [[zeros, flush]])
        return tfio().audio.resample(padded, rate, self.sampling_rate)[dropped : dropped + length]

    def _outside(self, path):
        def read(name):
            audio, rate = read_audio(path_of(name))
            return resample(audio, rate, self.sampling_rate)

        return tf.numpy_function(read, [path], tf.float32, stateful=False)
