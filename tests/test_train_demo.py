"""The demo of training, to its picture, with few steps."""

import json
import math

import numpy as np
import soundfile

from hifigan_tf.audio.audio_files import find_audio, normalize
from hifigan_tf.evaluation.plots import save_overview
from hifigan_tf.resources import DEMO_HELD_OUT, DEMO_TRAIN


def test_the_corpus_is_a_minute_of_several_voices():
    training, held_out = find_audio(DEMO_TRAIN), find_audio(DEMO_HELD_OUT)
    infos = [soundfile.info(path) for path in training]
    assert {(info.samplerate, info.channels, info.format) for info in infos} == {(22050, 1, "FLAC")}
    assert 50 < sum(info.duration for info in infos) < 70
    voices = {path.stem.split("_", 1)[1] for path in training}
    assert len(voices) >= 5
    assert {path.stem.split("_", 1)[1] for path in held_out} <= voices
    assert not {path.stem for path in training} & {path.stem for path in held_out}


def test_the_demo_writes_sound_a_picture_and_figures(tmp_path, command):
    output = tmp_path / "output"
    process = command("train_demo", "--run-dir", tmp_path / "run", "--output-dir", output, "--max-steps", 2)
    assert process.returncode == 0, process.stderr
    stems = [path.stem for path in find_audio(DEMO_HELD_OUT)]
    wavs = {f"{stem}_{kind}.wav" for stem in stems for kind in ("original", "vocoded")}
    assert {path.name for path in output.iterdir()} == {*wavs, "demo.png", "metrics.json"}
    for path in find_audio(DEMO_HELD_OUT):
        original, _ = soundfile.read(output / f"{path.stem}_original.wav")
        np.testing.assert_allclose(original, normalize(soundfile.read(path)[0]), atol=1e-4)
        info = soundfile.info(output / f"{path.stem}_vocoded.wav")
        assert (info.frames, info.samplerate, info.subtype) == (len(original), 22050, "PCM_16")
    assert (output / "demo.png").read_bytes().startswith(b"\x89PNG")
    report = json.loads((output / "metrics.json").read_text())
    assert sorted(report["clips"]) == stems
    assert math.isclose(
        report["mean"]["log_mel_l1"], np.mean([clip["log_mel_l1"] for clip in report["clips"].values()])
    )
    curve = report["training"]["validation/log_mel_l1"]
    assert curve["steps"] == [0, 2]
    # The generator shown is the best one, and validation uses the same clips.
    assert math.isclose(report["mean"]["log_mel_l1"], min(curve["values"]), rel_tol=0.05)
    for line in ("listen: ", "look at: ", "next: ", "hifigan-tf vocode --checkpoint"):
        assert line in process.stdout


def test_a_picture_of_mels_and_curves(tmp_path):
    from hifigan_tf.audio.mel import MelSpectrogram
    from hifigan_tf.config import Config
    from hifigan_tf.resources import DEMO_CONFIG

    noise = np.random.default_rng(0).standard_normal(22050).astype(np.float32) * 0.1
    front_end = MelSpectrogram.of(Config.load(DEMO_CONFIG).audio, for_loss=True)
    path = tmp_path / "overview.png"
    save_overview(path, {"a": noise, "b": noise}, front_end, {"loss": ([0, 1], [2.0, 1.0]), "error": ([0], [1.0])})
    import matplotlib.image

    height, width, _ = matplotlib.image.imread(path).shape
    assert height > 900
    assert width >= 1200
