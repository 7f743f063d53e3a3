"""``python benchmarks/start_up.py``: the processor time of short commands, from their start to their result."""

import argparse
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # run as a script, from any folder

from benchmarks.measure import add_models
from hifigan_tf import cli
from hifigan_tf.evaluation.tables import markdown
from hifigan_tf.processor import machine

DESCRIPTION = """Runs commands of hifigan_tf on a few seconds of speech, each as a process of its own, in turns, and
prints the processor time (user and system) that each took from its start to its end. Processor time says what a
command costs where a machine is busy with other work too. The first round, which fills the disk's cache, is left
out."""


def parse(argv=None):
    parser = argparse.ArgumentParser(
        prog="python benchmarks/start_up.py", description=DESCRIPTION, formatter_class=cli.Formatter
    )
    add_models(parser, ".tflite or .keras vocoders")
    parser.add_argument("--seconds", type=float, default=3.0, metavar="X", help="of speech")
    parser.add_argument("--repeats", type=cli.positive, default=7, metavar="N", help="rounds")
    return parser.parse_args(argv)


def main(argv=None) -> None:
    args = parse(argv)
    models = [cli.checkpoint(model, (".keras", ".tflite")) for model in args.models]

    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        commands = {("every command", "--help"): (["--help"], None)}
        for model in models:
            commands |= commands_of(model, args.seconds, folder)
        times = {name: [] for name in commands}
        for _ in range(args.repeats + 1):
            for name, (options, given) in commands.items():
                times[name].append(processor_time(options, given))
    rows = []
    for (model, command), measured in times.items():
        cpu, wall = zip(*measured[1:], strict=True)
        seconds = (statistics.median(cpu), min(cpu), max(cpu), statistics.median(wall))
        rows.append([str(model), f"`{command}`", *(f"{value:.2f} s" for value in seconds)])
    print(markdown(["model", "command", "CPU time", "least", "most", "wall time"], rows, left=2))
    print(f"\nMedians of {args.repeats} rounds taken in turns, {machine()}")


def commands_of(model: Path, seconds: float, folder: Path) -> dict:
    """``{(model, command): (its options, the file that it gets on standard input)}``, on speech made for the model."""
    import numpy as np

    from hifigan_tf.audio.audio_files import find_audio, load_audio, normalize, write_wav
    from hifigan_tf.audio.mel_numpy import NumpyMelSpectrogram
    from hifigan_tf.audio.mel_stream import mel_spectrogram
    from hifigan_tf.resources import DEMO_HELD_OUT
    from hifigan_tf.streaming.streaming_vocoder import audio_of

    audio, stem = audio_of(model), folder / model.name
    speech = np.concatenate([load_audio(path, audio.sampling_rate) for path in find_audio(DEMO_HELD_OUT)])
    speech = normalize(speech[: round(seconds * audio.sampling_rate)])
    recording, mel_file, frames = (Path(f"{stem}{suffix}") for suffix in (".wav", ".npy", ".raw"))
    write_wav(recording, speech, audio.sampling_rate)
    mel = mel_spectrogram(speech, NumpyMelSpectrogram.of(audio))
    np.save(mel_file, mel)
    frames.write_bytes(mel.tobytes())
    checkpoint = ["--checkpoint", str(model)]
    output = ["--output-dir", str(folder / "out")]
    return {
        (model.name, "vocode x.wav"): (["vocode", *checkpoint, *output, str(recording)], None),
        (model.name, "vocode x.npy"): (["vocode", *checkpoint, *output, str(mel_file)], None),
        (model.name, "extract-mel x.wav"): (["extract-mel", *checkpoint, *output, str(recording)], None),
        (model.name, "stream"): (["stream", *checkpoint], frames),
    }


def processor_time(options: list[str], given: Path | None) -> tuple[float, float]:
    """Seconds of processor and of wall time that ``hifigan-tf …`` takes."""
    before, start = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    subprocess.run(
        [sys.executable, "-m", "hifigan_tf", *options],
        input=given.read_bytes() if given else None,
        check=True,
        capture_output=True,
    )
    after, wall = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter() - start
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime, wall


if __name__ == "__main__":
    cli.run(main)
