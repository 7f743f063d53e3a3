"""tf.data pipelines: from audio files, or teacher-forced mels beside them, to batches of segments.

What comes out at step n is a pure function of the clips, the config and n. So a run that resumes at step n
sees what it would have seen, and nothing about the pipeline needs saving.
"""

import logging
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

import numpy as np
import tensorflow as tf
from tqdm import tqdm

from hifigan_tf.audio import PEAK, check_length, empty_band, read_audio
from hifigan_tf.clip_lists import name_skips
from hifigan_tf.config import Config
from hifigan_tf.decoding import Decoder, decodes_alike, path_of, tfio
from hifigan_tf.errors import UserError
from hifigan_tf.mel import LOG_MIN, MelSpectrogram
from hifigan_tf.mel_formats import load_given_mel

log = logging.getLogger(__name__)

CACHE_BYTES = 512 * 1024 * 1024  # decoded corpora up to this size (100 minutes at 22,050 Hz) stay in memory


class Clip(NamedTuple):
    """An audio file that was read and found good."""

    path: Path
    rate: int  # Hz
    samples: int  # at ``rate``
    decoder: str | None  # a key of DECODERS when tensorflow-io reads the file as soundfile does
    mel: Path | None = None  # its teacher-forced mel


def check_clips(paths: Iterable[Path], config: Config, mel_folder: Path | None = None) -> list[Clip]:
    """Reads every file once, with a progress bar, and keeps the good ones, in the order given.

    Bad ones (corrupt, empty, truncated, NaN, silent, shorter than a frame, without a fitting mel when
    ``mel_folder`` is given) are named and counted in warnings. Raises ``UserError`` when none is left.
    """
    paths = list(paths)
    if not paths:
        raise UserError("no audio to read: a folder or list without a WAV, FLAC, OGG or MP3 file was given")
    tfio()

    def check(path):
        try:
            return _check_clip(path, config, mel_folder)
        except UserError as error:
            return str(error)

    with ThreadPoolExecutor() as pool:
        results = list(tqdm(pool.map(check, paths), total=len(paths), desc="checking clips", unit="clip", leave=False))
    clips = [result for result in results if isinstance(result, Clip)]
    problems = [result for result in results if isinstance(result, str)]
    name_skips(problems)
    if not clips:
        raise UserError(f"no usable audio: all {len(paths)} files were skipped, the first because {problems[0]}")
    low = [clip for clip in clips if clip.rate < config.audio.sampling_rate]
    if low:
        words = empty_band(str(low[0].path), low[0].rate, config.audio.sampling_rate)
        log.warning("warning: %s (%d of %d clips are so)", words, len(low), len(clips))
    return clips


def _check_clip(path: Path, config: Config, mel_folder: Path | None) -> Clip:
    import soundfile

    audio, rate = read_audio(path)
    samples = len(audio) * config.audio.sampling_rate // rate
    check_length(path, samples, config.audio.hop_size)
    info = soundfile.info(path)
    decoder = f"{info.format} {info.subtype}"
    clip = Clip(path, rate, len(audio), decoder if decodes_alike(decoder, path, audio) else None)
    if mel_folder is None:
        return clip
    mel_path = mel_folder / f"{path.stem}.npy"
    frames = len(load_given_mel(mel_path, config.audio.num_mels, check_scale=True))
    expected = samples / config.audio.hop_size
    # Front ends differ by a frame or two at the ends; more means another hop or another recording.
    if abs(frames - expected) > 3:
        raise UserError(f"{mel_path} has {frames} frames, but {path} needs {expected:.0f}: is hop_size right?")
    return clip._replace(mel=mel_path)


class Clips:
    """Normalised clips by index, inside the graph; corpora up to ``CACHE_BYTES`` are decoded just once.

    Without teacher-forced mels a clip is scaled to a peak of 0.95; with them its level is part of the
    pairing and stays, as in the original.
    """

    def __init__(self, clips: list[Clip], config: Config):
        self.config = config
        paths, rates, kinds = zip(*((clip.path, clip.rate, clip.decoder) for clip in clips), strict=True)
        self.decode = Decoder(paths, rates, kinds, config.audio.sampling_rate)
        self.mel_paths = tf.constant([str(clip.mel) for clip in clips]) if clips[0].mel else None
        self.cache = None
        if sum(clip.samples / clip.rate for clip in clips) * config.audio.sampling_rate * 4 <= CACHE_BYTES:
            indices = tf.data.Dataset.range(len(clips)).map(self._decoded, num_parallel_calls=tf.data.AUTOTUNE)
            audio = list(tqdm(indices, total=len(clips), desc="decoding", unit="clip", leave=False))
            splits = np.cumsum([0, *(len(samples) for samples in audio)])
            self.cache = tf.concat(audio, axis=0), tf.constant(splits, tf.int64)

    def _decoded(self, index):
        audio = self.decode(index)
        return audio if self.mel_paths is not None else audio * (PEAK / tf.reduce_max(tf.abs(audio)))

    def audio(self, index):
        """``[samples]`` at the config's rate."""
        if self.cache is None:
            return self._decoded(index)
        samples, splits = self.cache
        return samples[splits[index] : splits[index + 1]]

    def mel(self, index):
        """The clip's teacher-forced mel ``[frames, num_mels]``."""
        num_mels = self.config.audio.num_mels
        mel = tf.numpy_function(
            lambda path: load_given_mel(path_of(path), num_mels, check_scale=False),
            [self.mel_paths[index]],
            tf.float32,
            stateful=False,
        )
        return tf.ensure_shape(mel, [None, num_mels])


def steps_per_epoch(clips: list[Clip], config: Config) -> int:
    """Steps that a pass over the clips takes; the learning rate decays once in so many."""
    return max(1, len(clips) // config.training.batch_size)


def training_batches(clips: list[Clip], config: Config, first_step: int = 0) -> tf.data.Dataset:
    """Endless ``(mel [batch, frames, num_mels], audio [batch, segment_size])`` from ``first_step`` on.

    One random segment of every clip an epoch, in a new order each; clips shorter than a segment are padded
    with silence. The mel is that of the segment, as in the original, or cut from the teacher-forced one.
    """
    source, hop = Clips(clips, config), config.audio.hop_size
    seed, batch_size, segment = config.training.seed, config.training.batch_size, config.training.segment_size
    first_epoch, offset = divmod(first_step * batch_size, len(clips))
    front_end = MelSpectrogram.of(config.audio)

    def epoch(number):
        order = tf.random.experimental.stateless_shuffle(tf.range(len(clips)), seed=[seed, number])
        return tf.data.Dataset.from_tensor_slices(order)

    def random_start(number, positions):
        # Bit 62 keeps these draws apart from those of the epochs' orders.
        return tf.random.stateless_uniform([], [seed, number + 2**62], 0, tf.maximum(positions, 1), tf.int32)

    def from_audio(number, index):
        audio = source.audio(index)
        start = random_start(number, tf.size(audio) - segment + 1)
        return _fit(audio[start : start + segment], segment, 0.0)

    def from_mel(number, index):
        audio, mel = source.audio(index), source.mel(index)
        # Where mel and audio differ in length, what the two have in common.
        frames, common = segment // hop, tf.minimum(tf.shape(mel)[0], -(-tf.size(audio) // hop))
        mel, audio = mel[:common], audio[: common * hop]
        start = random_start(number, common - frames + 1)
        mel = _fit(mel[start : start + frames], frames, LOG_MIN)
        return mel, _fit(audio[start * hop : start * hop + segment], segment, 0.0)

    given = source.mel_paths is not None
    examples = tf.data.Dataset.range(first_epoch, 2**62).flat_map(epoch).skip(offset).enumerate(first_step * batch_size)
    examples = examples.map(from_mel if given else from_audio, num_parallel_calls=tf.data.AUTOTUNE)
    batches = examples.batch(batch_size, drop_remainder=True)
    if not given:
        batches = batches.map(lambda audio: (front_end(audio), audio), num_parallel_calls=tf.data.AUTOTUNE)
    return batches.prefetch(tf.data.AUTOTUNE)


def _fit(x, length: int, value: float):
    """``x`` with its first axis cut or padded at the end to ``length``."""
    x = x[:length]
    padding = [[0, length - tf.shape(x)[0]], *[[0, 0]] * (len(x.shape) - 1)]
    return tf.ensure_shape(tf.pad(x, padding, constant_values=value), [length, *x.shape[1:]])


def validation_clips(clips: list[Clip], config: Config) -> Iterator[tuple[str, np.ndarray, np.ndarray]]:
    """``(stem, mel [frames, num_mels], audio [frames * hop_size])`` of whole clips, one by one."""
    source, front_end, hop = Clips(clips, config), MelSpectrogram.of(config.audio), config.audio.hop_size
    for index, clip in enumerate(clips):
        audio = source.audio(index)
        if source.mel_paths is None:
            frames = max(-(-int(tf.size(audio)) // hop), -(-front_end.min_samples // hop))
            audio = _fit(audio, frames * hop, 0.0)
            mel = front_end(audio[None])[0]
        else:
            mel = source.mel(index)
            audio = _fit(audio, mel.shape[0] * hop, 0.0)
        yield clip.path.stem, mel.numpy(), audio.numpy()
