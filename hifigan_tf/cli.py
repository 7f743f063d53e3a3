"""What every command line shares: quiet TensorFlow, logging, and errors as one line with exit code 2."""

import argparse
import io
import logging
import os
import sys
import threading
from collections.abc import Callable, Collection, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from importlib.abc import MetaPathFinder
from importlib.machinery import PathFinder
from pathlib import Path
from typing import Any

from hifigan_tf import interrupts
from hifigan_tf.errors import UserError, describe_os_error, one_line

log = logging.getLogger(__name__)

WORKER = "worker-of-a-command"  # how the names of the threads below begin
NAMED_SKIPS = 20  # of more skipped files only the number is reported
# Information and warnings that TensorFlow's libraries print while they are loaded, as grep's extended expression.
LOADING_NOISE = r"^(WARNING: All log messages before absl::InitializeLog|[IW][0-9]{4} [0-9]{2}:[0-9]{2}:)"


class Formatter(argparse.ArgumentDefaultsHelpFormatter, argparse.RawDescriptionHelpFormatter):
    """Shows defaults, where there are any, and keeps the line breaks of a description."""

    def _get_help_string(self, action):
        return action.help if action.default in (None, False) else super()._get_help_string(action)


def parser(module: str, description: str) -> argparse.ArgumentParser:
    """An argument parser for a module of the package that is a command, under the name that it was called by."""
    return argparse.ArgumentParser(prog=_called_as(module), description=description, formatter_class=Formatter)


def _called_as(module: str) -> str:
    """``hifigan-tf vocode``, ``python -m hifigan_tf.vocode`` or ``python export/to_tflite.py``."""
    called = sys.argv[0]
    if called.startswith(("hifigan-tf ", "python -m hifigan_tf ")):  # by __main__.py
        return called
    script = Path(called)
    if script.parent.name == "export":
        return f"python export/{script.name}"
    return f"python -m hifigan_tf.{script.stem if script.parent.name == 'hifigan_tf' else module}"


def run(main: Callable[[], int | None]) -> None:
    """Runs ``main`` as a process: its return value, or what it raised, becomes the exit code.

    ``UserError`` and failures of the file system (full disk, no permission, missing file) are one line on
    standard error and exit code 2; Ctrl-C is exit code 130. Anything else is a bug and keeps its traceback.
    """
    try:
        interrupts.raise_again()
        _set_up()
        code = main() or 0
    except UserError as error:
        code = _fail(one_line(error))
    except OSError as error:
        code = _fail(describe_os_error(error))
    except KeyboardInterrupt:
        code = interrupts.EXIT_CODE
        print("interrupted", file=sys.stderr)
    if any(thread.name.startswith(WORKER) for thread in threading.enumerate()):
        # They read what nobody waits for any more, and Python would wait for them.
        for stream in (sys.stdout, sys.stderr):
            stream.flush()
        os._exit(code)
    sys.exit(code)


def _set_up() -> None:
    # Before TensorFlow is imported, or its C++ side prints messages.
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")
    sys.meta_path.insert(0, QuietTensorFlow())
    for stream in (sys.stdout, sys.stderr):  # names of files need not be text, nor need a terminal have every letter
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    logging.basicConfig(level=logging.INFO, format="%(message)s", stream=sys.stderr)
    for noisy in ("absl", "tensorflow", "tensorboard", "matplotlib", "numba"):
        logging.getLogger(noisy).setLevel(logging.ERROR)


def _fail(message: str) -> int:
    print(f"error: {message}", file=sys.stderr)
    return 2


class QuietTensorFlow(MetaPathFinder):
    """Imports TensorFlow without ``LOADING_NOISE``, whoever asks for it first: Keras, or a module of this project.

    Its newer libraries print while they are loaded, before they look at ``TF_CPP_MIN_LOG_LEVEL``.
    """

    def find_spec(self, fullname, path, target=None):
        spec = PathFinder.find_spec(fullname, path) if fullname == "tensorflow" else None
        if spec and spec.loader:
            loader: Any = spec.loader
            load = loader.exec_module

            def load_quietly(module):
                with _standard_error_without(LOADING_NOISE):
                    load(module)

            loader.exec_module = load_quietly
        return spec


@contextmanager
def _standard_error_without(pattern: str) -> Iterator[None]:
    """Drops the lines that match from standard error, C++'s too.

    A process of its own does so: it lives on to show what a library says before it ends this one.
    """
    import subprocess

    try:
        standard_error = os.dup(2)
        grep = subprocess.Popen(["grep", "-vE", pattern], stdin=subprocess.PIPE, stdout=standard_error)
    except OSError:  # standard error is closed, or there is no grep
        yield
        return
    assert grep.stdin is not None, "asked for above"
    os.dup2(grep.stdin.fileno(), 2)
    try:
        yield
    finally:
        os.dup2(standard_error, 2)
        os.close(standard_error)
        grep.communicate()


def existing_file(text: str, what: str) -> Path:
    """``text`` as the path of a file that exists. Raises ``UserError`` naming ``what`` otherwise."""
    path = Path(text)
    if not path.is_file():
        raise UserError(f"{what} {text} is not a file: check the path")
    return path


def existing_folder(text: str, what: str) -> Path:
    """``text`` as the path of a folder that exists. Raises ``UserError`` naming ``what`` otherwise."""
    path = Path(text)
    if not path.is_dir():
        raise UserError(f"{what} {text} is not a folder: check the path")
    return path


def existing_run(text: str) -> Path:
    """``text`` as the path of a run folder. Raises ``UserError`` where it is none."""
    path = existing_folder(text, "run folder")
    if not (path / "config.json").is_file():
        raise UserError(f"{path} is no run folder: it holds no config.json; give the --run-dir of a training")
    return path


def checkpoint(text: str, suffixes: tuple[str, ...] = (".keras",)) -> Path:
    """The generator's file that ``text`` means: one of a known suffix, or the best or else last one of a run folder.

    Raises ``UserError`` when there is none. Whether the file can be read shows when it is loaded.
    """
    path = Path(text)
    kinds = " or ".join(suffixes)
    if path.is_dir():
        for name in ("best.keras", "last.keras"):
            if (path / name).is_file():
                return path / name
        raise UserError(f"checkpoint {text}: no best.keras or last.keras in this folder: training has not saved yet")
    if not path.is_file():
        raise UserError(f"checkpoint {text} does not exist: give a {kinds} file or a run folder")
    refuse_hdf5(path)
    if path.suffix not in suffixes:
        raise UserError(
            f"checkpoint {text} is no {kinds} file: convert PyTorch weights with python -m hifigan_tf.import_checkpoint"
        )
    return path


def refuse_hdf5(path: Path) -> None:
    """Raises ``UserError`` for a checkpoint in HDF5: TensorFlowTTS's, or of Keras' older kind."""
    if path.suffix in (".h5", ".hdf5"):
        raise UserError(
            f"checkpoint {path} is HDF5, which lacks the settings of a generator: convert one of TensorFlowTTS with "
            "python -m hifigan_tf.import_checkpoint; save your own with "
            f"generator.save({path.stem.removesuffix('.weights') + '.keras'!r})"
        )


def positive(text: str) -> int:
    """A whole number from 1 up, for argparse."""
    return _whole(text, 1)


def not_negative(text: str) -> int:
    """A whole number from 0 up, for argparse."""
    return _whole(text, 0)


def _whole(text: str, least: int) -> int:
    value = int(text)
    if value < least:
        raise ValueError(text)
    return value


def writable_folder(text: str | Path) -> Path:
    """Makes the folder, with its parents, and proves that a file can be written there.

    Raises ``UserError`` when it cannot: better now than after an hour of work.
    """
    path = Path(text)
    probe = path / f".write-test-{os.getpid()}"
    try:
        path.mkdir(parents=True, exist_ok=True)
        probe.write_bytes(b"\0" * 4096)
    except OSError as error:
        raise UserError(f"cannot write to {path}: {describe_os_error(error)}") from None
    finally:
        if path.is_dir():
            probe.unlink(missing_ok=True)
    return path


@contextmanager
def worker_threads(count: int | None = None) -> Iterator[ThreadPoolExecutor]:
    """Threads that read, for the block. Where it fails, or Ctrl-C ends it, they are not waited for."""
    pool = ThreadPoolExecutor(count, thread_name_prefix=WORKER)
    try:
        yield pool
    except BaseException:
        pool.shutdown(wait=False, cancel_futures=True)
        raise
    pool.shutdown()


def progress(items: Collection, hidden: bool = False, **options) -> Iterator:
    """The items one by one, under a progress bar of tqdm where that is installed; ``hidden`` shows none.

    Log lines are kept apart from the bar. ``options`` are tqdm's.
    """
    if hidden:
        yield from items
        return
    try:
        from tqdm import tqdm
        from tqdm.contrib.logging import logging_redirect_tqdm
    except ImportError:  # not of the light core
        yield from items
        return
    with logging_redirect_tqdm():
        yield from tqdm(items, **options)


def warn_skipped(problems: list[str]) -> None:
    """Warns of each problem, up to a number that fits a terminal, and of how many there are."""
    for problem in problems[:NAMED_SKIPS]:
        log.warning("skipped: %s", problem)
    if problems:
        rest = len(problems) - NAMED_SKIPS
        unnamed = f", {rest} of them not named here" if rest > 0 else ""
        log.warning("%d file%s skipped%s", len(problems), "s" if len(problems) > 1 else "", unnamed)
