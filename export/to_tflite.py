"""``python export/to_tflite.py``: ``python -m hifigan_tf.to_tflite``."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # run as a script, from any folder

from hifigan_tf import cli, to_tflite

if __name__ == "__main__":
    cli.run(to_tflite.main)
