"""tf.data pipelines: from audio files or packed corpora, and teacher-forced mels for them, to batches of segments.

Segment n of a run is a pure function of the clips, the config and n. So a run that resumes after n segments sees what
it would have seen, and nothing about the pipeline needs saving.
"""

import logging
import math
import os
import time
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TypeAlias

import numpy as np
import tensorflow as tf
from tqdm import tqdm

from hifigan_tf.audio.audio_files import (
    AUDIO_KINDS,
    PEAK,
    check_length,
    check_scale,
    empty_band,
    examine,
    level_problems,
)
from hifigan_tf.audio.mel import MelSpectrogram, mel_spectrogram
from hifigan_tf.audio.mel_formats import RECOGNIZE, MelConversion, MelFormat, TeacherMel, load_given_mel
from hifigan_tf.audio.mel_scale import silent_frame
from hifigan_tf.audio.names import plain_name
from hifigan_tf.cli import warn_skipped, worker_threads
from hifigan_tf.config import Config
from hifigan_tf.data.clip_lists import CorpusFile
from hifigan_tf.data.decoding import Clip, FileAudio, WavAudio, path_of
from hifigan_tf.data.given_mels import GivenMels, check_given_mel
from hifigan_tf.data.packed import REQUESTS, PackedAudio, PackedClip, reraise_damage
from hifigan_tf.errors import UserError, describe_os_error, file_guard

log = logging.getLogger(__name__)

WAITING_SHARE = 0.05  # of the time that may go into waiting for data without a warning
CACHE_BYTES = 512 * 1024 * 1024  # decoded corpora up to this size (100 minutes at 22,050 Hz) stay in memory

AnyClip: TypeAlias = Clip | PackedClip


def check_clips(
    sources: Iterable[Path | CorpusFile] | Iterable[PackedClip],
    config: Config,
    mel_folder: Path | None = None,
    others: Iterable[CorpusFile | PackedClip] = (),
    mel_format: MelFormat = RECOGNIZE,
) -> list[AnyClip]:
    """Keeps the good clips, in the order given. Files are read once, with a progress bar; packed clips were before.

    Bad ones (corrupt, empty, truncated, NaN, silent, shorter than a frame, without a fitting mel of ``mel_format``
    when ``mel_folder`` is given) are named and counted in warnings. Raises ``UserError`` when none is left.

    ``mel_folder`` holds the mels of ``others`` too: one that could be of either is of none. A plain path is the file of
    a corpus that is the folder which it lies in.
    """
    found = [CorpusFile(source, source.name) if isinstance(source, Path) else source for source in sources]
    if not found:
        raise UserError(f"no audio to read: a folder or list without a recording ({AUDIO_KINDS}) was given")
    rate, conversion = config.audio.sampling_rate, MelConversion(config.audio, mel_format)
    mels = GivenMels(mel_folder, [source.name for source in (*found, *others)]) if mel_folder else None

    def check(source: CorpusFile | PackedClip) -> AnyClip | str:
        try:
            with file_guard(source.path):
                if isinstance(source, PackedClip):
                    clip: AnyClip = source
                else:
                    clip = Clip(source.path, *examine(source.path, rate), source.name)
                samples = clip.samples * rate // clip.rate
                check_length(clip.path, samples, config.audio.hop_size)
                if mels is None:
                    return clip
                check_scale(str(clip.path), peak_of(clip))  # which stays, where mels are given
                mel_path = mels.path_of(clip.name)
                check_given_mel(mel_path, clip.path, samples, conversion)
                return clip._replace(mel=TeacherMel(str(mel_path), mel_format))
        except UserError as error:
            return str(error)
        except OSError as error:
            return describe_os_error(error)

    with worker_threads() as pool:
        checks = pool.map(check, found)
        results = list(tqdm(checks, total=len(found), desc="checking clips", unit="clip", leave=False))
    clips = [result for result in results if not isinstance(result, str)]
    skips = [result for result in results if isinstance(result, str)]
    warn_skipped(skips)
    if not clips:
        raise UserError(f"no usable audio: all {len(found)} files were skipped, the first because {skips[0]}")
    low = [clip for clip in clips if clip.rate < config.audio.sampling_rate]
    if low:
        words = empty_band(str(low[0].path), low[0].rate, config.audio.sampling_rate)
        log.warning("warning: %s (%d of %d clips are so)", words, len(low), len(clips))
    files = [clip for clip in clips if isinstance(clip, Clip)]
    odd = [problems for clip in files if (problems := level_problems(str(clip.path), clip.peak, clip.dc))]
    if odd:
        log.warning("warning: %s (%d of %d clips are at such levels)", odd[0][0], len(odd), len(clips))
    return clips


def length_of(clip: AnyClip) -> int:
    """Samples of a clip at the config's rate."""
    return clip.samples if isinstance(clip, PackedClip) else clip.resampled


def peak_of(clip: AnyClip) -> float:
    """The largest magnitude of a clip at the config's rate, in -1 to 1."""
    return clip.peak * clip.scale if isinstance(clip, PackedClip) else clip.peak


class Clips:
    """Normalised clips by index, inside the graph; corpora up to ``CACHE_BYTES`` are decoded just once.

    Without teacher-forced mels a clip is scaled to a peak of 0.95; with them its level is part of the
    pairing and stays, as in the original.
    """

    def __init__(self, clips: Sequence[AnyClip], config: Config):
        self.config = config
        packed = [clip for clip in clips if isinstance(clip, PackedClip)]  # all or none
        files = [clip for clip in clips if isinstance(clip, Clip)]
        self.open = PackedAudio(packed).open if packed else FileAudio(files, config.audio.sampling_rate).open
        self.reads = REQUESTS if packed else tf.data.AUTOTUNE
        mels = [clip.mel for clip in clips if clip.mel]  # all or none
        self.conversion = MelConversion(config.audio, mels[0].mel_format if mels else RECOGNIZE)
        self.mel_paths = tf.constant([os.fsencode(mel.path) for mel in mels]) if mels else None
        self.cache: tuple[tf.Tensor, tf.Tensor] | None = None
        if sum(clip.samples / clip.rate for clip in clips) * config.audio.sampling_rate * 4 <= CACHE_BYTES:
            with reraise_damage(clips):
                audio = self._read_whole(len(clips), files)
            splits = np.cumsum([0, *(len(samples) for samples in audio)])
            self.cache = tf.concat(audio, axis=0), tf.constant(splits, tf.int64)

    def _read_whole(self, count: int, files: Sequence[Clip]) -> list:
        """``[samples]`` of every clip; of ``files``, by tensorflow-io where it can."""
        audio: dict[int, tf.Tensor] = {}
        progress = tqdm(total=count, desc="decoding", unit="clip", leave=False)

        def read(indices, open_clip, errors_ignored=False):
            def whole(index):
                samples, cut = self._at_level(*open_clip(index))
                return index, cut(0, samples)

            dataset = tf.data.Dataset.from_tensor_slices(tf.constant(indices, tf.int64))
            dataset = dataset.map(whole, num_parallel_calls=self.reads)
            for index, samples in dataset.ignore_errors() if errors_ignored else dataset:
                audio[int(index)] = samples
                progress.update()

        with progress:
            wav = WavAudio(files, self.config.audio.sampling_rate) if files else None
            if wav and wav.indices:
                read(wav.indices, wav.open, errors_ignored=True)
            read([index for index in range(count) if index not in audio], self.open)
        return [audio[index] for index in range(count)]

    def _at_level(self, samples, peak, cut):
        """``(samples, cut)`` of a clip that was opened, with the audio at the level that training takes."""
        return samples, cut if self.mel_paths is not None else lambda start, stop: cut(start, stop) * (PEAK / peak)

    def audio(self, index):
        """``(samples, cut)``: the clip's length at the config's rate; ``cut(start, stop)`` gives that part of it."""
        if self.cache is not None:
            cached, splits = self.cache
            audio = cached[splits[index] : splits[index + 1]]
            return tf.size(audio), lambda start, stop: audio[start:stop]
        return self._at_level(*self.open(index))

    def whole(self, index):
        """``[samples]`` of the clip."""
        samples, cut = self.audio(index)
        return cut(0, samples)

    def mel(self, index):
        """The clip's teacher-forced mel ``[frames, num_mels]``."""
        assert self.mel_paths is not None, "asked for with teacher-forced mels alone"
        mel = tf.numpy_function(
            lambda path: load_given_mel(path_of(path), self.conversion, check_scale=False),
            [self.mel_paths[index]],
            tf.float32,
            stateful=False,
        )
        return tf.ensure_shape(mel, [None, self.config.audio.num_mels])


def draws_per_epoch(clips: Sequence[AnyClip], config: Config) -> list[int]:
    """How many segments of each clip a pass over them takes: one for every started ``epoch_clip_seconds``."""
    seconds = config.training.epoch_clip_seconds
    return [1 if seconds is None else max(1, math.ceil(clip.samples / clip.rate / seconds)) for clip in clips]


def steps_per_epoch(clips: Sequence[AnyClip], config: Config, batch_size: int | None = None) -> int:
    """Steps that a pass over the clips takes, with batches of ``batch_size``, by default the config's."""
    return max(1, sum(draws_per_epoch(clips, config)) // (batch_size or config.training.batch_size))


def training_batches(
    clips: Sequence[AnyClip],
    config: Config,
    first_example: int = 0,
    part: int = 0,
    parts: int = 1,
    replicas: int = 1,
) -> tf.data.Dataset:
    """Endless ``(mel [batch, frames, num_mels], audio [batch, segment_size])`` from segment ``first_example`` on.

    Random segments of every clip, ``draws_per_epoch`` an epoch, in a new order each; clips shorter than a segment are
    padded with silence. The mel is that of the segment, as in the original, or cut from the teacher-forced one. Of
    ``parts`` workers, which must divide the batch, number ``part`` gets its slice of every batch and reads no more;
    it comes in the shares of its replicas, of ``replicas`` in all.
    """
    source, hop = Clips(clips, config), config.audio.hop_size
    seed, batch_size, segment = config.training.seed, config.training.batch_size, config.training.segment_size
    indices = np.repeat(np.arange(len(clips), dtype=np.int32), draws_per_epoch(clips, config))
    first_epoch, offset = divmod(first_example, len(indices))
    front_end, silence = MelSpectrogram.of(config.audio), silent_frame(config.audio)

    def epoch(number):
        order = tf.random.experimental.stateless_shuffle(tf.constant(indices), seed=[seed, number])
        return tf.data.Dataset.from_tensor_slices(order)

    def random_start(number, positions):
        # Bit 62 keeps these draws apart from those of the epochs' orders.
        return tf.random.stateless_uniform([], [seed, number + 2**62], 0, tf.maximum(positions, 1), tf.int32)

    def from_audio(number, index):
        samples, cut = source.audio(index)
        start = random_start(number, samples - segment + 1)
        return _fit(cut(start, start + segment), segment)

    def from_mel(number, index):
        (samples, cut), mel = source.audio(index), source.mel(index)
        # Where mel and audio differ in length, what the two have in common.
        frames, common = segment // hop, tf.minimum(tf.shape(mel)[0], -(-samples // hop))
        start = random_start(number, common - frames + 1)
        stop = tf.minimum(start + frames, common)
        return _fit(mel[start:stop], frames, silence), _fit(cut(start * hop, stop * hop), segment)

    given = source.mel_paths is not None
    examples = tf.data.Dataset.range(first_epoch, 2**62).flat_map(epoch).skip(offset).enumerate(first_example)
    if parts > 1:
        examples = examples.batch(batch_size // parts).shard(parts, part).unbatch()
    examples = examples.map(from_mel if given else from_audio, num_parallel_calls=source.reads)
    batches = examples.batch(batch_size // max(parts, replicas), drop_remainder=True)
    if not given:
        batches = batches.map(lambda audio: (front_end(audio), audio), num_parallel_calls=tf.data.AUTOTUNE)
    return batches.prefetch(tf.data.AUTOTUNE)


def _fit(x, length: int, silence: np.ndarray | float = 0.0):
    """``x`` cut to ``length``, or padded at the end with ``silence``: a sample, or a frame ``[num_mels]``."""
    x = x[:length]
    padding = tf.broadcast_to(tf.cast(silence, x.dtype), [length - tf.shape(x)[0], *x.shape[1:]])
    return tf.ensure_shape(tf.concat([x, padding], axis=0), [length, *x.shape[1:]])


def validation_clips(clips: list[Clip], config: Config) -> Iterator[tuple[str, np.ndarray, np.ndarray]]:
    """``(name, mel [frames, num_mels], audio [frames * hop_size])`` of whole clips, one by one."""
    source, front_end, hop = Clips(clips, config), MelSpectrogram.of(config.audio), config.audio.hop_size
    for index, clip in enumerate(clips):
        with reraise_damage(clips):
            audio = source.whole(index)
        if source.mel_paths is None:
            frames = max(-(-int(tf.size(audio)) // hop), -(-front_end.min_samples // hop))
            audio = _fit(audio, frames * hop).numpy()
            mel = mel_spectrogram(audio, front_end)
        else:
            mel = source.mel(index).numpy()
            audio = _fit(audio, len(mel) * hop).numpy()
        yield plain_name(clip.name or clip.path.name), mel, audio


class TimedBatches:
    """Iterates over the batches of these clips, and tells the share of the time that went into waiting for them."""

    def __init__(self, batches: Iterable, clips: Sequence):
        self.batches, self.clips = iter(batches), clips
        self.since: float | None = None
        self.waited, self.warned = 0.0, False

    def __iter__(self):
        return self

    def __next__(self):
        begin = time.perf_counter()
        with reraise_damage(self.clips):
            batch = next(self.batches)
        end = time.perf_counter()
        if self.since is None:  # the first batch, which waits for the pipeline to fill, tells nothing of its pace
            self.since = end
        else:
            self.waited += end - begin
        return batch

    def waiting_share(self) -> float:
        """From 0 to 1, since the last call or else the first batch. Warns the first time that it is above 5 %."""
        now = time.perf_counter()
        share = self.waited / (now - self.since) if self.since else 0.0
        self.since, self.waited = now, 0.0
        if share > WAITING_SHARE and not self.warned:
            self.warned = True
            log.warning(
                "warning: %.0f %% of the time went into waiting for data: pack the corpus with "
                "python -m hifigan_tf.preprocess, or bring it nearer; TensorBoard has the curve waiting_for_data",
                100 * share,
            )
        return share
