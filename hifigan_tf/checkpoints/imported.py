"""From a checkpoint of any family to a config, and the tensors that fill its generator."""

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from hifigan_tf.checkpoints import families, official
from hifigan_tf.checkpoints.checkpoint_files import (
    Content,
    configs_beside,
    find_checkpoint,
    read_config,
    read_content,
    read_statistics,
    statistics_beside,
)
from hifigan_tf.checkpoints.families import ORIGINAL, Family, keras_names, refuse_out_of_scope, shapes_as_keys
from hifigan_tf.checkpoints.speaker import with_speaker
from hifigan_tf.checkpoints.torch_pickle import Opaque
from hifigan_tf.config import Config
from hifigan_tf.errors import UserError, brief

# What reading a config may raise that is of another make than expected.
MISREAD = (KeyError, TypeError, ValueError, AttributeError, IndexError, OverflowError, ZeroDivisionError, StopIteration)
WEIGHT = r"(?:weight|weight_v|parametrizations\.weight\.original1)"
# The generator's part of a file that has several, by the end of its prefix.
PREFERRED = ("generator.", "model_g.", "vocoder.", "module.", "")
AVERAGE = r"(^|[._])ema([._]|$)"  # a moving average of the generator, beside it
PARTS = tuple(f"{part}." for part in ("conv_pre", "ups", "resblocks", "conv_post", "cond_layer", "conds"))
TRAINING = {"batch_size": 16, "learning_rate": 0.0002}
STATISTICS = ("mean", "scale")  # of mels, in transformers' models
SEGMENT = 8192  # samples, the original's
USUAL_HOP = 256  # of every family's mel


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
    warnings: list[str]


@dataclass
class Described:
    """The config of a checkpoint, and where it and the statistics of its mels were found.

    ``unbiased`` is the pattern of convolutions whose missing biases are zeros, or None.
    """

    config: Config
    unbiased: str | None
    where: str
    statistics: Path | None = None
    warnings: list[str] = field(default_factory=list)


def read_checkpoint(path: str | Path, source: Source) -> Imported:
    """Reads a checkpoint, its config and its statistics, and checks that they fit each other.

    Raises ``UserError``, one line, for what cannot be imported.
    """
    path = find_checkpoint(path)
    given = read_config(Path(source.config)) if source.config else None
    ours = None if given is None or _of_a_library(given) else _our_config(str(source.config), given)
    content = read_content(path)
    family, tensors = generator_tensors(path, content)
    if ours is not None:
        for option, value in (("--mel-stats", source.statistics), ("--sampling-rate", source.sampling_rate)):
            if value is not None:
                raise UserError(f"{source.config} is a config of ours, which has that already: leave out {option}")
        described = Described(ours, family.unbiased, str(source.config))
    else:
        configs = configs_beside(path) | content.configs if given is None else {str(source.config): given}
        family = _of_configs(family, configs)
        described = _described(path, family, content, tensors, configs, source)
    config = described.config
    if config.generator.resblock == "2":
        tensors = {re.sub(r"^(resblocks\.\d+)\.convs1\.", r"\1.convs.", name): item for name, item in tensors.items()}
    tensors = with_speaker(path, tensors, source.speaker_vector)
    convolutions = official.generator_convolutions(config)
    tensors = {name: item for name, item in tensors.items() if name not in STATISTICS}
    tensors = official.with_zero_biases(tensors, convolutions, described.unbiased)
    if problem := official.misfit(convolutions, tensors):
        fitting = official.fitting_config(tensors) if family is ORIGINAL else ""
        raise UserError(f"checkpoint {path} does not fit {described.where or 'its shapes'}: {problem}{fitting}")
    found = f"found a checkpoint of {family.name}, {content.format} ({path.name}), with "
    found += f"config {described.where}" if described.where else "no config"
    if described.statistics:
        found += f" and statistics {described.statistics}"
    return Imported(path, family, config, tensors, found, described.warnings)


def _our_config(path: str, values: Mapping) -> Config:
    """A config in our own keys, which are the original's."""
    try:
        config = Config.from_dict(dict(values))
    except UserError as error:
        raise UserError(f"{path}: {error}") from None
    for key, papers in (("lookahead_frames", None), ("samples_per_step", 1)):
        value = getattr(config.generator, key)
        if value != papers:
            raise UserError(f"{path} has {key} = {value}: the original has no such generator, leave it out")
    return config


def _of_a_library(config: Mapping) -> bool:
    return any(family.config_sign in config for family in families.FAMILIES if family is not ORIGINAL)


def generator_tensors(path: Path, content: Content) -> tuple[Family, dict[str, Any]]:
    """The family of a checkpoint, and the generator's tensors in the original's names.

    Raises ``UserError`` where there is no generator, or one of a kind that is not imported.
    """
    try:
        refuse_out_of_scope(content.tensors)
        tensors = keras_names(content.tensors) if content.format == "HDF5" else content.tensors
        first = "|".join(family.first for family in families.FAMILIES)
        pattern = rf"((?:.*\.)?)(?:{first})\.{WEIGHT}"
        prefixes = {match[1] for name in tensors if (match := re.fullmatch(pattern, name))}
        if not prefixes:
            raise UserError(_no_generator(content))
        prefix = _preferred(prefixes)
        family = _family(content)
        tensors = {name.removeprefix(prefix): item for name, item in tensors.items() if name.startswith(prefix)}
        tensors = _blocks_numbered_through(official.older_norms(family.translated(tensors)))
        for name, item in tensors.items():
            if isinstance(item, Opaque) and (name.startswith(PARTS) or name in STATISTICS):
                raise UserError(f"has its tensor {brief(name)} made by {brief(item.name)}: refused, nothing was run")
        return family, {name: item for name, item in tensors.items() if not isinstance(item, Opaque)}
    except UserError as error:
        raise UserError(f"checkpoint {path} {error}") from None


def _no_generator(content: Content) -> str:
    """Why a checkpoint without a first convolution is refused."""
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
        found = [
            prefix for prefix in prefixes if f".{prefix}".endswith(f".{ending}") and not re.search(AVERAGE, prefix)
        ]
        if len(found) == 1:
            return found[0]
    names = ", ".join(sorted(map(brief, prefixes)))
    raise UserError(f"holds several generators ({names}): keep one of them")


def _family(content: Content) -> Family:
    """The first family that the format or a tensor's name shows; what is left is the original's."""
    for family in families.FAMILIES:
        if content.format in family.formats or any(re.search(family.sign, name) for name in content.tensors):
            return family
    return ORIGINAL


def _blocks_numbered_through(tensors: dict[str, Any]) -> dict[str, Any]:
    """Residual blocks numbered through, where NeMo numbers them within each stage."""
    nested = r"resblocks\.(\d+)\.(\d+)\.(convs.*)"
    matches = {name: match for name in tensors if (match := re.fullmatch(nested, name))}
    blocks = 1 + max((int(match[2]) for match in matches.values()), default=0)
    return {
        f"resblocks.{int(match[1]) * blocks + int(match[2])}.{match[3]}" if (match := matches.get(name)) else name: item
        for name, item in tensors.items()
    }


def _of_configs(family: Family, configs: Mapping[str, Mapping]) -> Family:
    """The family whose config it is, where the tensors have the original's names, as some of Coqui's and NeMo's do."""
    if family is not ORIGINAL:
        return family
    found = {
        other.name: other for config in configs.values() for other in families.FAMILIES if other.config_sign in config
    }
    same_names = [other for other in found.values() if not other.names]
    return same_names[0] if same_names else family


def _described(
    path: Path, family: Family, content: Content, tensors: dict, configs: Mapping[str, Mapping], source: Source
) -> Described:
    """The config of a checkpoint in its library's keys, with the statistics of its mels."""
    warnings: list[str] = []
    where, keys = _found_keys(path, family, content, tensors, configs, warnings)
    if note := keys.pop("note", None):
        warnings.append(note)
    unbiased, gain = keys.pop("unbiased", None), keys.pop("statistics_gain", None)
    if source.sampling_rate is not None:
        keys["sampling_rate"] = source.sampling_rate
    statistics = Path(source.statistics) if source.statistics else None
    if statistics is None and (family.normalised or gain is not None):
        statistics = statistics_beside(path)
        if statistics is None:
            warnings.append(
                f"no stats.h5 or stats.npy beside {path}: its mels are taken as normalised already; see --mel-stats"
            )
    try:
        config = Config.from_dict(keys)
        if statistics is not None:
            mean, scale = read_statistics(statistics, config.audio.num_mels)
            base = keys.get("mel_scale", 1.0) / (gain or 1.0)  # their mel is our logarithm over this
            config = config.replace(
                mel_mean=[value * base for value in mean], mel_scale=[value * base for value in scale]
            )
        return Described(config, unbiased, where, statistics, warnings)
    except UserError as error:
        raise UserError(f"checkpoint {path} with {f'config {where}' if where else 'no config'}: {error}") from None


def _found_keys(
    path: Path, family: Family, content: Content, tensors: dict, configs: Mapping[str, Mapping], warnings: list[str]
) -> tuple[str, dict]:
    """Where the config of a checkpoint is, and our keys of it. Of several configs, all must give the same keys."""
    read = {where: _keys(where, config, family, tensors) for where, config in configs.items()}
    if not read:
        shown = "rates of half the kernels and the usual dilations" if content.keys is None else "what its graph shows"
        warnings.append(f"no config beside {path}: {shown}, and the mel of {family.name} are assumed; see --config")
        return "", _assumed(path, family, content, tensors)
    (where, keys), *others = read.items()
    for other, theirs in others:
        for key in {**keys, **theirs}:
            if keys.get(key) != theirs.get(key):
                raise UserError(
                    f"{where} and {other} are two configs, and differ in {key} ({brief(keys.get(key))} and "
                    f"{brief(theirs.get(key))}): name the right one with --config"
                )
    return where, keys


def _keys(where: str, config: Mapping, family: Family, tensors: dict) -> dict:
    """A library's config as ours, complete."""
    try:
        if family is ORIGINAL and not _of_a_library(config):
            return Config.from_dict(dict(config)).to_dict()
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
        keys = _complete(family, content.keys or shapes_as_keys(family, tensors), tensors)
    except MISREAD:
        raise UserError(
            f"checkpoint {path} has no config beside it, and its tensors do not show all of it: give --config"
        ) from None
    if keys["hop_size"] != USUAL_HOP:
        raise UserError(
            f"checkpoint {path} has no config beside it and makes {keys['hop_size']} samples of a frame, so its mel is "
            f"not the usual one of {family.name}, with a hop of {USUAL_HOP}: give --config"
        )
    return keys


def _complete(family: Family, keys: dict, tensors: dict) -> dict:
    """``keys`` with the family's own, those that follow from others, and those of the training."""
    keys = {**TRAINING, **family.mel, **family.generator, **keys}
    rates, kernels = keys["upsample_rates"], keys["upsample_kernel_sizes"]
    hop = keys.setdefault("hop_size", math.prod(rates))
    first = next(item for name, item in tensors.items() if name in ("conv_pre.weight", "conv_pre.weight_v"))
    keys.setdefault("num_mels", first.shape[1])
    if any((kernel - rate) % 2 for rate, kernel in zip(rates, kernels, strict=True)):
        if family.odd_kernels is None:
            raise UserError(f"its rates {brief(rates)} have an odd one, which is not imported from {family.name}")
        keys.setdefault("upsample_output_padding", family.odd_kernels)
    if keys.pop("normalize_before", False):
        for name in STATISTICS:
            keys[f"input_{name}"] = official.array_of(name, tensors[name]).astype(float).tolist()
    keys["segment_size"] = -(-max(SEGMENT, keys["n_fft"] + 1) // hop) * hop  # longer than what the mel mirrors
    return keys
