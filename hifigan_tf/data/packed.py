"""Packed corpora: shards of 16-bit PCM at one rate, and a manifest that lists their contents.

    PACKED/manifest.json             the rate, the shards with their sizes and clips, what was skipped and why
           shard-00000.tfrecord …    the clips in order, each cut into records of little-endian int16

    a clip    |<---------------- samples --------------->|
    records   | 32,768 samples | 32,768 samples | 10,000 |    TFRecord adds its length and two checksums to each

Every record of a clip but its last is full, so the position of each follows from the numbers of samples, and a
segment of an hour-long clip costs no more to read than one of a short clip. All paths are those of
``tf.io.gfile``.
"""

import json
import queue
import re
import threading
from collections.abc import Iterable, Sequence
from contextlib import contextmanager, suppress
from pathlib import PurePosixPath
from typing import Any, NamedTuple

import numpy as np
import tensorflow as tf

from hifigan_tf.audio.mel_formats import TeacherMel
from hifigan_tf.cli import worker_threads
from hifigan_tf.data.clip_lists import MANIFEST, SHARDS
from hifigan_tf.errors import UserError, one_line
from hifigan_tf.files import parse_json

FORMAT = "hifigan_tf packed corpus, version 1"
BLOCK = 32768  # samples of a full record
RECORD = 2 * BLOCK + 16  # its bytes: TFRecord adds a length of 8 and two checksums of 4
ANSWER_SECONDS = 20  # within which storage must say whether a manifest is there
NO_RECORDS = "Dataset was empty"  # TensorFlow's words where a shard ends before the records that were asked for
REQUESTS = 32  # under way at a time: storage may be far away


class Shard(NamedTuple):
    """One TFRecord file and the size it must have."""

    path: str
    size: int  # bytes


class PackedClip(NamedTuple):
    """A clip of a packed corpus."""

    name: str  # relative to the folder it was packed from; of several corpora, to the folder that holds them all
    rate: int  # Hz
    samples: int
    peak: int  # largest magnitude of its PCM
    scale: float  # PCM times this is the recording in -1 to 1
    shard: Shard
    offset: int  # of its first byte in the shard
    mel: TeacherMel | None = None  # its teacher-forced mel

    @property
    def path(self) -> PurePosixPath:
        return PurePosixPath(self.name)


def to_pcm(audio: np.ndarray) -> tuple[np.ndarray, float]:
    """``(int16 [samples], scale)`` of float32 ``[samples]``.

    What was 16-bit PCM comes back as the very same numbers. Anything else uses the whole range of int16, so that
    its error is at most 1/65534 of its peak, and nothing clips.
    """
    scale = np.float32(1 / 32768)
    pcm = audio / scale
    if not (np.array_equal(pcm, np.rint(pcm)) and pcm.min() >= -32768 and pcm.max() <= 32767):
        scale = np.abs(audio).max() / np.float32(32767)
        pcm = np.rint(audio / np.float64(scale))
    return pcm.astype("<i2"), float(scale)


class ShardWriter:
    """Writes the clips of one shard to ``folder/file``; ``entry`` is its entry in the manifest."""

    def __init__(self, folder: str, file: str):
        self.entry: dict[str, Any] = {"file": file, "bytes": 0, "clips": []}
        self._writer = tf.io.TFRecordWriter(join(folder, file))

    def add(self, name: str, pcm: np.ndarray, scale: float) -> None:
        """Appends a clip, as ``to_pcm`` made it."""
        for start in range(0, len(pcm), BLOCK):
            self._writer.write(pcm[start : start + BLOCK].tobytes())
        peak = int(np.abs(pcm.astype(np.int32)).max())
        self.entry["clips"].append({"name": name, "samples": len(pcm), "peak": peak, "scale": scale})
        self.entry["bytes"] += _size(len(pcm))

    def close(self) -> None:
        self._writer.close()


def _size(samples: int) -> int:
    """Bytes that a clip takes in a shard."""
    return 2 * samples + 16 * -(-samples // BLOCK)


def join(folder: str, name: str) -> str:
    return f"{folder.rstrip('/')}/{name}"


def write_json(path: str, content: dict) -> None:
    """Writes a whole file, or leaves the one that was there."""
    with tf.io.gfile.GFile(f"{path}.new", "w") as file:
        file.write(json.dumps(content, indent=1) + "\n")
    tf.io.gfile.rename(f"{path}.new", path, overwrite=True)


def remove_shards(folder: str) -> None:
    for path in tf.io.gfile.glob(join(folder, SHARDS)):
        tf.io.gfile.remove(path)


def read_manifest(folder: str, name: str = MANIFEST) -> dict | None:
    """The manifest of a packed corpus, or None where there is none. Raises ``UserError`` when it cannot be read."""
    path = join(folder, name)
    with storage_errors(path):
        if not _exists(path):
            return None
        with tf.io.gfile.GFile(path, "rb") as file:
            text = file.read()
    with suppress(UserError):
        manifest = parse_json(text, path)
        if isinstance(manifest, dict) and manifest.get("format") == FORMAT:
            return manifest
    raise UserError(f"{path} is no manifest of this version of python -m hifigan_tf.preprocess: pack the corpus again")


def read_clips(folder: str, sampling_rate: int) -> list[PackedClip]:
    """The clips of a packed corpus, in the order of the files that they came from.

    Raises ``UserError`` when there is no manifest, the corpus is of another rate, or the manifest does not match
    the shards: one of them is missing or has another size than its clips add up to.
    """
    manifest = read_manifest(folder)
    if manifest is None:
        raise UserError(
            f"{folder} holds no {MANIFEST}, which python -m hifigan_tf.preprocess writes when all is packed: "
            "check the path, or run it again"
        )
    clips, path = [], join(folder, MANIFEST)
    try:
        rate = manifest["sampling_rate"]
        for entry in manifest["shards"]:
            shard, offset = Shard(join(folder, entry["file"]), entry["bytes"]), 0
            for clip in entry["clips"]:
                clips.append(_checked(PackedClip(rate=rate, shard=shard, offset=offset, **clip)))
                offset += _size(clips[-1].samples)
            if offset != shard.size:
                raise UserError(
                    f"{path} does not match itself: its {len(entry['clips'])} clips in {entry['file']} take {offset} "
                    f"bytes, and it says {shard.size}; copy it again"
                )
    except (KeyError, TypeError, AttributeError) as error:
        raise UserError(f"{path} is damaged ({type(error).__name__}: {error}): copy it again") from None
    if rate != sampling_rate:
        raise UserError(
            f"{folder} is packed at {rate} Hz, and the config asks for {sampling_rate} Hz: pack the corpus again with "
            "this --config, or train with a config of that rate"
        )
    _check_sizes(clip.shard for clip in clips)
    return clips


def _checked(clip: PackedClip) -> PackedClip:
    """The clip of a manifest. Raises ``TypeError`` unless its values are such as ``ShardWriter`` writes."""
    good = isinstance(clip.name, str) and isinstance(clip.samples, int) and 0 < clip.samples < 2**31
    good = good and isinstance(clip.peak, int) and 0 < clip.peak <= 32768
    if not (good and isinstance(clip.scale, (int, float)) and 0 < clip.scale < 1e30 and clip.mel is None):
        raise TypeError(f"a clip cannot be {clip[:1] + clip[2:5]}")
    return clip


def _check_sizes(shards: Iterable[Shard]) -> None:
    """Raises ``UserError`` for the first shard that is missing or of another size than it must have."""

    def problem(shard):
        with storage_errors(shard.path):
            try:
                size = tf.io.gfile.stat(shard.path).length
            except tf.errors.NotFoundError:
                return f"{shard.path} is missing, and {MANIFEST} lists it: copy it again"
        if size < shard.size:
            return f"{shard.path} is truncated: {size} of {shard.size} bytes are there; copy it again"
        if size > shard.size:
            return f"{shard.path} has {size} bytes, and {MANIFEST} says {shard.size}: they are not of one corpus"
        return None

    with worker_threads(REQUESTS) as pool:
        problems = [text for text in pool.map(problem, dict.fromkeys(shards)) if text]
    if problems:
        raise UserError(problems[0] + (f" ({len(problems)} shards are wrong)" if len(problems) > 1 else ""))


@contextmanager
def storage_errors(path: str):
    """Within the block an error of the storage below ``path`` becomes a ``UserError``."""
    try:
        yield
    except tf.errors.UnimplementedError:
        # Nor is tensorflow-io's s3:// loaded: each record costs TensorFlow 127 MB there, and its client aborts at exit.
        raise UserError(
            f"{path}: TensorFlow has no file system for {path.split('://')[0]}://: give a gs:// path or a folder, "
            "such as one where the bucket is mounted"
        ) from None
    except tf.errors.OpError as error:
        if "://" in path:
            advice = "check the path, the network and the credentials"
        else:
            advice = "check the path, the disk's space and the permissions"
        raise UserError(f"{path} cannot be used ({one_line(error)}): {advice}") from None


def _exists(path: str) -> bool:
    """Whether a file is there. Raises ``UserError`` when the storage does not answer.

    Without a network TensorFlow's client of Google Cloud Storage can try for many minutes.
    """
    answers: queue.SimpleQueue = queue.SimpleQueue()

    def ask():
        try:
            answers.put(tf.io.gfile.exists(path))
        except tf.errors.OpError as error:
            answers.put(error)

    threading.Thread(target=ask, daemon=True).start()
    try:
        answer = answers.get(timeout=ANSWER_SECONDS)
    except queue.Empty:
        raise UserError(
            f"{path}: no answer within {ANSWER_SECONDS} s: check the path, the network and the credentials"
        ) from None
    if isinstance(answer, tf.errors.OpError):
        raise answer
    return answer


@contextmanager
def reraise_damage(clips: Sequence):
    """Within the block a failure to read clips becomes a ``UserError``, naming the file or shard that has changed."""
    try:
        yield
    except tf.errors.OpError as error:
        if raised := re.search(r"\bUserError: (.*)", str(error)):  # by Python code that the graph called
            raise UserError(raised[1]) from None
        if isinstance(clips[0], PackedClip):
            _check_sizes(clip.shard for clip in clips)
            if isinstance(error, tf.errors.DataLossError) or NO_RECORDS in str(error):
                folder = clips[0].shard.path.rpartition("/")[0]
                raise UserError(
                    f"a shard in {folder} is damaged ({one_line(error)}): copy the folder again, or pack it again"
                ) from None
        raise


class PackedAudio:
    """Reads clips, or parts of them, inside the graph."""

    def __init__(self, clips: Sequence[PackedClip]):
        shards = {path: place for place, path in enumerate(dict.fromkeys(clip.shard.path for clip in clips))}
        self.paths = tf.constant(list(shards))
        self.shards = tf.constant([shards[clip.shard.path] for clip in clips])
        self.offsets = tf.constant([clip.offset for clip in clips], tf.int64)
        self.samples = tf.constant([clip.samples for clip in clips])
        self.scales = tf.constant([clip.scale for clip in clips], tf.float32)
        self.peaks = tf.constant([clip.peak for clip in clips], tf.float32)

    def open(self, index):
        """``(samples, peak, cut)`` of a clip; ``cut(start, stop)`` reads that part of it as float32."""
        samples, scale = self.samples[index], self.scales[index]

        def cut(start, stop):
            stop = tf.minimum(stop, samples)
            first, last = start // BLOCK, (stop - 1) // BLOCK
            pcm = self._records(index, tf.cast(first, tf.int64), tf.cast(last - first + 1, tf.int64))
            return tf.cast(pcm[start - first * BLOCK : stop - first * BLOCK], tf.float32) * scale

        return samples, self.peaks[index] * scale, cut

    def _records(self, index, first, count):
        """The samples of ``count`` records of a clip, with their checksums verified, in one request."""
        variant = tf.raw_ops.TFRecordDatasetV2(
            filenames=[self.paths[self.shards[index]]],
            compression_type="",
            buffer_size=count * RECORD,
            byte_offsets=[self.offsets[index] + first * RECORD],
        )
        records = tf.data.experimental.from_variant(variant, tf.TensorSpec([], tf.string))
        batch = records.batch(count, drop_remainder=True).take(1).get_single_element()
        return tf.io.decode_raw(tf.strings.reduce_join(batch), tf.int16)
