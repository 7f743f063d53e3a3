"""``make soak``: random pushes, resets and moved states of 32 streams on 4 threads, with the samples of the whole mel.

    python tests/soak.py [--seconds 3600] [--streams 32] [--threads 4]

The streams share their models: the voice of the package as float32, int8 and windows. Each vocodes speech of the demo
in pushes of random sizes; now and then it is reset, put back to a snapshot of its state, goes on as a new stream with
its state, or exchanges its state with another of the streams, in the middle of both utterances. Every utterance that
reaches its end must have, to the bit, the samples of the same model at once. Ends with 1 at the first that has not, or
where the memory of the process grows.
"""

import argparse
import math
import random
import sys
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path
from queue import Empty, SimpleQueue

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # run as a script, from any folder

import numpy as np

from benchmarks.measure import resident_mb
from hifigan_tf import cli
from hifigan_tf.audio.audio_files import find_audio, load_audio, normalize
from hifigan_tf.audio.mel_numpy import NumpyMelSpectrogram
from hifigan_tf.audio.mel_stream import mel_spectrogram
from hifigan_tf.config import AudioConfig
from hifigan_tf.resources import DEMO_HELD_OUT, VOICE
from hifigan_tf.streaming.litert import load_tflite
from hifigan_tf.streaming.streaming_vocoder import StreamingVocoder, StreamState, vocode

LONGEST_PUSH = 24  # frames
GROWTH_MB = 100  # of the memory after the first tenth of the run
PAUSE = 5.0  # seconds between two looks at the memory


@dataclass
class Utterance:
    """A mel ``[frames, num_mels]`` and, by model, the audio ``[samples]`` of the whole."""

    mel: np.ndarray
    audio: dict[str, np.ndarray]


@dataclass
class Snapshot:
    """A stream in the middle of an utterance: its state, and what it has taken and given."""

    state: StreamState
    frames: int
    samples: int


@dataclass
class Stream:
    """A stream of a model, and where it is in its utterance."""

    name: str
    vocoder: StreamingVocoder
    utterance: Utterance
    frames: int = 0
    samples: int = 0
    snapshots: list[Snapshot] = field(default_factory=list)

    def begin(self, utterance: Utterance) -> None:
        """Another utterance from its start."""
        self.vocoder.reset()
        self.utterance, self.frames, self.samples, self.snapshots = utterance, 0, 0, []

    def push(self, frames: int) -> None:
        """The next frames; raises ``AssertionError`` where their audio is not the whole's."""
        self._compare(self.vocoder.push(self.utterance.mel[self.frames : self.frames + frames]))
        self.frames = min(self.frames + frames, len(self.utterance.mel))

    def flush(self) -> None:
        """The end of the utterance."""
        self._compare(self.vocoder.flush())
        expected = len(self.utterance.audio[self.name])
        assert self.samples == expected, f"{self.name}: {self.samples} samples, not {expected}"

    def keep(self) -> None:
        """A snapshot to go back to."""
        self.snapshots.append(Snapshot(self.vocoder.state, self.frames, self.samples))

    def go_back(self, snapshot: Snapshot) -> None:
        self.vocoder.state, self.frames, self.samples = snapshot.state, snapshot.frames, snapshot.samples

    def move(self) -> None:
        """Goes on as a new stream of the same model."""
        other = StreamingVocoder(self.vocoder.model)
        other.state, self.vocoder = self.vocoder.state, other

    def exchange(self, other: "Stream") -> None:
        """Each goes on where the other is: over what the other's pushes have left in it."""
        self.vocoder.state, other.vocoder.state = other.vocoder.state, self.vocoder.state
        for name in ("utterance", "frames", "samples", "snapshots"):
            mine, theirs = getattr(self, name), getattr(other, name)
            setattr(self, name, theirs)
            setattr(other, name, mine)

    def _compare(self, audio: np.ndarray) -> None:
        expected = self.utterance.audio[self.name][self.samples : self.samples + len(audio)]
        assert np.array_equal(audio, expected), (
            f"{self.name}: other audio from sample {self.samples} on, after {self.frames} frames"
        )
        self.samples += len(audio)


def models() -> dict[str, object]:
    """Loaded models by name."""
    from hifigan_tf.export.export_vocoder import build_unjudged
    from hifigan_tf.export.options import ExportOptions
    from hifigan_tf.models.generator import load_generator

    generator, found = load_generator(VOICE), {}
    kinds = {
        "float32": ExportOptions(),
        "int8": ExportOptions(mode="int8"),
        "windows": ExportOptions(stateless=True, frames=40),
    }
    for name, options in kinds.items():
        exported = build_unjudged(generator, options)
        model = exported.packed()
        for chunk in exported.contract.chunk_frames or (None,):
            found[f"{name}, chunks of {chunk}" if chunk else name] = load_tflite(model, chunk)
    return found


def speech(audio: AudioConfig, number: int) -> list[np.ndarray]:
    """Mels ``[frames, num_mels]`` of one to 300 frames."""
    front_end, draw = NumpyMelSpectrogram.of(audio), random.Random(0)
    clips = [normalize(load_audio(path, audio.sampling_rate)) for path in find_audio(DEMO_HELD_OUT)]
    whole = [mel_spectrogram(clip, front_end) for clip in clips]
    mels = []
    for index in range(number):
        mel, frames = whole[index % len(whole)], 1 + min(index, draw.randrange(300))
        start = draw.randrange(max(1, len(mel) - frames))
        mels.append(mel[start : start + frames])
    return mels


def act(stream: Stream, free: SimpleQueue, utterances: list[Utterance], draw: random.Random) -> bool:
    """One random step of a stream; whether an utterance came to its end. ``free`` are the streams at rest."""
    chance = draw.random()
    if chance < 0.02:
        stream.begin(draw.choice(utterances))
    elif chance < 0.06:
        stream.keep()
    elif chance < 0.09 and stream.snapshots:
        stream.go_back(draw.choice(stream.snapshots))
    elif chance < 0.11:
        stream.move()
    elif chance < 0.15:
        exchange_with_any(stream, free)
    elif stream.frames < len(stream.utterance.mel):
        stream.push(draw.randint(0, LONGEST_PUSH))
    else:
        stream.flush()
        stream.begin(draw.choice(utterances))
        return True
    return False


def exchange_with_any(stream: Stream, free: SimpleQueue) -> None:
    """Exchanges a stream's state with that of the first at rest that is of the same model."""
    passed: list[Stream] = []
    try:
        while not passed or passed[-1].name != stream.name:
            passed.append(free.get_nowait())
        stream.exchange(passed[-1])
    except Empty:  # the others are at work
        pass
    finally:
        for one in passed:
            free.put(one)


def soak(
    streams: int, threads: int, seconds: float = math.inf, steps: float = math.inf, seed: int = 0
) -> tuple[int, int, list[str]]:
    """Runs the streams for a time, or for steps of each thread; returns steps, finished utterances, and faults."""
    loaded = models()
    audio = next(iter(loaded.values())).audio
    utterances = [
        Utterance(mel, {name: vocode(model, mel) for name, model in loaded.items()}) for mel in speech(audio, 40)
    ]
    free: SimpleQueue = SimpleQueue()
    for number in range(streams):
        name = list(loaded)[number % len(loaded)]
        free.put(Stream(name, StreamingVocoder(loaded[name]), utterances[number % len(utterances)]))
    begin, faults, counts = time.monotonic(), [], [[0, 0] for _ in range(threads)]

    def share() -> float:
        """How much of the run is done: it ends at 1."""
        return max((time.monotonic() - begin) / seconds, min(done for done, _ in counts) / steps)

    def work(thread: int) -> None:
        draw = random.Random(f"{seed} {thread}")
        while not faults and counts[thread][0] < steps and time.monotonic() < begin + seconds:
            stream = free.get()
            try:
                counts[thread][1] += act(stream, free, utterances, draw)
                counts[thread][0] += 1
            except Exception as error:
                faults.append(f"{type(error).__name__}: {error}")
            free.put(stream)

    workers = [threading.Thread(target=work, args=[thread]) for thread in range(threads)]
    for worker in workers:
        worker.start()
    settled = None
    while any(worker.is_alive() for worker in workers):
        next(worker for worker in workers if worker.is_alive() or worker is workers[-1]).join(PAUSE)
        used = resident_mb()
        if settled is None and share() > 0.1:
            settled = used
        if settled is not None and used > settled + GROWTH_MB:
            faults.append(f"the memory grew from {settled:.0f} to {used:.0f} MB")
    done, ended = (sum(column) for column in zip(*counts, strict=True))
    return done, ended, faults


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=3600)
    parser.add_argument("--streams", type=cli.positive, default=32)
    parser.add_argument("--threads", type=cli.positive, default=4)
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    steps, ended, faults = soak(args.streams, args.threads, args.seconds, seed=args.seed)
    print(f"{steps:,} steps, {ended:,} utterances with the samples of the whole")
    for fault in faults:
        print(fault)
    return bool(faults)


if __name__ == "__main__":
    cli.run(main)
