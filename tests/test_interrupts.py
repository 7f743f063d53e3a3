"""Ctrl-C is answered at once: while a command is being imported, and while it reads files."""

import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest
import soundfile

from hifigan_tf import cli, interrupts

KILL = "import os, signal, time; os.kill(os.getpid(), signal.SIGINT); time.sleep(5); print('still there')"
TO_TFLITE = Path(__file__).parents[1] / "export" / "to_tflite.py"


def run(*arguments, folder=""):
    paths = [str(folder), os.environ.get("PYTHONPATH", "")]
    return subprocess.run(
        [sys.executable, *map(str, arguments)],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        env=dict(os.environ, PYTHONPATH=os.pathsep.join(filter(None, paths))),
    )


@pytest.mark.parametrize("started", [["-m", "hifigan_tf.vocode", "-m", "x"], ["-mhifigan_tf"], [TO_TFLITE]])
def test_while_a_command_is_imported_ctrl_c_is_one_line(tmp_path, started):
    """It comes where every command imports argparse."""
    (tmp_path / "argparse.py").write_text(KILL)
    process = run(*started, folder=tmp_path)
    assert (process.returncode, process.stdout, process.stderr) == (130, "", "interrupted\n")


@pytest.mark.parametrize("started", ["/home/her/.venv/bin/hifigan-tf", "C:\\venv\\Scripts\\hifigan-tf.exe"])
def test_the_installed_commands_are_commands(started, monkeypatch):
    monkeypatch.setattr(sys, "argv", [started, "vocode"])
    assert interrupts.is_command()


@pytest.mark.parametrize("started", [["-m", "myapp.server"], ["-m", "myapp", "-m", "hifigan_tf"], ["myapp/server.py"]])
def test_in_programs_that_import_the_package_ctrl_c_is_as_ever(tmp_path, started, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("myapp").mkdir()
    for name in ("__init__", "__main__", "server"):
        Path("myapp", f"{name}.py").write_text(f"import hifigan_tf; {KILL}")
    process = run(*started, folder=tmp_path)
    assert "KeyboardInterrupt" in process.stderr


def test_a_command_that_runs_cleans_up_before_it_ends(tmp_path):
    program = f"""
from hifigan_tf import cli, interrupts
interrupts.end_at_once()
def main():
    try:
        {KILL}
    finally:
        open({str(tmp_path / "cleaned")!r}, "w").close()
cli.run(main)"""
    process = run("-c", program)
    assert (process.returncode, process.stdout, process.stderr) == (130, "", "interrupted\n")
    assert (tmp_path / "cleaned").exists()


def test_while_files_are_read_ctrl_c_does_not_wait_for_them(tmp_path):
    """Recordings of 68 GB each, most of it a hole in the file: to read one takes minutes."""
    path = tmp_path / "long.w64"
    soundfile.write(path, [0.5, -0.5] * 4000, 8000, format="W64", subtype="PCM_16")
    header = bytearray(path.read_bytes()[:256])
    size, at = 2**36, header.index(b"data") + 16
    header[16:24], header[at : at + 8] = size.to_bytes(8, "little"), (size - at + 16).to_bytes(8, "little")
    with path.open("r+b") as file:
        file.write(header)
        file.truncate(size)
    program = f"""
from pathlib import Path
from hifigan_tf import cli
from hifigan_tf.audio.audio_files import examine
def main():
    with cli.worker_threads(2) as pool:
        print("reading", flush=True)
        list(pool.map(lambda path: examine(path, 16000), [Path({str(path)!r})] * 4))
cli.run(main)"""
    process = subprocess.Popen(
        [sys.executable, "-c", program], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "reading\n"
    process.send_signal(signal.SIGINT)
    try:
        _, errors = process.communicate(timeout=60)
    finally:
        process.kill()
    assert (process.returncode, errors) == (130, "interrupted\n")


def test_files_that_are_not_begun_are_not_waited_for():
    begun, go_on = [], threading.Event()

    def read(number):
        begun.append(number)
        go_on.wait(10)

    def read_all():
        with cli.worker_threads(2) as pool:
            for number in range(1000):
                pool.submit(read, number)
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        read_all()
    go_on.set()
    assert len(begun) <= 2
