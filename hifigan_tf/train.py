"""``python -m hifigan_tf.train``: trains HiFi-GAN, or goes on where the same command stopped."""

import logging
from pathlib import Path

from hifigan_tf import cli
from hifigan_tf.config import Config
from hifigan_tf.errors import UserError
from hifigan_tf.shipped import DEMO_CONFIG, DEMO_HELD_OUT, DEMO_TRAIN

log = logging.getLogger(__name__)

DESCRIPTION = """Trains HiFi-GAN. Without arguments: the small demo model on the corpus that ships with the package.
The same command again goes on where it stopped. Ctrl-C saves first."""


def parse(argv=None):
    parser = cli.parser("train", DESCRIPTION)
    parser.add_argument("--config", help="JSON in the original's schema; default: the run folder's, else the demo's")
    parser.add_argument("--data", metavar="DIR", help="folder of WAV, FLAC, OGG or MP3 files; default: the demo corpus")
    parser.add_argument("--validation-data", metavar="DIR", help="held-out audio; default: every 20th file of --data")
    parser.add_argument("--training-file", metavar="F", help="list of files in --data, one a line, as the original's")
    parser.add_argument("--validation-file", metavar="F", help="list of held-out files in --data")
    parser.add_argument("--run-dir", metavar="DIR", help="default: runs/<config name>")
    parser.add_argument("--max-steps", type=int, help="steps in all, those of earlier sessions included")
    parser.add_argument("--batch-size", type=int, help="clips in a step")
    parser.add_argument("--learning-rate", type=float, help="before decay")
    parser.add_argument("--seed", type=int, help="of the weights, the order of clips and the segments")
    parser.add_argument("--initial-checkpoint", metavar="CKPT", help="run folder (all networks) or .keras (generator)")
    parser.add_argument("--fine-tune-mels", metavar="DIR", help="teacher-forced mels, <stem>.npy for each clip")
    parser.add_argument("--mixed-precision", choices=["bfloat16", "float16"], help="compute in half precision")
    parser.add_argument("--deterministic", action="store_true", help="bit-equal runs, at some cost of speed")
    return parser.parse_args(argv)


def main(argv=None) -> int:
    args = parse(argv)
    config, name = _config(args)
    run_dir = Path(args.run_dir or Path("runs") / name)
    training_paths, validation_paths = _files(args, config)
    mel_folder = cli.existing_folder(args.fine_tune_mels, "--fine-tune-mels") if args.fine_tune_mels else None
    initial = _initial_checkpoint(args.initial_checkpoint)
    cli.writable_folder(run_dir)

    set_up_tensorflow(args.deterministic)
    import tensorflow as tf

    from hifigan_tf.clip_lists import hold_out
    from hifigan_tf.data import check_clips, steps_per_epoch
    from hifigan_tf.generator import load_generator
    from hifigan_tf.loop import train
    from hifigan_tf.run_folder import RunFolder
    from hifigan_tf.trainer import Trainer

    folder = RunFolder(run_dir)
    folder.prepare(config)
    clips = check_clips(training_paths, config, mel_folder)
    if validation_paths:
        held_out = check_clips(validation_paths, config, mel_folder)
    else:
        clips, held_out = hold_out(clips, args.data)
    log.info("%d clips to train on, %d held out; run folder %s", len(clips), len(held_out), run_dir)

    trainer = Trainer(config, steps_per_epoch(clips, config), args.mixed_precision)
    restored = folder.restore(trainer)
    if restored:
        log.info("resumed from %s", restored)
    elif initial and initial.is_dir():
        log.info("networks from %s", RunFolder(initial).restore_networks(trainer))
    elif initial:
        _copy_generator(load_generator(initial), trainer.generator, initial)
        log.info("generator from %s", initial)
    if int(trainer.step) >= config.training.max_steps:
        log.info("step %d of %d is done: raise --max-steps to go on", int(trainer.step), config.training.max_steps)
        return 0
    try:
        code = train(trainer, folder, clips, held_out)
    except tf.errors.OpError as error:
        # A full disk fails the logs too, and closing them then hides what went wrong first.
        if isinstance(error.__context__, (UserError, OSError)):
            raise error.__context__ from None
        raise UserError(
            f"TensorFlow stopped at step {int(trainer.step)}: {cli.one_line(error)}; is the disk or the memory full? "
            "The same command goes on from the last checkpoint"
        ) from None
    log.info("run folder %s: best.keras has log-mel L1 %.4f", run_dir, float(trainer.best_mel_error))
    return code


def _config(args) -> tuple[Config, str]:
    """The config with the overrides of the command line, and the name of its run."""
    saved = Path(args.run_dir or "") / "config.json"
    path = Path(args.config) if args.config else saved if args.run_dir and saved.is_file() else DEMO_CONFIG
    overrides = {
        key: value
        for key in ("max_steps", "batch_size", "learning_rate", "seed")
        if (value := getattr(args, key)) is not None
    }
    config = Config.load(path)
    return (config.replace(**overrides) if overrides else config), path.stem


def _files(args, config: Config) -> tuple[list[Path], list[Path]]:
    """The audio files to train on and those held out; none when some of the first are to be held out."""
    from hifigan_tf.audio import find_audio
    from hifigan_tf.clip_lists import hold_out, read_file_list

    if not args.data:
        given = [option for option in ("validation_data", "training_file", "validation_file") if getattr(args, option)]
        # A run of the demo's networks may go on with the demo's clips; any other config asks for a corpus.
        if config.generator != Config.load(DEMO_CONFIG).generator or given or args.fine_tune_mels:
            raise UserError("--data is missing: give the folder of the audio files")
        return find_audio(DEMO_TRAIN), find_audio(DEMO_HELD_OUT)
    if args.validation_data and args.validation_file:
        raise UserError("--validation-data and --validation-file both given: choose one")
    data = cli.existing_folder(args.data, "--data")
    training = read_file_list(Path(args.training_file), data) if args.training_file else find_audio(data)
    if args.validation_data:
        validation = find_audio(cli.existing_folder(args.validation_data, "--validation-data"))
        if not validation:
            raise UserError(f"--validation-data {args.validation_data} holds no audio file (WAV, FLAC, OGG, MP3)")
    elif args.validation_file:
        validation = read_file_list(Path(args.validation_file), data)
    else:
        hold_out(training, data)  # raises where there are too few; which ones, the bad files decide
        return training, []
    heard = {path.resolve() for path in validation}
    training = [path for path in training if path.resolve() not in heard]
    if not training:
        raise UserError(f"every file of --data {args.data} is held out: there is none left to train on")
    return training, validation


def _initial_checkpoint(text: str | None) -> Path | None:
    if text is None:
        return None
    path = Path(text)
    if not path.exists():
        raise UserError(f"--initial-checkpoint {text} does not exist: give a run folder or a .keras file")
    return path


def set_up_tensorflow(deterministic: bool = False) -> None:
    """What every process that trains sets before TensorFlow's first operation."""
    import tensorflow as tf

    if not tf.config.list_physical_devices("GPU"):
        # On a CPU the graph rewrites take three times as long as compiling without them, and the step gains nothing.
        tf.config.optimizer.set_experimental_options({"disable_meta_optimizer": True})
    if deterministic:
        tf.config.threading.set_inter_op_parallelism_threads(1)
        tf.config.experimental.enable_op_determinism()


def _copy_generator(source, target, path: Path) -> None:
    if source.hyper_parameters != target.hyper_parameters or source.audio != target.audio:
        raise UserError(
            f"--initial-checkpoint {path} is a generator of another config: train with the config it was made with"
        )
    target.set_weights(source.get_weights())


if __name__ == "__main__":
    cli.run(main)
