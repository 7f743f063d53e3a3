"""``python -m hifigan_tf.stream``: a filter between an acoustic model and a player, mel frames in, audio out."""

import errno
import logging
import os
import signal
import sys
from collections.abc import Callable, Iterable, Iterator

import numpy as np

from hifigan_tf import cli
from hifigan_tf.audio.audio_files import pcm16_bytes
from hifigan_tf.audio.mel_formats import ForeignMelError, MelConversion, add_mel_options, mel_format_of, model_blocks
from hifigan_tf.audio.mel_scale import silent_frame
from hifigan_tf.errors import UserError
from hifigan_tf.streaming.streaming_vocoder import StreamingVocoder
from hifigan_tf.vocode import add_vocoder_options, checkpoint_of

log = logging.getLogger(__name__)

DESCRIPTION = """Makes speech from mel frames as they arrive:

    acoustic_model | python -m hifigan_tf.stream --checkpoint vocoder.tflite | aplay -t raw -f S16_LE -r 22050 -c 1

Standard input is float32 frames, little-endian, num_mels values each, one after the other, without a header.
Standard output is 16-bit little-endian mono PCM at the model's rate, written as soon as it is made: the samples
that python -m hifigan_tf.vocode writes for the same mel. The end of the input ends the speech.

The audio of a .tflite lags by its delay and up to one chunk, reported at the start; that of a .keras file lags by a
second or more.

A fault of the input (a last frame cut short, NaN, no frame at all) is one line on standard error and exit code 2,
after the audio of the frames before it. Frames that cannot be speech in the model's mel are refused the same way, and
nothing more is played; --mel-format model plays whatever comes. Ctrl-C is exit code 130 and SIGTERM 143. A reader that
closes the pipe ends this program as it ends other filters, quietly by SIGPIPE: 141 in a shell."""

CLOSED_PIPE = 141  # what a shell reports of a filter that SIGPIPE ended
INPUT, OUTPUT = 0, 1  # the descriptors themselves: Python's own buffers would wait for more
NPY_MAGIC = b"\x93NUMPY"


class ClosedPipeError(Exception):
    """The reader of the audio has gone."""


def parse(argv=None):
    parser = cli.parser("stream", DESCRIPTION)
    add_vocoder_options(parser)
    add_mel_options(parser, "frames", transposed=False)
    parser.add_argument("--float32", action="store_true", help="write float32 samples in -1 to 1 instead of 16-bit PCM")
    parser.add_argument("--quiet", action="store_true", help="say nothing at the start")
    return parser.parse_args(argv)


def main(argv=None) -> int:
    args = parse(argv)
    mel_format = mel_format_of(args, "a stream comes frame by frame and cannot be transposed")
    if os.isatty(INPUT):
        raise UserError("standard input is a terminal: pipe float32 mel frames into this command (--help shows how)")
    if os.isatty(OUTPUT):
        raise UserError("standard output is a terminal: pipe the audio to a player such as aplay, or into a file")
    if hasattr(signal, "SIGPIPE"):
        signal.signal(signal.SIGPIPE, signal.SIG_DFL)  # which Python ignores, to raise an error at every write instead
    if sys.platform == "win32":
        import msvcrt

        for descriptor in (INPUT, OUTPUT):  # or line ends would be translated
            msvcrt.setmode(descriptor, os.O_BINARY)
    signal.signal(signal.SIGTERM, _terminate)
    vocoder = StreamingVocoder(checkpoint_of(args), threads=args.threads, check_mel=False)
    conversion = MelConversion(vocoder.audio, mel_format)
    warm_up(vocoder)
    if not args.quiet:
        whose = "" if args.checkpoint else "the voice of hifigan_tf, "
        log.info("%s", whose + summary(vocoder, args.float32))
    encode = _float32_bytes if args.float32 else pcm16_bytes
    blocks = read_frames(vocoder.audio.num_mels, vocoder.chunk_frames)
    mels = model_blocks(blocks, conversion, "standard input")
    try:
        stream(vocoder, mels, lambda audio: write(encode(audio)))
    except ClosedPipeError:
        return CLOSED_PIPE
    return 0


def warm_up(vocoder: StreamingVocoder) -> None:
    """Runs the model once: a Keras one builds its graph at the first step, which takes seconds."""
    audio = vocoder.audio
    frames = 2 * vocoder.chunk_frames + -(-vocoder.delay_samples // audio.hop_size)  # past the start's own chunks
    vocoder.push(np.tile(silent_frame(audio), [frames, 1]))
    vocoder.reset()


def stream(vocoder: StreamingVocoder, mels: Iterable[np.ndarray], play: Callable[[np.ndarray], None]) -> None:
    """Plays every block as it comes.

    Where ``mels`` raises ``UserError``, the frames before it are played first, but not where it is a
    ``ForeignMelError``: they would be noise.
    """
    fault = None
    try:
        for mel in mels:
            play(vocoder.push(mel))
    except ForeignMelError:
        raise
    except UserError as error:
        fault = error
    play(vocoder.flush())
    if fault:
        raise fault


def read_frames(num_mels: int, most: int) -> Iterator[np.ndarray]:
    """The frames on standard input, float32 ``[1 to most, num_mels]``, as soon as they are there.

    No more than ``most`` frames are read at a time, so that the first audio of a long block is not kept back by
    the rest of it. Raises ``UserError`` at the end where a frame was cut short or there was none.
    """
    size, count, data = 4 * num_mels, 0, b""
    while piece := os.read(INPUT, most * size - len(data)):
        data += piece
        frames = len(data) // size
        if count == 0 and data.startswith(NPY_MAGIC):
            raise UserError(
                "standard input is a .npy file: pipe the bytes of its float32 array alone, or give the file to vocode"
            )
        if frames:
            yield np.frombuffer(data, "<f4", frames * num_mels).reshape(frames, num_mels)
            data, count = data[frames * size :], count + frames
    if data:
        raise UserError(f"standard input ends within frame {count}: {len(data)} of {size} bytes are left over")
    if count == 0:
        raise UserError(f"standard input is empty: pipe float32 mel frames of {num_mels} values into this command")


def write(data: bytes) -> None:
    """All of it to standard output, at once. Raises ``ClosedPipeError`` where nobody reads it any more."""
    view = memoryview(data)
    while view:
        try:
            view = view[os.write(OUTPUT, view) :]
        except OSError as error:
            if error.errno in (errno.EPIPE, errno.EINVAL):  # as Windows says it, where there is no SIGPIPE
                raise ClosedPipeError from error
            raise


def summary(vocoder: StreamingVocoder, float32: bool = False) -> str:
    """One line: rate, delay, and the command that plays the stream."""
    rate, chunk = vocoder.audio.sampling_rate, vocoder.chunk_frames
    delay_ms = 1000 * vocoder.delay_samples / rate
    chunk_ms = 1000 * chunk * vocoder.audio.hop_size / rate
    player = f"aplay -t raw -f {'FLOAT_LE' if float32 else 'S16_LE'} -r {rate} -c 1"
    late = f"{delay_ms:.0f} ms late and up to {chunk_ms:.0f} ms more (chunks of {chunk} frames)"
    return f"{rate} Hz, {late}; to play it: {player}"


def _float32_bytes(audio: np.ndarray) -> bytes:
    return audio.astype("<f4").tobytes()


def _terminate(number, frame) -> None:
    print("terminated", file=sys.stderr)
    sys.exit(128 + number)


if __name__ == "__main__":
    cli.run(main)
