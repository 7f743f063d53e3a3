"""``python export/benchmark.py``: ``python benchmarks/stream_speed.py``."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # run as a script, from any folder

from benchmarks import stream_speed
from hifigan_tf import cli

if __name__ == "__main__":
    cli.run(stream_speed.main)
