"""Exports: the contents of the file, the quality gate, and every bad input reported."""

import copy
import dataclasses
import json
import os
import subprocess
import sys
import zipfile
from collections import Counter
from pathlib import Path

import keras
import numpy as np
import pytest
import soundfile
from ai_edge_litert import schema_py_generated as schema
from conftest import calibrated_plan, exported, model_of, operations, untrained, write_speech

from benchmarks import stream_speed as benchmark
from hifigan_tf import to_tflite
from hifigan_tf.audio.audio_files import find_audio, read_audio, resample
from hifigan_tf.errors import UserError
from hifigan_tf.evaluation.metrics import METRICS
from hifigan_tf.export import export_vocoder, quality
from hifigan_tf.export.graph import Deployment
from hifigan_tf.export.network import fold
from hifigan_tf.export.quality import DEFAULT_LIMITS, Evaluation, Limits, compare, evaluate_model, load_clips
from hifigan_tf.export.quantization.calibration import calibrate
from hifigan_tf.models.generator import Generator, load_generator
from hifigan_tf.resources import CONFIGS, DEMO_HELD_OUT, VOICE
from hifigan_tf.streaming import contract
from hifigan_tf.streaming.litert import load_tflite

pytestmark = pytest.mark.current

RATE, HOP, BANDS = 8000, 32, 16
CLIPS = 4  # of real speech in the tests: 30 s


@pytest.fixture(scope="module")
def clips(tmp_path_factory):
    return write_speech(tmp_path_factory.mktemp("clips"), seconds=2)


@pytest.fixture
def export(shallow_checkpoint, clips, tmp_path):
    """Runs the command line in this process: exit code and output path."""

    def export(*options, checkpoint=shallow_checkpoint, data=clips, output=tmp_path / "model.tflite"):
        code = to_tflite.main(
            ["--checkpoint", str(checkpoint), "--evaluation-data", str(data), "--output", str(output), *options]
        )
        return code, output

    return export


@pytest.fixture(scope="module")
def float32_model(shallow_checkpoint, clips, tmp_path_factory):
    """A finished export."""
    output = tmp_path_factory.mktemp("float32") / "model.tflite"
    options = ["--checkpoint", shallow_checkpoint, "--evaluation-data", clips, "--output", output, "--float32"]
    assert to_tflite.main([*map(str, options)]) == 0
    return output


@pytest.mark.parametrize("mode", ["float32", "float16", "int8"])
def test_export_writes_a_model_that_passed_the_gate(export, mode, capsys):
    code, output = export(f"--{mode}")
    assert code == 0
    printed = capsys.readouterr().out
    for word in (*(METRICS[key].name for key in quality.SCORES), "x real time on one thread", "MB", "difference"):
        assert word in printed
    stored = contract.read(output.read_bytes(), "x")
    assert stored.mode == mode
    assert stored.quality["log_mel_l1_to_float"] <= DEFAULT_LIMITS[mode].mel_difference
    assert set(stored.speed["x_realtime_1_thread"]) == {"4", "16"}


def test_the_contract_says_everything_and_any_zip_reader_opens_it(float32_model):
    with zipfile.ZipFile(float32_model) as archive:
        values = json.loads(archive.read("contract.json"))
    assert values["audio"] | {"sampling_rate": RATE, "hop_size": HOP, "num_mels": BANDS} == values["audio"]
    assert (values["log_base"], values["log_floor"], values["mel_layout"]) == ("e", 1e-5, "[1, frames, num_mels]")
    assert values["delay_ms"] == pytest.approx(1000 * values["delay_samples"] / RATE, abs=0.01)
    assert values["chunk_frames"] == [4, 16]
    assert {"tensorflow", "keras", "ai-edge-litert", "hifigan_tf"} <= values["versions"].keys()
    assert values["versions"]["least_runtime"] == "TFLite 2.7"
    interpreter = load_tflite(float32_model)._interpreter
    signatures = interpreter.get_signature_list()
    assert signatures.keys() == {*values["stream"].values(), values["edge"], values["initial_state"]}
    for name in values["stream"].values():
        assert set(signatures[name]["inputs"]) == {"mel", *values["states"]}
        assert set(signatures[name]["outputs"]) == {"audio", *values["states"]}
    assert set(signatures[values["edge"]]["inputs"]) == {"mel", "valid", *values["states"]}
    initial = load_tflite(float32_model).initial_state()
    assert {name: list(state.shape) for name, state in initial.items()} == values["states"]
    assert not any(state.any() for state in initial.values())


def test_packing_again_replaces_the_contract(tiny_checkpoint):
    packed = exported(load_generator(tiny_checkpoint))
    again = contract.pack(packed, contract.read(packed, "x"))
    assert again == packed
    assert contract.unpack(again) == contract.unpack(packed)


def test_the_graph_has_no_slow_or_unsupported_operation(tiny_checkpoint):
    model = model_of(exported(load_generator(tiny_checkpoint), "float32", (4, 16)))
    found = Counter(name for name, _, _ in operations(model))
    assert not {"SPACE_TO_BATCH_ND", "BATCH_TO_SPACE_ND", "TRANSPOSE_CONV", "TRANSPOSE", "GATHER"} & found.keys()
    convolutions = len(fold(load_generator(tiny_checkpoint)).convs())
    assert found["CONV_2D"] == 3 * convolutions  # two chunks and the edge
    assert all(len(op.inputs) == 3 for name, op, _ in operations(model) if name == "CONV_2D")  # with the bias inside


def test_signatures_share_their_weights(shallow):
    generator = untrained(shallow.replace(upsample_initial_channel=128))
    weights = 4 * sum(conv.kernel.size + conv.bias.size for conv in fold(generator).convs())
    for mode, bytes_per_weight in (("float32", 4), ("float16", 2), ("int8", 1)):
        one, three = (len(exported(generator, mode, chunks)) for chunks in ((4,), (4, 8, 16)))
        assert three - one < 0.5 * weights * bytes_per_weight / 4 + 100_000


def test_int8_has_8_bit_weights_except_in_the_layers_of_the_contract(tiny_checkpoint):
    data = exported(load_generator(tiny_checkpoint), "int8", (4, 16))
    model, layers = model_of(data), contract.read(data, "x").layers
    declared = [name for name, weight_format in layers.items() if weight_format == "float32"]
    assert set(layers.values()) == {"int8", "float32"}
    assert declared == ["conv_pre", "stage_2/up", "conv_post"]
    kinds = Counter()
    for name, op, graph in operations(model):
        assert name not in ("DEQUANTIZE", "QUANTIZE", "TRANSPOSE_CONV", "SPACE_TO_BATCH_ND")
        if name == "CONV_2D":
            kernel = graph.tensors[op.inputs[1]]
            kinds[kernel.type] += 1
            if kernel.type == schema.TensorType.INT8:
                assert len(kernel.quantization.scale) == kernel.shape[0]  # a scale for each filter
    assert kinds[schema.TensorType.FLOAT32] == 3 * len(declared)
    assert kinds[schema.TensorType.INT8] == 3 * (len(fold(load_generator_of(data)).convs()) - 3)


def load_generator_of(data):
    values = contract.read(data, "x")
    return Generator(**values.generator, audio=values.audio)


def test_equalisation_changes_no_sample(tiny_checkpoint):
    generator = load_generator(tiny_checkpoint)
    mel = np.random.default_rng(0).normal(-6, 1.5, [30, BANDS]).astype(np.float32)
    plan, calibrated = calibrated_plan(generator, "int8")
    audio = Deployment(calibrated.network).whole(mel[None])[0]
    np.testing.assert_allclose(audio, generator(mel[None])[0, :, 0], atol=1e-4)
    assert not np.allclose(calibrated.network.stages[1].up.kernel, plan.network.stages[1].up.kernel)


def test_stateless(export):
    code, output = export("--stateless", "--frames", "40")
    assert code == 0
    stored = contract.read(output.read_bytes(), "x")
    assert (stored.stateful, stored.window_frames, stored.states) == (False, 40, {})
    with pytest.raises(UserError, match=r"--frames 8 is too few: this model's windows lose \d+ frames on the left"):
        export("--stateless", "--frames", "8")


def test_other_chunks(export):
    _, output = export("--chunk-frames", "3")
    assert contract.read(output.read_bytes(), "x").chunk_frames == [3, 12]


def test_a_model_that_loses_too_much_is_not_written(export, tmp_path, capsys):
    code, _ = export("--int8", "--max-mel-difference", "0.0001")
    assert code == 1
    assert "not written: log-mel L1 to the float output is 0." in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("damage", ["a channel", "nan", "silence"])
def test_a_broken_model_is_never_written(export, damage, monkeypatch, tmp_path, capsys):
    def broken(plan, mels):
        calibrated = calibrate(plan, mels)
        network = copy.deepcopy(calibrated.network)
        conv = network.post if damage == "silence" else network.stages[1].blocks[0][0][0]
        conv.kernel *= {"a channel": np.r_[50.0, np.ones(3)], "nan": np.nan, "silence": 0.0}[damage]
        return dataclasses.replace(calibrated, network=network)

    monkeypatch.setattr(export_vocoder, "calibrate", broken)
    code, _ = export("--float32")
    assert code == 1
    assert "not written: " in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


def test_limits():
    scores = {"log_mel_l1": 0.3, "pesq_wb": 2.8, "stoi": 0.9}
    worse = scores | {"pesq_wb": 2.6}
    assert not quality.Report(1, scores, scores, 0.1).failures(Limits(0.15, 0.2))
    assert "PESQ drops by 0.200" in quality.Report(1, scores, worse, 0.1).failures(Limits(0.15, 0.2))[0]
    noise, other = ({"pesq_wb": value} for value in (1.08, 1.03))  # of no speech PESQ jumps with the last bits
    assert not quality.Report(1, noise, other, 0.1).failures(Limits(0.01, 0.2))
    assert "log-mel L1" in quality.Report(1, scores, scores, float("nan")).failures(Limits(0.15, 0.2))[0]
    absent = scores | {"pesq_wb": None}
    assert not quality.Report(1, absent, absent, 0.1).failures(Limits(0.15, 0.2))


def test_an_interrupted_export_leaves_nothing(export, monkeypatch, tmp_path):
    for place in ("compare", "speed"):
        with monkeypatch.context() as patch:
            patch.setattr(export_vocoder, place, lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
            with pytest.raises(KeyboardInterrupt):
                export("--float32")
        assert not list(tmp_path.iterdir())


def test_bad_evaluation_folders(export, tmp_path):
    speech = resample(*read_audio(find_audio(DEMO_HELD_OUT)[0]), RATE)
    cases = {
        "empty": (None, RATE, "holds no audio file: give one with recordings of speech"),
        "silent": (np.zeros(RATE), RATE, r"is silent \(peak 0.0e\+00\)"),
        "other": (speech, 16000, "is recorded at 16000 Hz, the model makes 8000 Hz"),
        "short": (speech[9000:9020], RATE, "is shorter than one frame: 20 of 32 samples"),
    }
    for name, (audio, rate, message) in cases.items():
        (tmp_path / name).mkdir()
        if audio is not None:
            soundfile.write(tmp_path / name / "x.wav", audio, rate)
        with pytest.raises(UserError, match=message):
            export(data=tmp_path / name)
    assert not (tmp_path / "model.tflite").exists()


def test_bad_checkpoints_and_outputs(export, clips, tiny_checkpoint, tmp_path):
    other = tmp_path / "other.keras"
    keras.Sequential([keras.Input([3]), keras.layers.Dense(2)]).save(other)
    with pytest.raises(UserError, match="holds a Sequential, not a Generator"):
        export(checkpoint=other)
    (tmp_path / "file").write_text("x")
    with pytest.raises(UserError, match="cannot write to"):
        export(output=tmp_path / "file" / "m.tflite")
    with pytest.raises(UserError, match="is a folder: give the name of a file"):
        export(output=clips)
    with pytest.raises(UserError, match="--stateless and --frames N belong together"):
        to_tflite.options_of(to_tflite.parse(["--stateless"]))


def test_the_newest_run_is_the_default_checkpoint(tiny_checkpoint, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert to_tflite.newest_run() == VOICE
    # Beside its checkpoint, but not among the files of the package.
    args = to_tflite.parse(["--int8"])
    assert to_tflite.output_path(args, VOICE, None) == Path("live_int8.tflite")
    assert to_tflite.output_path(args, tmp_path / "best.keras", None) == tmp_path / "best_int8.tflite"
    for age, name in enumerate(("old", "new")):
        folder = tmp_path / "runs" / name
        folder.mkdir(parents=True)
        for file in ("last.keras", "best.keras"):
            (folder / file).write_bytes(tiny_checkpoint.read_bytes())
            os.utime(folder / file, (age, age))
    assert to_tflite.newest_run() == Path("runs/new/best.keras")


def test_the_command_line_gives_one_line_and_exit_code_2(tmp_path):
    script = CONFIGS.parent / "export" / "to_tflite.py"
    line = [sys.executable, script, "--int8", "--checkpoint", "nowhere.keras"]
    done = subprocess.run(line, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert done.stderr.startswith("error: checkpoint nowhere.keras does not exist")
    assert len(done.stderr.splitlines()) == 1


def test_benchmark_fills_every_row(float32_model, tmp_path, capsys):
    rows = tmp_path / "rows.json"
    benchmark.main([str(float32_model), "--seconds", "0.5", "--repeats", "2", "--json", str(rows)])
    table = capsys.readouterr().out
    for row in json.loads(rows.read_text()):
        keys = {
            "name",
            "runtime",
            "threads",
            "x_realtime",
            "spread",
            "delay_ms",
            "first_audio_ms",
            "peak_mb",
            "file_mb",
        }
        assert keys <= row.keys()
        assert all(row[key] > 0 for key in keys - {"name", "runtime", "spread"})
        assert f"| {row['name']} | LiteRT |" in table
    with pytest.raises(UserError, match="it must be positive"):
        benchmark.main([str(float32_model), "--threads", "0"])


def test_benchmark_leaves_out_what_is_not_installed(float32_model, caplog, monkeypatch, capsys):
    monkeypatch.setattr(benchmark, "find_spec", lambda _: None)
    benchmark.main([str(float32_model), "--seconds", "0.5", "--repeats", "1", "--against", "torch", "onnxruntime"])
    assert "PyTorch is left out, not installed: pip install torch" in caplog.text
    assert "pip install onnxruntime onnx" in caplog.text
    assert "whole file" not in capsys.readouterr().out


@pytest.fixture(scope="module")
def real(shared, trained_v3):
    """The real generator, and its evaluation on a few clips of real speech."""
    generator = load_generator(trained_v3)
    clips = load_clips(shared / "speech", generator.audio)
    return generator, evaluate_model(generator, dict(list(clips.items())[1 :: len(clips) // CLIPS][:CLIPS]))


def test_int8_and_float16_sound_right(real):
    generator, float_reference = real
    for mode, drop in (("float16", 0.01), ("int8", 0.10)):
        data = exported(generator, mode, (4,))
        report = compare(load_tflite(data), float_reference)
        assert report.pesq_drop <= drop
        assert not report.failures(DEFAULT_LIMITS[mode])


def test_the_same_int8_file_on_tensorflows_interpreter(real):
    import tensorflow as tf

    generator, float_reference = real
    clips = dict(list(float_reference.clips.items())[:2])
    float_reference = Evaluation(clips, float_reference.outputs[:2], float_reference.scores[:2])
    model = load_tflite(exported(generator, "int8", (4,)), interpreter=tf.lite.Interpreter)
    assert not compare(model, float_reference).failures(DEFAULT_LIMITS["int8"])
