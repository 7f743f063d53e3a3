"""Ctrl-C while a command is still being imported: one line and exit code 130, and not the traceback of an import."""

import os
import signal
import sys

EXIT_CODE = 130


def is_command() -> bool:
    """Whether this process was started as a command of the project: a script, or a module of it by ``python -m``."""
    started = sys.argv[0] if sys.argv else ""
    if started == "-m":  # of any package, until Python has found its module
        module = sys.orig_argv[-len(sys.argv)]  # what follows are the module's own arguments
        module = module.partition("m")[2] if module.startswith("-") else module  # -mhifigan_tf
        return module.partition(".")[0] == __package__
    name = started.replace("\\", "/").rpartition("/")[2]
    if not name.endswith(".py"):
        return name.startswith("hifigan-tf")
    from pathlib import Path  # which takes a while, so only for scripts

    return Path(started).resolve().parent == Path(__file__).resolve().parents[1] / "export"


def end_at_once() -> None:
    """From here on Ctrl-C ends the process, unless it is ignored, as in the background."""
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, _end)


def raise_again() -> None:
    """From here on Ctrl-C raises ``KeyboardInterrupt``, as usual."""
    if signal.getsignal(signal.SIGINT) is _end:
        signal.signal(signal.SIGINT, signal.default_int_handler)


def _end(number, frame) -> None:
    os.write(2, b"interrupted\n")
    os._exit(EXIT_CODE)
