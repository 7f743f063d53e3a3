"""HiFi-GAN (Kong, Kim and Bae, 2020) in TensorFlow and Keras.

The public names load on first use, so that importing the package, and every ``--help``, is instant.
"""

import sys

if sys.version_info < (3, 10):  # noqa: UP036  pip refuses these; a checkout says it here, which any from 3.6 reads
    print(
        "error: hifigan_tf needs Python 3.10 to 3.13, and this is {}.{}: run python3.12 -m venv .venv, or another of "
        "these, and .venv/bin/pip install hifigan_tf".format(*sys.version_info),
        file=sys.stderr,
    )
    sys.exit(2)

from hifigan_tf import interrupts

if interrupts.is_command():
    interrupts.end_at_once()

from importlib import import_module

from hifigan_tf.moved import MovedModules

__version__ = "0.2.0"

_PUBLIC = {
    "Config": "config",
    "Generator": "models.generator",
    "MelSpectrogram": "audio.mel",
    "MultiPeriodDiscriminator": "models.discriminators",
    "MultiScaleDiscriminator": "models.discriminators",
    "NumpyMelSpectrogram": "audio.mel_numpy",
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
