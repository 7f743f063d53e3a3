"""Ctrl-C while a command is still being imported: one line and exit code 130, and not the traceback of an import."""

import os
import signal
import sys

EXIT_CODE = 130


def is_command() -> bool:
    """Whether this process was started as a command of the project: ``python -m`` bears this name until it runs."""
    started = sys.argv[0] if sys.argv else ""
    return started == "-m" or started.replace("\\", "/").rpartition("/")[2].startswith("hifigan-tf")


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
