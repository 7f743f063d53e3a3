"""HiFi-GAN (Kong, Kim and Bae, 2020) in TensorFlow and Keras.

The public names load on first use, so that importing the package, and every ``--help``, is instant.
"""

import sys
from importlib import import_module

from hifigan_tf.moved import MovedModules

__version__ = "0.1.0"

_PUBLIC = {
    "Config": "config",
    "Generator": "models.generator",
    "MelSpectrogram": "audio.mel",
    "MultiPeriodDiscriminator": "models.discriminators",
    "MultiScaleDiscriminator": "models.discriminators",
    "StreamingVocoder": "streaming.streaming_vocoder",
    "load_vocoder": "streaming.streaming_vocoder",
}
__all__ = sorted(_PUBLIC)

sys.meta_path.append(MovedModules())  # last, so that it is only asked for modules that do not exist


def __getattr__(name):
    if name not in _PUBLIC:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_PUBLIC[name]}"), name)


def __dir__():
    return [*globals(), *__all__]
