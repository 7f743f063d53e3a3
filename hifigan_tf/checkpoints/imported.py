"""From a checkpoint of any family to a config and the tensors that fill its generator."""

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hifigan_tf.checkpoints import official
from hifigan_tf.checkpoints.checkpoint_files import (
    Content,
    configs_beside,
    find_checkpoint,
    read_config,
    read_content,
    read_statistics,
    statistics_beside,
)
from hifigan_tf.checkpoints.families import FAMILIES, Family, keras_names, refuse_out_of_scope, shapes_as_keys
from hifigan_tf.checkpoints.torch_pickle import Opaque, brief
from hifigan_tf.config import Config
from hifigan_tf.errors import UserError

# What errors reading a config may raise, where it is of another make than expected.
MISREAD = (KeyError, TypeError, ValueError, AttributeError, IndexError, OverflowError, ZeroDivisionError)
# The first convolution in the names of all families, behind what the file has before it.
FIRST = r"(?P<prefix>.*?)(?:conv_pre|input_conv)(?:\.conv)?\.(?:weight|weight_v|parametrizations\.weight\.original1)"
# The generator's part of a file that has several, by the end of its prefix.
PREFERRED = ("generator.", "model_g.", "vocoder.", "module.", "")
PARTS = tuple(f"{part}." for part in ("conv_pre", "ups", "resblocks", "conv_post", "cond_layer", "conds"))
TRAINING = {"batch_size": 16, "learning_rate": 0.0002}
SEGMENT = 8192  # samples, the original's


@dataclass(frozen=True)
class Source:
    """Where an import takes what is not in the checkpoint, as the command line names it."""

    config: str | None = None
    statistics: str | None = None
    speaker_vector: str | None = None
    sampling_rate: int | None = None


@dataclass(frozen=True)
class Imported:
    """A generator ready to be filled: its config, its tensors in the original's names, and what was found."""

    path: Path
    family: Family
    config: Config
    tensors: dict[str, Any]
    found: str
    warnings: tuple[str, ...]


def read_checkpoint(path: str | Path, source: Source) -> Imported:
    """Reads a checkpoint, its config and its statistics, and checks that they fit each other.

    Raises ``UserError``, one line, for what cannot be imported.
    """
    path = find_checkpoint(path)
    given = _own_config(source.config)  # ours or the original's, which is the same; others are read below
    content = read_content(path)
    family, tensors = generator_tensors(path, content)
    warnings: list[str] = []
    if given is not None:
        config, unbiased, where = given, family.unbiased, f"config {source.config}"
    else:
        config, unbiased, where = _found_config(path, family, content, tensors, source, warnings)
    if config.generator.resblock == "2":
        tensors = {re.sub(r"^(resblocks\.\d+)\.convs1\.", r"\1.convs.", name): item for name, item in tensors.items()}
    tensors = _with_speaker(path, tensors, source.speaker_vector)
    convolutions = official.generator_convolutions(config)
    tensors = {name: item for name, item in tensors.items() if name not in ("mean", "scale")}
    tensors = official.with_zero_biases(tensors, convolutions, unbiased)
    if problem := official.misfit(convolutions, tensors):
        named = source.config or where.removeprefix("config ")
        fitting = official.fitting_config(tensors) if family.name == "the original" else ""
        raise UserError(f"checkpoint {path} does not fit {named}: {problem}{fitting}")
    found = f"found a checkpoint of {family.name}, {content.format} ({path.name}), with {where}"
    return Imported(path, family, config, tensors, found, tuple(warnings))


def _own_config(path: str | None) -> Config | None:
    """The config in our own schema, which is the original's; None for another library's."""
    if path is None:
        return None
    if Path(path).suffix not in (".yml", ".yaml") and not (
        Path(path).is_file() and not _is_ours(read_config(Path(path)))
    ):
        config = Config.load(path)
        for key in ("lookahead_frames", "samples_per_step"):
            value = getattr(config.generator, key)
            if value not in (None, 1):
                raise UserError(f"{path} has {key} = {value}: the original has no such generator, leave it out")
        return config
    return None


def _is_ours(config: Mapping) -> bool:
    return not any(family.config_sign in config for family in FAMILIES[:-1])


def generator_tensors(path: Path, content: Content) -> tuple[Family, dict[str, Any]]:
    """The family of a checkpoint, and the generator's tensors in the original's names.

    Raises ``UserError`` where there is no generator, or one of a kind that is not imported.
    """
    try:
        return _generator(content)
    except UserError as error:
        raise UserError(f"checkpoint {path} {error}") from None


def _generator(content: Content) -> tuple[Family, dict[str, Any]]:
    tensors = content.tensors
    refuse_out_of_scope(tensors)
    if content.format == "HDF5":
        tensors = keras_names(tensors)
    prefixes = {match["prefix"] for name in tensors if (match := re.fullmatch(FIRST, name))}
    prefixes = {prefix for prefix in prefixes if prefix == "" or prefix.endswith(".")}
    if not prefixes:
        raise UserError(_no_generator(content))
    prefix = _preferred(prefixes)
    family = _family(content)
    ours = {name.removeprefix(prefix): item for name, item in tensors.items() if name.startswith(prefix)}
    ours = _flat_blocks(official.older_norms(family.translated(ours)))
    result = {}
    for name, item in ours.items():
        if not isinstance(item, Opaque):
            result[name] = item
        elif name.startswith(PARTS):
            raise UserError(f"has its tensor {brief(name)} made by {brief(item.name)}: refused, nothing was run")
    return family, result


def _no_generator(content: Content) -> str:
    for name, item in content.tensors.items():
        if isinstance(item, Opaque) and name.rpartition(".")[2] in ("generator", "model_g", "state_dict", "model"):
            return f"has its {brief(name)} made by {brief(item.name)}: refused, nothing was run"
    if any(name.startswith(("mpd.", "msd.")) for name in content.tensors):
        return "holds discriminators: give it to --discriminators, and the g_… file first"
    tops = list(dict.fromkeys(name.partition(".")[0] for name in content.tensors))
    keys = f"its keys are {', '.join(map(brief, tops[:8]))}" if tops else "it has no tensors"
    return f"holds no generator ({keys}): give the file of a HiFi-GAN's generator"


def _preferred(prefixes: set[str]) -> str:
    """The prefix of the generator, where a file has several first convolutions."""
    if len(prefixes) == 1:
        return next(iter(prefixes))
    for ending in PREFERRED:
        found = [prefix for prefix in prefixes if f".{prefix}".endswith(f".{ending}") and "ema" not in prefix]
        if len(found) == 1:
            return found[0]
    names = ", ".join(sorted(map(brief, prefixes)))
    raise UserError(f"holds several generators ({names}): keep one of them")


def _family(content: Content) -> Family:
    if content.format == "NeMo":
        return next(family for family in FAMILIES if family.name == "NeMo")
    return next(family for family in FAMILIES if any(re.search(family.sign, name) for name in content.tensors))


def _flat_blocks(tensors: dict[str, Any]) -> dict[str, Any]:
    """Residual blocks numbered through, where NeMo numbers them within each stage."""
    nested = r"resblocks\.(\d+)\.(\d+)\.(convs.*)"
    matches = {name: match for name in tensors if (match := re.fullmatch(nested, name))}
    blocks = 1 + max((int(match[2]) for match in matches.values()), default=0)
    return {
        f"resblocks.{int(match[1]) * blocks + int(match[2])}.{match[3]}" if (match := matches.get(name)) else name: item
        for name, item in tensors.items()
    }


def _found_config(
    path: Path, family: Family, content: Content, tensors: dict, source: Source, warnings: list[str]
) -> tuple[Config, str, str]:
    """The config of a checkpoint, the pattern of convolutions without bias, and where the config was found."""
    if source.config:
        candidates: dict[str, Mapping] = {source.config: read_config(Path(source.config))}
    else:
        candidates = configs_beside(path) | content.configs
    read = {where: _keys(where, config, family, tensors) for where, config in candidates.items()}
    if not read:
        read = {"": _assumed(path, family, content, tensors)}
        shown = (
            "rates, dilations and slopes of its graph" if content.keys else "dilations and rates of half the kernels"
        )
        warnings.append(f"no config beside {path}: {shown}, and the mel of {family.name} are assumed; see --config")
    keys = next(iter(read.values()))
    where = next(iter(read))
    for other, theirs in read.items():
        if theirs != keys:
            key = next(key for key in {**keys, **theirs} if keys.get(key) != theirs.get(key))
            raise UserError(
                f"{where} and {other} are two configs, and differ in {key} ({brief(keys.get(key))} and "
                f"{brief(theirs.get(key))}): name the right one with --config"
            )
    if note := keys.pop("note", None):
        warnings.append(note)
    unbiased = keys.pop("unbiased", r"$^")
    if source.sampling_rate is not None:
        keys["sampling_rate"] = source.sampling_rate
    statistics = Path(source.statistics) if source.statistics else None
    gain = keys.pop("statistics_gain", None)
    if statistics is None and (family.normalised or gain is not None):
        statistics = statistics_beside(path)
        if statistics is None:
            warnings.append(
                f"no stats.h5 or stats.npy beside {path}: its mels are taken as normalised already; see --statistics"
            )
    where = f"config {where}" if where else "no config"
    if statistics is not None:
        mean, scale = read_statistics(statistics, keys["num_mels"])
        base = keys.get("mel_scale", 1.0) / (gain or 1.0)  # their mel is the logarithm over this
        keys |= {"mel_mean": [value * base for value in mean], "mel_scale": [value * base for value in scale]}
        where += f" and statistics {statistics}"
    try:
        return Config.from_dict(keys), unbiased, where
    except UserError as error:
        raise UserError(f"checkpoint {path} with {where}: {error}") from None


def _keys(where: str, config: Mapping, family: Family, tensors: dict) -> dict:
    """A library's config as ours, complete."""
    try:
        return _complete(family, family.keys(config), tensors)
    except UserError as error:
        raise UserError(f"config {where}: {error}") from None
    except MISREAD as error:
        raise UserError(
            f"config {where} is not one of {family.name}, or is damaged ({type(error).__name__}: {brief(error)})"
        ) from None


def _assumed(path: Path, family: Family, content: Content, tensors: dict) -> dict:
    """The keys of a checkpoint without a config."""
    try:
        keys = content.keys and {**content.keys, "num_mels": tensors["conv_pre.weight"].shape[1]}
        keys = _complete(family, keys or shapes_as_keys(family, tensors), tensors)
    except MISREAD:
        raise UserError(
            f"checkpoint {path} has no config beside it, and its tensors do not show all of it: give --config"
        ) from None
    usual = family.mel["sampling_rate"], 256
    if keys["hop_size"] != usual[1]:
        raise UserError(
            f"checkpoint {path} has no config beside it and makes {keys['hop_size']} samples of a frame, so its mel is "
            f"not the usual one of {family.name} ({usual[0]} Hz, hop {usual[1]}): give --config"
        )
    return keys


def _complete(family: Family, keys: dict, tensors: dict) -> dict:
    """``keys`` with the family's own, those that follow from others, and those of the training."""
    keys = {**TRAINING, **family.mel, **family.generator, **keys}
    rates, kernels = keys["upsample_rates"], keys["upsample_kernel_sizes"]
    hop = keys.setdefault("hop_size", math.prod(rates))
    if any((kernel - rate) % 2 for rate, kernel in zip(rates, kernels, strict=True)):
        if family.odd_kernels is None:
            raise UserError(f"its rates {brief(rates)} have an odd one, which is not imported from {family.name}")
        keys.setdefault("upsample_output_padding", family.odd_kernels)
    if keys.pop("normalize_before", False):
        keys |= {
            f"input_{name}": [float(value) for value in official.array_of(name, tensors[name])]
            for name in ("mean", "scale")
        }
    padding = keys["n_fft"]
    keys["segment_size"] = -(-max(SEGMENT, padding + 1) // hop) * hop
    return keys


def _with_speaker(path: Path, tensors: dict, vector: str | None) -> dict:
    """The tensors with the speaker's part of each layer in its bias, and without the layers that make it."""
    layers = {
        name.removesuffix(".weight"): "conv_pre" if name == "cond_layer.weight" else name[:-7].replace("conds.", "ups.")
        for name in tensors
        if re.fullmatch(r"cond_layer\.weight|conds\.\d+\.weight", name)
    }
    if not layers:
        if vector:
            raise UserError(f"checkpoint {path} has no layers for a speaker: leave out --speaker-vector")
        return tensors
    sizes = {tensors[f"{layer}.weight"].shape[1] for layer in layers if len(tensors[f"{layer}.weight"].shape) == 3}
    if len(sizes) != 1:
        raise UserError(f"checkpoint {path} has speaker layers of different sizes: it is damaged")
    size = sizes.pop()
    if vector is None:
        raise UserError(
            f"checkpoint {path} is of several speakers: give the vector of one, {size} numbers, with --speaker-vector"
        )
    speaker = _speaker_vector(Path(vector), size)
    result = {name: item for name, item in tensors.items() if not name.startswith(("cond_layer.", "conds."))}
    for layer, target in layers.items():
        weight = official.array_of(f"{layer}.weight", tensors[f"{layer}.weight"])[:, :, 0]
        bias = official.array_of(f"{layer}.bias", tensors[f"{layer}.bias"])
        before = official.array_of(f"{target}.bias", tensors[f"{target}.bias"])
        if weight.shape[0] != len(before) or bias.shape != before.shape:
            raise UserError(f"checkpoint {path} has a speaker layer {layer} that does not fit {target}: it is damaged")
        result[f"{target}.bias"] = before + weight @ speaker + bias
    return result


def _speaker_vector(path: Path, size: int):
    import numpy as np

    try:
        vector = np.array(np.load(path, mmap_mode="r"), np.float32).reshape(-1)
    except (OSError, ValueError, EOFError, SyntaxError) as error:
        raise UserError(f"--speaker-vector {path} is no .npy file ({brief(error)})") from None
    if len(vector) != size or not np.isfinite(vector).all():
        raise UserError(f"--speaker-vector {path} has {len(vector)} numbers: this checkpoint takes {size} finite ones")
    return vector
