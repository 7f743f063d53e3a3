"""Local audio files in tf.data: parts of them by soundfile, and whole ones by tensorflow-io where that is faster.

Of whole files at their own rate, tensorflow-io is the faster decoder of WAV and the slower one of FLAC, OGG and MP3
(``benchmarks/data_pipeline.py`` shows the FLAC). Resampling is soxr's everywhere.
"""

import os
import warnings
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import NamedTuple

import numpy as np
import tensorflow as tf

from hifigan_tf.audio.audio_files import read_audio, read_part, resample
from hifigan_tf.audio.mel_formats import TeacherMel


class Clip(NamedTuple):
    """An audio file that was read and checked: its path, what ``examine`` found, and its mel."""

    path: Path
    rate: int  # Hz
    samples: int  # at ``rate``
    resampled: int  # samples at the config's rate
    peak: float  # largest magnitude at the config's rate
    seekable: bool  # a part can be read without the rest
    encoding: str  # container and encoding in libsndfile's words
    dc: float = 0.0  # mean of the samples
    name: str = ""  # relative to the folder of the corpus
    mel: TeacherMel | None = None  # its teacher-forced mel


def path_of(path) -> str:
    """A path as ``tf.numpy_function`` hands it over: bytes in a graph, an array of them outside."""
    return os.fsdecode(np.asarray(path).item())


class FileAudio:
    """Reads clips, or parts of them, from their files with soundfile, called from the graph."""

    def __init__(self, clips: Sequence[Clip], sampling_rate: int):
        self.sampling_rate = sampling_rate
        self.paths = tf.constant([os.fsencode(clip.path) for clip in clips])
        self.samples = tf.constant([clip.resampled for clip in clips])
        self.peaks = tf.constant([clip.peak for clip in clips], tf.float32)
        self.seekable = tf.constant([clip.seekable for clip in clips])

    def open(self, index):
        """``(samples, peak, cut)`` of a clip; ``cut(start, stop)`` reads that part of it as float32."""
        samples = self.samples[index]

        def cut(start, stop):
            arguments = [self.paths[index], self.seekable[index], start, tf.minimum(stop, samples)]
            return tf.ensure_shape(tf.numpy_function(self._read, arguments, tf.float32, stateful=False), [None])

        return samples, self.peaks[index], cut

    def _read(self, path, seekable, start, stop):
        if seekable:
            return read_part(path_of(path), self.sampling_rate, int(start), int(stop))
        return resample(*read_audio(path_of(path)), self.sampling_rate)[start:stop]


# The bit depths of WAV files, in libsndfile's words, that tensorflow-io reads: 32-bit PCM becomes NaN there.
WAV_TYPES = {"WAV PCM_16": tf.int16, "WAV PCM_24": tf.int32, "WAV PCM_U8": tf.uint8, "WAV FLOAT": tf.float32}


@cache
def tensorflow_io():
    """tensorflow-io, or None where it is not installed or does not work.

    On a TensorFlow that it was not built for, it can be imported and fails when it is used.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of parts that it cannot load, and that nothing here needs
            import tensorflow_io

            tensorflow_io.audio.decode_wav(tf.audio.encode_wav(tf.zeros([1, 1]), 8000), dtype=tf.int16)
    except (ImportError, NotImplementedError, tf.errors.OpError):
        return None
    return tensorflow_io


class WavAudio:
    """Decodes whole WAV files of the config's rate by tensorflow-io, inside the graph.

    ``indices`` are the clips that it may be able to read. It gives up on chunks of odd size and those it does not
    know; then, and where the audio has another length or peak than soundfile found, there is an ``OpError``.
    """

    def __init__(self, clips: Sequence[Clip], sampling_rate: int):
        self.indices = [
            index
            for index, clip in enumerate(clips)
            if clip.encoding in WAV_TYPES and clip.rate == sampling_rate and _declares_its_size(clip.path)
        ]
        if self.indices and not tensorflow_io():
            self.indices = []
        self.types = sorted({clips[index].encoding for index in self.indices})
        self.branches = tf.constant(
            [self.types.index(clip.encoding) if clip.encoding in self.types else 0 for clip in clips], tf.int32
        )
        self.files = FileAudio(clips, sampling_rate)

    def open(self, index):
        """``(samples, peak, cut)`` of a clip, as ``FileAudio`` gives it, but for rounding."""
        samples, peak, _ = self.files.open(index)
        contents = tf.io.read_file(self.files.paths[index])
        audio = tf.switch_case(
            self.branches[index], [lambda kind=kind: _decode_wav(contents, WAV_TYPES[kind]) for kind in self.types]
        )
        as_measured = [
            tf.debugging.assert_equal(tf.size(audio), samples),
            tf.debugging.assert_near(tf.reduce_max(tf.abs(audio)), peak, rtol=1e-6, atol=0.0),
        ]
        with tf.control_dependencies(as_measured):
            audio = tf.identity(audio)
        return samples, peak, lambda start, stop: audio[start:stop]


def _decode_wav(contents, dtype):
    """``[samples]`` as float32 in -1 to 1, mixed to mono."""
    samples = tf.ensure_shape(tensorflow_io().audio.decode_wav(contents, dtype=dtype), [None, None])
    if dtype == tf.uint8:
        samples = tf.cast(samples, tf.float32) / 128.0 - 1.0
    else:
        samples = tf.cast(samples, tf.float32) / {tf.int16: 2.0**15, tf.int32: 2.0**31}.get(dtype, 1.0)
    return tf.reduce_mean(samples, axis=1)


def _declares_its_size(path: Path) -> bool:
    """Whether a WAV file is as long as its header says: tensorflow-io would allocate the 2 GB that a pipe declares."""
    with path.open("rb") as file:
        header = file.read(8)
    return int.from_bytes(header[4:], "little") <= path.stat().st_size
