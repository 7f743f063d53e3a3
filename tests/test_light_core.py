"""``pip install hifigan_tf`` without extras: what works with no TensorFlow, and what names the install it needs."""

import ast
import re
import subprocess
import sys
from importlib import import_module
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
import soundfile
from ai_edge_litert.interpreter import Interpreter
from conftest import assert_one_error, write_tflite

from hifigan_tf import __version__, cli, extras, vocode
from hifigan_tf.__main__ import COMMANDS
from hifigan_tf.audio.audio_files import find_audio, load_audio
from hifigan_tf.errors import UserError
from hifigan_tf.resources import CONFIGS, DEMO_HELD_OUT
from hifigan_tf.streaming import litert
from hifigan_tf.streaming import vocode as vocode_mel

pytestmark = pytest.mark.current

ROOT = CONFIGS.parent
PROJECT = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
CORE = {"numpy", "soundfile", "soxr"}
ABSENT_FROM_CORE = {module for _, modules in extras.NEEDS.values() for module in modules} - {"ai_edge_litert"}
# Without these too something works: PESQ, ViSQOL, decoding in the graph, other runtimes.
OPTIONAL = {"pesq", "visqol", "tensorflow_io"}


def run(*arguments, absent=(), given=None, folder=None, before=""):
    """``hifigan-tf …`` in a Python in which some packages cannot be imported."""
    script = f"""
import sys
sys.modules.update(dict.fromkeys({sorted(absent)!r}))
{before}
sys.argv[0] = "hifigan-tf"
from hifigan_tf.__main__ import main
main()
"""
    command = [sys.executable, "-c", script, *map(str, arguments)]
    return subprocess.run(command, input=given, capture_output=True, check=False, cwd=folder, timeout=300)


def text(process) -> subprocess.CompletedProcess:
    process.stdout, process.stderr = process.stdout.decode(), process.stderr.decode()
    return process


@pytest.fixture(scope="module")
def model(tiny_generator, tmp_path_factory) -> Path:
    return write_tflite(tmp_path_factory.mktemp("model") / "tiny.tflite", tiny_generator)


@pytest.fixture
def clips(tmp_path) -> Path:
    folder = tmp_path / "clips"
    folder.mkdir()
    for name, path in zip("ab", find_audio(DEMO_HELD_OUT), strict=False):
        soundfile.write(folder / f"{name}.wav", load_audio(path, 8000)[:12345], 8000)
    return folder


def test_vocode_stream_and_extract_mel_with_the_core_alone(model, clips, tmp_path):
    process = run(
        "extract-mel", "--checkpoint", model, "--output-dir", tmp_path / "mels", clips, absent=ABSENT_FROM_CORE
    )
    assert process.returncode == 0, process.stderr
    process = run("vocode", "--checkpoint", model, clips, absent=ABSENT_FROM_CORE, folder=tmp_path)
    assert process.returncode == 0, process.stderr
    assert b"2 of 2 written to vocoded" in process.stderr
    process = run(
        "vocode", "--checkpoint", model, tmp_path / "mels" / "a.npy", absent=ABSENT_FROM_CORE, folder=tmp_path / "mels"
    )
    assert process.returncode == 0, process.stderr
    mel = np.load(tmp_path / "mels" / "a.npy")
    streamed = run("stream", "--checkpoint", model, "--quiet", absent=ABSENT_FROM_CORE, given=mel.tobytes())
    assert streamed.returncode == 0, streamed.stderr
    from_mel, rate = soundfile.read(tmp_path / "mels" / "vocoded" / "a.wav", dtype="int16")
    np.testing.assert_array_equal(np.frombuffer(streamed.stdout, "<i2"), from_mel)
    # The same as with every package there, and of the length of the recording.
    vocode.main(["--checkpoint", str(model), "--output-dir", str(tmp_path / "here"), str(clips)])
    for name in "ab":
        with_all, without = (
            soundfile.read(tmp_path / f / f"{name}.wav", dtype="int16")[0] for f in ("here", "vocoded")
        )
        np.testing.assert_array_equal(with_all, without)
        assert (len(without), rate) == (12345, 8000)
    assert np.abs(from_mel).max() > 300


def test_extract_mel_takes_a_config_and_a_tflite_alike(model, tiny, clips, tmp_path):
    (tmp_path / "tiny.json").write_text(tiny.dumps(), encoding="utf-8")
    for name, options in {"config": ["--config", tmp_path / "tiny.json"], "model": ["--checkpoint", model]}.items():
        process = run("extract-mel", *options, "--output-dir", tmp_path / name, clips, absent=ABSENT_FROM_CORE)
        assert process.returncode == 0, process.stderr
    for name in ("a.npy", "b.npy"):
        mel = np.load(tmp_path / "config" / name)
        assert mel.shape == (-(-12345 // 32), 16)
        np.testing.assert_array_equal(mel, np.load(tmp_path / "model" / name))


def test_vocode_without_an_output_folder_spares_the_recording(model, clips, tmp_path, monkeypatch):
    monkeypatch.chdir(clips)
    before = (clips / "a.wav").read_bytes()
    vocode.main(["--checkpoint", str(model), "a.wav"])
    assert (clips / "a.wav").read_bytes() == before
    assert [path.name for path in (clips / "vocoded").iterdir()] == ["a.wav"]
    with pytest.raises(UserError, match=r"a\.wav would be overwritten: choose an --output-dir apart"):
        vocode.main(["--checkpoint", str(model), "vocoded/a.wav"])


class Counting(Interpreter):
    """Another runtime: it counts the models that it was given."""

    models = 0

    def __init__(self, *args, **kwargs):
        type(self).models += 1
        super().__init__(*args, **kwargs)


def test_the_runtime_that_is_there_is_used(model, monkeypatch):
    mel = np.random.default_rng(0).normal(-6, 1.5, [30, 16]).astype(np.float32)
    assert litert.find_interpreter() is Interpreter
    expected = vocode_mel(model, mel)
    fake = ModuleType("tflite_runtime.interpreter")
    fake.Interpreter = Counting
    monkeypatch.setitem(sys.modules, "ai_edge_litert.interpreter", None)
    monkeypatch.setitem(sys.modules, "tflite_runtime", ModuleType("tflite_runtime"))
    monkeypatch.setitem(sys.modules, fake.__name__, fake)
    np.testing.assert_array_equal(vocode_mel(model, mel), expected)
    assert Counting.models == 1
    monkeypatch.setitem(sys.modules, fake.__name__, None)
    import tensorflow as tf

    assert litert.find_interpreter() is tf.lite.Interpreter
    np.testing.assert_allclose(vocode_mel(model, mel), expected, atol=1e-5)
    monkeypatch.setitem(sys.modules, "tensorflow.lite.python.interpreter", None)
    with pytest.raises(UserError, match=r"no runtime for \.tflite models is installed: run pip install ai-edge-litert"):
        vocode_mel(model, mel)


def test_without_a_runtime_the_command_says_what_to_install(model, clips, tmp_path):
    absent = {"ai_edge_litert", "tflite_runtime", "tensorflow"}
    process = run("vocode", "--checkpoint", model, "--output-dir", tmp_path / "out", clips, absent=absent)
    assert_one_error(text(process), "run pip install ai-edge-litert")


# What is given to each command does not exist: the packages are looked for first.
CALLS = {
    "train": ["--data", "nowhere"],
    "preprocess": ["--data", "nowhere", "--output-dir", "x"],
    "local-workers": ["2"],
    "report": ["nowhere"],
    "import-checkpoint": ["nowhere", "--config", "nowhere", "--output", "x.keras"],
    "evaluate": ["--reference", "nowhere", "--generated", "nowhere"],
    "export": ["--checkpoint", "nowhere"],
    "sensitivity": ["--checkpoint", "nowhere"],
    "demo": [],
    "train-demo": [],
}


@pytest.mark.parametrize("name", CALLS)
def test_a_missing_extra_is_one_line_that_names_the_install(name, tmp_path):
    process = text(run(name, *CALLS[name], absent=ABSENT_FROM_CORE, folder=tmp_path))
    who = "hifigan-tf train" if name == "local-workers" else f"hifigan-tf {name}"
    extra, modules = extras.NEEDS[who]
    packages = [extras.PACKAGES.get(module, module.replace("_", "-")) for module in modules]
    missing = [package for package in packages if package != "ai-edge-litert"]
    assert_one_error(process, f"{who} needs packages that are not installed ({', '.join(missing)}): ")
    assert process.stderr.endswith(f'run pip install "hifigan_tf[{extra}]"\n')
    assert process.stderr.count("\n") == 1
    assert not list(tmp_path.iterdir())


def test_every_command_that_needs_an_extra_is_tried():
    assert CALLS.keys() == COMMANDS.keys() - {"vocode", "stream", "extract-mel"}


def test_one_missing_package_is_named_alone(tmp_path):
    process = text(run("export", "--checkpoint", "nowhere", absent={"ai_edge_quantizer"}, folder=tmp_path))
    assert_one_error(process, '(ai-edge-quantizer): run pip install "hifigan_tf[export]"')


@pytest.mark.parametrize("command", ["vocode", "stream", "extract-mel"])
def test_a_keras_checkpoint_needs_an_extra(command, tiny_checkpoint, clips, tmp_path):
    files = [] if command == "stream" else ["--output-dir", tmp_path / "out", clips]
    process = run(command, "--checkpoint", tiny_checkpoint, *files, absent=ABSENT_FROM_CORE, given=b"")
    assert_one_error(text(process), "a .keras checkpoint needs packages", 'run pip install "hifigan_tf[train]"')


def test_a_tensorflow_that_is_too_old(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(tmp_path)
    extras.require("hifigan-tf train")
    (tmp_path / "tensorflow-2.15.1.dist-info").mkdir()
    (tmp_path / "tensorflow-2.15.1.dist-info" / "METADATA").write_text("Name: tensorflow\nVersion: 2.15.1\n")
    with pytest.raises(UserError) as error:
        extras.require("hifigan-tf train")
    assert str(error.value) == (
        "hifigan-tf train needs tensorflow 2.16 or newer, and 2.15.1 is installed: "
        'run pip install --upgrade "hifigan_tf[train]" "tensorflow>=2.16"'
    )


def test_a_python_that_is_too_old():
    code = "import sys; sys.version_info = (3, 9, 18, 'final', 0); import hifigan_tf"
    process = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert_one_error(process, "needs Python 3.10 to 3.13, and this is 3.9: run python3.12 -m venv")
    assert process.stderr.count("\n") == 1
    ast.parse((ROOT / "hifigan_tf" / "__init__.py").read_text(encoding="utf-8"), feature_version=(3, 6))


def test_help_lists_every_command_and_imports_nothing_heavy():
    process = text(run("--help", before="import atexit; atexit.register(lambda: print(sorted(sys.modules)))"))
    assert process.returncode == 0
    assert process.stdout.startswith("usage: hifigan-tf [--help] [--version] COMMAND")
    for name, (module, what) in COMMANDS.items():
        assert re.search(rf"^  {name} +{re.escape(what)}$", process.stdout, re.MULTILINE)
        assert callable(import_module(f"hifigan_tf.{module}").main)
    loaded = set(ast.literal_eval(process.stdout.splitlines()[-1]))
    assert not loaded & {"numpy", "ai_edge_litert", *ABSENT_FROM_CORE}
    assert text(run("--version")).stdout == f"hifigan-tf {__version__}\n"


def test_what_is_no_command():
    assert_one_error(text(run("vocde", "x")), "vocde is no command of hifigan-tf: did you mean vocode?")
    assert_one_error(text(run("xyz")), "hifigan-tf --help lists the commands")
    nothing = text(run())
    assert nothing.returncode == 2
    assert "COMMAND" in nothing.stderr


@pytest.mark.parametrize(
    ("command", "called"),
    [
        (["-m", "hifigan_tf", "extract-mel"], "python -m hifigan_tf extract-mel"),
        (["-m", "hifigan_tf", "extract_mel"], "python -m hifigan_tf extract-mel"),
        (["-m", "hifigan_tf.extract_mel"], "python -m hifigan_tf.extract_mel"),
        (["-m", "hifigan_tf.import_torch"], "python -m hifigan_tf.import_torch"),
        (["-m", "hifigan_tf.import_checkpoint"], "python -m hifigan_tf.import_checkpoint"),
        (["-m", "hifigan_tf", "export"], "python -m hifigan_tf export"),
        (["-m", "hifigan_tf.to_tflite"], "python -m hifigan_tf.to_tflite"),
        ([ROOT / "export" / "to_tflite.py"], "python export/to_tflite.py"),
        ([ROOT / "export" / "sensitivity.py"], "python export/sensitivity.py"),
    ],
)
def test_usage_and_errors_show_how_it_was_called(command, called, tmp_path):
    def call(*arguments):
        return subprocess.run(
            [sys.executable, *map(str, command), *arguments],
            capture_output=True,
            text=True,
            check=False,
            cwd=tmp_path,
            env={"PYTHONPATH": str(ROOT)},
        )

    assert call("--help").stdout.startswith(f"usage: {called} ")
    wrong = call("--bogus")
    assert wrong.returncode == 2
    assert f"\n{called}: error: " in wrong.stderr


def test_progress_is_the_same_without_its_bar(monkeypatch):
    with_bar = list(cli.progress(range(3), leave=False))
    monkeypatch.setitem(sys.modules, "tqdm", None)
    assert (
        list(cli.progress(range(3), leave=False)) == with_bar == list(cli.progress(range(3), hidden=True)) == [0, 1, 2]
    )


def project() -> dict:
    tomllib = pytest.importorskip("tomllib")
    return tomllib.loads(PROJECT)


def named(requirements: list[str]) -> set[str]:
    """The modules of distributions that are required, ``hifigan_tf[…]`` followed."""
    found = set()
    for requirement in requirements:
        name, extra_names = re.match(r"([\w-]+)(?:\[([\w,]+)\])?", requirement).groups()
        if name == "hifigan_tf":
            for extra in extra_names.split(","):
                found |= named(project()["project"]["optional-dependencies"][extra])
        else:
            modules = {package: module for module, package in extras.PACKAGES.items()}
            found.add(modules.get(name, name.replace("-", "_")))
    return found


def test_the_extras_hold_what_their_commands_need():
    values = project()["project"]
    assert named(values["dependencies"]) == CORE | {"ai_edge_litert"}
    for extra_names, modules in extras.NEEDS.values():
        assert set(modules) <= named([f"hifigan_tf[{extra_names}]"]), extra_names


def test_every_package_that_is_imported_is_required_somewhere():
    imported = set()
    for path in (ROOT / "hifigan_tf").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                imported |= {alias.name.partition(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and not node.level:
                imported.add(node.module.partition(".")[0])
    foreign = imported - sys.stdlib_module_names - {"hifigan_tf"}
    foreign -= {"cycler"}  # comes with matplotlib
    foreign |= {"tf_keras"}  # is imported by tensorflow_model_optimization
    assert foreign == CORE | ABSENT_FROM_CORE | OPTIONAL | {"ai_edge_litert"}


def test_the_wheel_holds_every_package():
    listed = set(project()["tool"]["setuptools"]["packages"])
    there = {
        path.parent.relative_to(ROOT).as_posix().replace("/", ".") for path in ROOT.glob("hifigan_tf/**/__init__.py")
    }
    assert listed == there | {"hifigan_tf.configs"}
