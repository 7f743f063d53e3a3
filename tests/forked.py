"""Commands in processes of their own that do not load TensorFlow anew, which takes longer than most commands.

They are forks of one process that has loaded it. How a command starts by itself is tested in test_interrupts.py,
test_installation.py and test_light_core.py.
"""

import multiprocessing
import os
import runpy
import signal
import subprocess
import sys
import tempfile
import threading
from pathlib import Path

LOADED = ["tensorflow", "keras", "librosa.core.spectrum", "librosa.core.pitch", "matplotlib.pyplot", "soundfile"]


class ForkedCommand:
    """``python -m PROGRAM ARGUMENTS``, running: like a ``subprocess.Popen`` of it with text in pipes.

    ``program`` may be a script too. ``environment`` is added to this process's, ``limit`` is what
    ``resource.setrlimit`` takes. Without ``separate`` both outputs are in ``stdout``.
    """

    def __init__(self, program: str, *arguments, environment=None, cwd=None, limit=None, separate=False):
        context = multiprocessing.get_context("forkserver")
        context.set_forkserver_preload(LOADED)
        reader, writer = context.Pipe(duplex=False)
        self._errors = tempfile.NamedTemporaryFile() if separate else None  # noqa: SIM115
        started = [program] if program.endswith(".py") else ["-m", program]
        self.args = [sys.executable, *started, *map(str, arguments)]
        streams = writer, self._errors and self._errors.name
        settings = os.environ | (environment or {}), cwd or Path.cwd(), limit
        # A daemon: it ends with the tests, should one of them fail and leave it running.
        self._process = context.Process(target=_run, args=(self.args, streams, *settings), daemon=True)
        self._process.start()
        writer.close()
        self.pid = self._process.pid
        self.stdout = os.fdopen(os.dup(reader.fileno()), encoding="utf-8")
        reader.close()

    @property
    def returncode(self) -> int | None:
        return self._process.exitcode

    def poll(self) -> int | None:
        return self._process.exitcode

    def wait(self) -> int:
        self._process.join()
        return self._process.exitcode

    def send_signal(self, number: int) -> None:
        os.kill(self.pid, number)

    def kill(self) -> None:
        self._process.kill()

    def terminate(self) -> None:
        self.send_signal(signal.SIGTERM)

    def communicate(self, timeout: float = 300) -> tuple[str, str | None]:
        """Waits for its end; after ``timeout`` seconds it is killed."""
        timer = threading.Timer(timeout, self.kill)
        timer.start()
        with self.stdout:
            output = self.stdout.read()
        self.wait()
        timer.cancel()
        if self._errors is None:
            return output, None
        with self._errors:
            return output, self._errors.read().decode()


def run(program: str, *arguments, **options) -> subprocess.CompletedProcess:
    """Runs a command to its end, as ``subprocess.run`` does."""
    command = ForkedCommand(program, *arguments, **options, separate=True)
    output, errors = command.communicate()
    return subprocess.CompletedProcess(command.args, command.returncode, output, errors)


def _run(line, streams, environment, cwd, limit) -> None:
    """The command itself, in the fork: everything that it sees of its process is as if it had been started alone."""
    output, errors = streams
    os.dup2(output.fileno(), 1)
    os.dup2(os.open(errors, os.O_WRONLY) if errors else 1, 2)
    output.close()
    for number, name in ((1, "stdout"), (2, "stderr")):
        setattr(sys, name, open(number, "w", encoding="utf-8", buffering=1, closefd=False))  # noqa: SIM115
    os.environ.clear()
    os.environ.update(environment)
    os.chdir(cwd)
    if limit:
        import resource

        resource.setrlimit(*limit)
    multiprocessing.current_process()._config["daemon"] = False  # it may have processes of its own
    sys.orig_argv = line
    if line[1] == "-m":
        sys.argv = line[1:2] + line[3:]  # as Python has it while it looks for the module
        runpy.run_module(line[2], run_name="__main__", alter_sys=True)
    else:
        sys.argv = line[1:]
        sys.path.insert(0, str(Path(line[1]).parent))
        runpy.run_path(line[1], run_name="__main__")
