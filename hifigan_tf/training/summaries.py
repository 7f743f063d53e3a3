"""What a run writes for TensorBoard. A full disk costs curves, never the run."""

import logging
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import tensorflow as tf

from hifigan_tf.cli import one_line

log = logging.getLogger(__name__)


class Summaries:
    """Event files in ``folder``; nothing is written where it is None."""

    def __init__(self, folder: Path | None):
        self._folder = folder
        self._writer = None
        self._failing = False

    def scalars(self, values: dict[str, float], step: int) -> None:
        """One point of each curve."""
        with self._writing():
            for name, value in values.items():
                tf.summary.scalar(name, value, step)

    def sound(self, name: str, audio: np.ndarray, sampling_rate: int, mel: np.ndarray, step: int) -> None:
        """Audio ``[samples]`` and the picture of its log-mel ``[frames, num_mels]``."""
        with self._writing():
            tf.summary.audio(f"audio/{name}", audio[None, :, None], sampling_rate, step)
            tf.summary.image(f"mel/{name}", mel_picture(mel), step)

    @contextmanager
    def _writing(self):
        """Everything within the block has been written at its end, or is lost with a warning."""
        if self._folder is None:
            yield
            return
        try:
            self._writer = self._writer or tf.summary.create_file_writer(str(self._folder))
            with self._writer.as_default():
                yield
            self._failing = False
        except tf.errors.OpError as error:
            if not self._failing:
                log.warning("warning: %s cannot be written, curves will miss points: %s", self._folder, one_line(error))
            self._failing = True
            self._writer = None  # the next one begins a new file: this one may end in half a record


def mel_picture(mel: np.ndarray) -> np.ndarray:
    """A log-mel ``[frames, num_mels]`` as an RGB picture ``[1, num_mels, frames, 3]``, low bands below."""
    import matplotlib

    levels = np.clip((mel.T[::-1] + 11.5) / 13.5, 0.0, 1.0)  # silence to loud speech
    return matplotlib.colormaps["magma"](levels)[None, ..., :3].astype(np.float32)
