"""Distillation: a quantized network is trained to sound like the float network that it was made from.

The teacher's audio is the target, so mels are the only data needed, and there is no discriminator. The student
computes with the rounding of the exported model (``fake_quant.py``), and its weights adapt to that rounding.
"""

import contextlib
import copy
import hashlib
import io
import logging
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Protocol
from zipfile import BadZipFile

import keras
import numpy as np
import tensorflow as tf

from hifigan_tf.audio.mel import MelSpectrogram
from hifigan_tf.audio.mel_scale import pad_with_silence
from hifigan_tf.config import LOG_FLOOR, AudioConfig
from hifigan_tf.errors import UserError
from hifigan_tf.export.graph import Deployment
from hifigan_tf.export.plan import Plan
from hifigan_tf.export.quantization.calibration import Calibrated
from hifigan_tf.export.quantization.quantized_graphs import DynamicRangeStudent, StaticStudent
from hifigan_tf.files import write_bytes
from hifigan_tf.training.losses import mel_loss

log = logging.getLogger(__name__)

RESOLUTIONS = (2.0, 1.0, 0.5)  # window of each spectrum, relative to n_fft: for pitch, speech, onsets
WAVEFORM_WEIGHT = 20.0  # scales waveform errors from rounding to the size of the log-spectral errors
SAVE_EVERY = 50  # steps


@dataclass(frozen=True)
class Settings:
    """Settings of a distillation: each step takes ``batch`` segments of ``frames`` mel frames.

    ``learning_rate`` is the highest of the schedule, by default the student's own.
    """

    steps: int
    batch: int = 6
    frames: int = 40
    learning_rate: float | None = None
    seed: int = 1234


def audio_distance(audio, target, front_end: MelSpectrogram):
    """The loss: distance of two batches of audio ``[batch, samples]`` in log spectra, log-mel and waveform."""
    sizes = [int(resolution * front_end.n_fft) for resolution in RESOLUTIONS]
    spectra = [tf.reduce_mean(tf.abs(_log_spectrum(audio, size) - _log_spectrum(target, size))) for size in sizes]
    waveform = tf.reduce_mean(tf.abs(audio - target))
    return sum(spectra) / len(spectra) + mel_loss(front_end(target), front_end(audio)) + WAVEFORM_WEIGHT * waveform


def _log_spectrum(audio, size: int):
    spectrum = tf.signal.stft(audio, size, size // 4, pad_end=True)
    power = tf.square(tf.math.real(spectrum)) + tf.square(tf.math.imag(spectrum))
    return 0.5 * tf.math.log(power + LOG_FLOOR)


class Student(Protocol):
    """A quantized network that is trained (``quantized_graphs.py``)."""

    variables: list
    learning_rate: float

    @property
    def identity(self) -> str: ...

    def __call__(self, mel): ...


class Distillation:
    """The training of one student.

    ``student`` maps mels ``[batch, frames, num_mels]`` to audio ``[batch, samples]``; its
    ``variables`` are trained. The same settings, mels and networks give the same student, to the bit. With a file
    ``progress``, an interrupted distillation resumes where it was.
    """

    def __init__(
        self,
        teacher: Deployment,
        student: Student,
        audio: AudioConfig,
        mels: list[np.ndarray],
        settings: Settings,
        progress: Path | None = None,
    ):
        self.teacher = teacher
        self.student = student
        self.variables = student.variables
        self.settings = settings
        self.progress = progress
        self.front_end = MelSpectrogram.of(audio, for_loss=True)
        self.mels = [pad_with_silence(mel, settings.frames, audio) for mel in mels]
        starts = np.array([len(mel) - settings.frames + 1 for mel in self.mels])
        self.shares = starts / starts.sum()  # every segment is as likely as any other
        highest = settings.learning_rate or student.learning_rate
        warmup = settings.steps // 10
        schedule = keras.optimizers.schedules.CosineDecay(
            highest / (warmup + 1), settings.steps - warmup, warmup_target=highest, warmup_steps=warmup
        )
        self.optimizer = keras.optimizers.Adam(schedule, beta_2=0.99)
        self.optimizer.build(self.variables)
        self.step = tf.function(self._step, autograph=False, reduce_retracing=True)

    def run(self) -> None:
        """Trains the student. Raises ``UserError`` when the loss is no longer finite."""
        from tqdm import tqdm

        done, losses = self._resume()
        if done:
            log.info("distillation goes on at step %d", done)
        bar = tqdm(total=self.settings.steps, initial=done, desc="distilling", unit="step", leave=False)
        with _sums_as_written(), bar:
            for number in range(done, self.settings.steps):
                losses.append(float(self.step(self._batch(number))))
                if not np.isfinite(losses[-1]):
                    raise UserError(f"distillation diverged at step {number}: its loss is {losses[-1]}")
                bar.set_postfix_str(f"loss {np.mean(losses[-20:]):.4f}", refresh=False)
                bar.update()
                if (number + 1) % SAVE_EVERY == 0:
                    self._save(number + 1, losses)

    def _step(self, mel):
        loss = audio_distance(self.student(mel), self.teacher.whole(mel), self.front_end)
        # tf.gradients, because a tape adds all gradients of a tensor at once.
        two_at_a_time = tf.AggregationMethod.EXPERIMENTAL_TREE
        self.optimizer.apply(tf.gradients(loss, self.variables, aggregation_method=two_at_a_time), self.variables)
        return loss

    def _batch(self, number: int):
        random = np.random.default_rng([self.settings.seed, number])
        frames, segments = self.settings.frames, []
        for clip in random.choice(len(self.mels), self.settings.batch, p=self.shares):
            start = random.integers(len(self.mels[clip]) - frames + 1)
            segments.append(self.mels[clip][start : start + frames])
        return tf.constant(np.stack(segments))

    def _fingerprint(self) -> str:
        """A hash that is equal for distillations that take the same steps."""
        digest = hashlib.sha256(f"{self.settings} {self.student.identity}".encode())
        for array in [*self.mels, *(variable.numpy() for variable in self.variables)]:
            digest.update(array.tobytes())
        return digest.hexdigest()

    def _resume(self) -> tuple[int, list[float]]:
        """Steps done and their losses, from the file of an interrupted distillation."""
        self.identity = self._fingerprint()
        if self.progress is None or not self.progress.is_file():
            return 0, []
        try:
            with np.load(self.progress) as saved:
                if str(saved["identity"]) != self.identity:
                    return 0, []
                arrays = [saved[f"array_{index}"] for index in range(len(self._state()))]
                step, losses = int(saved["step"]), saved["losses"].tolist()
        except (OSError, EOFError, KeyError, ValueError, BadZipFile):  # incomplete
            return 0, []
        for variable, array in zip(self._state(), arrays, strict=True):
            variable.assign(array)
        return step, losses

    def _save(self, step: int, losses: list[float]) -> None:
        if self.progress is None:
            return
        arrays = {f"array_{i}": np.asarray(variable) for i, variable in enumerate(self._state())}
        buffer = io.BytesIO()
        np.savez(buffer, identity=self.identity, step=step, losses=losses, **arrays)
        write_bytes(self.progress, buffer.getvalue())

    def _state(self) -> list:
        return [*self.variables, *self.optimizer.variables]


@contextlib.contextmanager
def _sums_as_written() -> Iterator[None]:
    """Inside the block, TensorFlow does not merge several additions into one.

    A merged sum of three or more tensors is added in an order that depends on buffer reuse, and so on timing, which
    changes the last digits from process to process; adding two at a time is deterministic.
    """
    options = tf.config.optimizer.get_experimental_options()
    tf.config.optimizer.set_experimental_options({"arithmetic_optimization": False})
    try:
        yield
    finally:
        usual = options.get("arithmetic_optimization", True)
        tf.config.optimizer.set_experimental_options({"arithmetic_optimization": usual})


def distill(plan: Plan, calibrated: Calibrated, settings: Settings, progress: Path | None = None) -> Calibrated:
    """The calibrated network, trained to sound like the plan's float network, on its calibration mels.

    ``progress`` as in ``Distillation``. Raises ``UserError`` when the loss diverges.
    """
    deployment = Deployment(copy.deepcopy(calibrated.network))
    frames = plan.options.window_frames or min(plan.chunks)
    student: DynamicRangeStudent | StaticStudent = (
        DynamicRangeStudent(deployment, plan.float_layers, frames)
        if plan.mode == "int8"
        else StaticStudent(deployment, plan.float_layers, calibrated.ranges)
    )
    Distillation(Deployment(plan.network), student, plan.audio, calibrated.mels, settings, progress).run()
    deployment.store()
    ranges = student.ranges.values() if isinstance(student, StaticStudent) else {}
    return replace(calibrated, network=deployment.network, ranges=ranges)
