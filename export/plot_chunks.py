"""``python export/plot_chunks.py``: ``python benchmarks/chunk_size.py``."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # run as a script, from any folder

from benchmarks import chunk_size
from hifigan_tf import cli

if __name__ == "__main__":
    cli.run(chunk_size.main)
