"""The training loop: steps with progress, summaries, validation, checkpoints, and a graceful end."""

import logging
import math
import signal
import sys
from contextlib import contextmanager

import numpy as np
import tensorflow as tf
from tqdm import tqdm
from tqdm.contrib.logging import logging_redirect_tqdm

from hifigan_tf.data import Clip, training_batches, validation_clips
from hifigan_tf.errors import UserError
from hifigan_tf.run_folder import RunFolder, save_generator
from hifigan_tf.trainer import Trainer
from hifigan_tf.waiting import TimedBatches

log = logging.getLogger(__name__)

SHOWN_CLIPS = 3  # validation clips whose sound and picture go to TensorBoard


class StopRequest:
    """Whether a signal asked the loop to stop, and which."""

    received: signal.Signals | None = None

    @property
    def exit_code(self) -> int:
        """The shell's convention: 128 + the signal's number; 0 when nobody asked."""
        return 128 + self.received if self.received else 0


@contextmanager
def stop_on_signals():
    """Within the block SIGTERM and Ctrl-C ask once for a stop; a second Ctrl-C interrupts at once."""
    request, before = StopRequest(), {}

    def handle(number, frame):
        request.received = signal.Signals(number)
        signal.signal(signal.SIGINT, signal.default_int_handler)

    for number in (signal.SIGTERM, signal.SIGINT):
        before[number] = signal.signal(number, handle)
    try:
        yield request
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def train(trainer: Trainer, folder: RunFolder, clips: list[Clip], held_out: list[Clip]) -> int:
    """Trains up to the config's ``max_steps`` and returns the exit code: 0, or 128 + the signal that stopped it.

    The state is saved at the intervals of the config, at the end, and before stopping on a signal. Raises
    ``UserError`` when a loss is not finite, naming the step and the last good checkpoint.
    """
    config = trainer.config.training
    step = int(trainer.step)
    writer = tf.summary.create_file_writer(str(folder.logs))
    validation = list(validation_clips(held_out[: config.validation_clips], trainer.config))
    batches = TimedBatches(training_batches(clips, trainer.config, first_step=step), clips)
    terminal = sys.stderr.isatty()
    with (
        stop_on_signals() as request,
        writer.as_default(),
        logging_redirect_tqdm(),
        tqdm(total=config.max_steps, initial=step, unit="step", mininterval=0.2 if terminal else 30) as progress,
    ):
        if step == 0:
            validate(trainer, folder, validation)
            progress.set_description("compiling the step")
        while step < config.max_steps and not request.received:
            losses = {name: float(value) for name, value in trainer.train_step(*next(batches)).items()}
            step += 1
            for name, value in losses.items():
                if not math.isfinite(value):
                    raise UserError(_diverged(f"the {name} loss is {value} at step {step}", folder))
            progress.set_description("training", refresh=False)
            progress.set_postfix_str(
                " ".join(f"{short}={losses[name]:.3f}" for short, name in _SHORT.items()), refresh=False
            )
            progress.update()
            if step % config.summary_interval == 0 or step == config.max_steps:
                for name, value in losses.items():
                    tf.summary.scalar(f"loss/{name}", value, step)
                tf.summary.scalar("learning_rate", trainer.learning_rate, step)
                tf.summary.scalar("steps_per_second", progress.format_dict["rate"] or 0.0, step)
                tf.summary.scalar("waiting_for_data", batches.waiting_share(), step)
            last = step == config.max_steps
            if step % config.validation_interval == 0 or last:
                validate(trainer, folder, validation)
            if step % config.checkpoint_interval == 0 and not last:
                _save(trainer, folder)
        _save(trainer, folder)
    if request.received:
        log.info("stopped by %s at step %d: saved; the same command goes on from here", request.received.name, step)
    return request.exit_code


_SHORT = {"d": "discriminator", "adv": "adversarial", "fm": "feature_matching", "mel": "mel"}


def _save(trainer: Trainer, folder: RunFolder) -> None:
    # The losses were those before the step's last update, so they do not tell whether that one went well.
    if not trainer.is_finite():
        raise UserError(_diverged(f"the weights are no longer finite after step {int(trainer.step)}", folder))
    folder.save(trainer)


def _diverged(what: str, folder: RunFolder) -> str:
    saved = folder.saved()
    if not saved:
        return f"{what}: no checkpoint was written before; train with a lower --learning-rate and another --run-dir"
    return (
        f"{what}: the last good checkpoint is {saved[-1]}; go on from it with a lower --learning-rate, "
        f"--initial-checkpoint {folder.path} and another --run-dir"
    )


def validate(trainer: Trainer, folder: RunFolder, clips: list[tuple[str, np.ndarray, np.ndarray]]) -> float:
    """Mean log-mel L1 over the clips; keeps ``best.keras``; sound and pictures to TensorBoard."""
    step, audio_config, errors = int(trainer.step), trainer.config.audio, []
    for index, (stem, mel, audio) in enumerate(clips):
        generated = trainer.vocode(mel)
        errors.append(trainer.mel_error(audio, generated))
        if index < SHOWN_CLIPS:
            sounds = {"generated": generated, "original": audio} if step == 0 else {"generated": generated}
            for name, sound in sounds.items():
                tf.summary.audio(f"audio/{stem}/{name}", sound[None, :, None], audio_config.sampling_rate, step)
                tf.summary.image(
                    f"mel/{stem}/{name}", mel_picture(trainer.loss_front_end(sound[None])[0].numpy()), step
                )
    error = float(np.mean(errors))
    tf.summary.scalar("validation/log_mel_l1", error, step)
    if error < float(trainer.best_mel_error):
        trainer.best_mel_error.assign(error)
        save_generator(trainer.generator, folder.best)
    log.info("step %d: validation log-mel L1 %.4f (best %.4f)", step, error, float(trainer.best_mel_error))
    return error


def mel_picture(mel: np.ndarray) -> np.ndarray:
    """A log-mel ``[frames, num_mels]`` as an RGB picture ``[1, num_mels, frames, 3]``, low bands below."""
    import matplotlib

    levels = np.clip((mel.T[::-1] + 11.5) / 13.5, 0.0, 1.0)  # silence to loud speech
    return matplotlib.colormaps["magma"](levels)[None, ..., :3].astype(np.float32)
