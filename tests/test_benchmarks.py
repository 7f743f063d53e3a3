"""The benchmarks of the training step and of a pipe, and that the PyTorch model takes the same training step."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile
import tensorflow as tf
from conftest import exported, write_tflite

from benchmarks import accelerators, runtimes, start_up, stream_latency, train_step
from benchmarks.train_step_frameworks import PARTS, noise
from hifigan_tf.audio.mel import MelSpectrogram
from hifigan_tf.checkpoints.official import named_convolutions
from hifigan_tf.errors import UserError
from hifigan_tf.models.layers import SpectralNormConv1D
from hifigan_tf.resources import CONFIGS, VOICE
from hifigan_tf.streaming.windows import margins_of
from hifigan_tf.training.trainer import Trainer


@pytest.fixture
def tiny_file(shallow, tmp_path) -> Path:
    path = tmp_path / "tiny.json"
    path.write_text(shallow.dumps(), encoding="utf-8")
    return path


def test_the_command_measures_the_step_and_its_parts(tiny, tiny_file, tmp_path):
    clips = tmp_path / "clips"
    clips.mkdir()
    for index in range(2):
        soundfile.write(
            clips / f"{index}.wav", np.random.default_rng(index).normal(0, 0.1, 4000), tiny.audio.sampling_rate
        )
    figures = tmp_path / "figures.json"
    command = [sys.executable, train_step.__file__, "--config", tiny_file, "--rounds", "2", "--data", clips]
    done = subprocess.run([*command, "--json", figures], capture_output=True, text=True, check=False, timeout=300)
    assert done.returncode == 0, done.stderr
    row = json.loads(figures.read_text())
    assert (row["config"], row["batch_size"], row["threads"], row["rounds"]) == ("tiny", 2, 1, 2)
    step = row["ours_seconds"]
    assert row["ours_steps_per_second"] == pytest.approx(1 / step, rel=0.01)
    assert row["ours_samples_per_second"] == pytest.approx(2 * tiny.training.segment_size / step, rel=0.01)
    assert row["ours_peak_mb"] > 100
    assert tuple(row["ours_parts"]) == PARTS
    assert all(seconds > 0 for seconds in row["ours_parts"].values())
    assert f"| tiny | 2 | 1 | hifigan_tf | {step:.3f} s |" in done.stdout
    assert "measured alone" in done.stdout.replace("\n", " ")
    assert not any(key == "ratio" or key.startswith("torch") for key in row)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--threads", "1", "0"], "--threads 0: it must be positive"),
        (["--rounds", "-1"], "--rounds -1: it must be positive"),
        (["--batch-size", "0"], "batch_size"),
        (["--data", "nowhere"], "--data nowhere is not a folder"),
        (["--data", "configs"], "--data configs holds no audio file"),
        (["--against-torch"], "pip install torch"),
    ],
)
def test_bad_arguments(arguments, words, monkeypatch):
    monkeypatch.chdir(CONFIGS.parent)
    monkeypatch.setattr(train_step, "find_spec", lambda _: None)
    with pytest.raises(UserError, match=words):
        train_step.main(arguments)


def test_the_lag_of_a_pipe_is_at_least_the_delay(tiny_generator, corpus, tmp_path, capsys):
    model, figures = write_tflite(tmp_path / "tiny.tflite", tiny_generator), tmp_path / "figures.json"
    stream_latency.main([str(model), "--data", str(corpus), "--seconds", "1", "--json", str(figures)])
    (row,) = json.loads(figures.read_text())
    assert (row["model"], row["seconds"], row["chunk_ms"]) == ("tiny.tflite", 1.0, 16.0)
    # Before the first audio arrives, more frames than the delay have been written.
    assert row["lag_ms"] > row["delay_ms"] > 16
    assert 0 < row["response_ms_median"] <= row["response_ms_p99"] <= row["response_ms_worst"]
    assert f"| tiny.tflite | {row['delay_ms'] + 16:.1f} ms | {row['lag_ms']:.1f} ms |" in capsys.readouterr().out
    with pytest.raises(UserError, match=r"--seconds 0\.0: it must be positive"):
        stream_latency.main([str(model), "--seconds", "0"])
    with pytest.raises(UserError, match="holds no audio file"):
        stream_latency.main([str(model), "--data", str(CONFIGS)])


def test_runtimes_are_compared_by_their_samples(tiny_generator, tmp_path, monkeypatch, capsys):
    """Here with this environment in the place of one runtime, and a broken one in that of another."""
    broken = tmp_path / "python"
    broken.write_text("#!/bin/sh\necho RuntimeError: no kernel >&2; exit 1\n")
    broken.chmod(0o755)
    pythons = {"LiteRT 2.3": Path(sys.executable), "TFLite 2.7": broken}

    def environment(runtime, _):
        if runtime.name not in pythons:
            raise UserError("it needs Python 3.12, which is not installed")
        return pythons[runtime.name]

    monkeypatch.setattr(runtimes, "environment", environment)
    models, figures = [tmp_path / "streams.tflite", tmp_path / "windows.tflite"], tmp_path / "figures.json"
    models[0].write_bytes(exported(tiny_generator, "float16"))
    models[1].write_bytes(exported(tiny_generator, frames=48))
    names = [*pythons, "TFLite Micro"]
    runtimes.main([*map(str, models), "--runtimes", *names, "--json", str(figures)])
    rows = json.loads(figures.read_text())
    assert [(row["model"], row["runtime"]) for row in rows] == [
        (model.stem, name) for model in models for name in ("TFLite 2.7", "LiteRT 2.3")
    ]
    assert [row["reason"] for row in rows] == 2 * ["RuntimeError: no kernel", None]
    assert all(row["snr_db"] == 200 for row in rows if row["reason"] is None)
    printed = capsys.readouterr()
    assert "| TFLite 2.7 | no | no |" in printed.out
    assert "TFLite Micro is left out: it needs Python 3.12, which is not installed" in printed.err


def test_the_runtime_in_the_browser_is_that_of_the_page():
    version = json.loads((runtimes.WEB_DEMO / "package.json").read_text())["dependencies"]["@litertjs/core"]
    assert f"LiteRT.js {version}".startswith(runtimes.BROWSER)


MICRO = """
import numpy as np
from ai_edge_litert.interpreter import Interpreter as LiteRT, OpResolverType

class Interpreter:
    @classmethod
    def from_file(cls, path, arena_size):
        self = cls()
        self.model = LiteRT(model_path=path, experimental_op_resolver_type=OpResolverType.BUILTIN_REF)
        self.model.allocate_tensors()
        return self

    def set_input(self, values, index):
        self.model.set_tensor(self.model.get_input_details()[index]["index"], values)

    def invoke(self):
        self.model.invoke()

    def get_output(self, index):
        return self.model.get_tensor(self.model.get_output_details()[index]["index"]) + np.int16(ADDED)

    def print_allocations(self):
        print("[RecordingMicroAllocator] Arena allocation total 12345 bytes")
"""
VELA = """#!/bin/sh
while [ "$1" != --output-dir ]; do shift; done
mkdir -p $2
echo 'cycles_total,inference_time,sram_memory_used,dram_memory_used,off_chip_flash_memory_used' > $2/model_summary_A.csv
echo '1000000,0.002,99.6,300,0' >> $2/model_summary_A.csv
echo 'CPU operators = LEFT (0.0%)'
"""


@pytest.fixture
def accelerators_with(tiny_generator, tiny_mels, tmp_path, monkeypatch, capsys):
    """``accelerators.py`` with stand-ins for Vela and TensorFlow Lite Micro: its exit code, rows and errors."""
    model = tmp_path / "tiny.tflite"
    model.write_bytes(exported(tiny_generator, "full_int8", (), 48, tiny_mels[:1], integer_io=True))
    (tmp_path / "tflite_micro-1.dist-info").mkdir()
    (tmp_path / "tflite_micro-1.dist-info" / "METADATA").write_text("Name: tflite-micro\nVersion: 1\n")
    (tmp_path / "tflite_micro").mkdir()
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    pythons = {"Vela": tmp_path / "python", "TFLite Micro": Path(sys.executable)}
    monkeypatch.setattr(accelerators, "environment", lambda runtime, _: pythons[runtime.name])

    def run(vela=VELA, added=0):
        (tmp_path / "vela").write_text(vela)
        (tmp_path / "vela").chmod(0o755)
        (tmp_path / "tflite_micro" / "runtime.py").write_text(MICRO.replace("ADDED", str(added)))
        (tmp_path / "tflite_micro" / "__init__.py").touch()
        code = accelerators.main([str(model), "--json", str(tmp_path / "rows.json")])
        return code, json.loads((tmp_path / "rows.json").read_text()), capsys.readouterr()

    return run


def test_accelerators_take_all_of_a_model(accelerators_with, tiny_generator):
    code, rows, printed = accelerators_with(VELA.replace("LEFT", "0"))
    assert (code, printed.err) == (0, "")
    *compiled, run = rows
    assert [row["accelerator"] for row in compiled] == [target.accelerator for target in accelerators.TARGETS]
    assert {row["accelerator"][:9] for row in compiled} == {"ethos-u55", "ethos-u65", "ethos-u85"}
    # Frames of 4 ms, without those that overlap, in 2 ms.
    frames = 48 - sum(margins_of(tiny_generator.hyper_parameters))
    assert {row["x_realtime"] for row in compiled} == {4 * frames / 2}
    assert {(row["milliseconds"], row["sram_kib"], row["other_kib"]) for row in compiled} == {(2.0, 100, 300)}
    assert run["samples"] == (1 + accelerators.INPUTS) * 48 * 32
    assert f"| tiny | 48 | {run['samples']} | all equal | 13 KiB |" in printed.out


def test_accelerators_that_take_less_fail(accelerators_with):
    code, rows, printed = accelerators_with(VELA.replace("LEFT", "5"), added=1)
    assert code == 1
    assert {row["reason"] for row in rows[:-1]} == {"5 operations are left to the CPU"}
    assert f"tiny, TFLite Micro: of {rows[-1]['samples']} samples {rows[-1]['samples']} differ" in printed.err
    code, rows, printed = accelerators_with("#!/bin/sh\necho RuntimeError: could not run on NPU >&2; exit 1\n")
    assert code == 1
    assert "tiny, ethos-u55-128: RuntimeError: could not run on NPU\n" in printed.err
    with pytest.raises(UserError, match="does not name the CPU operators"):
        accelerators_with(VELA.replace("CPU operators", "operators"))


def test_accelerators_take_only_models_in_integers(tiny_generator, tiny_mels, tmp_path):
    model = tmp_path / "tiny.tflite"
    model.write_bytes(exported(tiny_generator, "full_int8", (), 48, tiny_mels[:1]))
    with pytest.raises(UserError, match="export it with --full-int8 --integer-io"):
        accelerators.main([str(model)])
    assert accelerators.parse([]).checkpoint == [str(VOICE)]
    with pytest.raises(UserError, match="--frames 32 is for --checkpoint"):
        accelerators.main([str(model), "--frames", "32"])


def test_noise_below_the_signal_in_decibels():
    signal = np.sin(np.arange(1000.0))
    assert runtimes.snr(signal, signal) == float("inf")
    assert abs(runtimes.snr(signal, 1.01 * signal) - 40) < 1e-9


def test_the_start_up_is_timed_command_by_command(tiny_generator, tmp_path, capsys):
    model = tmp_path / "tiny.tflite"
    model.write_bytes(exported(tiny_generator))
    start_up.main([str(model), "--seconds", "1", "--repeats", "1"])
    rows = [line.split(" | ") for line in capsys.readouterr().out.splitlines() if line.startswith("| ")][1:]
    assert [row[1] for row in rows] == [
        "`--help`",
        "`vocode x.wav`",
        "`vocode x.npy`",
        "`extract-mel x.wav`",
        "`stream`",
    ]
    for _, _, *times in rows:
        median, least, most, _ = (float(text.strip(" s|")) for text in times)
        assert 0 < least <= median <= most


def test_the_pytorch_model_takes_the_same_steps(tiny):
    torch = pytest.importorskip("torch", reason="PyTorch is not installed: it is only measured against")
    from benchmarks.torch_model import TorchTrainer

    ours, twin = Trainer(tiny, epoch_steps=1000), TorchTrainer(tiny)
    layers = named_convolutions(ours.generator)
    modules = dict(twin.generator.named_modules()) | dict(twin.discriminators.named_modules())
    for model in ours.discriminators:
        layers |= named_convolutions(model, model.name)
    with torch.no_grad():
        for name, layer in layers.items():
            copy_weights(torch, layer, modules[name])

    audio = noise(tiny)
    mel = MelSpectrogram.of(tiny.audio)(audio)
    for _ in range(3):
        mine = {
            name.removeprefix("loss/"): float(value) for name, value in ours.train_step(mel, tf.constant(audio)).items()
        }
        its = twin.train_step(torch.from_numpy(mel.numpy()).mT, torch.from_numpy(audio))
        for name, value in its.items():
            assert mine[name] == pytest.approx(value, rel=1e-3), name


def copy_weights(torch, layer, module) -> None:
    """Copies the parameters of one of our convolutions into PyTorch's of the same name."""

    def copy(target, variable):
        target.copy_(torch.from_numpy(variable.numpy().T.copy()).reshape(target.shape))

    copy(module.bias, layer.bias)
    if isinstance(layer, SpectralNormConv1D):
        copy(module.weight_orig, layer.kernel)
        copy(module.weight_u, layer.u)
        # PyTorch's vector runs over (in, taps), ours over [taps, in].
        taps, channels, _ = layer.kernel_shape
        module.weight_v.copy_(torch.from_numpy(layer.v.numpy().reshape(taps, channels).T.reshape(-1)))
    else:
        copy(module.parametrizations.weight.original0, layer.gain)
        copy(module.parametrizations.weight.original1, layer.kernel)
