"""``python export/android_assets.py``: the models and the clip in the assets of the Android app."""

import argparse
import logging
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))  # run as a script, from any folder

from hifigan_tf import cli, to_tflite
from hifigan_tf.audio.audio_files import find_audio
from hifigan_tf.export.sources import SOURCE, digest, up_to_date
from hifigan_tf.resources import DEMO_HELD_OUT, VOICE

log = logging.getLogger(__name__)

DESCRIPTION = """Fills the assets of the Android app from a checkpoint:

    models/vocoder_int8.tflite, vocoder_float16.tflite, mel_frontend.tflite
    models/vocoder_float32.tflite    with --float32: for comparison, since float16 does the same in a smaller app
    models/<model>.json      its contract, to read; programs use the one inside the model
    mels/<clip>.npy, .wav    a clip of the demo corpus, as a mel and as recorded, at the model's rate
    source.json              a hash of the sources, so that a second run does nothing if they are unchanged

Each model is evaluated as in export/to_tflite.py. The folder is replaced as a whole, once all files are made; if a
model fails, the folder is unchanged, and the exit code is 1."""

ROOT = Path(__file__).resolve().parents[2]
ASSETS = ROOT / "android_demo" / "app" / "src" / "main" / "assets"
MODELS = {
    "vocoder_float16": "--float16",
    "vocoder_int8": "--int8",
    "mel_frontend": "--mel-frontend",
}
FLOAT32 = {"vocoder_float32": "--float32"}


def parse(argv=None):
    parser = argparse.ArgumentParser(
        prog="python export/android_assets.py", description=DESCRIPTION, formatter_class=cli.Formatter
    )
    parser.add_argument("--checkpoint", metavar="CKPT", default=str(VOICE), help="a .keras file or a run folder")
    parser.add_argument("--float32", action="store_true", help="the float32 model too")
    parser.add_argument("--output-dir", metavar="DIR", type=Path, default=ASSETS, help="the app's assets")
    parser.add_argument("--evaluation-data", metavar="DIR", help="recordings of speech; default: the demo corpus")
    return parser.parse_args(argv)


def main(argv=None) -> None:
    args = parse(argv)
    checkpoint = cli.checkpoint(args.checkpoint)
    clip = find_audio(DEMO_HELD_OUT)[0]
    chosen = FLOAT32 | MODELS if args.float32 else MODELS
    made_from = f"{digest(checkpoint, clip)} {' '.join(chosen)}"
    if up_to_date(args.output_dir, made_from):
        log.info("nothing to do: %s is up to date with %s", args.output_dir, checkpoint)
        return
    cli.writable_folder(args.output_dir.parent)

    import numpy as np

    from hifigan_tf.audio.audio_files import load_audio, normalize, write_wav
    from hifigan_tf.audio.mel import MelSpectrogram, mel_spectrogram
    from hifigan_tf.files import atomic_folder, write_json
    from hifigan_tf.streaming.contract import MelContract, VocoderContract, read_kind

    logging.getLogger(to_tflite.__name__).setLevel(logging.WARNING)  # it would name temporary files
    with atomic_folder(args.output_dir) as folder:
        models, mels = folder / "models", folder / "mels"
        mels.mkdir()
        for place, (name, mode) in enumerate(chosen.items(), 1):
            log.info("model %d of %d: %s", place, len(chosen), name)
            model = models / f"{name}.tflite"
            options = ["--checkpoint", str(checkpoint), mode, "--output", str(model)]
            if mode != "--mel-frontend":
                options += ["--target-cpu", "arm"]
            if args.evaluation_data:
                options += ["--evaluation-data", args.evaluation_data]
            if code := to_tflite.main(options):
                raise SystemExit(code)  # not a return, which would commit the folder
            kind = MelContract if mode == "--mel-frontend" else VocoderContract
            contract = read_kind(model.read_bytes(), str(model), kind)
            model.with_suffix(".json").write_text(contract.dumps(), encoding="utf-8")
        audio = contract.audio_config
        samples = normalize(load_audio(clip, audio.sampling_rate))
        np.save(mels / f"{clip.stem}.npy", mel_spectrogram(samples, MelSpectrogram.of(audio)))
        write_wav(mels / f"{clip.stem}.wav", samples, audio.sampling_rate)
        files = sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())
        write_json(folder / SOURCE, {"digest": made_from, "files": files})
        size = sum((folder / name).stat().st_size for name in files)
    log.info("%d files, %.1f MB, in %s", len(files), size / 1e6, args.output_dir)


if __name__ == "__main__":
    cli.run(main)
