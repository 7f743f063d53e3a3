"""HiFi-GAN (Kong, Kim and Bae, 2020) in TensorFlow and Keras.

The public names load on first use, so that importing the package, and every ``--help``, is instant.
"""

from importlib import import_module

__version__ = "0.1.0"

_PUBLIC = {
    "Config": "config",
    "Generator": "generator",
    "MelSpectrogram": "mel",
    "MultiPeriodDiscriminator": "discriminators",
    "MultiScaleDiscriminator": "discriminators",
    "StreamingVocoder": "streaming",
    "load_vocoder": "streaming",
}
__all__ = sorted(_PUBLIC)


def __getattr__(name):
    if name not in _PUBLIC:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_PUBLIC[name]}"), name)


def __dir__():
    return [*globals(), *__all__]
