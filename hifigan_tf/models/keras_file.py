"""What a ``.keras`` file says of its generator, without Keras."""

import zipfile
from pathlib import Path

from hifigan_tf.config import AudioConfig
from hifigan_tf.errors import UserError, one_line
from hifigan_tf.files import ZIP_DAMAGE, parse_json


def stored_audio(path: Path) -> AudioConfig:
    """The audio settings of the generator in a ``.keras`` file. Raises ``UserError`` where there are none."""
    try:
        with zipfile.ZipFile(path) as archive:
            values = parse_json(archive.read("config.json"), "its config.json")["config"]["audio"]
        return AudioConfig(**{key: _plain(value) for key, value in values.items()})
    except (UserError, ValueError, KeyError, TypeError, AttributeError, *ZIP_DAMAGE) as error:
        raise UserError(f"checkpoint {path} is no generator's .keras file (cut short?): {one_line(error)}") from None


def _plain(value):
    """A value of Keras' JSON, which writes tuples as objects."""
    if isinstance(value, dict) and value.get("class_name") == "__tuple__":
        return tuple(map(_plain, value["items"]))
    return value
