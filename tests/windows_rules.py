"""Runs a command of the package under the rules that Windows documents for files and signals: an imitation.

    python tests/windows_rules.py vocode --checkpoint …

os.fsync fails on what is not open for writing (_commit), os.open on a folder, a file that is open can be neither
replaced nor removed, a rename does not replace, there is no SIGPIPE, signal.signal takes six signals, a pipe whose
reader is gone gives EINVAL, and files are locked by msvcrt.locking: bytes from the position on, which no other handle
can lock or read.
"""

import errno
import fcntl
import os
import runpy
import signal
import struct
import subprocess  # noqa: F401 - before msvcrt is there, from which it concludes that this is Windows
import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace

SIGNALS = (signal.SIGABRT, signal.SIGFPE, signal.SIGILL, signal.SIGINT, signal.SIGSEGV, signal.SIGTERM)


def is_open(path) -> bool:
    """Whether this process has the file open."""
    real = os.path.realpath(path)
    for link in Path("/proc/self/fd").iterdir():
        try:
            if str(link.readlink()) == real:
                return True
        except OSError:
            continue
    return False


def msvcrt() -> ModuleType:
    """The module of locks. As other handles cannot read what is locked, it refuses to lock what a file holds."""
    module = ModuleType("msvcrt")
    module.LK_UNLCK, module.LK_LOCK, module.LK_NBLCK = 0, 1, 2

    def locking(descriptor, mode, count):
        position = os.lseek(descriptor, 0, os.SEEK_CUR)
        if mode != module.LK_NBLCK:
            raise NotImplementedError(f"mode {mode}")
        if position < os.fstat(descriptor).st_size:
            raise AssertionError(f"bytes from {position} on could not be read by others")
        # Locks of the handle, as there, and not of the process.
        wanted = struct.pack("hhqqi0q", fcntl.F_WRLCK, os.SEEK_SET, position, count, 0)
        try:
            fcntl.fcntl(descriptor, fcntl.F_OFD_SETLK, wanted)
        except (BlockingIOError, PermissionError):
            raise PermissionError(errno.EACCES, "Permission denied") from None

    module.locking = locking
    return module


def apply() -> None:
    fsync, open_, replace, rename, unlink, write, handle = (
        os.fsync, os.open, os.replace, os.rename, os.unlink, os.write, signal.signal,
    )  # fmt: skip

    def windows_fsync(descriptor):
        if fcntl.fcntl(descriptor, fcntl.F_GETFL) & os.O_ACCMODE == os.O_RDONLY:
            raise OSError(errno.EBADF, "Bad file descriptor")
        fsync(descriptor)

    def windows_open(path, flags, *args, **options):
        if Path(path).is_dir():
            # Python's own removal of folders has another way there.
            if flags & getattr(os, "O_DIRECTORY", 0) or options.get("dir_fd") is not None:
                return open_(path, flags, *args, **options)
            if sys._getframe(1).f_globals.get("__name__") == "shutil":
                return open_(path, flags, *args, **options)
            raise PermissionError(errno.EACCES, "Permission denied", str(path))
        return open_(path, flags, *args, **options)

    def in_use(path):
        if Path(path).is_file() and is_open(path):
            raise PermissionError(errno.EACCES, "The process cannot access the file, because it is in use", str(path))

    def windows_replace(source, target, **options):
        in_use(source)
        in_use(target)
        replace(source, target, **options)

    def windows_rename(source, target, **options):
        if Path(target).exists():
            raise FileExistsError(errno.EEXIST, "File exists", str(target))
        in_use(source)
        rename(source, target, **options)

    def windows_unlink(path, **options):
        if options.get("dir_fd") is None:
            in_use(path)
        unlink(path, **options)

    def windows_write(descriptor, data):
        try:
            return write(descriptor, data)
        except BrokenPipeError:
            raise OSError(errno.EINVAL, "Invalid argument") from None

    def windows_signal(number, handler):
        if number not in SIGNALS:
            raise ValueError("invalid signal value")
        return handle(number, handler)

    os.fsync, os.open, os.replace, os.rename, os.unlink, os.remove, os.write = (
        windows_fsync, windows_open, windows_replace, windows_rename, windows_unlink, windows_unlink, windows_write,
    )  # fmt: skip
    signal.signal = windows_signal
    del signal.SIGPIPE

    from hifigan_tf import files

    sys.modules["msvcrt"] = msvcrt()
    files.sys = SimpleNamespace(platform="win32")  # there alone: other packages would look for Windows' libraries


if __name__ == "__main__":
    apply()
    module = sys.argv.pop(1)
    runpy.run_module(f"hifigan_tf.{module}", run_name="__main__", alter_sys=True)
