"""A recipe: the format of each layer's weights, which also decides how the layer computes.

    {"layers": {"conv_pre": "int8", "stage_2/*": "float32"}}

Names are those of the layers, or patterns (``*``, ``?``); a later line overrides an earlier one, and no name may appear
twice. Layers that no line names have the format of the mode. ``float16`` is for the modes that stream.
"""

import fnmatch
import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from hifigan_tf.errors import UserError
from hifigan_tf.export.options import INTEGERS, option
from hifigan_tf.files import read_json

if TYPE_CHECKING:
    from hifigan_tf.export.network import Network

FORMATS = ("int8", "float16", "float32")


def load_recipe(path: Path) -> dict[str, str]:
    """``{name or pattern: format}`` of a recipe's file. Raises ``UserError`` when it is not a recipe."""
    try:
        content = read_json(path, object_pairs_hook=_without_twins)
        layers = content.pop("layers")
        lines = list(layers.items())
        if content:
            raise ValueError
    except OSError as error:
        raise UserError(f"recipe {path} cannot be read: {error.strerror}") from None
    except (UserError, ValueError, KeyError, TypeError, AttributeError):
        raise UserError(f'recipe {path} is no recipe: it should read {{"layers": {{"conv_pre": "int8"}}}}') from None
    for name, choice in lines:
        if choice not in FORMATS:
            raise UserError(f"recipe {path}: {name} is {choice!r}, and may be {' or '.join(FORMATS)}")
    return layers


def _without_twins(pairs: list[tuple]) -> dict:
    if len(dict(pairs)) < len(pairs):
        raise ValueError
    return dict(pairs)


def default_formats(network: "Network", mode: str) -> dict[str, str]:
    """``{layer: format}`` of a mode.

    ``int8`` leaves three in float, which are a twentieth of the work and would cause a third of the loss. Rounding in
    the first convolution changes the phase of everything; the last one makes the samples themselves; the last
    upsampling feeds the stage where rounding costs most.
    """
    formats = {conv.name: mode if mode in FORMATS else "int8" for conv in network.convs()}
    if mode == "int8":
        formats.update(dict.fromkeys((network.pre.name, network.stages[-1].up.name, network.post.name), "float32"))
    return formats


def layer_formats(network: "Network", mode: str, recipe: Mapping[str, str]) -> dict[str, str]:
    """``{layer: format}`` of a mode with a recipe.

    Raises ``UserError`` for a line that names no layer, or a format that the mode does not allow for a layer.
    """
    formats = default_formats(network, mode)
    for pattern, choice in recipe.items():
        found = fnmatch.filter(formats, pattern)
        if not found:
            raise UserError(f"the recipe's {pattern!r} is no layer of this model: it has {', '.join(formats)}")
        formats.update(dict.fromkeys(found, choice))
    for name, choice in formats.items():
        if mode in INTEGERS and choice == "float16":
            raise UserError(f"the recipe has {name} in float16, and {option(mode)} cannot: make it int8 or float32")
    if mode == "full_int8" and formats[network.post.name] != "int8":
        raise UserError(f"the recipe has {network.post.name} in float32, and {option(mode)} cannot: make it int8")
    return formats


def dump_recipe(formats: dict[str, str]) -> str:
    """The recipe that gives ``{layer: format}``, as JSON."""
    return json.dumps({"layers": formats}, indent=2) + "\n"
