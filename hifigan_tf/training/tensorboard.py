"""TensorBoard logs of a run: curves, sound and pictures, written by ``Summaries`` and read back by ``Events``."""

import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import tensorflow as tf

from hifigan_tf.errors import UserError, one_line

log = logging.getLogger(__name__)

READ_BYTES = 1 << 20  # of an event file at a time
FROM = ".from-step-"  # in the name of an event file, before the first step in it


class Summaries:
    """Writes event files in ``folder``. A full disk loses curves, but never stops the run."""

    def __init__(self, folder: Path):
        self._folder = folder
        self._writer: tf.summary.SummaryWriter | None = None
        self._failing = False

    def scalars(self, values: dict[str, float], step: int) -> None:
        """One point of each curve."""
        with self._writing(step):
            for name, value in values.items():
                tf.summary.scalar(name, value, step)

    def sound(self, name: str, audio: np.ndarray, sampling_rate: int, mel: np.ndarray, step: int) -> None:
        """Audio ``[samples]`` and the picture of its log-mel ``[frames, num_mels]``."""
        with self._writing(step):
            tf.summary.audio(f"audio/{name}", audio[None, :, None], sampling_rate, step)
            tf.summary.image(f"mel/{name}", mel_picture(mel), step)

    @contextmanager
    def _writing(self, step: int):
        """Summaries of the block are on disk when it ends, or are lost with a warning."""
        try:
            writer = self._writer or tf.summary.create_file_writer(str(self._folder), filename_suffix=f"{FROM}{step}")
            self._writer = writer
            with writer.as_default():
                yield
            self._failing = False
        except tf.errors.OpError as error:
            if not self._failing:
                log.warning("warning: %s cannot be written, curves will miss points: %s", self._folder, one_line(error))
            self._failing = True
            self._writer = None  # the next one begins a new file: this one may end in half a record


def mel_picture(mel: np.ndarray) -> np.ndarray:
    """A log-mel ``[frames, num_mels]`` as an RGB picture ``[1, num_mels, frames, 3]``, low bands at the bottom."""
    import matplotlib

    levels = np.clip((mel.T[::-1] + 11.5) / 13.5, 0.0, 1.0)  # silence to loud speech
    return matplotlib.colormaps["magma"](levels)[None, ..., :3].astype(np.float32)


# Index of the encoded file among the strings of a summary: sound is (WAV, label), a picture (width, height, PNG).
FILE_OF = {"audio": 0, "images": 2}


class Events:
    """The summaries in the event files of ``folder``.

    ``scalars`` is ``{tag: {step: value}}``, ``media`` is ``{tag: steps}`` of sound and pictures, whose bytes
    ``read`` fetches: a long run has gigabytes of them. Both are in the order of the steps. ``last_time``
    is when the last was written, in seconds since 1970.

    A killed session may leave half a record at the end of its file, and steps after its last checkpoint, which the
    next session takes again: both are ignored. A damaged record is passed over, with a warning. Raises
    ``UserError`` when there is no event file, or one cannot be read.
    """

    def __init__(self, folder: Path):
        self.files = sorted(folder.glob("events.out.tfevents.*"), key=_by_numbers)
        if not self.files:
            raise UserError(f"{folder} holds no event files: the training has written nothing yet, or elsewhere")
        self.scalars: dict[str, dict[int, float]] = {}
        self.media: dict[str, dict[int, None]] = {}
        self.last_time = 0.0
        for file in self.files:
            self._index(file)
        self.scalars = {tag: dict(sorted(points.items())) for tag, points in self.scalars.items() if points}
        self.media = {tag: dict(sorted(steps.items())) for tag, steps in self.media.items() if steps}

    @property
    def last_step(self) -> int:
        """The last step with any summary."""
        return max((max(steps) for steps in self._all_steps()), default=0)

    def _all_steps(self) -> list[dict]:
        return [*self.scalars.values(), *self.media.values()]

    def _index(self, file: Path) -> None:
        from tensorboard.util.tensor_util import make_ndarray

        named = file.name.rpartition(FROM)[2]
        begin = int(named) if FROM in file.name and named.isdecimal() else None  # which a damaged record cannot hide
        if begin is not None:
            self._forget_after(begin)
        for event in _summaries(file):
            if begin is None:  # a file of an older version
                begin = event.step
                self._forget_after(begin)
            self.last_time = max(self.last_time, event.wall_time)
            for value in event.summary.value:
                plugin = value.metadata.plugin_data.plugin_name
                if plugin == "scalars":
                    self.scalars.setdefault(value.tag, {})[event.step] = make_ndarray(value.tensor).item()
                elif plugin in FILE_OF:
                    self.media.setdefault(value.tag, {})[event.step] = None

    def _forget_after(self, step: int) -> None:
        for steps in self._all_steps():
            for later in [one for one in steps if one > step]:
                del steps[later]

    def read(self, wanted: set[tuple[str, int]]) -> dict[tuple[str, int], bytes]:
        """The encoded file, WAV or PNG, of each of these ``(tag, step)``."""
        found = {}
        for file in self.files:
            for event in _summaries(file):
                for value in event.summary.value:
                    if (value.tag, event.step) in wanted:
                        place = FILE_OF[value.metadata.plugin_data.plugin_name]
                        found[value.tag, event.step] = value.tensor.string_val[place]
        return found


def _by_numbers(file: Path) -> list[tuple[int, str]]:
    """Sorts event files in the order of writing: their names hold the second, the process and a count."""
    return [(int(part), "") if part.isdecimal() else (-1, part) for part in file.name.split(".")]


def _summaries(file: Path) -> Iterator:
    """The events of one file that hold summaries."""
    from tensorboard.compat.proto.event_pb2 import Event

    for record in _records(file):
        try:
            event = Event.FromString(record)
        except Exception:  # of protobuf, which only tensorboard depends on
            log.warning("warning: %s holds a record that is no event: passed over", file)
            continue
        if event.summary.value:
            yield event


def _records(file: Path) -> Iterator[bytes]:
    """The records of a TFRecord file whose checksums are right.

    A record is the length of its data, 8 bytes, and its checksum, then the data and theirs::

        | length | checksum |          data          | checksum |
            8         4                length             4
    """
    from tensorflow.python.lib.io.tf_record import tf_record_random_reader

    position, reader = 0, None
    while True:
        try:
            reader = reader or tf_record_random_reader(os.fsencode(file))
            record, position = reader.read(position)
        except IndexError:  # the end, or half a record, which is still being written or is the last of a killed process
            return
        except tf.errors.DataLossError:
            following = _next_record(file, position + 1)
            if following is None:
                return
            log.warning("warning: %s is damaged between bytes %d and %d: passed over", file, position, following)
            position = following
        except tf.errors.OpError as error:
            raise UserError(
                f"{file} cannot be read ({one_line(error)}): check its permissions, or move it away"
            ) from None
        else:
            yield record


def _next_record(file: Path, start: int) -> int | None:
    """Where the first record from ``start`` on begins: a length with its own checksum that ends within the file."""
    with file.open("rb") as opened:
        opened.seek(start)
        while len(block := opened.read(READ_BYTES)) >= 12:
            bytes_ = np.frombuffer(block, np.uint8)
            windows = np.lib.stride_tricks.sliding_window_view(bytes_, 12)
            lengths = np.ascontiguousarray(windows[:, :8]).view("<u8")[:, 0]
            left = np.uint64(file.stat().st_size - start) - np.arange(len(windows), dtype=np.uint64)
            (places,) = np.nonzero((lengths > 0) & (lengths + np.uint64(16) <= left) & (windows[:, 7] == 0))
            stated = np.ascontiguousarray(windows[places, 8:]).view("<u4")[:, 0]
            found = places[_masked_crc32c(windows[places, :8]) == stated]
            if len(found):
                return start + int(found[0])
            if len(block) < READ_BYTES:
                return None
            start += READ_BYTES - 11
            opened.seek(start)
    return None


def _masked_crc32c(data: np.ndarray) -> np.ndarray:
    """TFRecord's checksum of each row of ``data`` ``[rows, bytes]``, as uint32."""
    table = np.arange(256, dtype=np.uint32)
    for _ in range(8):
        table = np.where(table & 1, table >> 1 ^ np.uint32(0x82F63B78), table >> 1).astype(np.uint32)
    checksum = np.full(len(data), 0xFFFFFFFF, np.uint32)
    for column in data.T:
        checksum = table[(checksum ^ column) & 0xFF] ^ checksum >> 8
    checksum = ~checksum
    return (checksum >> 15 | checksum << 17) + np.uint32(0xA282EAD8)
