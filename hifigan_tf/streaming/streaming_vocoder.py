"""Vocoding while the mel is still being made: frames in, audio out, the same samples as for the whole utterance."""

import dataclasses
import hashlib
from copy import copy
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from hifigan_tf import extras
from hifigan_tf.audio.mel_formats import ForeignMelError, MelCheck, description, looks
from hifigan_tf.cli import refuse_hdf5
from hifigan_tf.config import AudioConfig
from hifigan_tf.errors import UserError
from hifigan_tf.streaming import contract
from hifigan_tf.streaming.litert import ContractVocoder, StatefulStream, load_tflite
from hifigan_tf.streaming.windows import WindowStream, margins_of

# Frames that a Keras generator advances by. Its windows are two margins longer (22 frames in all for V3, 26 for
# V1): longer chunks waste less on margins, shorter ones have less latency.
KERAS_CHUNK = 128


class KerasVocoder:
    """A Keras ``Generator`` as a window model: the same samples, in constant memory, with more latency."""

    def __init__(self, generator, chunk_frames: int | None = None):
        self.generator = generator
        self.audio = generator.audio
        self.replicated_frames = generator.hyper_parameters.replicated_frames
        self.margins = margins_of(generator.hyper_parameters)
        self.window_frames = (chunk_frames or KERAS_CHUNK) + sum(self.margins)

    @property
    def fingerprint(self) -> str:
        # Options that change the samples of the same weights.
        digest = hashlib.sha256(str(self.generator.hyper_parameters.of_other_libraries or "").encode())
        for array in self.generator.get_weights():
            digest.update(np.ascontiguousarray(array).tobytes())
        return digest.hexdigest()

    def run(self, mel: np.ndarray) -> np.ndarray:
        return _compiled(self.generator)(mel[None]).numpy()[0, :, 0]


@lru_cache(maxsize=2)  # validation alternates between the generator and its moving average
def _compiled(generator):
    """The generator as one graph for every length; Keras' ``predict`` traces two, whose last bits differ."""
    import tensorflow as tf

    return tf.function(generator, input_signature=[tf.TensorSpec([None, None, generator.audio.num_mels])])


def load_vocoder(model, chunk_frames: int | None = None, threads: int | None = None) -> ContractVocoder | KerasVocoder:
    """Loads ``model`` for any number of streams: a ``.tflite`` path or its bytes, a ``.keras`` path, a Generator.

    ``chunk_frames`` is the number of frames per chunk. ``threads`` compute: by default one of a ``.tflite``, and all of
    a ``.keras`` file, where they are TensorFlow's and must be set before it computes anything. A model that is loaded
    already keeps its own. Raises ``UserError`` for a model that cannot be read.
    """
    if chunk_frames is not None and chunk_frames < 1:
        raise UserError(f"chunk_frames is {chunk_frames}: it must be at least 1")
    if isinstance(model, (ContractVocoder, KerasVocoder)):
        if chunk_frames is not None or threads is not None:
            raise UserError("this model is loaded already: give chunk_frames and threads to load_vocoder instead")
        return model
    if isinstance(model, (str, Path)):
        refuse_hdf5(Path(model))
    if isinstance(model, (str, Path)) and Path(model).suffix == ".keras":
        extras.require("a .keras checkpoint")
        from hifigan_tf.models.generator import load_generator

        if threads is not None:
            _set_threads(threads)
        model = load_generator(model)
    elif threads is not None and not isinstance(model, (str, Path, bytes)):
        raise UserError("a Generator computes with TensorFlow's threads: set them with tf.config.threading")
    if isinstance(model, (str, Path, bytes)):
        return load_tflite(model, chunk_frames, threads or 1)
    return KerasVocoder(model, chunk_frames)


def _set_threads(threads: int) -> None:
    import tensorflow as tf

    try:
        tf.config.threading.set_intra_op_parallelism_threads(threads)
        tf.config.threading.set_inter_op_parallelism_threads(threads)
    except RuntimeError:
        raise UserError(f"threads is {threads}, and TensorFlow has begun with others: set them first") from None


def audio_of(checkpoint: Path) -> AudioConfig:
    """The audio settings of a ``.tflite`` or ``.keras`` vocoder. Raises ``UserError`` when it cannot be read."""
    if checkpoint.suffix == ".tflite":
        return contract.read(checkpoint.read_bytes(), str(checkpoint)).audio_config
    extras.require("a .keras checkpoint")
    from hifigan_tf.models.generator import load_generator

    return load_generator(checkpoint).audio


@dataclasses.dataclass(frozen=True)
class StreamState:
    """A snapshot of a stream, to continue from later or several times, with a model of this fingerprint.

    ``check`` is what the check of the mel has seen, None where it is switched off.
    """

    fingerprint: str
    progress: Any
    check: MelCheck | None = None


class StreamingVocoder:
    """Log-mel frames to audio, a few at a time, with the same samples as for the whole utterance.

        with StreamingVocoder("model.tflite") as vocoder:
            for frames in acoustic_model:           # [any number, num_mels], the model's own mel
                play(vocoder.push(frames))          # [samples], float32 in -1 to 1; may be empty
            play(vocoder.flush())

    ``model`` is anything that ``load_vocoder`` takes or returns; a loaded one can be shared by many streams, also in
    several threads. After ``flush``, ``hop_size`` samples have come out for every frame; ``reset`` starts another
    utterance.

    The model's own mel is that of ``audio``. Frames that cannot be speech in it would become noise, and are refused as
    soon as that is certain; ``check_mel=False`` takes whatever is pushed.
    """

    def __init__(self, model, chunk_frames: int | None = None, threads: int | None = None, check_mel: bool = True):
        self.model = load_vocoder(model, chunk_frames, threads)
        self.audio = self.model.audio
        self.check_mel = check_mel
        self.reset()

    def reset(self) -> None:
        """Forgets the utterance; the next push begins a new one."""
        self._stream: StatefulStream | WindowStream
        if isinstance(self.model, ContractVocoder) and self.model.contract.stateful:
            self._stream = StatefulStream(self.model)
        else:
            self._stream = WindowStream(self.model, self.audio.num_mels, self.audio.hop_size)
        self._check = MelCheck(self.audio) if self.check_mel else None
        self._open = True

    def push(self, frames: np.ndarray) -> np.ndarray:
        """Takes frames ``[any number, num_mels]``; returns the audio ``[samples]`` that they complete.

        Raises ``UserError`` for another number of bands, or NaN, and then takes none of the frames: the
        stream continues with the next push. Raises ``ForeignMelError`` for frames that cannot be the model's mel, and
        at every push after it. Pushing after ``flush`` is an error.
        """
        self._check_open("push")
        frames = np.asarray(frames, np.float32)
        bands = self.audio.num_mels
        if frames.ndim != 2 or frames.shape[1] != bands:
            raise UserError(f"frames of shape {list(frames.shape)} were pushed: this model takes [frames, {bands}]")
        if not np.isfinite(frames).all():
            frame, band = np.argwhere(~np.isfinite(frames))[0]
            raise UserError(
                f"a pushed chunk holds NaN or infinite values (first at frame {frame}, band {band}): it was not taken"
            )
        if self._check and (scale := self._check.add(frames)):
            raise ForeignMelError(
                f"the pushed frames: {looks(self._check.head, scale)}: this model takes {description(self.audio)}; "
                "check_mel=False pushes them anyway"
            )
        return self._stream.push(frames)

    def flush(self) -> np.ndarray:
        """The rest of the audio, and the end of the utterance."""
        self._check_open("flush")
        audio = self._stream.flush()
        self._open = False
        return audio

    @property
    def chunk_frames(self) -> int:
        """The number of frames per chunk."""
        return self._stream.chunk_frames

    @property
    def delay_samples(self) -> int:
        """Output lags the pushed frames by this much plus less than one chunk."""
        return self._stream.delay_samples

    @property
    def state(self) -> StreamState:
        """A snapshot of the stream. Setting it restores that; raises ``UserError`` for another model's."""
        self._check_open("state")
        return StreamState(self.model.fingerprint, self._stream.progress, copy(self._check))

    @state.setter
    def state(self, state: StreamState) -> None:
        if state.fingerprint != self.model.fingerprint:
            raise UserError("this state is of another model: a stream goes on only with the model that began it")
        self.reset()
        self._stream.progress = state.progress
        if self._check and state.check:
            self._check = copy(state.check)

    def _check_open(self, what: str) -> None:
        if not self._open:
            raise UserError(f"{what} after flush: the utterance is over, reset() begins another")

    def __enter__(self) -> "StreamingVocoder":
        return self

    def __exit__(self, *exception) -> None:
        self._open = False


def vocode(model, mel: np.ndarray, check_mel: bool = True) -> np.ndarray:
    """A whole mel ``[frames, num_mels]`` to its audio ``[frames * hop_size]``. The arguments are the stream's."""
    vocoder = StreamingVocoder(model, check_mel=check_mel)
    return np.concatenate([vocoder.push(mel), vocoder.flush()])
