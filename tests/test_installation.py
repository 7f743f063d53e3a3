"""Which Pythons and packages ``make`` installs with, and that TensorFlow is quiet while it is loaded."""

import os
import shutil
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from hifigan_tf.resources import CONFIGS

pytestmark = pytest.mark.current

ROOT = CONFIGS.parent
REQUIREMENTS = {"3.11": "requirements.txt", "3.12": "requirements.txt", "3.13": "requirements-current.txt"}


def pins(name: str) -> dict[str, str]:
    """The exact versions in a file of requirements."""
    lines = (line.partition("#")[0].partition(";")[0].strip() for line in (ROOT / name).read_text().splitlines())
    return dict(line.split("==") for line in lines if line)


def test_both_sets_have_the_same_packages_but_for_what_each_tensorflow_lacks():
    reference, current = pins("requirements.txt"), pins("requirements-current.txt")
    assert set(reference) - set(current) == {"tensorflow-io"}
    assert set(current) - set(reference) == {"tensorboard"}


@pytest.fixture
def pythons(tmp_path, monkeypatch):
    """Puts stand-ins for Pythons of these versions first in the path; the others there are shims that fail."""
    folder = tmp_path / "bin"
    folder.mkdir()
    for tool in ("make", "sh", "touch", "test", "echo"):
        (folder / tool).symlink_to(shutil.which(tool))
    monkeypatch.setenv("PATH", str(folder))
    for variable in ("PYTHON", "CURRENT_PYTHON", "MAKEFLAGS", "MAKELEVEL"):
        monkeypatch.delenv(variable, raising=False)

    def put(*versions):
        for version in ("3.9", *REQUIREMENTS):
            script = f"echo {version}" if version in versions else "exit 127"
            (folder / f"python{version}").write_text(f"#!/bin/sh\n{script}\n")
            (folder / f"python{version}").chmod(stat.S_IRWXU)

    return put


def make(folder: Path, *arguments: str) -> subprocess.CompletedProcess:
    """What ``make`` would do in a checkout without environments."""
    for name in ("Makefile", "pyproject.toml", *REQUIREMENTS.values()):
        shutil.copy(ROOT / name, folder)
    command = ["make", "--dry-run", "--directory", str(folder), "--no-print-directory", *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)


@pytest.mark.skipif(not shutil.which("make"), reason="make is not installed")
@pytest.mark.parametrize(
    ("there", "target", "taken", "requirements"),
    [
        (["3.11", "3.12", "3.13"], "test", "3.11", "requirements.txt"),
        (["3.9", "3.12"], "train-demo", "3.12", "requirements.txt"),
        (["3.13"], "test", "3.13", "requirements-current.txt"),
        (["3.11", "3.12", "3.13"], "test-current", "3.13", "requirements-current.txt"),
        (["3.11", "3.12"], "test-current-core", "3.12", "requirements-current.txt"),
    ],
)
def test_make_takes_the_python_that_is_there_and_the_set_that_fits_it(
    tmp_path, pythons, there, target, taken, requirements
):
    pythons(*there)
    done = make(tmp_path, target)
    assert done.returncode == 0, done.stderr
    assert f"'python{taken}' -m venv" in done.stdout
    assert f"-r {requirements} -e" in done.stdout


@pytest.mark.skipif(not shutil.which("make"), reason="make is not installed")
def test_the_demo_installs_no_more_than_it_needs(tmp_path, pythons):
    pythons("3.9", "3.12")
    done = make(tmp_path, "demo", "SPEECH=my.wav")
    assert done.returncode == 0, done.stderr
    assert "'python3.12' -m venv" in done.stdout
    assert "-c requirements.txt -e '.[evaluate]'" in done.stdout
    assert "-r requirements" not in done.stdout
    assert "hifigan_tf.demo --speech my.wav" in done.stdout


@pytest.mark.skipif(not shutil.which("make"), reason="make is not installed")
@pytest.mark.parametrize(
    ("there", "arguments", "words"),
    [
        (["3.9"], ["test"], "there is no Python 3.11, 3.12 or 3.13: install one"),
        (["3.9", "3.11"], ["demo", "PYTHON=python3.9"], "python3.9 is no Python 3.11, 3.12 or 3.13: install one"),
        (["3.11"], ["test-current"], "there is no Python 3.13 or 3.12: install one"),
        (["3.11"], ["test-current", "CURRENT_PYTHON=python3.11"], "python3.11 is no Python 3.13 or 3.12"),
    ],
)
def test_make_without_a_fitting_python_is_one_line(tmp_path, pythons, there, arguments, words):
    pythons(*there)
    done = make(tmp_path, *arguments)
    assert done.returncode == 2
    (line,) = done.stderr.splitlines()
    assert words in line


def vocode(folder: Path, tensorflow: str | None = None) -> subprocess.CompletedProcess:
    """Vocodes by a damaged checkpoint, with a stand-in for TensorFlow where its source is given."""
    (folder / "damaged.keras").write_bytes(b"PK")
    if tensorflow:
        (folder / "tensorflow").mkdir()
        (folder / "tensorflow" / "__init__.py").write_text(tensorflow)
    clip = next((ROOT / "hifigan_tf" / "demo_corpus" / "held_out").glob("*.flac"))
    options = ["--checkpoint", folder / "damaged.keras", "--output-dir", folder / "output", clip]
    return subprocess.run(
        [sys.executable, "-m", "hifigan_tf.vocode", *options],
        env={**os.environ, **({"PYTHONPATH": str(folder)} if tensorflow else {})},
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )


def test_an_error_after_tensorflow_was_loaded_is_the_only_line(tmp_path):
    done = vocode(tmp_path)
    assert done.returncode == 2
    (line,) = done.stderr.splitlines()
    assert line.startswith("error: ")
    assert "damaged.keras" in line


def test_the_last_words_of_a_tensorflow_that_crashes_are_shown(tmp_path):
    noise = "I0000 00:00:1795792504.651759    7679 port.cc:153] oneDNN custom operations are on."
    words = "F0000 00:00:1795792504.651760    7679 cpu_feature_guard.cc:28] compiled to use AVX instructions"
    printed = f"{noise}\n{words}\n".encode()
    done = vocode(tmp_path, f"import os; os.write(2, {printed}); os.abort()")
    assert done.returncode < 0
    assert done.stderr.splitlines() == [words]
