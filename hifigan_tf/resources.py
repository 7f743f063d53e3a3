"""Paths of the configs, the demo corpus and the voice that ship with the project."""

from pathlib import Path

_PACKAGE = Path(__file__).resolve().parent
_INSTALLED = _PACKAGE / "configs"  # beside the package in a checkout
CONFIGS = _INSTALLED if _INSTALLED.is_dir() else _PACKAGE.parent / "configs"
DEMO_CONFIG = CONFIGS / "demo.json"
FROM_VOICE_CONFIG = CONFIGS / "from_voice.json"  # for going on from the voice with another speaker
DEMO_TRAIN = _PACKAGE / "demo_corpus" / "train"
DEMO_HELD_OUT = _PACKAGE / "demo_corpus" / "held_out"
DEMO_SENTENCES = _PACKAGE / "demo_sentences"  # mels, with a page on where they are from
VOICE = _PACKAGE / "voices" / "live.keras"
# The same as models, for hosts without TensorFlow: in float, and distilled in 8 bits.
VOICE_FLOAT = _PACKAGE / "voices" / "live_float16.tflite"
VOICE_INT8 = _PACKAGE / "voices" / "live_int8.tflite"
