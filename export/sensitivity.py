"""``python export/sensitivity.py``: ``python -m hifigan_tf.sensitivity``."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # run as a script, from any folder

from hifigan_tf import cli, sensitivity

if __name__ == "__main__":
    cli.run(sensitivity.main)
