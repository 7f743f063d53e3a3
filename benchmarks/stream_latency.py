"""``python benchmarks/stream_latency.py``: the lag of a pipe's audio behind frames that arrive in real time."""

import argparse
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # run as a script, from any folder

from benchmarks.measure import add_models
from hifigan_tf import cli
from hifigan_tf.audio.audio_files import find_audio, load_audio, normalize, pcm16_bytes
from hifigan_tf.errors import UserError
from hifigan_tf.evaluation.tables import markdown
from hifigan_tf.files import write_json
from hifigan_tf.processor import machine
from hifigan_tf.resources import DEMO_HELD_OUT

DESCRIPTION = """Writes the mel of recordings into python -m hifigan_tf.stream, one frame every hop_size samples of real
time, and records when audio comes back.

Lag is the audio of all frames written minus the audio that has come back, at its largest: the delay of the model
and a chunk, if computing keeps up. Response is the time from the frame that completes a chunk to its audio: the
time for computing and for the scheduling of both processes. Timing begins when the stream reports that it is ready."""


def parse(argv=None):
    parser = argparse.ArgumentParser(
        prog="python benchmarks/stream_latency.py", description=DESCRIPTION, formatter_class=cli.Formatter
    )
    add_models(parser, ".tflite or .keras files, or run folders")
    parser.add_argument("--data", default=DEMO_HELD_OUT, metavar="DIR", help="folder of audio files")
    parser.add_argument("--seconds", type=float, default=20.0, help="of mel; shorter recordings are repeated")
    parser.add_argument("--json", metavar="F", type=Path, help="write the rows there")
    args = parser.parse_args(argv)
    if args.seconds <= 0:
        raise UserError(f"--seconds {args.seconds}: it must be positive")
    return args


def real_mel(folder: Path, audio, seconds: float) -> np.ndarray:
    """The mel ``[frames, num_mels]`` of this many seconds of the folder's recordings."""
    from hifigan_tf.audio.mel import MelSpectrogram, mel_spectrogram

    front_end, clips = MelSpectrogram.of(audio), find_audio(folder)
    if not clips:
        raise UserError(f"--data {folder} holds no audio file")
    frames, mels = int(np.ceil(seconds * audio.sampling_rate / audio.hop_size)), []
    while sum(map(len, mels)) < frames:
        clip = load_audio(clips[len(mels) % len(clips)], audio.sampling_rate)
        mels.append(mel_spectrogram(normalize(clip), front_end))
    return np.concatenate(mels)[:frames]


def pipe(checkpoint: Path, mel: np.ndarray, period: float) -> tuple[float, np.ndarray, list[float], bytes]:
    """Runs the stream: returns seconds until ready, times of the written frames, arrivals of audio, and the audio."""
    begin, arrivals, audio = time.perf_counter(), [], []
    command = [sys.executable, "-m", "hifigan_tf.stream", "--checkpoint", str(checkpoint.resolve())]
    pipes = dict.fromkeys(("stdin", "stdout", "stderr"), subprocess.PIPE)
    process = subprocess.Popen(command, cwd=Path(__file__).parents[1], bufsize=0, **pipes)

    def listen():
        while data := process.stdout.read(1 << 16):
            arrivals.append((time.perf_counter(), len(data)))
            audio.append(data)

    def until_ready():
        for line in process.stderr:
            if b"to play it" in line:
                return time.perf_counter() - begin
        raise UserError(f"{checkpoint} does not stream: run {' '.join(command[1:])}")

    listener = threading.Thread(target=listen)
    listener.start()
    ready = until_ready()
    written, start = np.zeros(len(mel)), time.perf_counter()
    for index, frame in enumerate(mel):
        time.sleep(max(0, start + index * period - time.perf_counter()))
        written[index] = time.perf_counter()
        process.stdin.write(frame.astype("<f4").tobytes())
    process.stdin.close()
    listener.join()
    process.stderr.close()
    if process.wait():
        raise UserError(f"{checkpoint}: the stream ended with exit code {process.returncode}")
    return ready, written, arrivals, b"".join(audio)


def measure(checkpoint: Path, folder: Path, seconds: float) -> dict:
    """Measures one model; returns its row of the table."""
    from hifigan_tf.streaming.streaming_vocoder import StreamingVocoder

    vocoder = StreamingVocoder(checkpoint)
    audio, hop = vocoder.audio, vocoder.audio.hop_size
    mel = real_mel(folder, audio, seconds)
    pieces = [vocoder.push(frame[None]) for frame in mel]
    ready, written, arrivals, streamed = pipe(checkpoint, mel, hop / audio.sampling_rate)
    if streamed != pcm16_bytes(np.concatenate([*pieces, vocoder.flush()])):
        raise UserError(f"{checkpoint}: the audio of the pipe is not the model's")

    times, sizes = np.array(arrivals).T
    after = np.cumsum(sizes) / 2
    # The lag is largest just before audio arrives.
    lag = np.searchsorted(written, times) * hop - (after - sizes / 2)
    possible = np.cumsum([len(piece) for piece in pieces])
    live = after <= possible[-1]  # the rest is the flush
    response = times[live] - written[np.searchsorted(possible, after[live])]
    to_ms = 1000 / audio.sampling_rate
    return {
        "model": checkpoint.name,
        "seconds": round(len(mel) * hop / audio.sampling_rate, 2),
        "ready_s": round(ready, 2),
        "delay_ms": round(vocoder.delay_samples * to_ms, 1),
        "chunk_ms": round(vocoder.chunk_frames * hop * to_ms, 1),
        "lag_ms": round(float(lag.max()) * to_ms, 1),
        "response_ms_median": round(1000 * float(np.median(response)), 2),
        "response_ms_p99": round(1000 * float(np.percentile(response, 99)), 2),
        "response_ms_worst": round(1000 * float(response.max()), 2),
        "response_ms_first": round(1000 * float(response[0]), 2),
    }


def report(rows: list[dict]) -> str:
    """The rows as a table, and the conditions of the measurement."""
    cells = [
        [
            row["model"],
            f"{row['delay_ms'] + row['chunk_ms']:.1f} ms",
            f"{row['lag_ms']:.1f} ms",
            *(f"{row[f'response_ms_{which}']:.1f} ms" for which in ("median", "p99", "worst", "first")),
        ]
        for row in rows
    ]
    table = markdown(["model", "delay + chunk", "largest lag", "response", "99 %", "worst", "first"], cells)
    return f"{table}\n\n{rows[0]['seconds']:g} s of mel in real time, {machine()}"


def main(argv=None) -> None:
    args = parse(argv)
    folder = cli.existing_folder(args.data, "--data")
    checkpoints = [cli.checkpoint(model, (".keras", ".tflite")) for model in args.models]
    if args.json:
        cli.writable_folder(args.json.parent)
    rows = [measure(checkpoint, folder, args.seconds) for checkpoint in checkpoints]
    print(report(rows))
    if args.json:
        write_json(args.json, rows)


if __name__ == "__main__":
    cli.run(main)
