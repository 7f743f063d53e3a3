"""``python benchmarks/arm_instructions.py``: the instructions that a chunk takes on emulated ARM processors."""

import argparse
import os
import subprocess
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # run as a script, from any folder

from android_demo.tools.verify_arm64 import emulated
from benchmarks.measure import add_models
from hifigan_tf import cli
from hifigan_tf.errors import UserError
from hifigan_tf.evaluation.tables import markdown
from hifigan_tf.streaming.contract import read

DESCRIPTION = """Counts the instructions that LiteRT executes for a chunk of the smallest size of each model, with ARM
processors emulated by qemu: what to judge a choice by where there is no such processor. A count is not a time: loads
and multiplications count alike. Two minutes a model and processor, on x86_64."""

# Runs in the emulator: the address of the code, then `chunks` chunks of silence.
PROGRAM = """import sys
import numpy as np
from ai_edge_litert.interpreter import Interpreter
model, signature, chunks = sys.argv[1:]
interpreter = Interpreter(model, num_threads=1)
code = next(line.split()[0] for line in open("/proc/self/maps") if "pywrap_litert_common" in line and " r-xp " in line)
print(code, flush=True)
runner = interpreter.get_signature_runner(signature)
inputs = {name: np.zeros(info["shape"], info["dtype"]) for name, info in runner.get_input_details().items()}
for _ in range(int(chunks)):
    runner(**inputs)
"""
PROCESSORS = ("cortex-a76", "cortex-a53")
FIXED = ("setarch", "-R")  # without randomisation, so that the library lies at the same address every time
FETCHED = Path(__file__).resolve().parents[1] / "android_demo" / "build" / "arm64"


def main(argv=None) -> int:
    parser = argparse.ArgumentParser(
        prog="python benchmarks/arm_instructions.py", description=DESCRIPTION, formatter_class=cli.Formatter
    )
    add_models(parser, ".tflite files with states")
    parser.add_argument(
        "--arm64", metavar="DIR", type=Path, default=FETCHED, help="what android_demo/tools/fetch_arm64.sh made"
    )
    args = parser.parse_args(argv)
    models = [cli.checkpoint(name, (".tflite",)) for name in args.models]
    chunks = {model: chunk_of(model) for model in models}
    if not (args.arm64 / "qemu-aarch64").is_file():
        raise UserError(f"{args.arm64} has no qemu-aarch64: android_demo/verify_arm64.sh fetches it")
    rows = [
        [model.stem, *(f"{counted(args.arm64, cpu, model, chunks[model]) / 1e6:.1f}" for cpu in PROCESSORS)]
        for model in cli.progress(models, desc="models", unit="model", leave=False)
    ]
    print(markdown(["millions of instructions a chunk", *PROCESSORS], rows, left=1))
    return 0


def chunk_of(model: Path) -> int:
    """The smallest chunk of a model, in frames. Raises ``UserError`` for one without states."""
    contract = read(model.read_bytes(), str(model))
    if not contract.stateful:
        raise UserError(f"{model} has no states: give a model that streams")
    return min(contract.chunk_frames)


def counted(arm64: Path, cpu: str, model: Path, frames: int) -> int:
    """Instructions of one chunk: half of what three chunks take beyond one, so that the start does not count."""
    with tempfile.TemporaryDirectory() as folder:
        program = Path(folder) / "chunks.py"
        program.write_text(PROGRAM, encoding="utf-8")
        arguments = [program, model, f"stream_{frames}"]
        begin, end = (int(text, 16) for text in first_line([*FIXED, *emulated(arm64, cpu), *arguments, "1"]).split("-"))
        only = ["-d", "in_asm,exec,nochain", "-dfilter", f"{begin:#x}+{end - begin:#x}"]
        once, thrice = (logged(arm64, cpu, only, [*arguments, chunks]) for chunks in ("1", "3"))
    return (thrice - once) // 2


def first_line(words: list) -> str:
    """The first line that a command prints."""
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    if done.returncode:
        raise UserError(f"the emulator ended with exit code {done.returncode}: {done.stderr.splitlines()[-1:]}")
    return done.stdout.splitlines()[0]


def logged(arm64: Path, cpu: str, options: list[str], arguments: list) -> int:
    """The instructions in the emulator's log: it names every block when it is translated, and when it is executed."""
    reader, writer = os.pipe()
    words = [*FIXED, *emulated(arm64, cpu, *options, "-D", f"/dev/fd/{writer}"), *arguments]
    process = subprocess.Popen(words, pass_fds=[writer], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    os.close(writer)
    lengths: dict[int, int] = {}
    total, block = 0, None
    with os.fdopen(reader, encoding="ascii", errors="replace") as log:
        for line in log:
            if line.startswith("Trace"):
                total += lengths.get(int(line.split("/")[1], 16), 0)
            elif line.startswith("IN:"):
                block = None
            elif line.startswith("0x"):
                if block is None:
                    block = int(line.split(":")[0], 16)
                    lengths[block] = 0
                lengths[block] += 1
    if process.wait():
        raise UserError(f"the emulator ended with exit code {process.returncode}")
    return total


if __name__ == "__main__":
    cli.run(main)
