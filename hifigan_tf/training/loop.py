"""The training loop: steps with progress, summaries, validation, checkpoints, and a graceful end."""

import itertools
import logging
import math
import os
import signal
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager

import numpy as np
from tqdm import tqdm
from tqdm.contrib.logging import logging_redirect_tqdm

from hifigan_tf.audio.mel import mel_spectrogram
from hifigan_tf.data.pipeline import Clip, TimedBatches, training_batches, validation_clips
from hifigan_tf.errors import UserError
from hifigan_tf.evaluation.metrics import evaluate_pair, left_out, mean_scores
from hifigan_tf.files import printable
from hifigan_tf.training.distribution import ALONE, Workers, total
from hifigan_tf.training.run_folder import NotSaved, RunFolder
from hifigan_tf.training.tensorboard import Summaries
from hifigan_tf.training.trainer import Trainer

log = logging.getLogger(__name__)

SHOWN_CLIPS = 3  # validation clips whose sound and picture go to TensorBoard
MEASURED = ("log_mel_l1", "stft_distance", "repetition", "pesq_wb")  # in validation


class StopRequest:
    """The signal that asked the loop to stop, or None."""

    received: signal.Signals | None = None

    def __bool__(self) -> bool:
        return self.received is not None


@contextmanager
def stop_on_signals():
    """Within the block, SIGTERM and the first Ctrl-C request a stop; a second Ctrl-C interrupts at once."""
    request, before = StopRequest(), {}

    def handle(number, frame):
        request.received = signal.Signals(number)
        # Not by logging, which may be what the signal has interrupted.
        os.write(2, f"\n{request.received.name}: saving, and then it ends; Ctrl-C again ends it at once\n".encode())
        signal.signal(signal.SIGINT, signal.default_int_handler)

    for number in (signal.SIGTERM, signal.SIGINT):
        before[number] = signal.signal(number, handle)
    try:
        yield request
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def train(
    trainer: Trainer,
    folder: RunFolder,
    clips: list[Clip],
    held_out: list[Clip],
    workers: Workers = ALONE,
    first_example: int = 0,
) -> int:
    """Trains up to the config's ``max_steps`` and returns the exit code: 0, or 128 + the signal that stopped it.

    ``first_example`` is how many segments the run has trained on before.

    The chief saves the state at the intervals of the config, at the end, and before stopping on a signal; a signal
    to any worker stops all of them. Raises ``UserError`` when a loss is not finite, naming the step and
    the last good checkpoint.
    """
    batches = TimedBatches(distributed_batches(trainer, clips, first_example), clips)
    if workers.is_chief:
        for line in left_out(MEASURED):
            log.info("%s", line)
    with stop_on_signals() as request, logging_redirect_tqdm(), progress_bar(trainer, workers) as progress:
        session = Session(trainer, folder, held_out, batches, progress, request) if workers.is_chief else None
        if session:
            session.begin()
        stopped = total(bool(request)) > 0
        while trainer.steps_done < trainer.config.training.max_steps and not stopped:
            scalars = take_step(trainer, folder, next(batches))
            progress.update()
            if session:
                session.after_step(scalars)
            stopped = total(bool(request)) > 0
        if session:
            session.save()
    total(0)  # a barrier: a worker that exits while the chief still saves would be reported as lost
    if not stopped:
        return 0
    who = request.received.name if request.received else "another worker"
    log.info("stopped by %s at step %d: saved; the same command goes on from here", who, trainer.steps_done)
    return 128 + (request.received or signal.SIGTERM)


def distributed_batches(trainer: Trainer, clips: list[Clip], first_example: int):
    """The batches from segment ``first_example`` on; each worker gets its own part."""

    def batches(context):
        return training_batches(
            clips,
            trainer.config,
            first_example=first_example,
            part=context.input_pipeline_id,
            parts=context.num_input_pipelines,
            replicas=trainer.strategy.num_replicas_in_sync,
        )

    return trainer.strategy.distribute_datasets_from_function(batches)


def progress_bar(trainer: Trainer, workers: Workers) -> tqdm:
    """A progress bar of the steps, only on the chief; in log files one line every half minute."""
    return tqdm(
        total=trainer.config.training.max_steps,
        initial=trainer.steps_done,
        desc="training" if trainer.steps_done else "compiling the step",
        unit="step",
        mininterval=0.2 if sys.stderr.isatty() else 30,
        disable=not workers.is_chief,
    )


def take_step(trainer: Trainer, folder: RunFolder, batch: tuple) -> dict[str, float]:
    """Takes one step; returns its scalars. Raises ``UserError`` if a loss is not finite."""
    scalars = {name: float(value) for name, value in trainer.train_step(*batch).items()}
    for name, value in scalars.items():
        if name.startswith("loss/") and not math.isfinite(value):
            raise UserError(_diverged(f"{name} is {value} at step {trainer.steps_done}", folder))
    return scalars


class Session:
    """The work of the chief between steps: progress, logs, validation, checkpoints."""

    def __init__(
        self,
        trainer: Trainer,
        folder: RunFolder,
        held_out: list[Clip],
        batches: TimedBatches,
        progress: tqdm,
        request: StopRequest,
    ):
        self.trainer = trainer
        self.folder = folder
        self.config = trainer.config.training
        self.batches = batches
        self.request = request
        self.progress = progress
        self.summaries = Summaries(folder.logs)
        self.clips = list(_until(request, validation_clips(held_out[: self.config.validation_clips], trainer.config)))
        self.validation_is_due = folder.validation_is_due

    def begin(self) -> None:
        if self.trainer.steps_done == 0 or self.validation_is_due:
            self.validate()

    def after_step(self, scalars: dict[str, float]) -> None:
        """Logs, validates and saves if this step is due, by the intervals of the config."""
        config, step = self.config, self.trainer.steps_done
        last = step == config.max_steps
        self.progress.set_description("training", refresh=False)
        shown = (f"{short}={scalars[name]:.3f}" for short, name in _SHORT.items() if name in scalars)
        self.progress.set_postfix_str(" ".join(shown), refresh=False)
        if step % config.summary_interval == 0 or last:
            self.log_scalars(scalars)
        if step % config.validation_interval == 0 or last:
            self.validate()
        if step == config.discriminator_start_step:
            # With discriminators the mel error rises at first, so the search for the best generator starts again.
            self.trainer.best_mel_error.assign(np.inf)
        if step % config.checkpoint_interval == 0 and not last:
            with _going_on_unsaved():
                self.save()

    def log_scalars(self, scalars: dict[str, float]) -> None:
        """Curves of the step, of the learning rate and of the pace, to TensorBoard."""
        pace = {
            "learning_rate": self.trainer.learning_rate,
            "steps_per_second": self.progress.format_dict["rate"] or 0.0,
            "waiting_for_data": self.batches.waiting_share(),
        }
        self.summaries.scalars({**scalars, **pace}, self.trainer.steps_done)

    def validate(self) -> None:
        error = validate(self.trainer, self.folder, self.summaries, self.clips, self.request)
        self.validation_is_due = error is None

    def save(self) -> None:
        _check_weights(self.trainer, self.folder)
        self.folder.save(self.trainer, self.validation_is_due)


_SHORT = {"d": "loss/discriminator", "adv": "loss/adversarial", "fm": "loss/feature_matching", "mel": "loss/mel"}


@contextmanager
def _going_on_unsaved():
    """If the disk is full, training goes on, and the user can free space meanwhile."""
    try:
        yield
    except NotSaved as error:
        log.warning("WARNING: %s. TRAINING GOES ON UNSAVED and tries again at the next checkpoint", error)


def _check_weights(trainer: Trainer, folder: RunFolder) -> None:
    # The losses were computed before the last update, so they do not show whether that update diverged.
    if not trainer.is_finite():
        raise UserError(_diverged(f"the weights are no longer finite after step {trainer.steps_done}", folder))


def _diverged(what: str, folder: RunFolder) -> str:
    saved = folder.saved()
    if not saved:
        return f"{what}: no checkpoint was written before; train with a lower --learning-rate and another --run-dir"
    return (
        f"{what}: the last good checkpoint is {saved[-1]}; go on from it with the same command and a lower "
        "--learning-rate"
    )


def validate(
    trainer: Trainer,
    folder: RunFolder,
    summaries: Summaries,
    clips: list[tuple[str, np.ndarray, np.ndarray]],
    request: StopRequest | None = None,
) -> float | None:
    """Mean log-mel L1 over the clips; keeps ``best.keras``; metrics, sound and pictures to TensorBoard.

    Of the generator and its moving average, the one with the smaller error may become ``best.keras``. Where ``request``
    asks to stop in between, the rest is left out: no mean, and nothing is kept.
    """
    _check_weights(trainer, folder)
    step, front_end, scores, averaged = trainer.steps_done, trainer.loss_front_end, [], []
    for index, (clip, mel, audio) in enumerate(_shown(clips, "validating", request)):
        generated = trainer.vocode(mel)
        scores.append(evaluate_pair(audio, generated, front_end, MEASURED))
        if index < SHOWN_CLIPS:
            for name, sound in (("generated", generated), ("original", audio)):
                if name == "generated" or step == 0:
                    picture = mel_spectrogram(sound, front_end)
                    summaries.sound(f"{printable(clip)}/{name}", sound, front_end.sampling_rate, picture, step)
    if trainer.average and step > 0:
        for _, mel, audio in _shown(clips, "validating the average", request):
            averaged.append(evaluate_pair(audio, trainer.vocode(mel, average=True), front_end, MEASURED))
    if request:
        return None
    error = least = _recorded("validation", scores, summaries, step)
    best, told = trainer.generator, f"step {step}: validation log-mel L1 {error:.4f}"
    if trainer.average and averaged:
        average_error = _recorded("validation_ema", averaged, summaries, step)
        told += f", of the moving average {average_error:.4f}"
        if average_error < error:
            least, best = average_error, trainer.average
    if least < float(trainer.best_mel_error.numpy()):
        with _going_on_unsaved():
            folder.save_best(trainer, best, least)
    log.info("%s (best %.4f)", told, float(trainer.best_mel_error.numpy()))
    return error


def _recorded(group: str, scores: list[dict[str, float | None]], summaries: Summaries, step: int) -> float:
    """The mean log-mel L1 of the clips, with the other means as curves to TensorBoard."""
    means = mean_scores(scores, MEASURED)
    summaries.scalars(_curves(group, means), step)
    error = means["log_mel_l1"]
    assert error is not None, "every pair has a log-mel error"
    return error


def _shown(clips: list, what: str, request: StopRequest | None) -> Iterator:
    """The clips, until a stop is requested, with a progress bar below that of the steps, only in a terminal."""
    return _until(request, tqdm(clips, desc=what, unit="clip", leave=False, disable=None))


def _until(request: StopRequest | None, items: Iterable) -> Iterator:
    return itertools.takewhile(lambda _: not request, items)


def _curves(group: str, means: dict[str, float | None]) -> dict[str, float]:
    """Curves of the means that exist: PESQ is None without its package, and before it finds speech."""
    return {f"{group}/{metric}": value for metric, value in means.items() if value is not None}
