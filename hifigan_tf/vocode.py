"""``python -m hifigan_tf.vocode``: mels, or recordings by way of their mels, to waveforms."""

import argparse
from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np

from hifigan_tf import cli
from hifigan_tf.audio.audio_files import (
    AUDIO_KINDS,
    AUDIO_SUFFIXES,
    PEAK,
    check_length,
    check_scale,
    measure,
    read_pieces,
    wav_writer,
)
from hifigan_tf.audio.file_batches import BAD_INPUTS, convert_all, find_inputs
from hifigan_tf.audio.mel_formats import FOREIGN_MELS, MelConversion, MelFile, add_mel_options, mel_format_of
from hifigan_tf.audio.mel_numpy import NumpyMelSpectrogram
from hifigan_tf.audio.mel_stream import MelStream
from hifigan_tf.errors import UserError
from hifigan_tf.resources import VOICE_FLOAT
from hifigan_tf.streaming.streaming_vocoder import StreamingVocoder, load_vocoder

DESCRIPTION = f"""Makes speech from mels. Each INPUT becomes DIR/<name>.wav, 16-bit mono at the model's rate.

INPUT is an audio file ({AUDIO_KINDS}), whose mel is computed and vocoded at the exact length
of the recording; or a mel as .npy, [frames, num_mels], as python -m hifigan_tf.extract_mel --checkpoint CKPT writes
it; or a folder, searched for both. Inputs may be of any length: they are read and written in pieces.

{BAD_INPUTS}"""

CHECKPOINT_HELP = """a .keras file, a run folder (its best.keras, else last), or a .tflite that hifigan-tf export wrote;
default: the voice of hifigan_tf"""


def add_vocoder_options(parser: argparse.ArgumentParser) -> None:
    """The model, and its threads, of a command that makes speech."""
    parser.add_argument("--checkpoint", metavar="CKPT", help=CHECKPOINT_HELP)
    parser.add_argument(
        "--threads",
        type=cli.positive,
        metavar="N",
        help="threads that compute; default: 1 of a .tflite, all of a .keras file",
    )


def checkpoint_of(args: argparse.Namespace) -> Path:
    """The model's file: the voice where none is named."""
    return cli.checkpoint(args.checkpoint, (".keras", ".tflite")) if args.checkpoint else VOICE_FLOAT


def resynthesize(model, front_end, pieces: Iterable[np.ndarray], peak: float, keep_level=False) -> Iterator[np.ndarray]:
    """Audio in pieces ``[samples]`` through its mel and a model, in pieces, of the same length in all.

    The mel is that of the audio at the peak of training, 0.95, and so is the result, unless ``keep_level``
    scales it back. ``peak`` is that of all the pieces, ``front_end`` makes the mel, such as
    ``NumpyMelSpectrogram.of(model.audio)``, and ``model`` is what ``StreamingVocoder`` takes.
    """
    vocoder, mels, given = StreamingVocoder(model, check_mel=False), MelStream(front_end), 0
    level = np.float32(peak / PEAK if keep_level else 1)
    for piece in pieces:
        audio = vocoder.push(mels.push((piece * (PEAK / peak)).astype(np.float32)))
        given += len(audio)
        yield audio * level
    rest = np.concatenate([vocoder.push(mels.flush()), vocoder.flush()])
    yield rest[: mels.samples - given] * level


def parse(argv=None):
    parser = cli.parser("vocode", DESCRIPTION)
    parser.add_argument("inputs", nargs="+", metavar="INPUT", help="audio files, .npy mels, or folders")
    add_vocoder_options(parser)
    parser.add_argument(
        "--output-dir", default=Path("vocoded"), metavar="DIR", type=Path, help="made where it does not exist"
    )
    parser.add_argument(
        "--keep-level",
        action="store_true",
        help=f"give recordings their own level back; otherwise they come out as in training, at a peak near {PEAK}",
    )
    parser.add_argument(
        "--pad-like-original",
        action="store_true",
        help="repeat the first and the last frame of .npy mels as often as the library that the model comes from does "
        "(Coqui, SpeechBrain: 5 times), which makes the speech so much longer; recordings keep their length",
    )
    add_mel_options(parser, ".npy files")
    return parser.parse_args(argv)


def _is_mel(path: Path) -> bool:
    return path.suffix.lower() in (".npy", *FOREIGN_MELS)


def main(argv=None) -> None:
    args = parse(argv)
    checkpoint = checkpoint_of(args)
    files = find_inputs(args.inputs, (*AUDIO_SUFFIXES, ".npy"), args.output_dir, ".wav")
    if args.pad_like_original and not any(map(_is_mel, files.values())):
        raise UserError("--pad-like-original is for mels, and every input is a recording: leave it out")
    cli.writable_folder(args.output_dir)
    model = load_vocoder(checkpoint, threads=args.threads)
    if not args.checkpoint:
        print(f"the voice of hifigan_tf, at {model.audio.sampling_rate} Hz; another with --checkpoint")
    conversion = MelConversion(model.audio, mel_format_of(args))
    replicated = model.replicated_frames if args.pad_like_original else 0
    if args.pad_like_original and not replicated:
        raise UserError(f"{checkpoint} comes from no library that repeats frames: leave out --pad-like-original")

    def convert(path, output):
        if _is_mel(path):
            pieces = from_mel(path)
        else:
            pieces = from_audio(path)
        with wav_writer(output, model.audio.sampling_rate) as write:
            for audio in pieces:
                write(audio)

    def from_mel(path):
        mel, vocoder = MelFile(path, conversion), StreamingVocoder(model, check_mel=False)
        last = None
        for block in mel.blocks():
            if last is None and len(block):
                yield vocoder.push(block[:1].repeat(replicated, axis=0))
            last = block[-1:] if len(block) else last
            yield vocoder.push(block)
        if last is not None:
            yield vocoder.push(last.repeat(replicated, axis=0))
        yield vocoder.flush()

    def from_audio(path):
        rate = model.audio.sampling_rate
        samples, peak = measure(path, rate)
        check_length(path, samples, model.audio.hop_size)
        if args.keep_level:
            check_scale(str(path), peak)
        front_end = NumpyMelSpectrogram.of(model.audio)
        yield from resynthesize(model, front_end, read_pieces(path, rate), peak, args.keep_level)

    convert_all(files, convert)


if __name__ == "__main__":
    cli.run(main)
