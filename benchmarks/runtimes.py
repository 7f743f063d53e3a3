"""``python benchmarks/runtimes.py MODEL…``: in which runtimes a ``.tflite`` runs, and with which samples."""

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # run as a script, from any folder

from benchmarks.measure import add_models
from hifigan_tf import cli
from hifigan_tf.audio.audio_files import find_audio, load_audio, normalize
from hifigan_tf.config import AudioConfig
from hifigan_tf.errors import UserError
from hifigan_tf.evaluation.tables import markdown
from hifigan_tf.files import write_json
from hifigan_tf.processor import machine
from hifigan_tf.resources import DEMO_HELD_OUT
from hifigan_tf.streaming import contract
from hifigan_tf.streaming.contract import MelContract, VocoderContract

DESCRIPTION = """Installs each runtime into an environment of its own, runs every model there on a demo clip, and
compares its output with that of the LiteRT of this environment: the signal-to-noise ratio, or "exact" above 100 dB,
and the processor time of a call, the median. "no" says that the runtime refuses the model; --json has the reason.

Runtimes for older Pythons need these as python3.9, python3.10 and so on in the PATH, or installed by pyenv; LiteRT.js
needs npm and Chromium. Those that cannot be installed are left out, which is said."""

PROBE = Path(__file__).with_name("runtime_probe")  # .py, .mjs
WEB_DEMO = Path(__file__).resolve().parents[1] / "web_demo"
FRAMES = 100  # of mel, for vocoders that stream
EXACT = 100  # dB
PATIENCE = 600  # seconds for a model in a runtime


@dataclass(frozen=True)
class Runtime:
    """A runtime: its name, the Python it has wheels for, and what pip installs."""

    name: str
    python: str
    packages: tuple[str, ...]


RUNTIMES = (
    Runtime("TFLite 2.7", "3.9", ("tflite-runtime==2.7.0", "numpy<1.24")),
    Runtime("TFLite 2.10", "3.9", ("tflite-runtime==2.10.0", "numpy<1.24")),
    Runtime("TFLite 2.13", "3.10", ("tflite-runtime==2.13.0", "numpy<2")),
    Runtime("TFLite 2.14", "3.11", ("tflite-runtime==2.14.0", "numpy<2")),
    Runtime("TensorFlow 2.16", "3.11", ("tensorflow-cpu==2.16.2",)),
    Runtime("TensorFlow 2.21", "3.13", ("tensorflow==2.21.0",)),
    Runtime("LiteRT 1.0", "3.11", ("ai-edge-litert==1.0.1", "numpy<2")),
    Runtime("LiteRT 1.4", "3.11", ("ai-edge-litert==1.4.0",)),
    Runtime("LiteRT 2.2", "3.13", ("ai-edge-litert==2.2.0",)),
    Runtime("LiteRT 2.3", "3.13", ("ai-edge-litert==2.3.0",)),
    Runtime("TFLite Micro", "3.12", ("tflite-micro==0.dev20261023182759", "numpy")),
)
BROWSER = "LiteRT.js 2.5"  # as in web_demo/package.json


def parse(argv=None):
    parser = argparse.ArgumentParser(
        prog="python benchmarks/runtimes.py", description=DESCRIPTION, formatter_class=cli.Formatter
    )
    add_models(parser, "vocoders, or mel front ends, as .tflite; best of full size")
    names = [*(runtime.name for runtime in RUNTIMES), BROWSER]
    parser.add_argument("--runtimes", nargs="+", metavar="NAME", choices=names, default=names, help=", ".join(names))
    parser.add_argument("--environments", metavar="DIR", type=Path, default=Path("build/runtimes"), help="kept there")
    parser.add_argument("--json", metavar="F", type=Path, help="write the rows there")
    return parser.parse_args(argv)


def python_of(version: str) -> Path | None:
    """A Python of this version: from the PATH, or of pyenv, whose names in the PATH may stand for none that runs."""
    pyenv = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv"))
    found = [Path(path) for path in [shutil.which(f"python{version}")] if path]
    for path in [*found, *sorted(pyenv.glob(f"versions/{version}.*/bin/python"), reverse=True)]:
        if subprocess.run([path, "--version"], capture_output=True, check=False).returncode == 0:
            return path
    return None


def browser_probe() -> list[str]:
    """The command of the probe in Chromium, with LiteRT.js installed. Raises ``UserError`` if it cannot be."""
    node, npm, chromium = (shutil.which(name) for name in ("node", "npm", os.environ.get("CHROMIUM", "chromium")))
    if not (node and npm and chromium):
        raise UserError("it needs node, npm and chromium, or the name of the browser in CHROMIUM=…")
    wanted, modules = WEB_DEMO / "package-lock.json", WEB_DEMO / "node_modules"
    # `make web` installs without puppeteer.
    there = (modules / ".package-lock.json").is_file() and (modules / "puppeteer-core").is_dir()
    if not there or (modules / ".package-lock.json").stat().st_mtime < wanted.stat().st_mtime:
        _install([npm, "ci", "--prefix", str(WEB_DEMO)])
    return ["env", f"CHROMIUM={chromium}", node, str(PROBE.with_suffix(".mjs"))]


def python_probe(runtime: Runtime, folder: Path) -> list[str]:
    """The command of the probe in the runtime's environment. Raises ``UserError`` if that cannot be made."""
    return [str(environment(runtime, folder)), str(PROBE.with_suffix(".py"))]


def environment(runtime: Runtime, folder: Path) -> Path:
    """The Python of the runtime's environment, made if it is missing. Raises ``UserError`` if it cannot be."""
    place = folder / runtime.name.lower().replace(" ", "-")
    python = place / "bin" / "python"
    if (place / "complete").is_file():
        return python
    base = python_of(runtime.python)
    if base is None:
        raise UserError(f"it needs Python {runtime.python}, which is not installed")
    shutil.rmtree(place, ignore_errors=True)
    _install([str(base), "-m", "venv", str(place)])
    _install([str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", *runtime.packages])
    (place / "complete").touch()
    return python


def _install(command: list[str]) -> None:
    process = subprocess.run(command, capture_output=True, text=True, check=False)
    if process.returncode:
        raise UserError(f"it could not be installed: {(process.stderr.strip() or 'no message').splitlines()[-1]}")


def run(probe: list[str], model: Path, folder: Path) -> dict:
    """``output`` and ``seconds`` of a model by the command of a probe, or the ``reason`` why it does not run.

    The folder holds its contract and its input.
    """
    output = folder / "output.json"
    output.unlink(missing_ok=True)
    command = [*probe, *map(str, (model, folder / "contract.json", folder / "input.npy", output))]
    environ = os.environ | {"TF_CPP_MIN_LOG_LEVEL": "3"}
    try:
        process = subprocess.run(command, capture_output=True, text=True, check=False, env=environ, timeout=PATIENCE)
    except subprocess.TimeoutExpired:
        return {"reason": f"it took more than {PATIENCE} s"}
    if process.returncode:
        lines = [line for line in process.stderr.strip().splitlines() if line]
        return {"reason": lines[-1] if lines else f"it ended by signal {-process.returncode}"}
    result = json.loads(output.read_text(encoding="utf-8"))
    return {"output": np.array(result["output"]), "seconds": float(np.median(result["seconds"]))}


def measure(path: Path, probes: dict[str, list[str]]) -> list[dict]:
    """A row for each runtime of one model."""
    data = path.read_bytes()
    values: VocoderContract | MelContract
    try:
        values = contract.read(data, str(path))
        given = speech(values.audio_config, values.window_frames or FRAMES)
    except UserError:
        values = contract.read_kind(data, str(path), MelContract)
        given = demo_clip(values.audio_config)[: values.block_samples]
    rows = []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "contract.json").write_text(values.dumps(), encoding="utf-8")
        np.save(folder / "input.npy", given)
        own = run([sys.executable, str(PROBE.with_suffix(".py"))], path.resolve(), folder)
        if "reason" in own:
            raise UserError(f"{path} does not run here: {own['reason']}")
        for runtime, command in probes.items():
            result = run(command, path.resolve(), folder)
            row = {"model": path.stem, "runtime": runtime, "reason": result.get("reason")}
            if row["reason"] is None:
                row["snr_db"] = round(min(snr(own["output"], result["output"]), 200.0), 1)
                row["milliseconds"] = round(1000 * result["seconds"], 2)
            rows.append(row)
    return rows


def demo_clip(audio: AudioConfig) -> np.ndarray:
    """The samples of a demo clip."""
    return normalize(load_audio(find_audio(DEMO_HELD_OUT)[0], audio.sampling_rate))


def speech(audio: AudioConfig, frames: int) -> np.ndarray:
    """The mel ``[frames, num_mels]`` of a demo clip."""
    from hifigan_tf.audio.mel_numpy import NumpyMelSpectrogram
    from hifigan_tf.audio.mel_stream import mel_spectrogram

    return mel_spectrogram(demo_clip(audio), NumpyMelSpectrogram.of(audio))[:frames]


def snr(expected: np.ndarray, found: np.ndarray) -> float:
    """The signal-to-noise ratio in dB; infinite where both are equal."""
    noise = np.mean((expected - found) ** 2)
    return float("inf") if noise == 0 else 10 * float(np.log10(np.mean(expected**2) / noise))


def report(rows: list[dict]) -> str:
    """A table of runtimes by models, and the conditions of the measurement."""
    models, runtimes = (list(dict.fromkeys(row[key] for row in rows)) for key in ("model", "runtime"))
    cells = {(row["runtime"], row["model"]): cell(row) for row in rows}
    table = markdown(["runtime", *models], [[name, *(cells[name, model] for model in models)] for name in runtimes])
    return f"{table}\n\n{machine()}"


def cell(row: dict) -> str:
    if row["reason"] is not None:
        return "no"
    equal = "exact" if row["snr_db"] >= EXACT else f"{row['snr_db']:.0f} dB"
    return f"{equal}, {row['milliseconds']:.1f} ms"


def main(argv=None) -> None:
    args = parse(argv)
    models = [cli.existing_file(model, "MODEL") for model in args.models]
    if args.json:
        cli.writable_folder(args.json.parent)
    makers = {runtime.name: partial(python_probe, runtime, args.environments.resolve()) for runtime in RUNTIMES}
    probes = {}
    for name, make in {**makers, BROWSER: browser_probe}.items():
        if name in args.runtimes:
            try:
                probes[name] = make()
            except UserError as error:
                print(f"{name} is left out: {error}", file=sys.stderr)
    if not probes:
        raise UserError("no runtime is left to run a model in")
    rows = [row for model in cli.progress(models, desc="models", unit="model") for row in measure(model, probes)]
    print(report(rows))
    if args.json:
        write_json(args.json, rows)


if __name__ == "__main__":
    cli.run(main)
