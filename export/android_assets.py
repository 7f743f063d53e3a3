"""``python export/android_assets.py``: ``python android_demo/tools/android_assets.py``."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # run as a script, from any folder

from android_demo.tools import android_assets
from hifigan_tf import cli

if __name__ == "__main__":
    cli.run(android_assets.main)
