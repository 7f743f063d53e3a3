"""``hifigan-tf COMMAND …``: every command of the project under one name; ``python -m hifigan_tf`` is the same."""

import argparse
import difflib
import sys
from importlib import import_module
from pathlib import Path

from hifigan_tf import __version__, cli
from hifigan_tf.errors import UserError

# {command: (its module, what it does)}
COMMANDS = {
    "vocode": ("vocode", "mels or recordings to speech"),
    "stream": ("stream", "mel frames to speech in a pipe, as they arrive"),
    "extract-mel": ("extract_mel", "recordings to mels"),
    "train": ("train", "trains a model, or goes on where the same command stopped"),
    "preprocess": ("preprocess", "packs a corpus into shards for training"),
    "local-workers": ("local_workers", "tries a distributed training with several processes on this machine"),
    "report": ("report", "one HTML page about a training"),
    "import-checkpoint": ("import_checkpoint", "HiFi-GANs of other libraries to .keras files"),
    "evaluate": ("evaluate", "quality of generated speech against recordings"),
    "export": ("to_tflite", "a checkpoint to a .tflite that streams"),
    "sensitivity": ("sensitivity", "what each layer costs in 8 bits"),
    "demo": ("demo", "the voice speaks: sound, figures, and a page to hear and see them"),
    "train-demo": ("train_demo", "trains a small model, vocodes and evaluates"),
}

EARLIER_NAMES = {"import": "import-checkpoint", "import-torch": "import-checkpoint"}

DESCRIPTION = """HiFi-GAN, the neural vocoder: from training to a quantized TFLite model that streams.

commands, each with a --help of its own:
""" + "\n".join(f"  {name:<17} {text}" for name, (_, text) in COMMANDS.items())


def main() -> None:
    called = "python -m hifigan_tf" if Path(sys.argv[0]).name == "__main__.py" else "hifigan-tf"
    first = sys.argv[1] if len(sys.argv) > 1 else ""
    name = first.replace("_", "-")
    name = EARLIER_NAMES.get(name, name)
    if name in COMMANDS:
        sys.argv[:2] = [f"{called} {name}"]  # where cli.parser finds how the command was called
        cli.run(import_module(f"hifigan_tf.{COMMANDS[name][0]}").main)
    if first and not first.startswith("-"):
        cli.run(lambda: _refuse(first, called))
    parser = argparse.ArgumentParser(
        prog=called,
        usage="%(prog)s [--help] [--version] COMMAND …",
        description=DESCRIPTION,
        formatter_class=cli.Formatter,
    )
    parser.add_argument("--version", action="version", version=f"hifigan-tf {__version__}")
    parser.parse_args()
    parser.print_help(sys.stderr)
    sys.exit(2)


def _refuse(name: str, called: str) -> None:
    close = difflib.get_close_matches(name.replace("_", "-"), COMMANDS, n=1)
    hint = f"did you mean {close[0]}?" if close else f"{called} --help lists the commands"
    raise UserError(f"{name} is no command of {called}: {hint}")


if __name__ == "__main__":
    main()
