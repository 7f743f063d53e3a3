"""The original's PyTorch checkpoints: which tensors they hold, and how these become the weights of our layers.

Names: our models' attributes are named as the original's, so ``resblocks.4.convs1.2`` is the same layer in both.
Shapes: our kernels are PyTorch's with the axes reversed, ``(out, in, taps)`` to ``[taps, in, out]``.
Norms: unfolded weight and spectral norms are imported unchanged, so fine-tuning continues as in the original.
"""

import math
import re
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from hifigan_tf.checkpoints import torch_pickle
from hifigan_tf.config import Config
from hifigan_tf.errors import UserError, brief
from hifigan_tf.resources import CONFIGS

SHIPPED_CONFIGS = ("v1.json", "v2.json", "v3.json")

# The attributes that hold convolutions, at any depth.
PARTS = ("conv_pre", "ups", "resblocks", "discriminators", "convs1", "convs2", "convs", "conv_post")

# The parameters of both norms in newer PyTorch, and their names in the original.
NEWER_NAMES = {
    "parametrizations.weight.original0": "weight_g",
    "parametrizations.weight.original1": "weight_v",
    "parametrizations.weight.original": "weight_orig",
    "parametrizations.weight.0._u": "weight_u",
    "parametrizations.weight.0._v": "weight_v",
}


class Convolution(NamedTuple):
    """A convolution in PyTorch: the shape of its weight, the number of biases, and which of the two norms it has."""

    shape: tuple[int, ...]
    biases: int
    spectral: bool = False


def generator_convolutions(config: Config) -> dict[str, Convolution]:
    """``{name: Convolution}`` of a generator of this config, without building it."""
    generator = config.generator
    channels = generator.upsample_initial_channel
    result = {"conv_pre": Convolution((channels, config.audio.num_mels, 7), channels)}
    blocks = list(zip(generator.resblock_kernel_sizes, generator.resblock_dilation_sizes, strict=True))
    lists = {"1": ("convs1", "convs2"), "2": ("convs",)}[generator.resblock]
    for stage, up_kernel in enumerate(generator.upsample_kernel_sizes):
        result[f"ups.{stage}"] = Convolution((channels, channels // 2, up_kernel), channels // 2)
        channels //= 2
        for number, (kernel, dilations) in enumerate(blocks, start=stage * len(blocks)):
            for convs in lists:
                for index in range(len(dilations)):
                    name = f"resblocks.{number}.{convs}.{index}"
                    result[name] = Convolution((channels, channels, kernel), channels)
    result["conv_post"] = Convolution((1, channels, 7), 1)
    return result


def named_convolutions(part, name: str = "") -> dict:
    """``{PyTorch's name: NormedConv1D}`` of a model or a list of layers; ``name`` is prefixed to every name."""
    from hifigan_tf.models.layers import NormedConv1D

    if isinstance(part, NormedConv1D):
        return {name: part}
    if isinstance(part, list):
        children: list[tuple] = list(enumerate(part))
    else:
        children = [(attribute, getattr(part, attribute)) for attribute in PARTS if hasattr(part, attribute)]
    result: dict = {}
    for key, child in children:
        result |= named_convolutions(child, f"{name}.{key}" if name else f"{key}")
    return result


def discriminator_convolutions(layers: dict) -> dict[str, Convolution]:
    """The same for ``named_convolutions`` of discriminators, whose names begin with ``mpd.`` or ``msd.``."""
    from hifigan_tf.models.layers import SpectralNormConv1D

    result = {}
    for name, layer in layers.items():
        # The original's MPD convolves [rows, period] images with (taps, 1) kernels.
        shape = layer.kernel_shape[::-1] + ((1,) if name.startswith("mpd.") else ())
        result[name] = Convolution(shape, layer.filters, isinstance(layer, SpectralNormConv1D))
    return result


def load_discriminator_state(path: Path) -> dict[str, torch_pickle.Tensor]:
    """The tensors of both discriminators in a ``do_…`` checkpoint, their names beginning with mpd. and msd."""
    content = torch_pickle.read(path)
    if not isinstance(content, dict) or not all(_is_state(content.get(model)) for model in ("mpd", "msd")):
        raise UserError(f"checkpoint {path} holds no mpd and msd ({_describe(content)}): give the original's do_… file")
    return {
        f"{model}.{name}": tensor
        for model in ("mpd", "msd")
        for name, tensor in _without_wrapper(content[model]).items()
    }


def _is_state(value) -> bool:
    return (
        isinstance(value, dict)
        and bool(value)
        and all(isinstance(key, str) for key in value)
        and all(isinstance(item, torch_pickle.Tensor) for item in value.values())
    )


def _describe(content) -> str:
    if isinstance(content, dict) and content:
        return f"its keys are {', '.join(brief(key) for key in list(content)[:8])}"
    return f"it is a {type(content).__name__}"


def _without_wrapper(state: dict) -> dict:
    """The state without DataParallel's ``module.``, with the older names of the norms."""
    return older_norms({key.removeprefix("module."): tensor for key, tensor in state.items()})


def older_norms(state: Mapping) -> dict:
    """The state with the older names of weight and spectral norm, which the original has."""
    result = {}
    for name, tensor in state.items():
        for newer, older in NEWER_NAMES.items():
            if name.endswith(f".{newer}"):
                name = name.removesuffix(newer) + older
        if name in result:
            raise UserError(f"has tensor {brief(name)} twice, in two spellings")
        result[name] = tensor
    return result


def with_zero_biases(state: dict, convolutions: Mapping[str, Convolution], unbiased: str | None) -> dict:
    """The state with biases of zero for the convolutions that have none and whose name is of the pattern."""
    import numpy as np

    if unbiased is None:
        return state
    missing = {
        f"{name}.bias": np.zeros(convolution.biases, np.float32)
        for name, convolution in convolutions.items()
        if re.fullmatch(unbiased, name) and f"{name}.bias" not in state
    }
    return state | missing


def misfit(convolutions: dict[str, Convolution], state: Mapping) -> str | None:
    """One line on how the tensors differ from those that the convolutions need, or None if they fit."""
    expected: dict[str, tuple[int, ...]] = {}
    for name, convolution in convolutions.items():
        expected |= _parameters(name, convolution, state)
    differing = [name for name, shape in expected.items() if name in state and state[name].shape != shape]
    missing = [name for name in expected if name not in state]
    unexpected = [brief(name) for name in state if name not in expected]
    problems = []
    if differing:
        first = differing[0]
        problems.append(f"{first} is {list(state[first].shape)} in the file and {list(expected[first])} in the config")
    for what, names in (("missing", missing), ("unexpected", unexpected)):
        if names:
            problems.append(f"{what}: {names[0]}" + (f" and {len(names) - 1} more" if len(names) > 1 else ""))
    return "; ".join(problems) or None


def _parameters(name: str, convolution: Convolution, state: Mapping) -> dict[str, tuple[int, ...]]:
    """Names and shapes of one convolution's tensors, with its norm folded or not, as in the state."""
    shape, biases, spectral = convolution
    if spectral and f"{name}.weight_orig" in state:
        weights = {"weight_orig": shape, "weight_u": shape[:1], "weight_v": (math.prod(shape[1:]),)}
    elif not spectral and (f"{name}.weight_g" in state or f"{name}.weight_v" in state):
        weights = {"weight_g": (shape[0], *[1] * (len(shape) - 1)), "weight_v": shape}
    else:
        weights = {"weight": shape}
    return {f"{name}.{parameter}": size for parameter, size in {**weights, "bias": (biases,)}.items()}


def fitting_config(state: Mapping) -> str:
    """Names the shipped config that the generator's state fits, if one does."""
    for name in SHIPPED_CONFIGS:
        path = CONFIGS / name
        if path.is_file() and not misfit(generator_convolutions(Config.load(path)), state):
            return f"; it would fit --config {path}"
    return ""


def fill(layers: dict, state: Mapping, path: Path) -> None:
    """Sets ``named_convolutions`` to tensors that fit them. Raises ``UserError`` for damaged and non-finite ones."""
    for name, layer in layers.items():
        arrays = {
            key.removeprefix(f"{name}."): _float32(key, tensor, path)
            for key, tensor in state.items()
            if key.startswith(f"{name}.")
        }
        assign(layer, arrays)


def assign(layer, arrays: dict) -> None:
    """Sets one convolution to PyTorch's float32 arrays: bias, and either weight or the parameters of its norm."""
    shape = layer.kernel_shape[::-1]  # (out, in, taps), to which MPD's (out, in, taps, 1) is reshaped
    if "weight_orig" in arrays:
        layer.kernel.assign(arrays["weight_orig"].reshape(shape).T)
        layer.u.assign(arrays["weight_u"])
        # The columns of PyTorch's matrix are (in, taps), the rows of ours are [taps, in].
        layer.v.assign(arrays["weight_v"].reshape(shape[1:]).T.reshape(-1))
        layer.bias.assign(arrays["bias"])
    elif "weight_g" in arrays:
        layer.kernel.assign(arrays["weight_v"].reshape(shape).T)
        layer.gain.assign(arrays["weight_g"].reshape(-1))
        layer.bias.assign(arrays["bias"])
    else:
        layer.assign(arrays["weight"].reshape(shape).T, arrays["bias"])


def array_of(name: str, tensor):
    """A tensor, or array, in float32. Raises ``UserError`` when it is damaged or not finite."""
    import numpy as np

    array = tensor.numpy() if isinstance(tensor, torch_pickle.Tensor) else tensor
    with np.errstate(over="ignore"):  # float64 beyond float32's range becomes infinite, which is refused below
        array = array.astype(np.float32)
    if not np.isfinite(array).all():
        raise UserError(f"has a tensor {name} whose values are not finite: its training must have diverged")
    return array


def _float32(name: str, tensor, path: Path):
    try:
        return array_of(name, tensor)
    except UserError as error:
        raise UserError(f"checkpoint {path} {error}") from None
