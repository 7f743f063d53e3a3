"""Shared by all benchmarks: the models that they take, median and spread of rounds, and peak memory."""

import argparse
import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from hifigan_tf.resources import VOICE_FLOAT, VOICE_INT8


def add_models(parser: argparse.ArgumentParser, kinds: str) -> None:
    """Adds the models that a benchmark measures, the voice where none is named; ``kinds`` says which it takes."""
    voice = [str(VOICE_INT8), str(VOICE_FLOAT)]
    parser.add_argument("models", nargs="*", default=voice, metavar="MODEL", help=f"{kinds}; default: the voice")


def median_and_spread(values: Sequence[float]) -> tuple[float, float]:
    """The median, and the interquartile range relative to it."""
    low, median, high = np.percentile(values, [25, 50, 75])
    return float(median), float((high - low) / median)


def high_water_mb() -> float:
    """The peak resident memory of this process, in megabytes."""
    status = Path("/proc/self/status")
    if status.is_file():
        # Not getrusage, which on Linux includes the memory of the parent at the fork.
        line = next(line for line in status.read_text().splitlines() if line.startswith("VmHWM"))
        return int(line.split()[1]) * 1024 / 1e6
    import resource

    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6  # bytes on macOS


def resident_mb() -> float:
    """The resident memory of this process now, in megabytes. On Linux."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6
