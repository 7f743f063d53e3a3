"""``python -m hifigan_tf.vocode``: mels, or recordings by way of their mels, to waveforms."""

from functools import lru_cache
from pathlib import Path

import numpy as np

from hifigan_tf import cli
from hifigan_tf.audio import AUDIO_SUFFIXES, PEAK, normalize, write_wav
from hifigan_tf.batch import BAD_INPUTS, convert_all, find_inputs, load_speech
from hifigan_tf.mel_formats import RECOGNIZE, MelFormat, load_mel

DESCRIPTION = f"""Makes speech of mels. Each INPUT becomes DIR/<name>.wav, 16-bit mono at the model's rate.

INPUT is an audio file (WAV, FLAC, OGG, MP3), whose mel is computed and made audible again at the exact length
of the recording; or a mel as .npy, [frames, num_mels] in natural logarithms as python -m hifigan_tf.extract_mel
writes it; or a folder, searched for both.

{BAD_INPUTS}"""

MEL_FORMAT_HELP = """what the .npy files hold, where it is not what extract_mel writes: log10 (base 10), db (20 *
log10), linear (no logarithm), transposed ([num_mels, frames]), or two such as log10,transposed; log means
natural logarithms and no check of their range"""


def vocode(generator, mel: np.ndarray) -> np.ndarray:
    """A natural log-mel ``[frames, num_mels]`` to audio ``[frames * hop_size]``, float32 in -1 to 1."""
    return _compiled(generator)(mel[None]).numpy()[0, :, 0]


@lru_cache(maxsize=1)
def _compiled(generator):
    """The generator as one graph for every length; Keras' ``predict`` traces two, whose last bits differ."""
    import tensorflow as tf

    return tf.function(generator, input_signature=[tf.TensorSpec([None, None, generator.audio.num_mels])])


def resynthesize(generator, front_end, audio: np.ndarray, keep_level: bool = False) -> np.ndarray:
    """Audio ``[samples]`` through its mel and the generator, of the same length.

    The mel is that of ``audio`` at the peak of training, 0.95, and so is the result, unless ``keep_level``
    scales it back. ``front_end`` is ``MelSpectrogram.of(generator.audio)``.
    """
    from hifigan_tf.mel import mel_spectrogram

    result = vocode(generator, mel_spectrogram(normalize(audio), front_end))[: len(audio)]
    return result * (np.abs(audio).max() / PEAK) if keep_level else result


def parse(argv=None):
    parser = cli.parser("vocode", DESCRIPTION)
    parser.add_argument("inputs", nargs="+", metavar="INPUT", help="audio files, .npy mels, or folders")
    parser.add_argument(
        "--checkpoint", required=True, metavar="CKPT", help="a .keras file, or a run folder: its best.keras, else last"
    )
    parser.add_argument("--output-dir", required=True, metavar="DIR", type=Path, help="made where it does not exist")
    parser.add_argument(
        "--keep-level",
        action="store_true",
        help=f"give recordings their own level back; otherwise they come out as in training, at a peak near {PEAK}",
    )
    parser.add_argument("--mel-format", type=MelFormat.parse, default=RECOGNIZE, help=MEL_FORMAT_HELP)
    return parser.parse_args(argv)


def main(argv=None) -> None:
    args = parse(argv)
    checkpoint = cli.checkpoint(args.checkpoint)
    files = find_inputs(args.inputs, (*AUDIO_SUFFIXES, ".npy"), args.output_dir, ".wav")
    cli.writable_folder(args.output_dir)

    from hifigan_tf.generator import load_generator
    from hifigan_tf.mel import MelSpectrogram

    generator = load_generator(checkpoint)
    front_end = MelSpectrogram.of(generator.audio)

    def convert(path, output):
        if path.suffix.lower() == ".npy":
            audio = vocode(generator, load_mel(path, generator.audio.num_mels, args.mel_format))
        else:
            audio = resynthesize(generator, front_end, load_speech(path, generator.audio), args.keep_level)
        write_wav(output, audio, generator.audio.sampling_rate)

    convert_all(files, convert)


if __name__ == "__main__":
    cli.run(main)
