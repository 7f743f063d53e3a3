"""Quantization as simulated in training equals the exported models; distillation helps, resumes, and never harms."""

import copy
import dataclasses
import logging
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile
import tensorflow as tf
from ai_edge_litert import schema_py_generated as schema
from conftest import LOW_DELAY, calibrated_plan, exported, model_of, operations, snr, untrained, write_speech
from test_graph import generator_of

from hifigan_tf import to_tflite
from hifigan_tf.audio.audio_files import find_audio
from hifigan_tf.audio.mel import MelSpectrogram, mel_spectrogram
from hifigan_tf.errors import UserError
from hifigan_tf.export import export_vocoder
from hifigan_tf.export.build import build
from hifigan_tf.export.graph import ChunkGraph, Deployment
from hifigan_tf.export.network import fold
from hifigan_tf.export.quality import Report, load_clips
from hifigan_tf.export.quantization import calibration, distill
from hifigan_tf.export.quantization.distill import Distillation, Settings, audio_distance
from hifigan_tf.export.quantization.fake_quant import LearnedRanges, Weights, with_dynamic_range, with_static_range
from hifigan_tf.export.quantization.quantized_graphs import (
    PIECES,
    DynamicRange,
    DynamicRangeStudent,
    StaticStudent,
    StaticWindow,
    piece_range,
)
from hifigan_tf.streaming import contract
from hifigan_tf.streaming.litert import load_tflite
from hifigan_tf.streaming.streaming_vocoder import load_vocoder, vocode

pytestmark = pytest.mark.current

RATE = 8000
FRAMES = 32


@pytest.fixture(scope="module")
def clips(tmp_path_factory):
    return write_speech(tmp_path_factory.mktemp("clips"), seconds=1, clips=2)


@pytest.fixture
def export(shallow_checkpoint, clips, tmp_path):
    def export(*options, data=clips, output=tmp_path / "model.tflite"):
        arguments = ["--checkpoint", shallow_checkpoint, "--evaluation-data", data, "--output", output, *options]
        return to_tflite.main([*map(str, arguments)]), output

    return export


# --- numbers ---


def test_dynamic_ranges_are_on_the_grid_and_as_wide_as_the_values():
    x = np.random.default_rng(0).normal(0.3, 2, [2, 1, 40, 3]).astype(np.float32)
    rounded = with_dynamic_range(tf.constant(x), [1, 2, 3]).numpy()
    for values, original in zip(rounded, x, strict=True):
        scale = (original.max() - original.min()) / 255
        steps = values / scale
        assert np.abs(steps - np.rint(steps)).max() < 1e-3
        assert np.abs(values - original).max() <= 1.001 * scale  # half a step, and another half at a shifted end
        assert len(np.unique(np.rint(steps))) <= 256
    assert not with_dynamic_range(tf.zeros([1, 1, 4, 2]), [1, 2, 3]).numpy().any()


def test_static_ranges_learn():
    """Values far outside widen a range; values that do not need it let it shrink, for finer steps."""
    for spread, opens in ((4.0, True), (0.02, False)):
        x = tf.constant(np.random.default_rng(1).normal(0, spread, [1000]).astype(np.float32))
        ranges = LearnedRanges({"x": (-1.0, 1.0)})
        with tf.GradientTape() as tape:
            tape.watch(ranges.stretch)
            loss = tf.reduce_sum(tf.square(ranges(x, "x") - x))
        downhill = -tape.gradient(loss, ranges.stretch).numpy()[0]
        assert (downhill > 0).all() if opens else (downhill < 0).all()
    gradient = tf.GradientTape()
    x = tf.constant([-2.0, -0.5, 0.5, 2.0])
    with gradient:
        gradient.watch(x)
        y = with_static_range(x, tf.constant(-1.0), tf.constant(1.0))
    assert gradient.gradient(y, x).numpy().tolist() == [0.0, 1.0, 1.0, 0.0]


def test_kernels_have_a_scale_for_each_filter(tiny_generator):
    deployment = Deployment(fold(tiny_generator))
    weights = Weights(deployment)
    for name, kernel in deployment.kernels.items():
        rounded = weights(name, kernel).numpy()
        scale = np.abs(kernel.numpy()).max((0, 1, 2)) / 127
        assert np.abs(rounded - kernel.numpy()).max() <= 0.501 * scale.max()
        steps = rounded / scale
        assert np.abs(steps - np.rint(steps)).max() < 1e-2


def test_the_pieces_of_the_waveform_add_up_to_it():
    x = np.linspace(-2, 2, 100_001)
    bounds = [(centre, *piece_range(reach)) for centre, reach in PIECES]
    assert np.abs(sum(np.clip(x - centre, low, high) for centre, low, high in bounds) - x).max() < 1e-12
    # The quieter, the finer the steps: 13 bits around zero.
    for loudness, bits in ((0.03, 12.5), (0.25, 10.5), (1.9, 7.5)):
        near = [high for centre, low, high in bounds if low <= loudness - centre <= high]
        assert np.log2(2 * 2 / (near[0] / 127)) > bits


# --- simulations equal exports ---


class DynamicRangeChunkGraph(DynamicRange, ChunkGraph):
    """The streaming graph of a chunk exactly as ``--int8`` computes it."""

    def __init__(self, deployment, states, weights, float_layers):
        super().__init__(deployment, states, None)
        self.weights = weights
        self.float_layers = float_layers

    def rounded(self, x):
        return with_dynamic_range(x, [1, 2, 3])


@pytest.mark.parametrize("name", ["v1", "live"])
def test_int8_streams_as_its_simulation_predicts(name):
    generator = generator_of(name)
    mels = [np.random.default_rng(i).normal(-5, 2, [40, generator.audio.num_mels]).astype(np.float32) for i in range(2)]
    plan, calibrated = calibrated_plan(generator, "int8", mels=mels)
    deployment = Deployment(calibrated.network)
    model, weights = build(plan, calibrated).vocoder(), Weights(deployment)
    states, simulated = model.initial_state(), model.initial_state()
    for start in range(0, 40, 4):
        mel = mels[0][start : start + 4]
        audio, states = model.step(mel, states, None)
        before = {name: tf.constant(state) for name, state in simulated.items()}
        step = DynamicRangeChunkGraph(deployment, before, weights, plan.float_layers)
        expected = step.run(tf.constant(mel[None])).numpy()[0]
        # From the same state; a value half-way between two steps may still be rounded to the other one.
        assert snr(expected, audio) > 35
        simulated = states
    assert snr(expected, Deployment(fold(generator)).whole(tf.constant(mels[0][None])).numpy()[0][-len(audio) :]) < 35


def test_full_int8_has_only_integers_and_runs_on_both_interpreters(tiny_generator, tiny_mels):
    plan, calibrated = calibrated_plan(tiny_generator, "full_int8", frames=FRAMES, mels=tiny_mels)
    data = build(plan, calibrated).packed()
    kinds = schema.TensorType
    found = operations(model_of(data))
    for name, op, graph in found:
        types = {graph.tensors[i].type for i in (*op.inputs, *op.outputs)}
        if kinds.FLOAT32 in types:
            assert name in ("QUANTIZE", "DEQUANTIZE")
    assert [name for name, _, _ in found].count("QUANTIZE") == 1  # the mel
    assert [name for name, _, _ in found].count("DEQUANTIZE") == 1  # the audio
    assert [name for name, _, _ in found].count("CONV_2D") == len(plan.network.convs()) - 1 + len(PIECES)

    mel = tiny_mels[0][:FRAMES]
    deployment = Deployment(calibrated.network)
    simulated = StaticWindow(deployment, LearnedRanges(calibrated.ranges), Weights(deployment))
    expected = simulated.run(tf.constant(mel[None])).numpy()[0]
    outputs = [load_tflite(data).run(mel), load_tflite(data, interpreter=tf.lite.Interpreter).run(mel)]
    float_audio = Deployment(fold(tiny_generator)).whole(tf.constant(mel[None])).numpy()[0]
    for output in outputs:
        assert snr(expected, output) > 20
        assert snr(float_audio, output) > 8


def test_16_bit_activations_lose_little(tiny_generator, tiny_mels):
    data = exported(tiny_generator, "int16", (), FRAMES, [*tiny_mels, tiny_mels[0][:5]])
    for name, op, graph in operations(model_of(data)):
        types = [graph.tensors[i].type for i in (*op.inputs, *op.outputs)]
        assert schema.TensorType.FLOAT32 not in types or name in ("QUANTIZE", "DEQUANTIZE")
        if name == "CONV_2D":
            assert (types[0], types[1]) == (schema.TensorType.INT16, schema.TensorType.INT8)
    mel = tiny_mels[0][:FRAMES]
    float_audio = Deployment(fold(tiny_generator)).whole(tf.constant(mel[None])).numpy()[0]
    outputs = [load_tflite(data).run(mel), load_tflite(data, interpreter=tf.lite.Interpreter).run(mel)]
    assert np.array_equal(*outputs)
    assert snr(float_audio, outputs[0]) > 15
    integer = load_tflite(
        exported(tiny_generator, "int16", (), FRAMES, [*tiny_mels, tiny_mels[0][:5]], integer_io=True)
    )
    assert {grid["dtype"] for grid in integer.contract.quantization.values()} == {"int16"}
    np.testing.assert_allclose(integer.run(mel), outputs[0], atol=1e-4)


def test_integer_io_gives_the_same_audio(tiny_generator, tiny_mels):
    data = [exported(tiny_generator, "full_int8", (), FRAMES, tiny_mels, integer_io=integer) for integer in (0, 1)]
    plain, integer = (load_tflite(model) for model in data)
    grid = integer.contract.quantization
    assert (grid["mel"]["dtype"], grid["audio"]["dtype"]) == ("int8", "int16")
    assert grid["audio"] == {"dtype": "int16", "scale": 1 / 32768, "zero_point": 0}
    assert not plain.contract.quantization
    types = {tensor.type for graph in model_of(data[1]).subgraphs for tensor in graph.tensors}
    assert schema.TensorType.FLOAT32 not in types
    mel = tiny_mels[0][:FRAMES]
    assert np.array_equal(plain.run(mel), integer.run(mel))
    # Shorter than a window: padded with silence. Longer: overlapping windows.
    for length in (5, 3 * FRAMES):
        audio = vocode(integer, tiny_mels[0][:length])
        assert len(audio) == length * tiny_generator.audio.hop_size
        assert np.array_equal(audio, vocode(plain, tiny_mels[0][:length]))


# --- distillation ---


def undistilled(generator, mels, mode="int8", recipe=None):
    """A plan and its calibrated network."""
    return calibrated_plan(generator, mode, (4,), FRAMES if mode == "full_int8" else None, mels, recipe=recipe or {})


def distilled(generator, mels, steps, progress=None, **kind):
    """A plan and its calibrated network, distilled."""
    plan, calibrated = undistilled(generator, mels, **kind)
    settings = Settings(steps=steps, batch=2, frames=24, learning_rate=2e-4)
    return plan, distill.distill(plan, calibrated, settings, progress)


def simulation(plan, calibrated):
    """The simulation of the exported model: mels ``[batch, frames, num_mels]`` to audio."""
    deployment = Deployment(calibrated.network)
    if plan.mode == "int8":
        return DynamicRangeStudent(deployment, plan.float_layers, 4)
    ranges, weights = LearnedRanges(calibrated.ranges), Weights(deployment)
    return lambda mel: StaticWindow(deployment, ranges, weights).run(mel)


@pytest.mark.processors
@pytest.mark.parametrize(("mode", "options"), [("int8", {}), ("full_int8", {}), ("full_int8", LOW_DELAY)])
def test_distillation_brings_the_student_nearer(tiny, tiny_mels, mode, options):
    generator = untrained(tiny.replace(**options))
    teacher, front_end = Deployment(fold(generator)), MelSpectrogram.of(generator.audio, for_loss=True)

    def distance(model):
        student, segments = simulation(*model), tf.constant(np.stack([mel[:FRAMES] for mel in tiny_mels]))
        return float(audio_distance(student(segments), teacher.whole(segments), front_end))

    plain = undistilled(generator, tiny_mels, mode=mode)
    student = distilled(generator, tiny_mels, 150, mode=mode)
    assert distance(student) < 0.97 * distance(plain)  # 0.78 to 0.93, by the order of sums of gradients
    assert build(*student).contract.fingerprint != build(*plain).contract.fingerprint


def test_distillation_resumes_where_it_was(shallow_generator, tiny_mels, tmp_path, monkeypatch):
    monkeypatch.setattr(distill, "SAVE_EVERY", 2)
    whole = distilled(shallow_generator, tiny_mels, 6)
    progress, batch = tmp_path / "progress", Distillation._batch

    def interrupt(self, number):
        if number == 5:
            raise KeyboardInterrupt
        return batch(self, number)

    with monkeypatch.context() as patch:
        patch.setattr(Distillation, "_batch", interrupt)
        with pytest.raises(KeyboardInterrupt):
            distilled(shallow_generator, tiny_mels, 6, progress)
    asked = []
    monkeypatch.setattr(Distillation, "_batch", lambda self, number: asked.append(number) or batch(self, number))
    resumed = distilled(shallow_generator, tiny_mels, 6, progress)
    assert asked == [4, 5]
    for ours, theirs in zip(resumed[1].network.convs(), whole[1].network.convs(), strict=True):
        np.testing.assert_allclose(ours.kernel, theirs.kernel, atol=1e-6)
        np.testing.assert_allclose(ours.bias, theirs.bias, atol=1e-6)
    # A file of another distillation, or a truncated one: from the start.
    asked.clear()
    distilled(shallow_generator, tiny_mels[:2], 2, progress)
    progress.write_bytes(progress.read_bytes()[:100])
    distilled(shallow_generator, tiny_mels[:2], 2, progress)
    assert asked == [0, 1, 0, 1]
    # The same weights, but another student.
    asked.clear()
    distilled(shallow_generator, tiny_mels[:2], 2, progress, recipe={"conv_pre": "int8"})
    progress.write_bytes(b"")
    distilled(shallow_generator, tiny_mels[:2], 2, progress)
    assert asked == [0, 1, 0, 1]


TWICE = """
import sys
from hifigan_tf import to_tflite
from hifigan_tf.streaming import contract
arguments, outputs = sys.argv[1:-2], sys.argv[-2:]
for output in outputs:
    assert to_tflite.main([*arguments, "--output", output]) == 0
first, second = (contract.unpack(open(output, "rb").read()) for output in outputs)
assert first == second
"""


@pytest.mark.processors
def test_the_same_seed_gives_the_same_model(shallow_checkpoint, clips, tmp_path):
    """To the bit, although each has its own graph and operations start in any order."""
    options = ["--checkpoint", shallow_checkpoint, "--evaluation-data", clips, "--full-int8", "--frames", FRAMES]
    limits = ["--max-mel-difference", 5, "--max-pesq-drop", 5, "--distill-steps", 12]
    arguments = [*options, *limits, tmp_path / "a.tflite", tmp_path / "b.tflite"]
    run = [sys.executable, "-c", TWICE, *map(str, arguments)]
    done = subprocess.run(run, cwd=Path(__file__).parents[1], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_a_distillation_that_diverges_is_not_kept(export, caplog, monkeypatch):
    monkeypatch.setattr(DynamicRangeStudent, "learning_rate", 1e30)
    code, output = export("--int8", "--distill-steps", 5)
    assert code == 0
    assert "diverged at step" in caplog.text
    assert "the model from before is kept" in caplog.text
    assert [path.name for path in output.parent.iterdir()] == [output.name]


# --- the command line ---


def test_export_distils_and_says_so(export, clips, caplog):
    caplog.set_level(logging.INFO)
    code, output = export("--int8", "--distill-steps", 3, "--calibration-data", clips, "--seed", 7)
    assert code == 0
    assert re.search(r"before, .* after", caplog.text)
    assert [path.name for path in output.parent.iterdir()] == [output.name]  # no progress file left


def test_a_distillation_that_makes_things_worse_is_not_kept(export, caplog, monkeypatch):
    _, output = export("--int8")
    before = contract.read(output.read_bytes(), "x")

    def ruin(plan, calibrated, *_):
        network = copy.deepcopy(calibrated.network)
        for conv in network.convs():
            conv.kernel *= 1.2
        return dataclasses.replace(calibrated, network=network)

    monkeypatch.setattr(export_vocoder, "distill", ruin)
    code, output = export("--int8", "--distill-steps", 1)
    assert code == 0
    assert "the model from before is kept" in caplog.text
    after = contract.read(output.read_bytes(), "x")
    assert (after.quality, after.fingerprint) == (before.quality, before.fingerprint)


def test_full_int8_through_the_command_line(export):
    code, output = export("--full-int8", "--frames", FRAMES, "--integer-io", "--max-mel-difference", 2)
    assert code == 0
    model = load_tflite(output)
    assert (model.contract.mode, model.contract.window_frames, model.contract.stateful) == ("full_int8", FRAMES, False)
    code, _ = export("--full-int8", "--frames", FRAMES, "--max-mel-difference", 1e-6)
    assert code == 1


def test_calibration_data_unlike_the_training_data_is_reported(export, tmp_path, caplog, monkeypatch):
    monkeypatch.setattr(calibration, "round_trip_error", lambda _, mels: {1: 2.5, 2: 1.0}[len(mels)])
    soundfile.write(tmp_path / "hiss.wav", np.random.default_rng(0).uniform(-0.5, 0.5, RATE), RATE)
    code, _ = export("--int8", "--calibration-data", tmp_path)
    assert code == 0
    assert "2.500 on the calibration mels and 1.000 on the evaluation clips" in caplog.text


def test_round_trip_is_the_error_of_the_float_model(tiny_generator, tiny_mels):
    heard = vocode(load_vocoder(tiny_generator), tiny_mels[0])
    expected = np.abs(mel_spectrogram(heard, MelSpectrogram.of(tiny_generator.audio)) - tiny_mels[0]).mean()
    assert calibration.round_trip_error(tiny_generator, tiny_mels[:1]) == pytest.approx(expected, rel=1e-4)


def test_calibration_takes_recordings_and_mels(tiny_generator, tiny_mels, clips, tmp_path):
    np.save(tmp_path / "one.npy", tiny_mels[0])
    np.save(tmp_path / "two.npy", tiny_mels[1].T)
    found = calibration.load_mels(tmp_path, tiny_generator.audio)
    assert [mel.shape for mel in found] == [mel.shape for mel in tiny_mels[:2]]
    assert np.array_equal(found[1], tiny_mels[1])
    recordings = calibration.load_mels(clips, tiny_generator.audio)
    (tmp_path / "a.wav").write_bytes(find_audio(clips)[0].read_bytes())
    both = calibration.load_mels(tmp_path, tiny_generator.audio)
    assert len(both) == 3
    assert np.array_equal(both[-1], recordings[0])
    np.save(tmp_path / "one.npy", np.zeros([10, 7], np.float32))
    with pytest.raises(UserError, match=r"one\.npy"):
        calibration.load_mels(tmp_path, tiny_generator.audio)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--distill-steps", 5], ["--distill-steps 5", "--int8 and --full-int8", "--float32"]),
        (["--int16-activations", "--distill-steps", 5], ["--distill-steps 5", "--int16-activations"]),
        (["--float16", "--calibration-data", "."], ["--calibration-data", "--float16"]),
        (["--int8", "--integer-io"], ["--integer-io", "--full-int8", "--int8"]),
        (["--int8", "--seed", 1], ["--seed 1", "--distill-steps"]),
        (["--stateless", "--frames", 64, "--chunk-frames", 4], ["--chunk-frames 4", "--stateless"]),
        (["--full-int8", "--chunk-frames", 4], ["--chunk-frames 4", "--frames"]),
        (["--full-int8", "--frames", 3], ["--frames 3", "too few"]),
        (["--int8", "--calibration-data", "nowhere"], ["--calibration-data", "nowhere"]),
    ],
)
def test_options_that_do_not_go_together(export, options, words):
    with pytest.raises(UserError) as error:
        export(*options)
    assert all(word in str(error.value) for word in words)


def test_better_means_better_by_pesq_and_by_spectrum():
    def report(drop, difference):
        scores = [None if drop is None else {"pesq_wb": 3.0 - drop * heard} for heard in (0, 1)]
        return Report(1, *(scores if drop is not None else [{"pesq_wb": None}] * 2), difference)

    assert report(0.1, 0.1).better_than(report(0.2, 0.2))
    assert report(None, 0.1).better_than(report(None, 0.2))
    assert not report(0.1, 0.2).better_than(report(0.2, 0.1))
    assert not report(0.2, 0.1).better_than(report(0.1, 0.2))
    assert not report(None, float("nan")).better_than(report(None, 0.2))


def test_one_odd_recording_does_not_end_an_export(tiny_generator, tmp_path, caplog):
    rng = np.random.default_rng(0)
    soundfile.write(tmp_path / "good.wav", rng.normal(0, 0.1, RATE), RATE)
    soundfile.write(tmp_path / "silent.wav", np.zeros(RATE), RATE)
    soundfile.write(tmp_path / "brief.wav", rng.normal(0, 0.1, 20), RATE)
    (tmp_path / "text.wav").write_text("no audio\n" * 20)
    soundfile.write(tmp_path / "shifted.wav", rng.normal(0.05, 0.02, RATE), RATE)
    soundfile.write(tmp_path / "big.wav", rng.normal(0, 9000, RATE), RATE, subtype="FLOAT")
    assert sorted(load_clips(tmp_path, tiny_generator.audio)) == ["big", "good", "shifted"]
    told = "\n".join(caplog.messages)
    for words in ("silent.wav is silent", "brief.wav is shorter than one frame", "text.wav cannot be decoded"):
        assert f"skipped: {tmp_path}/{words}" in told
    assert "big.wav holds samples up to" in told
    assert "shifted.wav has a DC offset of 0.05" in told
    assert "good.wav" not in told


@pytest.mark.parametrize("fault", ["empty", "silent", "rate"])
def test_bad_calibration_folders(export, tmp_path, fault):
    folder = tmp_path / "calibration"
    folder.mkdir()
    if fault == "silent":
        soundfile.write(folder / "a.wav", np.zeros(RATE), RATE)
    if fault == "rate":
        soundfile.write(folder / "a.wav", np.random.default_rng(0).normal(0, 0.1, RATE), 11025)
    with pytest.raises(UserError, match={"empty": "calibration folder", "silent": "silent", "rate": "11025"}[fault]):
        export("--int8", "--calibration-data", folder)


def test_the_student_of_full_int8_learns_its_ranges(tiny_generator, tiny_mels):
    _, calibrated = calibrated_plan(tiny_generator, "full_int8", frames=FRAMES, mels=tiny_mels[:1])
    student = StaticStudent(Deployment(calibrated.network), (), calibrated.ranges)
    assert student.variables[-1] is student.ranges.stretch
    for name, ends in student.ranges.values().items():
        assert ends == pytest.approx(calibrated.ranges[name])
