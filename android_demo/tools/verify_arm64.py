"""Compares the app's models on emulated ARM processors with this one, on speech; run by ``verify_arm64.sh``.

Both processors run ``run_clips.py``, with the same mel for vocoders. Float models are compared by the signal-to-noise
ratio of the difference. 8-bit models, whose rounding differs between kernels, are compared by PESQ.
"""

import argparse
import os
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))  # run as a script, from any folder

import numpy as np

from hifigan_tf import cli
from hifigan_tf.audio.audio_files import find_audio, load_audio, normalize
from hifigan_tf.config import AudioConfig
from hifigan_tf.errors import UserError
from hifigan_tf.streaming.contract import MelContract, read_kind

RUN_CLIPS = Path(__file__).with_name("run_clips.py")
SECONDS = 10  # of speech at least, in whole clips, for PESQ
FLOAT_SECONDS = 1.5  # of one clip: emulated floating point is far slower than integers
MIN_SNR = 100.0  # dB
MAX_PESQ_CHANGE = 0.02
MAX_MEL_DIFFERENCE = 1e-3  # as hifigan_tf/export/mel_frontend.py allows

MODERN = "cortex-a76"
OLD = "cortex-a53"  # in phones of 2017 and cheaper ones since; no 8-bit dot product instructions
JOBS = (  # the longest first
    ("vocoder_int8", OLD),
    ("vocoder_int8", MODERN),
    ("vocoder_float32", MODERN),
    ("vocoder_float16", MODERN),
    ("mel_frontend", MODERN),
)


class Row(NamedTuple):
    """A line of the table."""

    model: str
    processor: str
    speech: str
    found: str
    limit: str
    verdict: str


def main(argv=None) -> int:
    parser = argparse.ArgumentParser(prog="android_demo/verify_arm64.sh", description=__doc__.splitlines()[0])
    parser.add_argument("--models", metavar="DIR", required=True, type=Path, help="what make android-assets made")
    parser.add_argument("--speech", metavar="DIR", required=True, type=Path, help="recordings")
    parser.add_argument("--arm64", metavar="DIR", required=True, type=Path, help="what fetch_arm64.sh made")
    args = parser.parse_args(argv)
    models = {name: cli.existing_file(str(args.models / f"{name}.tflite"), "model") for name, _ in JOBS}

    from hifigan_tf.evaluation.metrics import left_out

    if missing := left_out(["pesq_wb"]):
        raise UserError(missing[0])
    front_end = models["mel_frontend"]
    audio = read_kind(front_end.read_bytes(), str(front_end), MelContract).audio_config
    clips = shortest(args.speech, audio.sampling_rate)
    with tempfile.TemporaryDirectory() as folder:
        rows = compare_all(models, args.arm64, clips, audio, Path(folder))
    seconds = sum(map(len, clips.values())) / audio.sampling_rate
    print(f"\n{table(rows)}\n\n{len(clips)} clips of {seconds:.1f} s in all from {args.speech}")
    return int(any(row.verdict != "PASS" for row in rows))


def compare_all(models: dict[str, Path], arm64: Path, clips: dict, audio: AudioConfig, folder: Path) -> list[Row]:
    """A row for each job, as many in parallel as there are processors; files go to ``folder``."""
    native = [sys.executable]
    samples = save(folder / "samples", clips)
    mels, _ = run(native, models["mel_frontend"], samples, folder / "mels.npz")
    name, mel = next(iter(mels.items()))
    frames = int(FLOAT_SECONDS * audio.sampling_rate / audio.hop_size)
    whole, beginning = save(folder / "mels", mels), save(folder / "beginning", {name: mel[:frames]})
    inputs = {
        "mel_frontend": samples,
        "vocoder_int8": whole,
        "vocoder_float32": beginning,
        "vocoder_float16": beginning,
    }

    def compare(job: tuple[str, str]) -> Row:
        name, cpu = job
        here, _ = run(native, models[name], inputs[name], folder / f"{name}_{cpu}_here.npz")
        begin = time.monotonic()
        there, machine = run(emulated(arm64, cpu), models[name], inputs[name], folder / f"{name}_{cpu}_there.npz")
        print(f"{name} on {cpu}: {time.monotonic() - begin:.0f} s of emulation", file=sys.stderr)
        found, limit, good = judge(name, here, there, clips, audio)
        speech = f"{len(here)} clips" if len(here) > 1 else f"{FLOAT_SECONDS:g} s"
        return Row(name, f"{cpu}, {machine}", speech, found, limit, "PASS" if good and machine == "aarch64" else "FAIL")

    with ThreadPoolExecutor(os.cpu_count()) as pool:
        return list(pool.map(compare, JOBS))


def shortest(folder: Path, sampling_rate: int) -> dict[str, np.ndarray]:
    """``{name: samples}`` of the shortest recordings, as many as make up ``SECONDS``."""
    found = {path.stem: normalize(load_audio(path, sampling_rate)) for path in find_audio(folder)}
    if not found:
        raise UserError(f"{folder} holds no audio file: give a folder with recordings")
    chosen = {}
    for name, clip in sorted(found.items(), key=lambda item: len(item[1])):
        if sum(map(len, chosen.values())) < SECONDS * sampling_rate:
            chosen[name] = clip
    return chosen


def save(folder: Path, arrays: dict[str, np.ndarray]) -> list[Path]:
    """A file for each array, for ``run_clips.py``."""
    folder.mkdir()
    for name, array in arrays.items():
        np.save(folder / f"{name}.npy", array)
    return [folder / f"{name}.npy" for name in arrays]


def emulated(arm64: Path, cpu: str, *options: str) -> list:
    """The command of Python on an emulated ARM processor, with further options of the emulator."""
    emulator = [arm64 / "qemu-aarch64", "-cpu", cpu, "-L", arm64 / "root", *options]
    return ["env", f"PYTHONPATH={arm64 / 'site'}", *emulator, arm64 / "root/usr/bin/python3.11"]


def run(python: list, model: Path, clips: list[Path], output: Path) -> tuple[dict[str, np.ndarray], str]:
    """``{clip: output of the model}``, and the machine that it ran on."""
    done = subprocess.run([*python, RUN_CLIPS, model, output, *clips], capture_output=True, text=True, check=False)
    if done.returncode:
        last = " ".join(done.stderr.splitlines()[-1:])
        raise UserError(f"{model.name} ended with exit code {done.returncode}, {python[0]}: {last}")
    with np.load(output) as results:
        return {clip.stem: results[clip.stem] for clip in clips}, str(results["machine"])


def judge(name: str, here: dict, there: dict, clips: dict, audio: AudioConfig) -> tuple[str, str, bool]:
    """The difference between the two processors, its limit, and whether it is within the limit."""
    ours, theirs = (np.concatenate(list(results.values())) for results in (here, there))
    if not (np.isfinite(ours).all() and np.isfinite(theirs).all()):
        return "NaN or infinite values", "none", False
    if name == "mel_frontend":
        difference = np.abs(ours - theirs).max()
        return f"log-mel differs by {difference:.1e}", f"{MAX_MEL_DIFFERENCE:g}", difference <= MAX_MEL_DIFFERENCE
    ratio = snr(ours, theirs)
    shown = "equal, sample for sample" if ratio == np.inf else f"SNR {ratio:.1f} dB"
    if name != "vocoder_int8":
        return shown, f"{MIN_SNR:g} dB", ratio >= MIN_SNR
    before, after = (mean_pesq(clips, results, audio) for results in (here, there))
    change = after - before
    return f"PESQ {after:.3f}, {change:+.3f}; {shown}", f"{MAX_PESQ_CHANGE:g}", abs(change) <= MAX_PESQ_CHANGE


def snr(reference: np.ndarray, other: np.ndarray) -> float:
    """Signal to difference, in dB; infinite where they are equal."""
    difference = np.mean(np.square(reference - other, dtype=np.float64))
    return np.inf if difference == 0 else 10 * np.log10(np.mean(np.square(reference, dtype=np.float64)) / difference)


def mean_pesq(clips: dict[str, np.ndarray], outputs: dict[str, np.ndarray], audio: AudioConfig) -> float:
    """The mean over the clips; NaN if PESQ finds no speech in any output."""
    from hifigan_tf.audio.mel import MelSpectrogram
    from hifigan_tf.evaluation.metrics import evaluate_pair, mean_scores

    front_end = MelSpectrogram.of(audio, for_loss=True)
    pairs = [evaluate_pair(clip, outputs[name], front_end, ["pesq_wb"]) for name, clip in clips.items()]
    mean = mean_scores(pairs, ["pesq_wb"])["pesq_wb"]
    return np.nan if mean is None else mean


def table(rows: list[Row]) -> str:
    lines = [Row("model", "processor", "speech", "ARM compared with x86", "limit", ""), *rows]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip() for line in lines
    )


if __name__ == "__main__":
    cli.run(main)
