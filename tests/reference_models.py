"""Models whose output in Python is what the tests in Java and in the browser compare with."""

import os
import tempfile
from pathlib import Path

import numpy as np

from hifigan_tf import import_checkpoint
from hifigan_tf.config import Config
from hifigan_tf.models.generator import Generator, load_generator
from hifigan_tf.resources import CONFIGS, DEMO_CONFIG, DEMO_HELD_OUT

SHARED = os.environ.get("HIFIGAN_SHARED")  # a folder with the weights of a trained V3, and real speech
SPEECH = Path(SHARED) / "speech" if SHARED else DEMO_HELD_OUT


def import_v3(shared: Path, path: Path) -> None:
    """Writes the trained V3 of the folder ``shared`` as a ``.keras`` file."""
    weights, config = shared / "weights" / "g_lj_v3.pt", CONFIGS / "v3.json"
    import_checkpoint.main([str(weights), "--config", str(config), "--output", str(path)])


def v3(untrained: Path) -> Generator:
    """A trained V3 where there are weights, else one of the config ``untrained`` with random ones."""
    if not SHARED:
        config = Config.load(untrained)
        return Generator.of(config.generator, config.audio)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "v3.keras"
        import_v3(Path(SHARED), path)
        return load_generator(path)


def tiny(**mel) -> Generator:
    """A generator that makes an hour of audio at 8 kHz in seconds; ``mel`` are keys of the config about its mel."""
    config = Config.load(DEMO_CONFIG).replace(
        **mel,
        upsample_rates=[8, 8],
        upsample_kernel_sizes=[16, 16],
        upsample_initial_channel=8,
        resblock_kernel_sizes=[3],
        resblock_dilation_sizes=[[1, 2]],
        segment_size=1024,
        num_mels=16,
        n_fft=256,
        hop_size=64,
        win_size=256,
        sampling_rate=8000,
        fmax=4000,
    )
    return Generator.of(config.generator, config.audio)


def write_floats(path: Path, array: np.ndarray) -> None:
    """The numbers alone, little-endian float32."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(np.ascontiguousarray(array, "<f4").tobytes())
