"""``python -m hifigan_tf.demo``: the voice speaks. Sound, figures, and a page to hear and see them on."""

import logging
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from hifigan_tf import cli, extras
from hifigan_tf.audio.audio_files import (
    AUDIO_SUFFIXES,
    check_length,
    check_samples,
    find_audio,
    load_audio,
    normalize,
    read_pieces,
    write_wav,
)
from hifigan_tf.audio.file_batches import find_inputs
from hifigan_tf.audio.mel_numpy import NumpyMelSpectrogram
from hifigan_tf.audio.mel_stream import mel_spectrogram
from hifigan_tf.errors import UserError
from hifigan_tf.evaluation.demo_page import Speech, Take, median, page
from hifigan_tf.files import write_bytes, write_json
from hifigan_tf.resources import DEMO_HELD_OUT, DEMO_SENTENCES, VOICE_FLOAT, VOICE_INT8
from hifigan_tf.streaming.litert import ContractVocoder, load_tflite
from hifigan_tf.streaming.streaming_vocoder import StreamingVocoder

DESCRIPTION = """The voice of hifigan_tf speaks, in float and in 8 bits, chunk by chunk: the mels of six sentences that
it has not heard, the demo's held-out clips, and your recordings. Writes WAV files, figures, and demo.html, which shows
and plays them all, into demo_output/."""

MODELS = {"float": VOICE_FLOAT, "int8": VOICE_INT8}
SCORES = ("log_mel_l1", "stft_distance", "pesq_wb", "stoi")
LONGEST = 60  # seconds of a recording that are vocoded: enough to hear
# Of the voice's own speakers the STFT distance stays below the first, of all speech the log-mel L1 below the second. By
# the log-mel L1 alone music cannot be told from speech of others.
OWN_SPEAKERS, SPEECH = 1.25, 0.65
SENTENCES, CLIPS, YOURS = "Sentences it has not heard", "Clips of the demo", "Your recordings"
FOLDERS = {SENTENCES: "sentences", CLIPS: "clips", YOURS: "yours"}  # of the WAV files, so that names stay apart


def parse(argv=None):
    parser = cli.parser("demo", DESCRIPTION)
    parser.add_argument(
        "--speech", nargs="+", default=[], metavar="FILE", help="recordings of your own, or folders of them"
    )
    parser.add_argument("--output-dir", default="demo_output", type=Path, metavar="DIR", help="where the results go")
    return parser.parse_args(argv)


def sentences() -> Iterator[Speech]:
    """The mels that come with the package, without recordings."""
    for path in sorted(DEMO_SENTENCES.glob("*.npy")):
        yield Speech(SENTENCES, path.stem, np.load(path).astype(np.float32))


def clips(front_end: NumpyMelSpectrogram) -> Iterator[Speech]:
    """The held-out clips of the demo corpus."""
    for path in find_audio(DEMO_HELD_OUT):
        audio = normalize(load_audio(path, front_end.sampling_rate))
        yield Speech(CLIPS, path.stem, mel_spectrogram(audio, front_end), audio)


def recording(name: str, path: Path, front_end: NumpyMelSpectrogram) -> Speech:
    """A recording of the user's, or its beginning. Raises ``UserError`` where it cannot be read, or is silent."""
    rate, pieces, samples = front_end.sampling_rate, [], 0
    with noted() as notes:
        for piece in read_pieces(path, rate, warn=True):
            pieces.append(piece[: LONGEST * rate - samples])
            samples += len(piece)
            if samples >= LONGEST * rate:
                notes.append(f"only its first {LONGEST} seconds")
                break
    audio = np.concatenate(pieces)
    check_length(path, len(audio), front_end.hop_size)
    check_samples(audio, str(path))
    audio = normalize(audio)
    return Speech(YOURS, name, mel_spectrogram(audio, front_end), audio, notes)


@contextmanager
def noted() -> Iterator[list[str]]:
    """The warnings that are logged meanwhile, for the page too."""
    notes: list[str] = []
    handler = logging.Handler(logging.WARNING)
    handler.emit = lambda record: notes.append(record.getMessage().removeprefix("warning: "))  # type: ignore[method-assign]
    logger = logging.getLogger("hifigan_tf")
    logger.addHandler(handler)
    try:
        yield notes
    finally:
        logger.removeHandler(handler)


def speak(model: ContractVocoder, mel: np.ndarray) -> Take:
    """The audio of a mel, streamed in the model's chunks; the speed is by the processor time of this thread alone."""
    vocoder = StreamingVocoder(model, check_mel=False)
    begin, computed, first, pieces = time.perf_counter(), time.thread_time(), None, []
    for start in range(0, len(mel), vocoder.chunk_frames):
        pieces.append(vocoder.push(mel[start : start + vocoder.chunk_frames]))
        if first is None and len(pieces[-1]):
            first = time.perf_counter() - begin
    pieces.append(vocoder.flush())
    # Windows counts in steps of 16 ms, which may be more than all of a short clip.
    computed = (time.thread_time() - computed) or time.perf_counter() - begin
    if first is None:
        first = time.perf_counter() - begin
    audio = np.concatenate(pieces)
    return Take(audio, 1000 * first, len(audio) / model.audio.sampling_rate / computed)


def judge(speech: Speech, front_end: NumpyMelSpectrogram, loss_front_end: NumpyMelSpectrogram) -> None:
    """Scores the takes of a speech, beside the recording where there is one, else beside the mel alone."""
    from hifigan_tf.evaluation.metrics import evaluate_pair, log_mel_l1

    for take in speech.takes.values():
        if speech.original is not None:
            take.scores = evaluate_pair(speech.original, take.audio[: len(speech.original)], loss_front_end, SCORES)
        else:
            found = mel_spectrogram(take.audio, front_end)
            take.scores = {"log_mel_l1": log_mel_l1(speech.mel, found)}
    if speech.group == YOURS:
        speech.notes += strangeness(speech.takes["float"].scores)


def strangeness(scores: dict[str, float | None]) -> Iterator[str]:
    """What the scores of a recording say about it, if it is not clean speech of the voice's own speakers."""
    error, distance = scores["log_mel_l1"], scores["stft_distance"]
    if error is not None and error > SPEECH:
        yield f"log-mel L1 {error:.2f}, where speech stays below {SPEECH}: this is not what the voice knows"
    elif distance is not None and distance > OWN_SPEAKERS:
        yield (
            f"STFT distance {distance:.2f}, where the voice's own speakers stay below {OWN_SPEAKERS}: another speaker, "
            "whom it can learn (hifigan-tf train --from-voice), or no clean speech, such as music"
        )


def main(argv=None) -> int:
    args = parse(argv)
    extras.require("hifigan-tf demo")
    output = args.output_dir
    yours = output / FOLDERS[YOURS]
    recordings = find_inputs(args.speech, AUDIO_SUFFIXES, yours, "")
    cli.writable_folder(output)
    from hifigan_tf.evaluation.metrics import left_out

    for line in left_out(SCORES):
        print(line)
    models = {name: load_tflite(path) for name, path in MODELS.items()}
    audio = models["float"].audio
    front_end, loss_front_end = NumpyMelSpectrogram.of(audio), NumpyMelSpectrogram.of(audio, for_loss=True)
    said, refused = [*sentences(), *clips(front_end)], []
    for place, path in recordings.items():
        try:
            said.append(recording(place.relative_to(yours).as_posix(), path, front_end))
        except UserError as error:
            refused.append(str(error))
    for speech in cli.progress(said, desc="speaking", unit="clip", leave=False):
        for name, model in models.items():
            speech.takes[name] = speak(model, speech.mel)
        judge(speech, front_end, loss_front_end)
        sounds = {name: take.audio for name, take in speech.takes.items()}
        if speech.original is not None:
            sounds["original"] = speech.original
        for name, samples in sounds.items():
            path = wav_of(output, speech, name)
            path.parent.mkdir(parents=True, exist_ok=True)
            write_wav(path, samples, audio.sampling_rate)
    write_json(output / "metrics.json", figures(said, audio.sampling_rate))
    write_bytes(output / "demo.html", page(said, refused, models, front_end).encode())
    _tell(output, said, refused)
    return 0


def wav_of(output: Path, speech: Speech, sound: str) -> Path:
    """Where a sound is written: ``original``, or what a model made."""
    return output / FOLDERS[speech.group] / f"{speech.name}_{sound}.wav"


def figures(said: list[Speech], sampling_rate: int) -> list[dict]:
    """A row for each take."""
    return [
        {
            "name": speech.name,
            "group": speech.group,
            "model": name,
            "seconds": round(len(take.audio) / sampling_rate, 3),
            "first_audio_ms": round(take.first_ms, 2),
            "x_realtime": round(take.x_realtime, 2),
            **take.scores,
        }
        for speech in said
        for name, take in speech.takes.items()
    ]


def _tell(output: Path, said: list[Speech], refused: list[str]) -> None:
    for name in MODELS:
        print(f"{name}: {median(said, name, 'x_realtime'):.0f} x real time on one thread, first audio after "
              f"{median(said, name, 'first_ms'):.0f} ms")  # fmt: skip
    for speech in said:
        for note in speech.notes:
            print(f"{speech.name}: {note}")
    for reason in refused:
        print(f"left out: {reason}")
    print(f"""
hear and see: {output / "demo.html"} in a browser
listen:       {wav_of(output, said[-1], "int8")}, and the others beside it
figures:      {output / "metrics.json"}
next:         hifigan-tf vocode YOUR_RECORDING.wav
              hifigan-tf train --from-voice --data YOUR_RECORDINGS
              hifigan-tf train-demo
""")


if __name__ == "__main__":
    cli.run(main)
