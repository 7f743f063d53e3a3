"""A run folder: the config, rotating checkpoints, the generator as .keras files, the logs.

    runs/<name>/config.json
                history.json                    batch size and learning rate, and the step from which they hold
                validation-due                  if the last validation was interrupted: the next session begins with it
                corpus.json                     where the clips are, how many and which, and from which step on
                last.keras  best.keras          the generator, for vocode and export
                ema.keras                       its moving average, where the config asks for one
                checkpoints/step-00001000/      everything that resuming needs, the newest few
                logs/                           TensorBoard
                .in-use                         locked by the training that is at work

A checkpoint is written into a hidden folder and renamed when it is complete, and renamed again before it is
deleted, so that every folder named step-… is complete; the next process removes what a killed one left behind.
"""

import logging
import os
import shutil
from collections.abc import Iterable
from pathlib import Path

import tensorflow as tf

from hifigan_tf.config import Config, difference
from hifigan_tf.errors import UserError, one_line
from hifigan_tf.files import atomic_path, flush, read_json, write_bytes, write_json
from hifigan_tf.models.generator import Generator
from hifigan_tf.training.tensorboard import Events
from hifigan_tf.training.trainer import Trainer

log = logging.getLogger(__name__)

# Keys that may change between the sessions of a run: these are reported in the log,
TOLD_KEYS = ("batch_size", "learning_rate")
# and these, which change neither the networks nor the result of a step, are not.
FREE_KEYS = {
    "max_steps",
    "validation_interval",
    "checkpoint_interval",
    "summary_interval",
    "checkpoints_to_keep",
    "validation_clips",
}
PREFIX = "step-"
HIDDEN = ".partial-"
ASIDE = "damaged-"
_TOLD_OF_A_CORPUS = ("data", "training", "held_out")
NETWORK_SECTIONS = ("audio", "generator", "discriminators")


class NotSaved(UserError):
    """The disk is full or not writable; what was saved before is still there."""


class RunFolder:
    """The files of one run, at ``path``."""

    def __init__(self, path: str | Path):
        self.path = Path(path)
        self.config = self.path / "config.json"
        self.history = self.path / "history.json"
        self.corpus = self.path / "corpus.json"
        self.due = self.path / "validation-due"
        self.last = self.path / "last.keras"
        self.best = self.path / "best.keras"
        self.ema = self.path / "ema.keras"
        self.checkpoints = self.path / "checkpoints"
        self.logs = self.path / "logs"

    def going_on(self, config: Config) -> tuple[Config, list[dict]]:
        """The config with which a run resumes when ``config`` is asked for, and its sessions.

        A run keeps its own ``epoch_clip_seconds``; older runs have none, and count one segment for each clip. A session
        is ``{"step", "batch_size", "learning_rate"}``, the step from which on these hold. Raises ``UserError`` when the
        folder holds a run of another config.
        """
        session = {"step": 0, **{key: getattr(config.training, key) for key in TOLD_KEYS}}
        if not (self.config.is_file() and self.saved()):
            return config, [session]
        theirs = Config.load(self.config).to_dict()
        if "epoch_clip_seconds" not in read_json(self.config):
            theirs["epoch_clip_seconds"] = None
        config = config.replace(epoch_clip_seconds=theirs["epoch_clip_seconds"])
        ours = config.to_dict()
        for key in ours:
            if key not in {*FREE_KEYS, *TOLD_KEYS} and ours[key] != theirs[key]:
                raise UserError(
                    f"{self.path} holds a run with {key} = {theirs[key]!r}, and {ours[key]!r} is asked for: "
                    f"choose another --run-dir, with --initial-checkpoint {self.path} to begin with these weights, or "
                    "the run's own config.json"
                )
        session["step"] = int(self.saved()[-1].name.removeprefix(PREFIX))
        first = {"step": 0, **{key: theirs[key] for key in TOLD_KEYS}}
        # Steps after the newest checkpoint are repeated, so changes made during them do not count.
        sessions = [one for one in self._sessions() if one["step"] < session["step"]] or [first]
        if any(sessions[-1][key] != session[key] for key in TOLD_KEYS):
            sessions.append(session)
        return config, sessions

    def _sessions(self) -> list[dict]:
        """The sessions in ``history.json``; an empty list if there is no such file yet."""
        if not self.history.is_file():
            return []
        try:
            sessions = read_json(self.history)
            sessions = [{key: session[key] for key in ("step", *TOLD_KEYS)} for session in sessions]
            if not all(isinstance(value, (int, float)) for session in sessions for value in session.values()):
                raise TypeError
            return sessions
        except (UserError, TypeError, KeyError):
            raise UserError(
                f"{self.history} is damaged: remove it, and the learning rate decays as if nothing had changed"
            ) from None

    def prepare(self, config: Config) -> None:
        """Makes the folder, writes the result of ``going_on``, and logs what has changed.

        Raises ``UserError`` when the folder holds a run of another config.
        """
        config, sessions = self.going_on(config)
        self.checkpoints.mkdir(parents=True, exist_ok=True)
        if len(sessions) > 1 and sessions[-1] not in self._sessions():
            before, now = sessions[-2:]
            for key in TOLD_KEYS:
                if before[key] != now[key]:
                    log.info("%s is %g from step %d on, it was %g", key, now[key], now["step"], before[key])
        write_bytes(self.config, config.dumps().encode())
        write_json(self.history, sessions)
        for left_behind in self.checkpoints.glob(f"{HIDDEN}*"):
            shutil.rmtree(left_behind)
        for file in (self.last, self.best, self.ema):
            for left_behind in self.path.glob(f".{file.stem}-*"):
                left_behind.unlink()

    def record_corpus(self, corpus: dict, step: int) -> None:
        """Appends ``corpus``, and the step from which it holds, to ``corpus.json`` unless it is the last one there.

        ``corpus`` has a ``fingerprint`` of its clips. Warns where a run goes on with other clips.
        """
        try:
            recorded = read_json(self.corpus) if self.corpus.is_file() else []
            last = {key: recorded[-1][key] for key in ("fingerprint", *_TOLD_OF_A_CORPUS)} if recorded else None
        except (UserError, TypeError, KeyError):
            raise UserError(
                f"{self.corpus} is damaged: remove it, and the clips of earlier steps are unknown"
            ) from None
        if last and last["fingerprint"] == corpus["fingerprint"]:
            return
        if last:
            log.warning(
                "warning: this run has trained on other clips up to step %d (%s: %s to train on, %s held out): curves "
                "before and after are of different data",
                *(step, *(last[key] for key in _TOLD_OF_A_CORPUS)),
            )
        write_json(self.corpus, [*recorded, {"step": step, **corpus}])

    def saved(self) -> list[Path]:
        """The complete checkpoints, oldest first."""
        return sorted(path for path in self.checkpoints.glob(f"{PREFIX}{'[0-9]' * 8}") if path.is_dir())

    @property
    def validation_is_due(self) -> bool:
        """Whether the validation at the step that was saved last was interrupted."""
        return self.due.is_file()

    def save(self, trainer: Trainer, validation_is_due: bool = False) -> None:
        """Writes the generator, its average and a checkpoint; deletes the oldest beyond ``checkpoints_to_keep``.

        ``validation_is_due`` is remembered with them. Raises ``NotSaved`` when it cannot; what was saved before stays.
        """
        step = trainer.steps_done
        target = self.checkpoints / f"{PREFIX}{step:08d}"
        hidden = self.checkpoints / f"{HIDDEN}{step:08d}-{os.getpid()}"
        try:
            save_generator(trainer.generator, self.last)
            if trainer.average:
                save_generator(trainer.average, self.ema)
            if not target.is_dir():
                hidden.mkdir()
                _checkpoint(trainer).write(str(hidden / "checkpoint"))
                _sync(hidden)
                hidden.rename(target)
                _sync(self.checkpoints, contents=False)
            if validation_is_due:
                self.due.touch()
            else:
                self.due.unlink(missing_ok=True)
        except (OSError, tf.errors.OpError) as error:
            raise self._not_saved(f"the checkpoint of step {step}", error) from None
        finally:
            shutil.rmtree(hidden, ignore_errors=True)
        for old in self.saved()[: -trainer.config.training.checkpoints_to_keep]:
            shutil.rmtree(old.rename(self.checkpoints / f"{HIDDEN}{old.name}"))

    def save_best(self, trainer: Trainer, generator: Generator, mel_error: float) -> None:
        """Writes ``best.keras``, the trainer's generator or its average, which has this validation error.

        Raises ``NotSaved`` when it cannot.
        """
        try:
            save_generator(generator, self.best)
        except OSError as error:
            raise self._not_saved(f"the best generator, of step {trainer.steps_done},", error) from None
        trainer.best_mel_error.assign(mel_error)

    def _not_saved(self, what: str, error: Exception) -> NotSaved:
        good = self.saved()
        kept = f"the last good checkpoint is {good[-1]}" if good else "there is no earlier checkpoint"
        return NotSaved(f"{what} cannot be saved in {self.path} ({one_line(error)}): {kept}; free some space")

    def restore(self, trainer: Trainer, rename_damaged: bool = True) -> Path | None:
        """Loads the newest checkpoint that can be read into the trainer; None where there is none yet.

        Newer ones that cannot be read are renamed, so that later checkpoints can take their names. Raises
        ``UserError`` when there are checkpoints and none can be read.
        """
        saved, unreadable = self.saved(), []
        for path in reversed(saved):
            try:
                _checkpoint(trainer).read(str(path / "checkpoint")).assert_existing_objects_matched()
            except _UNREADABLE as error:
                log.warning("warning: checkpoint %s cannot be read, trying the one before: %s", path, one_line(error))
                unreadable.append(path)
                continue
            for other in unreadable if rename_damaged else []:
                shutil.rmtree(self.checkpoints / f"{ASIDE}{other.name}", ignore_errors=True)
                other.rename(self.checkpoints / f"{ASIDE}{other.name}")
            return path
        if saved:
            raise UserError(
                f"none of the {len(saved)} checkpoints in {self.checkpoints} can be read: they are damaged, or of "
                "another --mixed-precision or --accumulate-steps; start a new run with --run-dir"
            )
        return None

    def scalars(self, names: Iterable[str]) -> dict[str, tuple[list[int], list[float]]]:
        """``{name: (steps, values)}`` of the TensorBoard scalars that the run has written, over all its sessions.

        Raises ``UserError`` when one is missing.
        """
        present, result = Events(self.logs).scalars, {}
        for name in names:
            if name not in present:
                raise UserError(f"{self.logs} holds no {name}: remove {self.path} and train again")
            result[name] = (list(present[name]), list(present[name].values()))
        return result

    def restore_networks(self, trainer: Trainer) -> Path:
        """Loads only the generator and the discriminators of the newest checkpoint.

        Raises ``UserError`` when there is none, it is damaged, or holds other networks.
        """
        saved = self.saved()
        if not saved:
            raise UserError(f"{self.path} holds no checkpoint: give a run folder that has trained, or a .keras file")
        theirs = Config.load(self.config)
        for section in NETWORK_SECTIONS:
            there, here = getattr(theirs, section), getattr(trainer.config, section)
            if there != here:
                raise UserError(
                    f"{self.path} holds networks of another config ({section}: {difference(there, here)}): train with "
                    f"{self.config}, or another that differs in training alone"
                )
        try:
            reader = tf.train.Checkpoint(**_networks(trainer)).read(str(saved[-1] / "checkpoint"))
            reader.expect_partial().assert_existing_objects_matched()
        except _UNREADABLE as error:
            raise UserError(
                f"checkpoint {saved[-1]} is damaged ({one_line(error)}): remove it to use the one before"
            ) from None
        return saved[-1]


# Raised by TensorFlow for truncated or missing files, and for shapes that differ.
_UNREADABLE = (tf.errors.OpError, ValueError, AssertionError, IndexError, RuntimeError)


def _networks(trainer: Trainer) -> dict:
    models = {"generator": trainer.generator, **{model.name: model for model in trainer.discriminators}}
    return {name: _variables(model) for name, model in models.items()}


def _variables(model) -> list[tf.Variable]:
    # Variables, not models: TensorFlow does not find layers in Keras' lists among a model's attributes.
    return [variable.value for variable in model.weights]


def _checkpoint(trainer: Trainer) -> tf.train.Checkpoint:
    average = {"generator_average": _variables(trainer.average)} if trainer.average else {}
    return tf.train.Checkpoint(
        **_networks(trainer),
        **average,
        generator_optimizer=[variable.value for variable in trainer.generator_optimizer.variables],
        discriminator_optimizer=[variable.value for variable in trainer.discriminator_optimizer.variables],
        step=trainer.step.value,
        best_mel_error=trainer.best_mel_error.value,
    )


def _sync(folder: Path, contents: bool = True) -> None:
    """Waits until the folder and its contents have reached the disk."""
    for path in [*(folder.iterdir() if contents else []), folder]:
        flush(path)


def save_generator(generator: Generator, path: Path) -> None:
    """Writes the generator as a ``.keras`` file, atomically, in float32 whatever the training precision."""
    if generator.dtype_policy.name != "float32":
        full = Generator.of(generator.hyper_parameters, generator.audio)
        full.set_weights(generator.get_weights())
        generator = full
    with atomic_path(path) as temporary:
        generator.save(temporary)
