"""``python -m hifigan_tf.import_torch``: the earlier name of ``python -m hifigan_tf.import_checkpoint``."""

from hifigan_tf import cli
from hifigan_tf.import_checkpoint import main

if __name__ == "__main__":
    cli.run(main)
