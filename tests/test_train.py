"""Training through the real command line: resuming, stopping, bad input, the run folder."""

import json
import os
import resource
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf
from conftest import assert_one_error, relative_error, start_training

from hifigan_tf import train as train_command
from hifigan_tf.config import MEL_KEYS, Config
from hifigan_tf.data.clip_lists import hold_out
from hifigan_tf.data.pipeline import Clip, check_clips, training_batches
from hifigan_tf.errors import UserError
from hifigan_tf.files import sole_user
from hifigan_tf.models.generator import load_generator
from hifigan_tf.resources import CONFIGS, DEMO_CONFIG, FROM_VOICE_CONFIG, VOICE
from hifigan_tf.streaming.streaming_vocoder import KerasVocoder
from hifigan_tf.streaming.windows import margins_of
from hifigan_tf.train import first_example, paces_of, warn_of_a_vanishing_rate
from hifigan_tf.training import loop
from hifigan_tf.training import trainer as trainer_module
from hifigan_tf.training.loop import train
from hifigan_tf.training.losses import adversarial_loss, discriminator_loss, feature_matching_loss, mel_loss
from hifigan_tf.training.optimizer import Pace, SteppedDecay
from hifigan_tf.training.run_folder import RunFolder
from hifigan_tf.training.trainer import Trainer


@pytest.fixture(scope="module")
def config(shallow):
    return shallow.replace(validation_interval=10, checkpoint_interval=10, ema_decay=0.9)


@pytest.fixture(scope="module")
def config_file(config, tmp_path_factory):
    path = tmp_path_factory.mktemp("config") / "tiny.json"
    path.write_text(config.dumps())
    return path


@pytest.fixture(scope="module")
def quick_file(config, tmp_path_factory):
    """A config without the multi-scale discriminator, which takes long to compile."""
    path = tmp_path_factory.mktemp("config") / "quick.json"
    path.write_text(config.replace(msd_scales=0).dumps())
    return path


def state(folder) -> dict[str, np.ndarray]:
    """Every array of the newest checkpoint: weights, both optimisers, the step."""
    prefix = str(RunFolder(folder).saved()[-1] / "checkpoint")
    return {
        name: tf.train.load_variable(prefix, name)
        for name, _ in tf.train.list_variables(prefix)
        if "OBJECT_GRAPH" not in name and "save_counter" not in name
    }


@pytest.fixture(scope="module")
def trainer(config):
    return Trainer(config, epoch_steps=2)


@pytest.fixture(scope="module")
def straight(corpus, config_file, tmp_path_factory):
    """20 deterministic steps without interruption: the run folder and the output."""
    folder = tmp_path_factory.mktemp("straight") / "run"
    options = ("--config", config_file, "--data", corpus, "--run-dir", folder, "--max-steps", 20, "--deterministic")
    process = start_training(*options)
    output, _ = process.communicate(timeout=300)
    assert process.returncode == 0, output
    return folder, output


@pytest.fixture(scope="module")
def quick_run(corpus, quick_file, tmp_path_factory):
    """A finished run of two steps."""
    folder = tmp_path_factory.mktemp("quick") / "run"
    process = start_training("--config", quick_file, "--data", corpus, "--run-dir", folder, "--max-steps", 2)
    output, _ = process.communicate(timeout=300)
    assert process.returncode == 0, output
    return folder


@pytest.mark.current
def test_run_folder_holds_everything(straight, config, corpus):
    folder, output = straight
    assert {path.name for path in folder.iterdir()} == {
        "config.json",
        "history.json",
        "corpus.json",
        ".in-use",
        "last.keras",
        "best.keras",
        "ema.keras",
        "checkpoints",
        "logs",
    }
    assert Config.load(folder / "config.json") == config.replace(max_steps=20)
    assert [path.name for path in RunFolder(folder).saved()] == ["step-00000010", "step-00000020"]
    assert "4 clips to train on, 1 held out" in output
    for step in (0, 10, 20):
        assert f"step {step}: validation log-mel L1" in output
    saved = state(folder)
    assert saved["step/.ATTRIBUTES/VARIABLE_VALUE"] == 20
    for file, key in (("last.keras", "generator"), ("ema.keras", "generator_average")):
        generator = load_generator(folder / file)
        for index, variable in enumerate(generator.weights):
            np.testing.assert_array_equal(variable.numpy(), saved[f"{key}/{index}/.ATTRIBUTES/VARIABLE_VALUE"])
        assert generator.audio == config.audio


@pytest.mark.current
def test_tensorboard_has_losses_sound_and_pictures(straight):
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    events = EventAccumulator(str(straight[0] / "logs"), size_guidance={"tensors": 0}).Reload()
    tags = set(events.Tags()["tensors"])
    losses = {f"loss/{name}" for name in ("discriminator", "adversarial", "feature_matching", "mel", "generator")}
    assert losses | {"learning_rate", "steps_per_second", "validation/log_mel_l1", "validation_ema/log_mel_l1"} <= tags
    assert {"accuracy/mpd_2", "accuracy/msd_1", "gradient_norm/generator", "gradient_norm/discriminator"} <= tags
    for kind, plugin in (("audio", "audio"), ("mel", "images")):
        for name, count in (("original", 1), ("generated", 3)):
            tag = f"{kind}/clip4/{name}"
            assert events.SummaryMetadata(tag).plugin_data.plugin_name == plugin
            assert len(events.Tensors(tag)) == count
    assert [event.step for event in events.Tensors("validation/log_mel_l1")] == [0, 10, 20]
    values = {name: tf.make_ndarray(events.Tensors(name)[-1].tensor_proto) for name in losses}
    total = values["loss/adversarial"] + 2 * values["loss/feature_matching"] + 45 * values["loss/mel"]
    assert values["loss/generator"] == pytest.approx(total, rel=1e-5)


@pytest.mark.current
@pytest.mark.processors
def test_ten_steps_a_kill_and_ten_more_are_bit_equal_to_twenty(straight, trainer, corpus, config_file, tmp_path):
    networks = {model.name: model.weights for model in trainer.discriminators}
    networks["generator"] = trainer.generator.weights
    folder = tmp_path / "run"
    options = ("--config", config_file, "--data", corpus, "--run-dir", folder, "--deterministic")
    process = start_training(*options, "--max-steps", 1000)
    deadline = time.time() + 240
    while not RunFolder(folder).saved() and time.time() < deadline and process.poll() is None:
        time.sleep(0.01)
    process.kill()  # -9, a few steps after the checkpoint of step 10
    process.communicate()
    for later in RunFolder(folder).saved()[1:]:
        shutil.rmtree(later)
    process = start_training(*options, "--max-steps", 20)
    output, _ = process.communicate(timeout=300)
    assert process.returncode == 0, output
    assert "resumed from" in output
    assert "step-00000010" in output
    expected, resumed = state(straight[0]), state(folder)
    assert expected.keys() == resumed.keys()
    # Weights and both moments of every parameter, and the singular vectors of the spectral norm.
    sizes = {part: sum(name.startswith(f"{part}/") for name in expected) for part in ("generator", "mpd", "msd")}
    assert sizes == {part: len(weights) for part, weights in networks.items()}
    assert sum(name.startswith("generator_optimizer/") for name in expected) > 2 * sizes["generator"]
    for name, array in expected.items():
        np.testing.assert_array_equal(resumed[name], array, err_msg=name)
    process = start_training(*options, "--max-steps", 20)
    output, _ = process.communicate(timeout=300)
    assert process.returncode == 0
    assert "step 20 of 20 is done: raise --max-steps to go on" in output


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_signals_save_first(number, corpus, quick_file, tmp_path):
    folder = tmp_path / "run"
    process = start_training("--config", quick_file, "--data", corpus, "--run-dir", folder, "--max-steps", 100_000)
    deadline = time.time() + 240
    while not RunFolder(folder).saved() and time.time() < deadline and process.poll() is None:
        time.sleep(0.05)
    process.send_signal(number)
    output, _ = process.communicate(timeout=60)
    assert process.returncode == 128 + number, output
    step = int(state(folder)["step/.ATTRIBUTES/VARIABLE_VALUE"])
    assert f"{number.name}: saving, and then it ends; Ctrl-C again ends it at once" in output
    assert f"stopped by {number.name} at step {step}: saved" in output
    assert RunFolder(folder).saved()[-1].name == f"step-{step:08d}"
    assert "Traceback" not in output
    kept = [int(path.name[5:]) for path in RunFolder(folder).saved()]
    assert len(kept) <= 3


def test_one_run_folder_trains_once_at_a_time(corpus, quick_file, tmp_path, command):
    folder = tmp_path / "run"
    options = ("--config", quick_file, "--data", corpus, "--run-dir", folder, "--max-steps", 100_000)
    process = start_training(*options)
    deadline = time.time() + 240
    while not RunFolder(folder).saved() and time.time() < deadline and process.poll() is None:
        time.sleep(0.05)
    other = command("train", *options)
    assert_one_error(other, f"{folder} is in use by process {process.pid} on ", "choose another folder")
    process.kill()
    process.communicate()
    with sole_user(folder):  # a lock of a killed process is none
        pass


def test_a_run_records_its_corpus_and_says_when_it_is_another(corpus, quick_file, tmp_path, command):
    folder, fewer = tmp_path / "run", tmp_path / "fewer"
    fewer.mkdir()
    for path in sorted(corpus.glob("*.wav"))[1:]:
        shutil.copy(path, fewer)
    told = []
    for data, steps in ((corpus, 1), (fewer, 2)):
        process = command("train", "--config", quick_file, "--data", data, "--run-dir", folder, "--max-steps", steps)
        assert process.returncode == 0, process.stderr
        told.append("this run has trained on other clips up to step 1" in process.stderr)
    assert told == [False, True]
    first, second = json.loads((folder / "corpus.json").read_text())
    assert (first["step"], first["data"], first["training"], first["held_out"]) == (0, str(corpus), 4, 1)
    assert (second["step"], second["data"], second["training"]) == (1, str(fewer), 3)
    assert first["hours"] == pytest.approx(4 * 0.5 / 3600, abs=1e-3)


def test_a_validation_ends_when_it_is_asked_to(trainer, tmp_path):
    """A hundred clips may take minutes: it is left, and nothing of it is kept."""
    folder, request = RunFolder(tmp_path), loop.StopRequest()
    clips = [("one", np.full((20, 16), -5, np.float32), np.zeros(640, np.float32))] * 3
    vocoded = []

    class Interrupted:
        loss_front_end, steps_done, average = trainer.loss_front_end, 1, None
        is_finite = staticmethod(lambda: True)

        def vocode(self, mel):
            vocoded.append(mel)
            request.received = signal.SIGINT
            return trainer.vocode(mel)

    assert loop.validate(Interrupted(), folder, loop.Summaries(folder.logs), clips, request) is None
    assert len(vocoded) == 1
    assert not folder.best.exists()

    class InterruptedInTheAverage(Interrupted):
        average = trainer.average

        def vocode(self, mel, average=False):
            return super().vocode(mel) if average else trainer.vocode(mel)

    vocoded.clear()
    request.received = None
    assert loop.validate(InterruptedInTheAverage(), folder, loop.Summaries(folder.logs), clips, request) is None
    assert len(vocoded) == 1
    assert not folder.best.exists()


def test_a_validation_that_was_interrupted_at_the_end_is_made_up(
    trainer, corpus, config, config_file, tmp_path, monkeypatch
):
    """Ctrl-C in the last validation leaves it; the same command again makes it up."""
    options = ["--config", config_file, "--data", corpus, "--run-dir", tmp_path / "run", "--max-steps", 2]
    job = train_command.check(train_command.parse([str(option) for option in options]))
    folder, validated = RunFolder(job.run_dir), []
    folder.due.touch()  # as the session left it that took the second step

    def evaluate(*_):
        validated.append(1)
        if len(validated) == 1:
            os.kill(os.getpid(), signal.SIGINT)
        return dict.fromkeys(loop.MEASURED, 1.0)

    monkeypatch.setattr(loop, "evaluate_pair", evaluate)
    monkeypatch.setattr(loop, "distributed_batches", lambda *_: [])  # none is taken
    monkeypatch.setattr(trainer_module, "Trainer", lambda *_, **__: trainer)
    monkeypatch.setattr(trainer, "config", job.config)
    monkeypatch.setattr(trainer, "vocode", lambda mel, average=False: np.zeros(32 * len(mel), np.float32))
    before = trainer.steps_done, float(trainer.best_mel_error.numpy())
    trainer.step.assign(2)
    codes = [(train_command.run(job), len(validated), folder.validation_is_due) for _ in range(2)]
    trainer.step.assign(before[0])
    trainer.best_mel_error.assign(before[1])
    assert codes == [(130, 1, True), (0, 3, False)]  # a clip, and again with the average
    assert folder.best.is_file()


def test_a_request_to_stop_ends_the_reading_of_clips_for_validation(config, trainer, corpus, tmp_path):
    request = loop.StopRequest()
    request.received = signal.SIGTERM
    folder = RunFolder(tmp_path)
    clips = check_clips(sorted(corpus.glob("*.wav")), config)
    session = loop.Session(trainer, folder, clips, [], None, request)
    assert session.clips == []
    session.validate()
    assert session.validation_is_due


def test_a_loss_that_is_not_finite_stops_the_run(corpus, quick_file, tmp_path, command):
    folder = tmp_path / "run"
    options = ("--config", quick_file, "--data", corpus, "--run-dir", folder, "--learning-rate", 1e30)
    process = command("train", *options, "--max-steps", 50)
    assert_one_error(process, " is inf at step 1: no checkpoint was written before", "lower --learning-rate")
    assert not (folder / "last.keras").exists()
    assert np.isfinite(load_generator(folder / "best.keras").conv_pre.kernel.numpy()).all()


def batch(corpus, config):
    clips = check_clips(sorted(corpus.glob("*.wav"))[:4], config)
    return next(iter(training_batches(clips, config)))


@pytest.mark.current
def test_one_step_moves_everything_once(trainer, corpus, config):
    from hifigan_tf.models.layers import SpectralNormConv1D

    layer = trainer.discriminators[1].discriminators[0].convs[0]
    assert isinstance(layer, SpectralNormConv1D)
    u = layer.u.numpy().copy()
    kernel = layer.kernel.numpy().copy()
    variables = trainer.generator.trainable_variables + trainer.discriminator_variables
    before = [variable.numpy().copy() for variable in variables]
    step = int(trainer.step)
    scalars = {name: float(value) for name, value in trainer.train_step(*batch(corpus, config)).items()}
    assert int(trainer.step) == step + 1
    assert int(trainer.generator_optimizer.iterations) == int(trainer.discriminator_optimizer.iterations) == step + 1
    assert all(not np.array_equal(old, new.numpy()) for old, new in zip(before, variables, strict=True))
    assert scalars["loss/generator"] == pytest.approx(
        scalars["loss/adversarial"] + 2 * scalars["loss/feature_matching"] + 45 * scalars["loss/mel"], rel=1e-5
    )
    # Spectral norm iterates once per forward call in training: twice with the old kernel, twice with the new.
    matrix_before, matrix_after = kernel.reshape(-1, layer.filters), layer.kernel.numpy().reshape(-1, layer.filters)
    for matrix in (matrix_before, matrix_before, matrix_after, matrix_after):
        v = matrix @ u / np.linalg.norm(matrix @ u)
        u = v @ matrix / np.linalg.norm(v @ matrix)
    np.testing.assert_allclose(layer.u.numpy(), u, atol=1e-5)


@pytest.mark.current
@pytest.mark.processors
def test_a_steps_gradients_are_those_of_the_losses(config, corpus):
    """Adam's first momentum is the gradient times 1 - beta_1: gradients are computed again, by tapes that watch all."""
    ours, plain = Trainer(config, epoch_steps=2), Trainer(config, epoch_steps=2)
    mel, audio = batch(corpus, config)
    ours.train_step(mel, audio)

    def gradients(optimizer):
        moments = [variable.numpy() for variable in optimizer.variables if "momentum" in variable.path]
        return np.concatenate([moment.ravel() for moment in moments]) / (1 - config.training.adam_b1)

    def flat(arrays):
        return np.concatenate([np.ravel(array) for array in arrays])

    real = audio[..., None]
    with tf.GradientTape() as tape:
        logits = [plain.judge(signal)[0] for signal in (real, plain.generator(mel))]
        loss = discriminator_loss(*logits)
    expected = tape.gradient(loss, [variable.value for variable in plain.discriminator_variables])
    assert relative_error(gradients(ours.discriminator_optimizer), flat(expected)) < 1e-4

    # The generator's losses use the discriminators after their step.
    for old, new in zip(plain.discriminator_variables, ours.discriminator_variables, strict=True):
        old.assign(new)
    with tf.GradientTape() as tape:
        generated = plain.generator(mel)
        (_, real_features), (logits, features) = plain.judge(real), plain.judge(generated)
        mels = [plain.loss_front_end(signal[..., 0]) for signal in (real, generated)]
        loss = adversarial_loss(logits) + 2 * feature_matching_loss(real_features, features) + 45 * mel_loss(*mels)
    expected = tape.gradient(loss, [variable.value for variable in plain.generator.trainable_variables])
    assert relative_error(gradients(ours.generator_optimizer), flat(expected)) < 1e-4


def test_the_moving_average_forgets_the_start_and_follows(config, corpus):
    trainer = Trainer(config, epoch_steps=2)
    expected = trainer.average.conv_pre.kernel.numpy()
    for step in range(1, 4):
        trainer.train_step(*batch(corpus, config))
        decay = min(0.9, step / (step + 9))
        expected = decay * expected + (1 - decay) * trainer.generator.conv_pre.kernel.numpy()
    np.testing.assert_allclose(trainer.average.conv_pre.kernel.numpy(), expected, atol=1e-6)
    mel = batch(corpus, config)[0].numpy()[0]
    np.testing.assert_allclose(trainer.vocode(mel, average=True), trainer.average(mel[None])[0, :, 0], atol=1e-6)


def test_validation_runs_one_window_at_a_time(trainer, config, monkeypatch):
    """A recording ten times as long as a window: no call is longer, and the samples are those of the whole."""
    mel = np.random.default_rng(0).normal(-4, 2, [1000, 16]).astype(np.float32)
    monkeypatch.setattr(trainer_module, "WINDOW_FRAMES", 100)
    lengths, run = [], KerasVocoder.run
    monkeypatch.setattr(KerasVocoder, "run", lambda self, mel: lengths.append(len(mel)) or run(self, mel))
    audio = trainer.vocode(mel)
    assert max(lengths) == 100 + sum(margins_of(config.generator))
    assert len(lengths) == 10
    np.testing.assert_allclose(audio, trainer.generator(mel[None])[0, :, 0], atol=1e-5)
    # A recording shorter than a window is run whole.
    np.testing.assert_array_equal(trainer.vocode(mel[:50]), run(KerasVocoder(trainer.generator), mel[:50]))


def test_accumulated_steps_make_one_update_of_their_mean_gradient(config, corpus):
    single = Trainer(config.replace(msd_scales=0), epoch_steps=2)
    double = Trainer(config.replace(msd_scales=0), epoch_steps=2, accumulate_steps=2)
    batches = list(training_batches(check_clips(sorted(corpus.glob("*.wav"))[:4], config), config).take(2))

    def moment(trainer):
        optimizer = trainer.discriminator_optimizer
        arrays = [variable.numpy().ravel() for variable in optimizer.variables if "momentum" in variable.path]
        return np.concatenate(arrays)

    start = [variable.numpy() for variable in single.generator.weights + single.discriminator_variables]
    moments = []
    for mel, audio in batches:
        for variable, value in zip(single.generator.weights + single.discriminator_variables, start, strict=True):
            variable.assign(value)
        for variable in single.discriminator_optimizer.variables:
            variable.assign(tf.zeros_like(variable.value))
        single.train_step(mel, audio)
        moments.append(moment(single))
    double.train_step(*batches[0])
    for variable, value in zip(double.generator.weights + double.discriminator_variables, start, strict=True):
        np.testing.assert_array_equal(variable.numpy(), value)
    double.train_step(*batches[1])
    assert relative_error(moment(double), np.mean(moments, axis=0)) < 1e-5
    assert int(double.generator_optimizer.iterations) == 1


@pytest.mark.processors
def test_the_generator_learns_alone_until_the_discriminators_start(config, corpus):
    late = config.replace(segment_size=2048, discriminator_start_step=2, lambda_stft=3.0, lambda_mel=40.0)
    trainer = Trainer(late, epoch_steps=3)
    start = [variable.numpy() for variable in trainer.discriminator_variables]
    rates = []
    for step in range(1, 4):
        before = [variable.numpy() for variable in trainer.generator.trainable_variables]
        scalars = {name: float(value) for name, value in trainer.train_step(*batch(corpus, late)).items()}
        moved = [not np.array_equal(a, b) for a, b in zip(before, trainer.generator.trainable_variables, strict=True)]
        assert all(moved)
        spectral = 40 * scalars["loss/mel"] + 3 * scalars["loss/stft"]
        same = [np.array_equal(a, b) for a, b in zip(start, trainer.discriminator_variables, strict=True)]
        if step <= 2:
            assert set(scalars) == {"loss/mel", "loss/stft", "loss/generator", "gradient_norm/generator"}
            assert scalars["loss/generator"] == pytest.approx(spectral, rel=1e-5)
            assert all(same)
        else:
            judged = scalars["loss/adversarial"] + 2 * scalars["loss/feature_matching"]
            assert scalars["loss/generator"] == pytest.approx(spectral + judged, rel=1e-5)
            assert not any(same)
        rates.append(
            [float(one.learning_rate) for one in (trainer.generator_optimizer, trainer.discriminator_optimizer)]
        )
    # Both learning rates are those of the run's step, although the discriminators have taken only one step.
    assert int(trainer.discriminator_optimizer.iterations) == 1
    assert rates[2][0] == rates[2][1] < rates[0][0]


def test_the_repetition_loss_counts_and_discriminators_may_never_start(config, corpus):
    alone = config.replace(segment_size=2048, discriminator_start_step=None, lambda_repetition=7.0, lambda_mel=40.0)
    trainer = Trainer(alone, epoch_steps=3)
    start = [variable.numpy() for variable in trainer.discriminator_variables]
    scalars = {name: float(value) for name, value in trainer.train_step(*batch(corpus, alone)).items()}
    assert set(scalars) == {"loss/mel", "loss/repetition", "loss/generator", "gradient_norm/generator"}
    assert scalars["loss/generator"] == pytest.approx(
        40 * scalars["loss/mel"] + 7 * scalars["loss/repetition"], rel=1e-5
    )
    for before, variable in zip(start, trainer.discriminator_variables, strict=True):
        np.testing.assert_array_equal(variable.numpy(), before)


def test_a_run_begins_without_discriminators_and_continues_with_them(corpus, config, tmp_path, command):
    quick = config.replace(msd_scales=0, segment_size=2048, discriminator_start_step=2, lambda_stft=1.0)
    (tmp_path / "quick.json").write_text(quick.dumps())
    options = ("--config", tmp_path / "quick.json", "--data", corpus, "--run-dir", tmp_path / "run")
    for steps in (2, 4):
        process = command("train", *options, "--max-steps", steps)
        assert process.returncode == 0, process.stderr
    assert "resumed from" in process.stderr
    curves = RunFolder(tmp_path / "run").scalars(["loss/stft", "loss/adversarial", "validation/stft_distance"])
    assert [steps for steps, _ in curves.values()] == [[2, 4], [4], [0, 2, 4]]
    process = command("train", *options, "--max-steps", 1)
    assert_one_error(process, "'discriminator_start_step' is 2: it must be at most max_steps (1)")


def test_the_learning_rate_falls_at_the_pace_of_each_session():
    """From step 10 on an epoch has half as many steps: the rate does not jump, and from then on decays faster."""
    paces = [Pace(0, 4), Pace(10, 2)]
    decay = SteppedDecay(1.0, 0.5, paces)
    decays = [-np.log2(float(decay(step))) for step in range(16)]
    assert decays == [0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 3, 3, 4, 4, 5]
    late = SteppedDecay(1.0, 0.5, paces, first_step=10)
    assert [-np.log2(float(late(step))) for step in range(6)] == decays[10:]
    plain = keras.optimizers.schedules.ExponentialDecay(2e-4, 7, 0.999, staircase=True)
    ours = SteppedDecay(2e-4, 0.999, [Pace(0, 7)])
    assert [float(plain(step)) for step in range(0, 5000, 13)] == [float(ours(step)) for step in range(0, 5000, 13)]


def test_accumulated_steps_decay_at_the_same_step(config, corpus):
    late = config.replace(msd_scales=0, segment_size=2048, discriminator_start_step=2, lr_decay=0.5)
    trainer = Trainer(late, epoch_steps=2, accumulate_steps=2)
    rates = []
    for _ in range(4):
        trainer.train_step(*batch(corpus, late))
        rates.append(
            [float(one.learning_rate) for one in (trainer.generator_optimizer, trainer.discriminator_optimizer)]
        )
    first = late.training.learning_rate
    # The rate of the next step, after each step; the discriminators skip the first two.
    np.testing.assert_allclose([rate for rate, _ in rates], [first, first / 2, first / 2, first / 4], rtol=1e-6)
    np.testing.assert_allclose([rate for _, rate in rates[1:]], [first / 2, first / 2, first / 4], rtol=1e-6)


def test_sessions_give_the_segments_seen_and_the_decay_of_the_rate(config):
    sessions = [
        {"step": 0, "batch_size": 2, "learning_rate": 0.1},
        {"step": 10, "batch_size": 8, "learning_rate": 0.1},
        {"step": 30, "batch_size": 4, "learning_rate": 0.01},
    ]
    assert [first_example(sessions, step) for step in (30, 31, 40)] == [180, 184, 220]
    assert first_example(sessions[:1], 7) == 14
    clips = [Clip(Path("word.wav"), 8000, 8000, 8000, 1.0, True, "WAV PCM_16")] * 16
    assert paces_of(sessions, clips, config) == [Pace(0, 8), Pace(10, 2), Pace(30, 4)]
    assert paces_of(sessions, clips, config.replace(lr_decay_steps=5)) == [Pace(0, 5), Pace(10, 5), Pace(30, 5)]


def test_a_run_that_saved_nothing_starts_again_with_other_values(config, tmp_path):
    folder = RunFolder(tmp_path / "run")
    folder.prepare(config)
    folder.prepare(config.replace(batch_size=4))
    assert json.loads(folder.history.read_text()) == [{"step": 0, "batch_size": 4, "learning_rate": 0.001}]


def test_changes_after_the_newest_checkpoint_are_forgotten(trainer, config, tmp_path):
    folder = RunFolder(tmp_path / "run")
    folder.prepare(config)
    folder.save(trainer)
    step = int(trainer.step)
    changes = [{"step": step + 10, "batch_size": 8, "learning_rate": 0.001}]
    folder.history.write_text(json.dumps([{"step": 0, "batch_size": 2, "learning_rate": 0.001}, *changes]))
    _, sessions = folder.going_on(config.replace(batch_size=4))
    assert [(one["step"], one["batch_size"]) for one in sessions] == ([(0, 2), (step, 4)] if step else [(0, 2), (0, 4)])


def test_the_search_for_the_best_generator_restarts_with_the_discriminators(corpus, config, tmp_path, monkeypatch):
    late = config.replace(
        msd_scales=0, segment_size=2048, discriminator_start_step=2, max_steps=3, validation_interval=1
    )
    errors, kept = iter([4.0, 3.0, 2.0, 2.5]), []
    monkeypatch.setattr(loop, "evaluate_pair", lambda *_: dict.fromkeys(loop.MEASURED) | {"log_mel_l1": next(errors)})
    monkeypatch.setattr(RunFolder, "save_best", lambda *given: kept.append(given[-1]))
    trainer, folder = Trainer(late.replace(ema_decay=0), epoch_steps=2), RunFolder(tmp_path / "run")
    folder.prepare(late)
    clips = check_clips(sorted(corpus.glob("*.wav")), late)
    assert train(trainer, folder, clips[:4], clips[4:]) == 0
    assert kept == [4.0, 3.0, 2.0, 2.5]


def test_the_best_is_the_generator_or_its_moving_average(trainer, tmp_path, monkeypatch):
    folder, clips = RunFolder(tmp_path), [("one", np.full((20, 16), -5, np.float32), np.zeros(640, np.float32))]
    before = trainer.steps_done, float(trainer.best_mel_error.numpy())
    trainer.average.conv_pre.bias.assign(trainer.generator.conv_pre.bias + 1)
    trainer.step.assign(1)
    trainer.best_mel_error.assign(np.inf)
    summaries = loop.Summaries(folder.logs)
    for generator, average, best in ((3.0, 2.0, trainer.average), (2.5, 2.2, None), (1.0, 1.5, trainer.generator)):
        folder.best.unlink(missing_ok=True)
        errors = iter([generator, average])
        monkeypatch.setattr(
            loop, "evaluate_pair", lambda *_, left=errors: dict.fromkeys(loop.MEASURED) | {"log_mel_l1": next(left)}
        )
        assert loop.validate(trainer, folder, summaries, clips) == generator
        assert folder.best.exists() == (best is not None)
        if best:
            np.testing.assert_array_equal(load_generator(folder.best).conv_pre.bias, best.conv_pre.bias)
    assert float(trainer.best_mel_error.numpy()) == 1
    trainer.step.assign(before[0])
    trainer.best_mel_error.assign(before[1])


def test_learning_rate_and_batch_size_may_change_when_a_run_resumes(quick_run, corpus, quick_file, tmp_path, command):
    folder = tmp_path / "run"
    shutil.copytree(quick_run, folder)
    options = ("--config", quick_file, "--data", corpus, "--run-dir", folder)
    changed = (*options, "--learning-rate", 1e-5, "--batch-size", 4)
    process = command("train", *changed, "--max-steps", 3)
    assert process.returncode == 0, process.stderr
    assert "learning_rate is 1e-05 from step 2 on, it was 0.001" in process.stderr
    assert "batch_size is 4 from step 2 on, it was 2" in process.stderr
    expected, after = state(quick_run), state(folder)
    steps = [key for key in after if key.startswith("generator_optimizer/") and after[key].ndim == 0]
    assert 3 in [int(after[key]) for key in steps]  # the optimizer's step count continued
    moved = [np.abs(after[key] - expected[key]).max() for key in expected if key.startswith("generator/")]
    assert 0 < max(moved) < 1e-4
    assert json.loads((folder / "history.json").read_text()) == [
        {"step": 0, "batch_size": 2, "learning_rate": 0.001},
        {"step": 2, "batch_size": 4, "learning_rate": 1e-05},
    ]
    # The same values again are not a change.
    process = command("train", *changed, "--max-steps", 4)
    assert process.returncode == 0, process.stderr
    assert "it was" not in process.stderr
    assert len(json.loads((folder / "history.json").read_text())) == 2
    (folder / "history.json").write_text('[{"step": 0}]')
    assert_one_error(command("train", *changed, "--max-steps", 5), "history.json is damaged")


def test_a_run_of_an_older_version_keeps_its_length_of_an_epoch(quick_run, config, tmp_path):
    """Its config has no ``epoch_clip_seconds``, and there is no history."""
    folder = tmp_path / "run"
    shutil.copytree(quick_run, folder)
    (folder / "history.json").unlink()
    values = json.loads((folder / "config.json").read_text())
    assert values.pop("epoch_clip_seconds") == 15
    (folder / "config.json").write_text(json.dumps(values))
    asked = config.replace(msd_scales=0)
    assert asked.training.epoch_clip_seconds == 15
    for _ in range(2):  # and keeps it from then on
        going_on, sessions = RunFolder(folder).going_on(asked)
        assert going_on == asked.replace(epoch_clip_seconds=None)
        assert sessions == [{"step": 0, "batch_size": 2, "learning_rate": 0.001}]
        RunFolder(folder).prepare(asked)


def test_a_run_of_another_config_is_refused_with_what_to_do(quick_run, config):
    message = (
        rf"{quick_run} holds a run with fmax = 4000, and 3000 is asked for: choose another --run-dir, with "
        rf"--initial-checkpoint {quick_run} to begin with these weights, or the run's own config.json"
    )
    with pytest.raises(UserError, match=message):
        RunFolder(quick_run).going_on(config.replace(msd_scales=0, fmax=3000))


def test_a_learning_rate_that_vanishes_early_is_reported(caplog):
    training = Config.load(CONFIGS / "v1.json").training
    with caplog.at_level("WARNING"):
        warn_of_a_vanishing_rate(training, 800)
        assert not caplog.records
        warn_of_a_vanishing_rate(training, 1)
    assert (
        "the learning rate falls to a hundredth by step 4603 of 2500000 (lr_decay 0.999 every 1 steps)" in caplog.text
    )


@pytest.mark.current
def test_xla_gives_the_same_losses(config, corpus):
    quick = config.replace(msd_scales=0)
    plain, compiled = Trainer(quick, epoch_steps=2), Trainer(quick, epoch_steps=2, jit_compile=True)
    for _ in range(2):
        expected, losses = plain.train_step(*batch(corpus, quick)), compiled.train_step(*batch(corpus, quick))
        for name in expected:
            assert float(losses[name]) == pytest.approx(float(expected[name]), rel=1e-3), name


def test_learning_rate_decays_by_the_epoch(config, corpus):
    trainer = Trainer(config, epoch_steps=2)
    rates = []
    for _ in range(4):
        rates.append(trainer.learning_rate)
        trainer.generator_optimizer.iterations.assign_add(1)
    rate = config.training.learning_rate
    decayed = rate * config.training.lr_decay
    np.testing.assert_allclose(rates, [rate, rate, decayed, decayed], rtol=1e-6)


def test_a_damaged_checkpoint_falls_back_to_the_one_before(straight, config, tmp_path):
    folder = tmp_path / "run"
    shutil.copytree(straight[0], folder)
    run = RunFolder(folder)
    for index, path in enumerate(run.saved()[::-1]):
        data = path / "checkpoint.data-00000-of-00001"
        contents = data.read_bytes()
        data.write_bytes(contents[: len(contents) // 2])
        trainer = Trainer(config, epoch_steps=2)
        if index == 0:
            assert run.restore(trainer).name == "step-00000010"
            assert int(trainer.step) == 10
            # The damaged one has been renamed, so that the same step can be saved again.
            trainer.step.assign(20)
            run.save(trainer)
            assert [path.name for path in run.saved()] == ["step-00000010", "step-00000020"]
            assert run.restore(Trainer(config, epoch_steps=2)).name == "step-00000020"
            shutil.rmtree(run.saved()[-1])
        else:
            with pytest.raises(UserError, match="none of the 1 checkpoints"):
                run.restore(trainer)


def test_a_config_with_a_byte_order_mark_goes_with_an_initial_checkpoint(config, tmp_path):
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "config.json").write_text(config.replace(mel_floor=1e-4).dumps())
    given = {key: value for key, value in config.to_dict().items() if key not in MEL_KEYS}
    (tmp_path / "bom.json").write_bytes(b"\xef\xbb\xbf" + json.dumps(given).encode())
    options = ["--config", str(tmp_path / "bom.json"), "--initial-checkpoint", str(tmp_path / "run")]
    assert train_command._config(train_command.parse(options))[0].audio.mel_floor == 1e-4


@pytest.mark.parametrize("content", ["[" * 100_000, '[{"step": 0, "fingerprint": "x"}]', '{"a": 1}', '["x"]', "[5]"])
def test_damaged_records_of_a_run_are_named(config, content, tmp_path):
    folder = RunFolder(tmp_path)
    folder.history.write_text(content)
    folder.corpus.write_text(content)
    with pytest.raises(UserError, match=r"history\.json is damaged: remove it"):
        folder._sessions()
    with pytest.raises(UserError, match=r"corpus\.json is damaged: remove it"):
        folder.record_corpus({"fingerprint": "y", "data": "there", "training": 4, "held_out": 1}, 5)


def test_initial_checkpoint_takes_a_run_folder_or_a_generator(quick_run, corpus, quick_file, tmp_path, command):
    options = ("--config", quick_file, "--data", corpus, "--max-steps", 1, "--learning-rate", 1e-9, "--seed", 99)
    for name, source in (("all", quick_run), ("generator", quick_run / "last.keras")):
        process = command("train", *options, "--run-dir", tmp_path / name, "--initial-checkpoint", source)
        assert process.returncode == 0, process.stderr
        assert f"from {quick_run}" in process.stderr
        expected, started = state(quick_run), state(tmp_path / name)
        for part, taken in (("generator", True), ("mpd", name == "all")):
            weights = [key for key in expected if key.startswith(f"{part}/") and expected[key].ndim == 3]
            assert weights
            same = [np.allclose(expected[key], started[key], atol=1e-6) for key in weights]
            assert all(same) if taken else not any(same)
        assert started["step/.ATTRIBUTES/VARIABLE_VALUE"] == 1


def test_from_voice_has_its_own_config(corpus, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    job = train_command.check(train_command.parse(["--from-voice", "--data", str(corpus)]))
    assert (job.run_dir, job.initial_checkpoint) == (Path("runs/from_voice"), VOICE)
    assert job.config == Config.load(FROM_VOICE_CONFIG)
    voice = load_generator(VOICE)
    assert (job.config.generator, job.config.audio) == (voice.hyper_parameters, voice.audio)


def test_initial_networks_are_copied_to_the_bit(straight, config):
    trainer = Trainer(config.replace(seed=99), epoch_steps=1)
    RunFolder(straight[0]).restore_networks(trainer)
    expected = state(straight[0])
    for model in [trainer.generator, *trainer.discriminators]:
        name = model.name if model.name in ("mpd", "msd") else "generator"
        for index, variable in enumerate(model.weights):
            np.testing.assert_array_equal(variable.numpy(), expected[f"{name}/{index}/.ATTRIBUTES/VARIABLE_VALUE"])
    for values, section in (({"mpd_periods": [3]}, "discriminators"), ({"fmax": 3000}, "audio")):
        with pytest.raises(UserError, match=rf"holds networks of another config \({section}: "):
            RunFolder(straight[0]).restore_networks(Trainer(config.replace(**values), epoch_steps=1))


def test_fine_tuning_on_given_mels(corpus, config, quick_file, tmp_path, command):
    mels = tmp_path / "mels"
    process = command("extract_mel", "--config", quick_file, "--output-dir", mels, "--keep-level", corpus)
    assert process.returncode == 0, process.stderr
    np.save(mels / "clip0.npy", np.load(mels / "clip0.npy").T)  # both orders of axes
    (mels / "clip1.npy").unlink()
    options = ("--config", quick_file, "--data", corpus, "--max-steps", 2, "--run-dir", tmp_path / "run")
    process = command("train", *options, "--fine-tune-mels", mels)
    assert process.returncode == 0, process.stderr
    assert "clip1.npy is not there, and no other file of" in process.stderr
    assert "3 clips to train on, 1 held out" in process.stderr


def test_the_last_good_checkpoint_is_named(config, corpus, tmp_path):
    quick, folder = config.replace(msd_scales=0), RunFolder(tmp_path / "run")
    trainer = Trainer(quick, epoch_steps=2)
    folder.prepare(quick)
    folder.save(trainer)
    trainer.generator.conv_post.bias.assign([np.nan])
    trainer.step.assign(1)  # step 0 begins with a validation, which would check the weights
    clips = check_clips(sorted(corpus.glob("*.wav")), quick)
    with pytest.raises(
        UserError,
        match=r"loss/\w+ is nan at step 2: the last good checkpoint is .*step-00000000; go on from it with the",
    ):
        train(trainer, folder, clips[:4], clips[4:])
    # After the update, when the losses of the step were still finite.
    trainer.step.assign(quick.training.max_steps)
    with pytest.raises(UserError, match="the weights are no longer finite after step 600: the last good checkpoint"):
        train(trainer, folder, clips[:4], clips[4:])
    assert [path.name for path in folder.saved()] == ["step-00000000"]
    assert np.isfinite(load_generator(folder.last).conv_post.bias.numpy()).all()


@pytest.mark.current
@pytest.mark.parametrize("precision", ["bfloat16", "float16"])
def test_mixed_precision_trains_and_saves_float32(precision, corpus, quick_file, tmp_path, command):
    folder = tmp_path / "run"
    options = ("--config", quick_file, "--data", corpus, "--run-dir", folder, "--max-steps", 3)
    process = command("train", *options, "--mixed-precision", precision)
    assert process.returncode == 0, process.stderr
    assert load_generator(folder / "last.keras").dtype_policy.name == "float32"


def test_bad_arguments_are_one_line(straight, corpus, config, config_file, tmp_path, command):
    folder, _ = straight
    empty = tmp_path / "empty"
    empty.mkdir()
    below_a_file = tmp_path / "file"
    below_a_file.write_text("")
    unknown = tmp_path / "unknown.json"
    unknown.write_text(json.dumps({**config.to_dict(), "batchsize": 3}))
    other = tmp_path / "other.json"
    other.write_text(config.replace(lookahead_frames=1).dumps())
    lists = tmp_path / "list.txt"
    lists.write_text("nothing|here\n")
    cases = [
        (("--config", unknown, "--data", corpus), ("'batchsize'", "did you mean 'batch_size'?")),
        (("--config", config_file), ("--data is missing",)),
        (("--config", tmp_path / "none.json", "--data", corpus), ("none.json does not exist",)),
        (("--config", config_file, "--data", tmp_path / "none"), ("--data", "is not a folder")),
        (("--config", config_file, "--data", empty), ("holds 0 usable audio files",)),
        (("--config", config_file, "--data", corpus, "--training-file", lists), ("none of its 1 files",)),
        (("--config", config_file, "--data", corpus, "--batch-size", 0), ("'batch_size' is 0",)),
        (("--config", config_file, "--data", corpus, "--run-dir", below_a_file / "run"), ("cannot write to",)),
        (("--config", config_file, "--data", corpus, "--initial-checkpoint", "no"), ("no does not exist",)),
        (
            ("--config", config_file, "--data", corpus, "--run-dir", folder, "--seed", 7),
            ("seed = 1234", "7", "--run-dir"),
        ),
        (("--config", other, "--data", corpus, "--run-dir", folder), ("lookahead_frames = None", "1", "--run-dir")),
        (
            ("--config", other, "--data", corpus, "--run-dir", "new", "--initial-checkpoint", folder / "last.keras"),
            ("generator of another config (lookahead_frames is null there, and 1 is asked for)",),
        ),
        (("--config", config_file, "--data", corpus, "--run-dir", "new", "--from-voice"), ("of another config",)),
        (("--from-voice",), ("--data is missing",)),
        (
            ("--config", other, "--data", corpus, "--run-dir", "new", "--initial-checkpoint", folder),
            ("networks of another config (generator: lookahead_frames is null there, and 1 is asked for)",),
        ),
    ]
    for arguments, words in cases:
        assert_one_error(command("train", *arguments, cwd=tmp_path), *words)
    # The refused commands have not changed the run.
    assert Config.load(folder / "config.json") == config.replace(max_steps=20)


def largest_file(size):
    """Limits a process to files of ``size`` bytes, to simulate a full disk."""
    return resource.RLIMIT_FSIZE, (size, size)


def test_a_disk_that_is_full_at_the_end_keeps_what_was_saved(quick_run, corpus, quick_file, tmp_path, command):
    """The last checkpoint does not fit."""
    folder = tmp_path / "run"
    shutil.copytree(quick_run, folder)
    largest = max(path.stat().st_size for path in folder.rglob("*.data*"))
    before = state(folder)
    options = ("--config", quick_file, "--data", corpus, "--run-dir", folder, "--max-steps", 4)
    process = command("train", *options, limit=largest_file(largest // 2))
    assert_one_error(process, "the checkpoint of step 4 cannot be saved", "last good checkpoint is", "step-00000002")
    assert sorted(path.name for path in RunFolder(folder).checkpoints.iterdir()) == ["step-00000002"]
    after = state(folder)
    assert all(np.array_equal(before[name], after[name]) for name in before)
    load_generator(folder / "last.keras")


def test_a_full_disk_pauses_checkpoints_and_training_goes_on(corpus, config, tmp_path):
    small, folder = config.replace(msd_scales=0, checkpoint_interval=2, summary_interval=1), tmp_path / "run"
    path = tmp_path / "small.json"
    path.write_text(small.dumps())
    options = ("--config", path, "--data", corpus, "--run-dir", folder, "--max-steps", 100000)
    process = start_training(*options, limit=(resource.RLIMIT_FSIZE, (20_000, -1)))
    output = ""
    while "TRAINING GOES ON UNSAVED" not in output or "curves will miss points" not in output:
        line = process.stdout.readline()
        assert line, output
        output += line
    assert not RunFolder(folder).saved()
    resource.prlimit(process.pid, resource.RLIMIT_FSIZE, (-1, -1))
    while not RunFolder(folder).saved():
        assert process.poll() is None
        time.sleep(0.05)
    process.terminate()
    output += process.communicate(timeout=100)[0]
    assert process.returncode == 128 + signal.SIGTERM, output
    assert RunFolder(folder).restore(Trainer(small, epoch_steps=2)) == RunFolder(folder).saved()[-1]
    # The curves continue too, in a new file.
    steps, _ = RunFolder(folder).scalars(["loss/mel"])["loss/mel"]
    assert steps


def test_a_folder_that_became_unwritable_is_named_and_keeps_what_it_has(trainer, config, tmp_path):
    folder = RunFolder(tmp_path / "run")
    folder.prepare(config)
    folder.save(trainer)
    saved = folder.saved()[-1]
    kept = tmp_path / "kept"
    folder.checkpoints.rename(kept)
    folder.checkpoints.write_text("a file where the folder was")  # stops even root
    with pytest.raises(UserError, match=r"cannot be saved in .*run"):
        folder.save(trainer)
    folder.checkpoints.unlink()
    kept.rename(folder.checkpoints)
    assert folder.saved() == [saved]
    assert folder.restore(Trainer(config, epoch_steps=2)) == saved


def test_a_disk_too_full_even_for_logs_is_one_line(corpus, quick_file, tmp_path, command):
    options = ("--config", quick_file, "--data", corpus, "--run-dir", tmp_path, "--max-steps", 2)
    process = command("train", *options, limit=largest_file(20_000))
    assert_one_error(process)
    assert not RunFolder(tmp_path).saved()


def test_held_out_clips_are_not_trained_on(corpus, tmp_path):
    from hifigan_tf.train import _files, parse

    config = Config.load(DEMO_CONFIG)
    names = tmp_path / "held_out.txt"
    names.write_text("clip2|some words\nclip4\n")
    inner = tmp_path / "data"
    shutil.copytree(corpus, inner / "held_out")
    shutil.copy(corpus / "clip0.wav", inner / "other.wav")
    for options, heard in (
        (("--data", corpus, "--validation-file", names), ["clip0", "clip1", "clip3"]),
        (("--data", inner, "--validation-data", inner / "held_out"), ["other"]),
    ):
        training, validation = _files(parse([str(option) for option in options]), config)
        assert [file.path.stem for file in training] == heard
        assert not {file.path for file in training} & {file.path for file in validation}
    with pytest.raises(UserError, match="every file of --data"):
        _files(parse(["--data", str(corpus), "--validation-data", str(corpus)]), config)


def test_a_run_of_another_config_does_not_use_the_demo_clips(straight, command):
    assert_one_error(command("train", "--run-dir", straight[0]), "--data is missing")


def test_a_bad_clip_is_never_the_only_one_held_out(corpus, config):
    clips = check_clips(sorted(corpus.glob("*.wav")), config)
    training, validation = hold_out(clips, corpus)
    assert [clip.path.stem for clip in validation] == ["clip4"]
    assert len(training) == 4
    many = list(range(45))
    training, validation = hold_out(many, corpus)
    assert validation == [19, 39]
    assert sorted(training + validation) == many


def test_help_does_not_wait_for_tensorflow(command):
    for module in ("train", "preprocess", "vocode", "stream", "extract_mel", "evaluate", "import_torch", "demo"):
        process = subprocess.run(
            [sys.executable, "-X", "importtime", "-m", f"hifigan_tf.{module}", "--help"],
            capture_output=True,
            text=True,
            check=True,
            env={**os.environ, "COLUMNS": "80"},
        )
        assert process.stdout.startswith(f"usage: python -m hifigan_tf.{module}")
        loaded = {line.split("|")[-1].strip() for line in process.stderr.splitlines()}
        assert not loaded & {"tensorflow", "keras", "librosa", "ai_edge_litert"}, module
