"""Checkpoints on disk: which file of a folder, in which format, with which config and statistics beside it."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from hifigan_tf.checkpoints import nemo, onnx, plain_yaml, safetensors, torch_pickle
from hifigan_tf.checkpoints.torch_pickle import Opaque, Tensor
from hifigan_tf.errors import UserError, brief
from hifigan_tf.files import parse_json

# Names of checkpoints in a folder, the best first; of several with a number of steps the last one counts.
CHECKPOINTS = (
    r"model\.safetensors",
    r"pytorch_model\.bin",
    r"generator\.ckpt",
    r"best_model\.pth(\.tar)?",
    r".*\.nemo",
    r"checkpoint-(\d+)steps\.pkl",
    r"generator-(\d+)\.h5",
    r"(model|generator)\.h5",
    r"g_(\d+)",
    r".*\.safetensors",
    r".*\.onnx",
    r".*\.(pth|pt|ckpt|bin|pkl)(\.tar)?",
)
CONFIGS = ("config.json", "config.yml", "config.yaml", "hyperparams.yaml", "model_config.yaml")
STATISTICS = ("stats.h5", "stats.npy", "scale_stats.npy")
LARGEST_CONFIG, MOST_VALUES = 4 << 20, 100_000  # bytes, and numbers, texts and lists in it
DEEPEST, MOST_ENTRIES = 8, 200_000  # of nested dictionaries in a checkpoint


@dataclass
class Content:
    """What a checkpoint holds: ``{dotted name: tensor}``, and ``{where: config}`` of the configs inside it.

    ``keys`` are the generator's keys where the file itself has them, as ONNX does.
    """

    format: str
    tensors: dict[str, Any]
    configs: dict[str, Mapping] = field(default_factory=dict)
    keys: dict | None = None


def find_checkpoint(path: str | Path) -> Path:
    """The checkpoint's file: ``path``, or the one in this folder. Raises ``UserError`` where it is not clear."""
    path = Path(path)
    if path.is_file():
        return path
    if not path.is_dir():
        raise UserError(f"checkpoint {path} is not a file: check the path")
    files = sorted(entry for entry in path.iterdir() if entry.is_file())
    for pattern in CHECKPOINTS:
        matches = [(match, entry) for entry in files if (match := re.fullmatch(pattern, entry.name))]
        numbered = pattern.count(r"(\d+)") == 1
        if numbered and matches:
            return max(matches, key=lambda pair: int(pair[0][1]))[1]
        if len(matches) > 1:
            names = ", ".join(entry.name for _, entry in matches)
            raise UserError(f"folder {path} holds several checkpoints ({names}): name the one to import")
        if matches:
            return matches[0][1]
    raise UserError(f"folder {path} holds no checkpoint of a known name: name the file")


def read_content(path: Path) -> Content:
    """Reads a checkpoint of any format. Raises ``UserError``, one line, for what cannot be read."""
    from hifigan_tf.audio import hdf5

    if path.stat().st_size == 0:
        raise UserError(f"checkpoint {path} is empty: copy or download it again")
    with path.open("rb") as file:
        head = file.read(512)
    if head.startswith(hdf5.MAGIC):
        return Content("HDF5", hdf5.read(path))
    if head[nemo.TAR_MAGIC_AT :].startswith(nemo.TAR_MAGIC) or head.startswith(nemo.GZIP_MAGIC):
        read = nemo.read(path)
        if not isinstance(read.config, dict):
            raise UserError(f"checkpoint {path} has a config that is no mapping: it is damaged")
        where = f"the config inside {path.name}"
        return Content(
            "NeMo", flattened(read.weights, path)[0], {where: limited(read.config, f"checkpoint {path}: {where}")}
        )
    if path.suffix == ".onnx" or (head[:1] == b"\x08" and head[2:3] in (b"\x12", b"\x22", b"\x3a", b"\x42")):
        tensors, keys = onnx.read(path)
        return Content("ONNX", tensors, keys=keys)
    if path.suffix == ".safetensors" or (head[8:9] == b"{" and head[4:8] == bytes(4)):
        return Content("safetensors", safetensors.read(path))
    tensors, configs = flattened(torch_pickle.read(path), path)
    return Content("PyTorch", tensors, {f"the config inside {path.name}": config for config in configs})


def flattened(content, path: Path) -> tuple[dict[str, Any], list[dict]]:
    """The tensors of nested dictionaries by dotted names, and the configs among them.

    Values that only code could make stay among the tensors, so that a missing one can be named.
    """
    if isinstance(content, Opaque):
        raise UserError(
            f"checkpoint {path} is a whole pickled object, {brief(content.name)}, and not its tensors: that is code, "
            "refused, nothing was run; save its state_dict() with torch.save instead"
        )
    tensors: dict[str, Any] = {}
    configs: list[dict] = []
    seen: set[int] = set()
    waiting = [("", content, 0)]
    while waiting:
        prefix, value, depth = waiting.pop()
        if not isinstance(value, dict) or id(value) in seen or depth > DEEPEST:
            continue
        seen.add(id(value))
        for key, item in value.items():
            if not isinstance(key, str):
                continue
            if isinstance(item, (Tensor, Opaque)):
                name = f"{prefix}{key}"
                if name in tensors:
                    raise UserError(f"checkpoint {path} has tensor {brief(name)} twice")
                tensors[name] = item
            elif key == "config" and isinstance(item, dict):
                configs.append(limited(item, f"checkpoint {path}: the config inside"))
            elif isinstance(item, dict):
                waiting.append((f"{prefix}{key}.", item, depth + 1))
        if len(tensors) > MOST_ENTRIES:
            raise UserError(f"checkpoint {path} has more than {MOST_ENTRIES} tensors, which no generator has")
    return tensors, configs


def configs_beside(path: Path) -> dict[str, Mapping]:
    """``{where: config}`` of the files of known names beside a checkpoint."""
    return {str(file): read_config(file) for name in CONFIGS if (file := path.with_name(name)).is_file()}


def read_config(path: Path) -> Mapping:
    """A config's JSON or YAML as a mapping. Raises ``UserError`` for what is none."""
    if not path.is_file():
        raise UserError(f"config {path} does not exist: configs/ holds the shipped ones")
    if path.suffix in (".yml", ".yaml"):
        content = plain_yaml.read(path)
    else:
        if path.stat().st_size > LARGEST_CONFIG:
            raise UserError(f"config {path} has {path.stat().st_size} bytes, which is no config: give another")
        content = parse_json(path.read_bytes(), f"config {path}")
    if not isinstance(content, dict):
        raise UserError(f"config {path} holds a {type(content).__name__}: it must be one JSON object, or YAML mapping")
    return limited(content, f"config {path}")


def limited(config: dict, name: str) -> dict:
    """The config, unless it has more values than any config: aliases and shared lists double them at every level."""
    waiting: list = [config]
    count = 0
    while waiting:
        value = waiting.pop()
        children = value.values() if isinstance(value, dict) else value if isinstance(value, (list, tuple)) else ()
        count += len(children)
        if count > MOST_VALUES:
            raise UserError(f"{name} has more than {MOST_VALUES} values, which is no config: give another")
        waiting += children
    return config


def statistics_beside(path: Path) -> Path | None:
    """The file with the mel's mean and scale beside a checkpoint."""
    return next((file for name in STATISTICS if (file := path.with_name(name)).is_file()), None)


def read_statistics(path: Path, num_mels: int) -> tuple[list[float], list[float]]:
    """Mean and scale of every band: ParallelWaveGAN's and ESPnet's stats.h5 or stats.npy, Coqui's scale_stats.npy.

    Raises ``UserError`` for a file that does not hold them.
    """
    from hifigan_tf.audio.mel_stats import checked_stats, load_stats

    if path.suffix != ".npy" or not (pickled := _pickled_statistics(path)):
        stats = load_stats(path, num_mels)
    else:
        stats = checked_stats(path, pickled, num_mels)
    return stats.mean.tolist(), stats.scale.tolist()


def _pickled_statistics(path: Path) -> dict | None:
    """Mean and scale in Coqui's .npy, which is a pickled dictionary of arrays; None for a plain array."""
    import numpy as np

    from hifigan_tf.audio import numpy_files

    try:
        with path.open("rb") as file:
            numpy_files.check_header(file)
            version = np.lib.format.read_magic(file)
            header = {1: np.lib.format.read_array_header_1_0, 2: np.lib.format.read_array_header_2_0}[version[0]]
            if not header(file)[2].hasobject:
                return None
            values = torch_pickle.read_pickle(file).state[0][4][0]
        return {"mean": _array(values["mel_mean"]), "scale": _array(values["mel_std"])}
    except UserError as error:
        raise UserError(f"statistics {path} {error}") from None
    except (KeyError, IndexError, AttributeError, OSError, *numpy_files.DAMAGE) as error:
        raise UserError(f"statistics {path} cannot be read ({brief(error)}): copy the file again") from None


def _array(pickled: Opaque):
    """A NumPy array whose pickle was read as a note: shape, type and bytes are its state."""
    import numpy as np

    _, shape, kind, _, data = pickled.state[0]
    return np.frombuffer(data, f"<{kind.arguments[0]}").reshape(shape)
