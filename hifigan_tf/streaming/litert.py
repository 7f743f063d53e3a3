"""A ``.tflite`` with its contract, above all a vocoder, run by LiteRT; no TensorFlow is needed."""

import threading
from importlib import import_module
from pathlib import Path
from typing import Any, Generic, NamedTuple

import numpy as np

from hifigan_tf.audio.mel_scale import pad_with_silence
from hifigan_tf.errors import UserError, one_line
from hifigan_tf.streaming.contract import AUDIO, MEL, Contract, Kind, VocoderContract, read_kind

# Where an interpreter of TFLite models is, the fastest first.
RUNTIMES = ("ai_edge_litert.interpreter", "tflite_runtime.interpreter", "tensorflow.lite.python.interpreter")
# Parts of their errors about an operation that they lack, or know only in an older version.
LACKING = ("failed to prepare", "Didn't find op for builtin opcode")


def find_interpreter() -> type:
    """The class ``Interpreter`` of the first runtime that is installed. Raises ``UserError`` where there is none."""
    for module in RUNTIMES:
        try:
            return import_module(module).Interpreter
        except ImportError:
            continue
    raise UserError(
        "no runtime for .tflite models is installed: run pip install ai-edge-litert, or where that has no wheel "
        "pip install tflite-runtime or tensorflow"
    )


def load_tflite(
    model: str | Path | bytes, chunk_frames: int | None = None, threads: int = 1, interpreter=None
) -> "ContractVocoder":
    """A vocoder from a ``.tflite`` path or the bytes of one.

    ``interpreter`` is a class with the interface of LiteRT's, by default that of ``find_interpreter``. Raises
    ``UserError`` for a file that is missing, cut short, or without its contract.
    """
    contract, interpreter = open_tflite(model, VocoderContract, threads, interpreter)
    return ContractVocoder(contract, interpreter, chunk_frames)


def open_tflite(model: str | Path | bytes, kind: type[Kind], threads: int, interpreter=None) -> tuple[Kind, Any]:
    """The contract, of this kind, and the interpreter of a ``.tflite``. Arguments and errors as ``load_tflite``."""
    name = "the model" if isinstance(model, bytes) else str(model)
    if not isinstance(model, bytes):
        if not Path(model).is_file():
            raise UserError(f"model {model} does not exist: check the path")
        model = Path(model).read_bytes()
    contract = read_kind(model, name, kind)
    return contract, open_model(model, name, threads, interpreter, contract)


def open_model(model: bytes, name: str, threads: int = 1, interpreter=None, contract: Contract | None = None):
    """The interpreter of a ``.tflite``'s bytes.

    Raises ``UserError``, naming ``name``, for what is none, and where the runtime is too old for it.
    """
    interpreter = interpreter or find_interpreter()
    try:
        return interpreter(model_content=model, num_threads=threads)
    except (ValueError, RuntimeError) as error:
        _refuse_old_runtime(name, contract, error)
        raise UserError(f"{name} cannot be loaded (cut short?): {one_line(error)}") from None


def _refuse_old_runtime(name: str, contract: Contract | None, error: Exception) -> None:
    """Raises ``UserError`` where an error says that the runtime lacks an operation, or knows only an older one."""
    if any(text in str(error) for text in LACKING):
        least = (contract.versions.get("least_runtime") if contract else None) or "a newer one"
        raise UserError(
            f"this runtime lacks an operation of {name}, which takes {least} or newer ({one_line(error)})"
        ) from None


class ContractModel(Generic[Kind]):
    """A model loaded once, with its contract, for several threads. ``interpreter`` has ``get_signature_runner``."""

    def __init__(self, contract: Kind, interpreter):
        self.contract = contract
        self.audio = contract.audio_config
        self._interpreter = interpreter
        self._runners: dict = {}
        self._lock = threading.Lock()

    def call(self, signature: str | None, **inputs) -> dict[str, np.ndarray]:
        """Runs a signature; its outputs are copies, so that streams cannot disturb each other.

        Raises ``UserError`` where the runtime is too old for an operation of the model.
        """
        with self._lock:
            if signature not in self._runners:
                self._runners[signature] = self._interpreter.get_signature_runner(signature)
            try:
                return self._runners[signature](**inputs)
            except RuntimeError as error:
                _refuse_old_runtime("the model", self.contract, error)
                raise


class ContractVocoder(ContractModel[VocoderContract]):
    """A vocoder for any number of streams and threads at a time.

    ``chunk_frames`` is one of the contract's, the smallest by default: least latency, and the best quality of
    an 8-bit model, whose ranges follow the loudness.
    """

    def __init__(self, contract: VocoderContract, interpreter, chunk_frames: int | None = None):
        super().__init__(contract, interpreter)
        self.fingerprint = contract.fingerprint
        self.window_frames = contract.window_frames
        self.margins = contract.margins
        # How often the library that the model comes from repeats the first and the last frame.
        self.replicated_frames = contract.replicated_frames
        if contract.stateful:
            known = contract.chunk_frames
            if chunk_frames is not None and chunk_frames not in known:
                raise UserError(f"this model has no chunk of {chunk_frames} frames: it has {_listed(known)}")
            self.edge_chunk = min(known)
            self.chunk_frames = chunk_frames or self.edge_chunk

    def initial_state(self) -> dict[str, np.ndarray]:
        """The state before the first chunk."""
        return self.call(self.contract.initial_state, unused=np.zeros(1, np.float32))

    def step(self, mel: np.ndarray, states: dict, valid: tuple[int, int] | None) -> tuple[np.ndarray, dict]:
        """One chunk ``[frames, num_mels]``: its audio, delayed by ``delay_samples``, and the next state.

        The audio is ``[frames * hop_size]``.

        With ``valid`` (``VocoderContract``) the edge runs, and the chunk must be the smallest.
        """
        contract = self.contract
        if valid is None:
            states = self.call(contract.stream[str(len(mel))], mel=mel[None], **states)
        else:
            states = self.call(contract.edge, mel=mel[None], valid=np.array(valid, np.int32), **states)
        return states.pop(AUDIO)[0], states

    def run(self, mel: np.ndarray) -> np.ndarray:
        """A stateless model's window, padded with silence where the utterance is shorter."""
        contract, missing = self.contract, self.window_frames - len(mel)
        if missing and contract.window_edge:
            valid = np.array([0, len(mel)], np.int32)
            padded = np.pad(mel, [[0, missing], [0, 0]])[None]
            audio = self.call(contract.window_edge, mel=padded, valid=valid)[AUDIO]
        else:
            padded = pad_with_silence(mel, self.window_frames, self.audio)[None]
            audio = self.call(contract.window, mel=self._to_integers(padded))[AUDIO]
        return self._to_float(audio)[0, : len(mel) * self.audio.hop_size]

    def _to_integers(self, mel: np.ndarray) -> np.ndarray:
        """What a model with integers for its mel takes."""
        if not (grid := self.contract.quantization.get(MEL)):
            return mel
        limits = np.iinfo(grid["dtype"])
        integers = np.rint(mel / grid["scale"]) + grid["zero_point"]
        return np.clip(integers, limits.min, limits.max).astype(grid["dtype"])

    def _to_float(self, audio: np.ndarray) -> np.ndarray:
        if not (grid := self.contract.quantization.get(AUDIO)):
            return audio
        return (audio.astype(np.float32) - grid["zero_point"]) * np.float32(grid["scale"])


def _listed(numbers) -> str:
    return ", ".join(map(str, numbers))


class StatefulProgress(NamedTuple):
    """Between two pushes: frames that fill no chunk yet, frames run, samples still to drop, and the state."""

    frames: np.ndarray
    done: int
    late: int
    states: dict


class StatefulStream:
    """One utterance through a stateful model. ``push`` and ``flush`` as in ``StreamingVocoder``."""

    def __init__(self, model: ContractVocoder):
        self.model = model
        self.delay_samples, self.chunk_frames = model.contract.delay_samples, model.chunk_frames
        empty = np.zeros([0, model.audio.num_mels], np.float32)
        self.progress = StatefulProgress(empty, 0, self.delay_samples, model.initial_state())

    def push(self, frames: np.ndarray) -> np.ndarray:
        waiting = self.progress.frames
        if len(waiting):
            frames = np.concatenate([waiting, frames])
        pieces = []
        while len(frames) >= (chunk := self._next_chunk()):
            # Where the utterance ends is not known yet: beyond every step of this chunk.
            pieces.append(self._run(frames[:chunk], end=chunk))
            frames = frames[chunk:]
        if len(waiting) or len(frames):
            self.progress = self.progress._replace(frames=frames.copy())
        return pieces[0] if len(pieces) == 1 else np.concatenate([np.zeros(0, np.float32), *pieces])

    def flush(self) -> np.ndarray:
        frames, hop = self.progress.frames, self.model.audio.hop_size
        if self.progress.done + len(frames) == 0:
            return np.zeros(0, np.float32)
        # What is missing: the audio of these frames, and what is still on its way through the states.
        missing = len(frames) * hop + self.delay_samples
        pieces, chunk, fed = [], self.model.edge_chunk, 0
        while fed * hop < missing:
            piece = frames[fed : fed + chunk]
            padded = np.pad(piece, [[0, chunk - len(piece)], [0, 0]])
            pieces.append(self._run(padded, end=len(frames) - fed))
            fed += chunk
        audio = np.concatenate(pieces)
        return audio[: len(audio) - (fed * hop - missing)]

    def _next_chunk(self) -> int:
        """The first chunks are masked, and so the smallest."""
        return self.model.edge_chunk if self._at_start() else self.chunk_frames

    def _at_start(self) -> bool:
        return self.progress.done < self.model.contract.edge_frames

    def _run(self, mel: np.ndarray, end: int) -> np.ndarray:
        """Runs a chunk; its audio after the initial delay has been dropped.

        The utterance ends ``end`` frames after the first frame of the chunk.
        """
        before = self.progress
        edge = self._at_start() or end < len(mel)
        # Positions further away make no difference, however long the stream.
        valid = (-min(before.done, POSITION_LIMIT), max(end, -POSITION_LIMIT)) if edge else None
        audio, states = self.model.step(mel, before.states, valid)
        late = min(before.late, len(audio))
        self.progress = StatefulProgress(before.frames, before.done + len(mel), before.late - late, states)
        return audio[late:]


POSITION_LIMIT = 1 << 16  # frames; far more than any model's delay, and times a hop far from overflowing int32
