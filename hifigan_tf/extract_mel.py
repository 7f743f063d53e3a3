"""``python -m hifigan_tf.extract_mel``: recordings to mels, for acoustic models and for ``vocode``."""

import io
from pathlib import Path

import numpy as np

from hifigan_tf import cli
from hifigan_tf.audio.audio_files import AUDIO_KINDS, AUDIO_SUFFIXES, PEAK, check_rate, check_scale, normalize
from hifigan_tf.audio.file_batches import BAD_INPUTS, convert_all, find_inputs, load_speech
from hifigan_tf.audio.mel_numpy import NumpyMelSpectrogram, warn_of_empty_bands
from hifigan_tf.audio.mel_stream import mel_spectrogram
from hifigan_tf.config import Config
from hifigan_tf.files import write_bytes
from hifigan_tf.resources import CONFIGS
from hifigan_tf.streaming.streaming_vocoder import audio_of

DESCRIPTION = f"""Makes mels of speech. Each INPUT becomes DIR/<name>.npy, float32 [frames, num_mels]: what the
generator of the config or the checkpoint takes, a frame for every started hop.

INPUT is an audio file ({AUDIO_KINDS}), or a folder searched for them.

{BAD_INPUTS}"""


def parse(argv=None):
    parser = cli.parser("extract_mel", DESCRIPTION)
    parser.add_argument("inputs", nargs="+", metavar="INPUT", help="audio files or folders")
    parser.add_argument("--output-dir", required=True, metavar="DIR", type=Path, help="made where it does not exist")
    settings = parser.add_mutually_exclusive_group()
    settings.add_argument(
        "--config", metavar="FILE", help="config with audio settings; default: configs/v1.json, for files of its rate"
    )
    settings.add_argument("--checkpoint", metavar="CKPT", help="from this .keras, .tflite or run folder instead")
    parser.add_argument(
        "--keep-level",
        action="store_true",
        help="take recordings as loud as they are; otherwise each is first scaled to a peak of "
        f"{PEAK}, as in training and in vocode",
    )
    return parser.parse_args(argv)


def main(argv=None) -> None:
    args = parse(argv)
    checkpoint = cli.checkpoint(args.checkpoint, (".keras", ".tflite")) if args.checkpoint else None
    audio = audio_of(checkpoint) if checkpoint else Config.load(args.config or CONFIGS / "v1.json").audio
    default = not (args.checkpoint or args.config)
    files = find_inputs(args.inputs, AUDIO_SUFFIXES, args.output_dir, ".npy")
    cli.writable_folder(args.output_dir)
    warn_of_empty_bands(audio)
    front_end = NumpyMelSpectrogram.of(audio)

    def convert(path, output):
        if default:
            check_rate(path, audio.sampling_rate, "without --checkpoint or --config a mel is that of configs/v1.json,")
        samples = load_speech(path, audio)
        if args.keep_level:
            check_scale(str(path), float(np.abs(samples).max()))
        mel = mel_spectrogram(samples if args.keep_level else normalize(samples), front_end)
        encoded = io.BytesIO()
        np.save(encoded, mel)
        write_bytes(output, encoded.getvalue())

    convert_all(files, convert)


if __name__ == "__main__":
    cli.run(main)
