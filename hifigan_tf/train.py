"""``python -m hifigan_tf.train``: trains HiFi-GAN, or resumes where the same command stopped."""

import hashlib
import json
import logging
import math
import os
import zlib
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from hifigan_tf import cli, extras
from hifigan_tf.audio.audio_files import AUDIO_KINDS
from hifigan_tf.audio.mel_formats import RECOGNIZE, MelFormat, add_mel_options, mel_format_of
from hifigan_tf.audio.mel_numpy import warn_of_empty_bands
from hifigan_tf.config import MEL_KEYS, Config, TrainingConfig, difference
from hifigan_tf.errors import UserError, one_line
from hifigan_tf.files import printable, read_json, real_path, sole_user
from hifigan_tf.models.keras_file import stored_audio
from hifigan_tf.resources import DEMO_CONFIG, DEMO_HELD_OUT, DEMO_TRAIN, FROM_VOICE_CONFIG, VOICE
from hifigan_tf.training.distribution import STRATEGIES, Workers, check_batch, make_strategy, total, workers_of

if TYPE_CHECKING:
    from hifigan_tf.training.run_folder import RunFolder
    from hifigan_tf.training.trainer import Trainer

log = logging.getLogger(__name__)

DESCRIPTION = """Trains HiFi-GAN. Without arguments: the small demo model on the corpus that ships with the package.
The same command again resumes where it stopped. Ctrl-C saves first."""

DATA_HELP = f"""folders of recordings ({AUDIO_KINDS}), or corpora packed by preprocess, which may be at gs:// paths;
default: the demo corpus"""


FROM_VOICE_HELP = """begin with the voice of hifigan_tf, for a few minutes of recordings of another speaker; default
config: configs/from_voice.json"""

INITIAL_HELP = """run folder (all networks) or .keras (generator) to begin with; its mel is that of the run, but for
keys that --config gives"""


def parse(argv=None):
    parser = cli.parser("train", DESCRIPTION)
    parser.add_argument("--config", help="JSON in the original's schema; default: the run folder's, else the demo's")
    parser.add_argument("--data", nargs="+", metavar="DIR", help=DATA_HELP)
    parser.add_argument(
        "--validation-data", nargs="+", metavar="DIR", help="held-out audio; default: every 20th file of --data"
    )
    parser.add_argument("--training-file", metavar="F", help="list of files in --data, one a line, as the original's")
    parser.add_argument("--validation-file", metavar="F", help="list of held-out files in --data")
    parser.add_argument("--run-dir", metavar="DIR", help="default: runs/<config name>")
    parser.add_argument("--max-steps", type=int, help="total steps, including those of earlier sessions")
    parser.add_argument("--batch-size", type=int, help="clips in a step")
    parser.add_argument("--learning-rate", type=float, help="before decay")
    parser.add_argument("--seed", type=int, help="seeds the weights, the order of clips and the segments")
    beginning = parser.add_mutually_exclusive_group()
    beginning.add_argument("--from-voice", action="store_true", help=FROM_VOICE_HELP)
    beginning.add_argument("--initial-checkpoint", metavar="CKPT", help=INITIAL_HELP)
    parser.add_argument("--fine-tune-mels", metavar="DIR", help="teacher-forced mels, <name>.npy for each clip")
    add_mel_options(parser, "mels of --fine-tune-mels", transposed=False)
    parser.add_argument("--mixed-precision", choices=["bfloat16", "float16"], help="compute in half precision")
    parser.add_argument(
        "--accumulate-steps",
        type=cli.positive,
        default=1,
        metavar="N",
        help="update the weights with the mean gradients of N steps, for batches that do not fit into memory",
    )
    parser.add_argument("--xla", action="store_true", help="compile the step with XLA (for GPUs: measure if it helps)")
    parser.add_argument(
        "--strategy",
        choices=STRATEGIES,
        default="one",
        help="mirrored: the batch split over the GPUs of this machine; multiworker: over those of TF_CONFIG",
    )
    parser.add_argument("--deterministic", action="store_true", help="bit-equal runs, at some cost of speed")
    return parser.parse_args(argv)


@dataclass(frozen=True)
class Job:
    """A training run as the command line describes it, checked.

    ``training`` and ``validation`` are files or packed clips; if ``validation`` is empty, some of ``training`` are held
    out. ``corpus`` names where they come from.
    """

    config: Config
    run_dir: Path
    corpus: str
    training: list
    validation: list
    mel_folder: Path | None
    mel_format: MelFormat
    initial_checkpoint: Path | None
    workers: Workers
    mixed_precision: str | None
    accumulate_steps: int
    xla: bool


def check(args) -> Job:
    """Everything that can be checked before TensorFlow is loaded. Raises ``UserError``."""
    mel_format = mel_format_of(args, "training takes mels in either order of axes")
    if mel_format != RECOGNIZE and not args.fine_tune_mels:
        raise UserError("--mel-format and --mel-stats are for the mels of --fine-tune-mels: give that too")
    config, name = _config(args)
    training, validation = _files(args, config)
    job = Job(
        config=config,
        run_dir=Path(args.run_dir or Path("runs") / name),
        corpus=", ".join(args.data or ["the demo corpus"]),
        training=training,
        validation=validation,
        mel_folder=cli.existing_folder(args.fine_tune_mels, "--fine-tune-mels") if args.fine_tune_mels else None,
        mel_format=mel_format,
        initial_checkpoint=_initial_checkpoint(args),
        workers=workers_of(args.strategy),
        mixed_precision=args.mixed_precision,
        accumulate_steps=args.accumulate_steps,
        xla=args.xla,
    )
    cli.writable_folder(job.run_dir)
    warn_of_empty_bands(config.audio)
    return job


def main(argv=None) -> int:
    args = parse(argv)
    extras.require("hifigan-tf train")
    job = check(args)
    set_up_tensorflow(args.deterministic)
    strategy = make_strategy(args.strategy)
    check_batch(job.config.training.batch_size, strategy.num_replicas_in_sync)
    import tensorflow as tf

    workers = job.workers
    try:
        with strategy.scope():
            return run(job)
    except tf.errors.OpError as error:
        if workers.count > 1:
            raise UserError(
                f"worker {workers.index} of {workers.count} lost the others ({one_line(error)}): start all workers "
                "again with the same command, or with another number of them; they go on from the last checkpoint"
            ) from None
        raise UserError(
            f"TensorFlow stopped ({one_line(error)}): is the memory full? The same command goes on from the last "
            "checkpoint"
        ) from None


def run(job: Job) -> int:
    """Runs the training, within the scope of the strategy; returns the exit code.

    Raises ``UserError`` where another training is at work in the run folder.
    """
    from hifigan_tf.training.run_folder import RunFolder

    folder, workers = RunFolder(job.run_dir), job.workers
    with sole_user(job.run_dir) if workers.is_chief else nullcontext():
        return _run(job, folder)


def _run(job: Job, folder: "RunFolder") -> int:
    from hifigan_tf.training.loop import train
    from hifigan_tf.training.trainer import Trainer

    workers = job.workers
    config, sessions = folder.going_on(job.config)
    total(0)  # a barrier: all workers have read the files that the chief is about to write
    if workers.is_chief:
        folder.prepare(config)
    clips, held_out = good_clips(job, config)
    delay = config.generator.delay_samples
    log.info("delay when streaming: %d samples, %.1f ms", delay, 1000 * delay / config.audio.sampling_rate)

    paces = paces_of(sessions, clips, config)
    warn_of_a_vanishing_rate(config.training, paces[-1].decay_steps)
    trainer = Trainer(config, paces, job.mixed_precision, job.accumulate_steps, jit_compile=job.xla)
    load_weights(trainer, folder, job)
    step, last = trainer.steps_done, config.training.max_steps
    if step >= last and not folder.validation_is_due:
        log.info("step %d of %d is done: raise --max-steps to go on", step, last)
        return 0
    same = step + zlib.crc32(os.fsencode("\n".join([*(clip.name for clip in clips), str(paces)])))
    if total(same) != same * trainer.strategy.num_replicas_in_sync:
        raise UserError(
            f"worker {workers.index} found {len(clips)} clips and step {step}, others something else: "
            "--data and --run-dir must be the same for all workers, on storage that they share"
        )
    if workers.is_chief:
        folder.record_corpus(corpus_of(job, clips, held_out), step)
    code = train(trainer, folder, clips, held_out, workers, first_example(sessions, step))
    if workers.is_chief:
        best = float(trainer.best_mel_error.numpy())
        log.info("run folder %s: best.keras has log-mel L1 %.4f", job.run_dir, best)
    return code


def good_clips(job: Job, config: Config) -> tuple[list, list]:
    """The clips to train on and those held out, after reading and checking each once."""
    from hifigan_tf.data.clip_lists import hold_out
    from hifigan_tf.data.pipeline import check_clips

    clips = check_clips(job.training, config, job.mel_folder, job.validation, job.mel_format)
    if job.validation:
        held_out = check_clips(job.validation, config, job.mel_folder, job.training, job.mel_format)
        clips = without_copies(clips, held_out)
    else:
        clips, held_out = hold_out(clips, job.corpus)
    log.info("%d clips to train on, %d held out; run folder %s", len(clips), len(held_out), job.run_dir)
    return clips, held_out


def corpus_of(job: Job, clips: list, held_out: list) -> dict:
    """What a run folder records of the clips: where from, how many, and a hash of the names, lengths and mels."""
    facts = [
        [(clip.name, clip.samples, clip.rate, clip.mel is not None) for clip in part] for part in (clips, held_out)
    ]
    return {
        "data": printable(job.corpus),
        "mels": printable(str(job.mel_folder)) if job.mel_folder else None,
        "training": len(clips),
        "held_out": len(held_out),
        "hours": round(sum(clip.samples / clip.rate for clip in clips) / 3600, 3),
        "fingerprint": hashlib.sha256(json.dumps(facts).encode()).hexdigest(),
    }


def without_copies(clips: list, held_out: list) -> list:
    """The clips without those that are held out too, as copies of another folder or in a packed corpus.

    A copy has the name of the other and, at the config's rate, its length and its peak, but for rounding. Raises
    ``UserError`` when none is left.
    """
    from hifigan_tf.audio.names import NameIndex, plain_name
    from hifigan_tf.data.pipeline import length_of, peak_of

    names: dict[str, list] = {}
    for clip in held_out:
        names.setdefault(plain_name(clip.name), []).append(clip)
    index = NameIndex(names)

    def is_copy(clip) -> bool:
        return any(
            abs(length_of(clip) - length_of(other)) <= 1 and math.isclose(peak_of(clip), peak_of(other), rel_tol=1e-3)
            for name in index.meant_by(plain_name(clip.name))
            for other in names[name]
        )

    kept = [clip for clip in clips if not is_copy(clip)]
    if not kept:
        raise UserError("every clip to train on is held out too: there is none left to train on")
    if len(kept) < len(clips):
        first = next(clip for clip in clips if is_copy(clip))
        log.warning(
            "warning: %d clips to train on are left out: they are copies of clips that are held out (the first: %s)",
            *(len(clips) - len(kept), first.name),
        )
    return kept


def load_weights(trainer: "Trainer", folder: "RunFolder", job: Job) -> None:
    """Loads the run's newest checkpoint, or else the initial checkpoint if one is given."""
    from hifigan_tf.models.generator import load_generator
    from hifigan_tf.training.run_folder import RunFolder

    initial = job.initial_checkpoint
    if restored := folder.restore(trainer, rename_damaged=job.workers.is_chief):
        log.info("resumed from %s", restored)
    elif initial and initial.is_dir():
        log.info("networks from %s", RunFolder(initial).restore_networks(trainer))
    elif initial:
        _copy_generator(load_generator(initial), trainer.generator, initial)
        log.info("generator from %s", initial)


def paces_of(sessions: list[dict], clips: list, config: Config) -> list:
    """The ``Pace`` of learning rate decay in each session: per pass over the clips, or per ``lr_decay_steps``."""
    from hifigan_tf.data.pipeline import steps_per_epoch
    from hifigan_tf.training.optimizer import Pace

    steps = config.training.lr_decay_steps
    return [Pace(one["step"], steps or steps_per_epoch(clips, config, one["batch_size"])) for one in sessions]


def first_example(sessions: list[dict], step: int) -> int:
    """How many segments a run has trained on before this step."""
    ends = [*(one["step"] for one in sessions[1:]), step]
    return sum((end - one["step"]) * one["batch_size"] for one, end in zip(sessions, ends, strict=True))


def warn_of_a_vanishing_rate(training: TrainingConfig, decay_steps: int) -> None:
    """Warns if the learning rate falls to a hundredth long before the end."""
    if training.lr_decay == 1:
        return
    step = round(decay_steps * math.log(0.01) / math.log(training.lr_decay))
    if step < training.max_steps / 10:
        log.warning(
            "warning: the learning rate falls to a hundredth by step %d of %d (lr_decay %g every %d steps): little is "
            "learnt after that; set lr_decay_steps, or an lr_decay nearer to 1",
            step,
            training.max_steps,
            training.lr_decay,
            decay_steps,
        )


def _config(args) -> tuple[Config, str]:
    """The config with the overrides of the command line, and the name of its run."""
    saved = Path(args.run_dir or "") / "config.json"
    default = FROM_VOICE_CONFIG if args.from_voice else DEMO_CONFIG
    path = Path(args.config) if args.config else saved if args.run_dir and saved.is_file() else default
    overrides = {
        key: value
        for key in ("max_steps", "batch_size", "learning_rate", "seed")
        if (value := getattr(args, key)) is not None
    }
    config = Config.load(path)
    if initial := _initial_checkpoint(args):
        overrides |= _mel_of(initial, path)
    return (config.replace(**overrides) if overrides else config), path.stem


def _mel_of(checkpoint: Path, config: Path) -> dict:
    """The keys of the mel that a checkpoint was trained on, but for those that the config file gives itself."""
    source = checkpoint / "config.json"
    audio = Config.load(source).audio if checkpoint.is_dir() and source.is_file() else None
    if checkpoint.suffix == ".keras":
        audio = stored_audio(checkpoint)
    given = read_json(config)
    return {key: getattr(audio, key) for key in MEL_KEYS if key not in given} if audio else {}


def _files(args, config: Config) -> tuple[list, list]:
    """The files or packed clips to train on and those held out; the second is empty if they are to be split later."""
    from hifigan_tf.audio.audio_files import find_audio
    from hifigan_tf.data.clip_lists import CorpusFile, hold_out, read_file_list

    if not args.data:
        given = [option for option in ("validation_data", "training_file", "validation_file") if getattr(args, option)]
        # A run of the demo's networks may continue with the demo's clips; any other config needs a corpus.
        if config.generator != Config.load(DEMO_CONFIG).generator or given or args.fine_tune_mels:
            raise UserError("--data is missing: give the folder of the audio files")
        training, validation = (
            [CorpusFile(path, path.name) for path in find_audio(folder)] for folder in (DEMO_TRAIN, DEMO_HELD_OUT)
        )
        return training, validation
    if args.validation_data and args.validation_file:
        raise UserError("--validation-data and --validation-file both given: choose one")
    folders = ", ".join(args.data)
    corpus = _corpus(args.data, "--data", config)
    training = list(corpus.values())
    if args.training_file:
        training = read_file_list(Path(args.training_file), corpus, folders)
    if args.validation_data:
        validation = list(_corpus(args.validation_data, "--validation-data", config).values())
        if not validation:
            raise UserError(f"--validation-data {', '.join(args.validation_data)} holds no audio file ({AUDIO_KINDS})")
    elif args.validation_file:
        validation = read_file_list(Path(args.validation_file), corpus, folders)
    else:
        hold_out(training, folders)  # raises if there are too few; the split comes after bad files are removed
        return training, []
    held_out = {_identity(clip) for clip in validation}
    training = [clip for clip in training if _identity(clip) not in held_out]
    if not training:
        raise UserError(f"every file of --data {folders} is held out: there is none left to train on")
    return training, validation


def _corpus(folders: list[str], option: str, config: Config) -> dict:
    """``{name: file}`` of folders, or ``{name: packed clip}``."""
    from hifigan_tf.data.clip_lists import CorpusFile, corpus_files, corpus_names, is_packed

    packed = [folder for folder in folders if is_packed(folder)]
    if packed and len(packed) < len(folders):
        plain = next(folder for folder in folders if folder not in packed)
        raise UserError(f"{option}: {packed[0]} is packed and {plain} is not: pack it too, or give the folder it was")
    clips: dict = {}
    for folder, prefix in zip(folders, corpus_names(folders), strict=True):
        if packed:
            from hifigan_tf.data.packed import read_clips

            for clip in read_clips(folder, config.audio.sampling_rate):
                clips[prefix + clip.name] = clip._replace(name=prefix + clip.name)
        else:
            for name, path in corpus_files(cli.existing_folder(folder, option)).items():
                clips[prefix + name] = CorpusFile(path, prefix + name)
    return clips


def _identity(clip):
    return real_path(clip.path) if isinstance(clip.path, Path) else clip


def _initial_checkpoint(args) -> Path | None:
    if args.from_voice:
        return VOICE
    if args.initial_checkpoint and not Path(args.initial_checkpoint).exists():
        raise UserError(
            f"--initial-checkpoint {args.initial_checkpoint} does not exist: give a run folder or a .keras file"
        )
    return Path(args.initial_checkpoint) if args.initial_checkpoint else None


def set_up_tensorflow(deterministic: bool = False) -> None:
    """Settings that every training process makes before TensorFlow's first operation."""
    import tensorflow as tf

    if not tf.config.list_physical_devices("GPU"):
        # On a CPU graph rewrites make compiling take three times as long, and the step gains nothing.
        tf.config.optimizer.set_experimental_options({"disable_meta_optimizer": True})
    if deterministic:
        tf.config.threading.set_inter_op_parallelism_threads(1)
        tf.config.experimental.enable_op_determinism()


def _copy_generator(source, target, path: Path) -> None:
    for theirs, ours in ((source.hyper_parameters, target.hyper_parameters), (source.audio, target.audio)):
        if theirs != ours:
            raise UserError(
                f"the initial checkpoint {path} is a generator of another config ({difference(theirs, ours)}): train "
                "with the config it was made with"
            )
    target.set_weights(source.get_weights())


if __name__ == "__main__":
    cli.run(main)
