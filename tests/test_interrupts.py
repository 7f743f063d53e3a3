"""Ctrl-C is answered at once: while a command is being imported, while it reads a corpus, and in a validation."""

import subprocess
import sys
import threading

import pytest

from hifigan_tf import cli

KILL = "import os, signal, time; os.kill(os.getpid(), signal.SIGINT); time.sleep(5); print('still there')"


def run(program):
    return subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=False)


@pytest.mark.parametrize("started", ["-m", "/home/her/.venv/bin/hifigan-tf", "C:\\\\venv\\\\Scripts\\\\hifigan-tf.exe"])
def test_while_a_command_is_imported_ctrl_c_is_one_line(started):
    process = run(f"import sys; sys.argv = ['{started}', 'x']; import hifigan_tf; {KILL}")
    assert (process.returncode, process.stdout, process.stderr) == (130, "", "interrupted\n")


def test_in_programs_that_import_the_package_ctrl_c_is_as_ever():
    process = run(f"import hifigan_tf; {KILL}")
    assert "KeyboardInterrupt" in process.stderr


def test_a_command_that_runs_cleans_up_before_it_ends(tmp_path):
    program = f"""
import sys; sys.argv = ['-m']
from hifigan_tf import cli
def main():
    try:
        {KILL}
    finally:
        open({str(tmp_path / "cleaned")!r}, "w").close()
cli.run(main)"""
    process = run(program)
    assert (process.returncode, process.stdout, process.stderr) == (130, "", "interrupted\n")
    assert (tmp_path / "cleaned").exists()


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
