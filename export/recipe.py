"""A recipe: which layers of an 8-bit model are computed in 8 bits, and which in float.

    {"layers": {"conv_pre": "int8", "stage_2/*": "float32"}}

Names are those of the layers, or patterns (``*``, ``?``); a later line overrides an earlier one, and no name may stand
there twice. Layers that no line names are computed as the mode computes them.
"""

import fnmatch
import json
from pathlib import Path

from export.network import Network
from hifigan_tf.errors import UserError

CHOICES = ("int8", "float32")


def load_recipe(path: Path) -> dict[str, str]:
    """``{name or pattern: choice}`` of a recipe's file. Raises ``UserError`` when it is none."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"), object_pairs_hook=_without_twins)
        layers = content.pop("layers")
        lines = list(layers.items())
        if content:
            raise ValueError
    except OSError as error:
        raise UserError(f"recipe {path} cannot be read: {error.strerror}") from None
    except (ValueError, KeyError, TypeError, AttributeError):
        raise UserError(f'recipe {path} is no recipe: it should read {{"layers": {{"conv_pre": "int8"}}}}') from None
    for name, choice in lines:
        if choice not in CHOICES:
            raise UserError(f"recipe {path}: {name} is {choice!r}, and may be {' or '.join(CHOICES)}")
    return layers


def _without_twins(pairs: list[tuple]) -> dict:
    if len(dict(pairs)) < len(pairs):
        raise ValueError
    return dict(pairs)


def layers_in_float(network: Network, by_default: tuple[str, ...], recipe: dict[str, str]) -> tuple[str, ...]:
    """The convolutions that stay in float. Raises ``UserError`` for a line of the recipe that names none."""
    names = [conv.name for conv in network.convs()]
    choices = {name: CHOICES[name in by_default] for name in names}
    for pattern, choice in recipe.items():
        found = fnmatch.filter(names, pattern)
        if not found:
            raise UserError(f"the recipe's {pattern!r} is no layer of this model: it has {', '.join(names)}")
        choices.update(dict.fromkeys(found, choice))
    return tuple(name for name in names if choices[name] == "float32")


def dump_recipe(float_layers: tuple[str, ...], network: Network) -> str:
    """The recipe that leaves just these layers in float, as JSON."""
    layers = {conv.name: CHOICES[conv.name in float_layers] for conv in network.convs()}
    return json.dumps({"layers": layers}, indent=2) + "\n"
