"""``python -m hifigan_tf.train_demo``: trains the demo model, vocodes held-out clips, and writes the results."""

import os
from pathlib import Path

from hifigan_tf import cli, extras, train
from hifigan_tf.config import Config
from hifigan_tf.files import write_json
from hifigan_tf.resources import CONFIGS, DEMO_CONFIG, DEMO_HELD_OUT, DEMO_TRAIN, FROM_VOICE_CONFIG

DESCRIPTION = """Trains a small HiFi-GAN for a few minutes on a minute of synthetic speech that ships with the
package, then vocodes clips that it was not trained on: sound, a picture and figures in train_demo_output/. With
--from-voice it goes on from the voice of hifigan_tf instead, as fine-tuning to another speaker does, in
train_demo_output/from_voice/. If interrupted, the same command resumes; when the training is done, it only vocodes."""

FROM_VOICE_STEPS = 500

LOSSES = ["discriminator", "adversarial", "feature_matching", "mel"]
FROM_VOICE_LOSSES = ["mel", "stft", "repetition"]


def main(argv=None) -> int:
    parser = cli.parser("train_demo", DESCRIPTION)
    parser.add_argument("--from-voice", action="store_true", help="go on from the voice, not from nothing")
    parser.add_argument("--run-dir", type=Path, metavar="DIR", help="run folder of the training; default: in runs/")
    parser.add_argument("--output-dir", type=Path, metavar="DIR", help="for the results; default: train_demo_output/")
    parser.add_argument("--max-steps", type=int, help="of the training")
    args = parser.parse_args(argv)
    extras.require("hifigan-tf train-demo")
    if args.from_voice:
        config, steps, losses = FROM_VOICE_CONFIG, FROM_VOICE_STEPS, FROM_VOICE_LOSSES
        run_dir, output = Path("runs/demo_from_voice"), Path("train_demo_output/from_voice")
        beginning = ["--from-voice", "--data", str(DEMO_TRAIN), "--validation-data", str(DEMO_HELD_OUT)]
    else:
        config, steps, losses = DEMO_CONFIG, Config.load(DEMO_CONFIG).training.max_steps, LOSSES
        run_dir, output, beginning = Path("runs/demo"), Path("train_demo_output"), []
    run_dir, output, steps = args.run_dir or run_dir, args.output_dir or output, args.max_steps or steps
    cli.writable_folder(output)
    code = train.main(["--config", str(config), "--run-dir", str(run_dir), "--max-steps", str(steps), *beginning])
    if code:
        return code

    import numpy as np

    from hifigan_tf.audio.audio_files import PEAK, find_audio, load_audio, normalize, write_wav
    from hifigan_tf.audio.mel import MelSpectrogram
    from hifigan_tf.evaluation.metrics import METRICS, evaluate_pair, left_out, mean_scores
    from hifigan_tf.evaluation.plots import save_overview
    from hifigan_tf.models.generator import load_generator
    from hifigan_tf.training.run_folder import RunFolder
    from hifigan_tf.vocode import resynthesize

    folder = RunFolder(run_dir)
    generator = load_generator(folder.best)
    front_end = MelSpectrogram.of(generator.audio)
    loss_front_end = MelSpectrogram.of(generator.audio, for_loss=True)
    for line in left_out(METRICS):
        print(line)
    clips, pairs = {}, {}
    for path in find_audio(DEMO_HELD_OUT):
        original = normalize(load_audio(path, generator.audio.sampling_rate))
        vocoded = np.concatenate(list(resynthesize(generator, front_end, [original], PEAK)))
        pairs[path.stem] = (original, vocoded)
        for name, audio in (("original", original), ("vocoded", vocoded)):
            write_wav(output / f"{path.stem}_{name}.wav", audio, generator.audio.sampling_rate)
        clips[path.stem] = evaluate_pair(original, vocoded, loss_front_end)

    curves = folder.scalars([*(f"loss/{name}" for name in losses), "validation/log_mel_l1"])
    stem, (original, vocoded) = next(iter(pairs.items()))
    picture = output / "demo.png"
    save_overview(picture, {f"{stem}, original": original, f"{stem}, vocoded": vocoded}, loss_front_end, curves)
    mean = mean_scores(clips.values(), METRICS)
    report = {
        "mean": mean,
        "clips": clips,
        "training": {name: {"steps": steps, "values": values} for name, (steps, values) in curves.items()},
        "audio": generator.audio.to_dict(),
    }
    write_json(output / "metrics.json", report)
    _tell(output, picture, run_dir, mean, curves, stem)
    return 0


def _tell(output: Path, picture: Path, run_dir: Path, mean: dict, curves: dict, stem: str) -> None:
    steps, errors = curves["validation/log_mel_l1"]
    shown = ", ".join(f"{name} {mean[key]:.3f}" for key, name in (("pesq_wb", "PESQ"), ("stoi", "STOI")) if mean[key])
    print(f"""
held-out log-mel L1: {errors[0]:.3f} at step {steps[0]}, {mean["log_mel_l1"]:.3f} now; {shown}
listen:  {output / stem}_original.wav and {output / stem}_vocoded.wav (and the other held-out clips beside them)
look at: {picture}, {output / "metrics.json"}
next:    hifigan-tf vocode --checkpoint {run_dir} RECORDING.wav
         hifigan-tf export --int8
         hifigan-tf train --config {os.path.relpath(CONFIGS / "v3.json")} --data YOUR_CORPUS
         tensorboard --logdir {run_dir / "logs"}
""")


if __name__ == "__main__":
    cli.run(main)
