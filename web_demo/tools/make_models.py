"""``python web_demo/tools/make_models.py``: the models that the page in the browser offers."""

import argparse
import logging
import shutil
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))  # run as a script, from any folder

from hifigan_tf import cli, to_tflite
from hifigan_tf.audio.audio_files import find_audio
from hifigan_tf.errors import UserError
from hifigan_tf.export.sources import SOURCE, digest, up_to_date
from hifigan_tf.files import atomic_folder, write_json
from hifigan_tf.resources import DEMO_HELD_OUT, VOICE

log = logging.getLogger(__name__)

DESCRIPTION = """Fills models/ of the page in the browser, from a checkpoint, or with finished models:

    <name>_int8.tflite, <name>_float32.tflite    the checkpoint's, and live_int8.tflite of the voice that ships
    mel_frontend.tflite                          makes their mels; mel_frontend_2.tflite where settings differ
    sample…                                      a clip of the demo corpus
    models.json                                  what the page lists
    source.json                                  a hash of the sources, so that a second run does nothing

Each model is evaluated as in export/to_tflite.py. The folder is replaced as a whole, once all files are made; if a
model fails, the folder is unchanged, and the exit code is 1."""

FOLDER = Path(__file__).resolve().parents[1] / "models"
MODES = ("int8", "float32")
FRONT_END = "mel_frontend"  # how the names of the front ends begin


def parse(argv=None):
    parser = argparse.ArgumentParser(
        prog="python web_demo/tools/make_models.py", description=DESCRIPTION, formatter_class=cli.Formatter
    )
    source = parser.add_mutually_exclusive_group()
    source.add_argument("--checkpoint", metavar="CKPT", default=str(VOICE), help="a .keras file or a run folder")
    source.add_argument("--model", metavar="TFLITE", type=Path, nargs="+", help="finished vocoders instead")
    parser.add_argument("--output-dir", metavar="DIR", type=Path, default=FOLDER, help="the page's models")
    return parser.parse_args(argv)


def main(argv=None) -> None:
    args = parse(argv)
    clip = find_audio(DEMO_HELD_OUT)[0]
    checkpoint = None if args.model else cli.checkpoint(args.checkpoint)
    require_names(args.model or [])
    names = [model.name for model in args.model] if args.model else [name_of(checkpoint)]
    made_from = " ".join([digest(*(args.model or (checkpoint, VOICE)), clip, Path(__file__)), *names])
    if up_to_date(args.output_dir, made_from):
        log.info("nothing to do: %s is up to date", args.output_dir)
        return
    cli.writable_folder(args.output_dir.parent)
    logging.getLogger(to_tflite.__name__).setLevel(logging.WARNING)  # it would name temporary files
    with atomic_folder(args.output_dir) as folder:
        vocoders = copied(args.model, folder) if args.model else exported(checkpoint, folder)
        sample = f"sample{clip.suffix}"
        shutil.copyfile(clip, folder / sample)
        write_json(folder / "models.json", {"models": with_front_ends(vocoders, folder), "sample": sample})
        files = sorted(path.name for path in folder.iterdir())
        write_json(folder / SOURCE, {"digest": made_from, "files": files})
        size = sum((folder / name).stat().st_size for name in files)
    log.info("%d files, %.1f MB, in %s", len(files), size / 1e6, args.output_dir)


def require_names(models: list[Path]) -> None:
    """Raises ``UserError`` for a model that is missing, for two of one file name, and for that of a front end."""
    for number, model in enumerate(models):
        if not model.is_file():
            raise UserError(f"model {model} does not exist: check the path")
        if model.name.lower().startswith(FRONT_END):
            raise UserError(f"{model} has the name of a mel front end, which is made here: leave it out, or rename it")
        if model.name in (other.name for other in models[:number]):
            raise UserError(f"two models are named {model.name}: rename one")


def copied(models: list[Path], folder: Path) -> dict[str, Path]:
    """The models in the page's folder by the names that it lists."""
    return {model.stem: Path(shutil.copyfile(model, folder / model.name)) for model in models}


def name_of(checkpoint: Path) -> str:
    """Its own name, or that of its run folder."""
    return checkpoint.parent.name if checkpoint.stem in ("best", "last") else checkpoint.stem


def exported(checkpoint: Path, folder: Path) -> dict[str, Path]:
    """The models of a checkpoint, and of the voice, by the names that the page lists."""
    name = name_of(checkpoint)
    plan = [(name, checkpoint, mode) for mode in MODES]
    if name != VOICE.stem:
        plan.append((VOICE.stem, VOICE, "int8"))
    vocoders = {}
    for place, (name, source, mode) in enumerate(plan, 1):
        log.info("model %d of %d: %s %s", place, len(plan), name, mode)
        output = folder / f"{name}_{mode}.tflite"
        require(to_tflite.main(["--checkpoint", str(source), f"--{mode}", "--output", str(output)]))
        vocoders[f"{name}, {mode}"] = output
    return vocoders


def with_front_ends(vocoders: dict[str, Path], folder: Path) -> list[dict]:
    """The page's list, after the mel front ends of all settings have been made."""
    from hifigan_tf.streaming import contract

    front_ends, listed = {}, []
    for name, path in vocoders.items():
        audio = contract.read(path.read_bytes(), str(path)).audio_config
        if audio not in front_ends:
            number = f"_{len(front_ends) + 1}" if front_ends else ""
            front_ends[audio] = folder / f"{FRONT_END}{number}.tflite"
            log.info("the mel front end of %s", name)
            require(to_tflite.write_mel_frontend(path, audio, DEMO_HELD_OUT, front_ends[audio]))
        listed.append({"name": name, "file": path.name, "front_end": front_ends[audio].name})
    return listed


def require(code: int) -> None:
    """Exits where an export has failed: not a return, which would commit the folder."""
    if code:
        raise SystemExit(code)


if __name__ == "__main__":
    cli.run(main)
