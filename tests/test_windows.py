"""vocode, stream and train keep the rules of Windows for files and signals, as ``windows_rules.py`` imitates them."""

import errno
import fcntl
import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import soundfile
import windows_rules

from hifigan_tf import files
from hifigan_tf.files import flush, write_bytes
from hifigan_tf.training.run_folder import RunFolder

RULES = Path(__file__).parent / "windows_rules.py"


def start(module, *arguments, **options):
    return subprocess.run(
        [sys.executable, RULES, module, *map(str, arguments)], capture_output=True, timeout=300, check=False, **options
    )


@pytest.fixture
def frames(tiny_mels):
    return tiny_mels[0][:50]


def test_the_rules_are_in_force(tmp_path):
    """What the project did before fails under them."""
    program = f"""
import os, sys; sys.path.insert(0, {str(RULES.parent)!r})
import windows_rules; windows_rules.apply()
for fault in (
    lambda: os.open({str(tmp_path)!r}, os.O_RDONLY),
    lambda: os.fsync(os.open({str(RULES)!r}, os.O_RDONLY)),
    lambda: __import__("signal").SIGPIPE,
):
    try:
        fault()
    except (OSError, AttributeError) as error:
        print(type(error).__name__)
"""
    process = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=True)
    assert process.stdout.split() == ["PermissionError", "OSError", "AttributeError"]


def test_vocode(tiny_checkpoint, tmp_path, frames):
    np.save(tmp_path / "a.npy", frames)
    for _ in range(2):  # the second replaces what the first made
        process = start("vocode", tmp_path / "a.npy", "--checkpoint", tiny_checkpoint, "--output-dir", tmp_path / "out")
        assert process.returncode == 0, process.stderr
        assert soundfile.info(tmp_path / "out" / "a.wav").frames == 50 * 32


def test_stream(tiny_checkpoint, frames):
    process = start("stream", "--checkpoint", tiny_checkpoint, "--float32", input=frames.tobytes())
    assert process.returncode == 0, process.stderr
    assert len(process.stdout) == 4 * 50 * 32


def test_a_reader_that_closes_the_pipe_of_a_stream(tiny_checkpoint, frames):
    process = subprocess.Popen(
        [sys.executable, RULES, "stream", "--checkpoint", str(tiny_checkpoint), "--quiet"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    process.stdout.close()
    process.stdin.write(frames.tobytes())
    process.stdin.close()
    assert process.wait(300) == 141
    assert process.stderr.read() == b""


def test_train(corpus, tiny, tmp_path):
    (tmp_path / "config.json").write_text(tiny.replace(checkpoint_interval=1, mpd_periods=[2], msd_scales=0).dumps())
    arguments = ("--config", tmp_path / "config.json", "--data", corpus, "--run-dir", tmp_path / "run")
    for steps in (2, 5):  # more than are kept
        process = start("train", *arguments, "--max-steps", steps)
        assert process.returncode == 0, process.stderr
    assert [path.name for path in RunFolder(tmp_path / "run").saved()] == [f"step-{step:08d}" for step in (3, 4, 5)]


def test_what_is_written_is_flushed(tmp_path, monkeypatch):
    flushed = []
    monkeypatch.setattr(os, "fsync", lambda descriptor: flushed.append(Path(f"/proc/self/fd/{descriptor}").readlink()))
    write_bytes(tmp_path / "a", b"x")
    flush(tmp_path)
    assert flushed[0].parent == flushed[1] == tmp_path


USER = f"""
import sys; sys.path.insert(0, {str(RULES.parent)!r})
import windows_rules; windows_rules.apply()
from pathlib import Path
from hifigan_tf import files
from hifigan_tf.errors import UserError
try:
    with files.sole_user(Path(sys.argv[1])):
        print("in", flush=True)
        sys.stdin.read()
except UserError as error:
    print(error)
"""


def test_a_folder_has_one_user(tmp_path):
    """By the lock of Windows: another process is refused and told who it is, until the first has ended."""
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    first = subprocess.Popen([sys.executable, "-c", USER, tmp_path], **pipes)
    assert first.stdout.readline() == "in\n"
    second = subprocess.run(
        [sys.executable, "-c", USER, tmp_path], input="", capture_output=True, text=True, check=True
    )
    assert f"{tmp_path} is in use by process {first.pid} on " in second.stdout
    first.kill()  # no lock is left behind
    first.wait()
    third = subprocess.run([sys.executable, "-c", USER, tmp_path], input="", capture_output=True, text=True, check=True)
    assert third.stdout == "in\n", third.stderr


@pytest.mark.parametrize("windows", [True, False])
def test_a_folder_that_cannot_be_locked_is_used_with_a_warning(tmp_path, monkeypatch, caplog, windows):
    def refuse(*_):
        raise OSError(errno.ENOLCK, "No locks available")

    if windows:
        module = windows_rules.msvcrt()
        module.locking = refuse
        monkeypatch.setitem(sys.modules, "msvcrt", module)
        monkeypatch.setattr(files, "sys", SimpleNamespace(platform="win32"))
    else:
        monkeypatch.setattr(fcntl, "flock", refuse)
    with files.sole_user(tmp_path):
        assert (tmp_path / files.LOCK).read_text().startswith(f"process {os.getpid()} on ")
    (message,) = caplog.messages
    assert f"{tmp_path} cannot be locked ([Errno {errno.ENOLCK}] No locks available): take care" in message
