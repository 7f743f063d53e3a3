"""The one exception whose message is written for the user, and other errors as one line."""

import errno


class UserError(Exception):
    """Something the user can fix: the message is one line with what was wrong, the value, and what to do."""


def one_line(error: BaseException) -> str:
    """The first line of an error's text, so that a message stays on one line of the terminal."""
    lines = str(error).strip().splitlines()
    return lines[0].strip() if lines else type(error).__name__


def describe_os_error(error: OSError) -> str:
    """One line for a failure of the file system, with the file and what to do about it."""
    advice = {
        errno.ENOSPC: "the disk is full: free some space and run the same command again",
        errno.EDQUOT: "the disk quota is used up: free some space and run the same command again",
        errno.EACCES: "permission denied: choose a folder you may write to",
        errno.EPERM: "permission denied: choose a folder you may write to",
        errno.EROFS: "the file system is read-only: choose another folder",
        errno.ENOENT: "no such file or folder",
        errno.ENOTDIR: "a part of the path is a file, not a folder",
        errno.EISDIR: "this is a folder, a file is needed",
        errno.EEXIST: "this exists already and is not a folder",
    }
    text = advice.get(error.errno or 0, error.strerror or one_line(error))
    return f"{error.filename}: {text}" if error.filename else text
