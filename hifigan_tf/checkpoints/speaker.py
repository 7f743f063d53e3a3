"""Layers for a speaker in Coqui's checkpoints: for one given speaker they are a part of the biases."""

import re
from pathlib import Path

from hifigan_tf.checkpoints.official import array_of
from hifigan_tf.errors import UserError, brief


def with_speaker(path: Path, tensors: dict, vector: str | None) -> dict:
    """The tensors with the speaker's part of each layer in its bias, and without the layers that make it.

    ``vector`` is the ``.npy`` file of one speaker. Raises ``UserError`` where it is missing, or does not fit.
    """
    layers = [name[: -len(".weight")] for name in tensors if re.fullmatch(r"(cond_layer|conds\.\d+)\.weight", name)]
    if not layers:
        if vector:
            raise UserError(f"checkpoint {path} has no layers for a speaker: leave out --speaker-vector")
        return tensors
    sizes = {tensors[f"{layer}.weight"].shape[1:] for layer in layers}
    if len(sizes) != 1 or len(shape := sizes.pop()) != 2 or shape[1] != 1:
        raise UserError(f"checkpoint {path} has speaker layers of different sizes: it is damaged")
    if vector is None:
        raise UserError(
            f"checkpoint {path} is of several speakers: give the vector of one, {shape[0]} numbers, with "
            "--speaker-vector"
        )
    speaker = _read_vector(Path(vector), shape[0])
    result = {name: item for name, item in tensors.items() if not name.startswith(("cond_layer.", "conds."))}
    for layer in layers:
        target = "conv_pre" if layer == "cond_layer" else layer.replace("conds", "ups")
        names = f"{layer}.weight", f"{layer}.bias", f"{target}.bias"
        missing = [name for name in names if name not in tensors]
        if missing:
            raise UserError(f"checkpoint {path} has a speaker layer {layer}, but no {missing[0]}: it is damaged")
        weight, bias, before = (array_of(name, tensors[name]) for name in names)
        if not weight.shape[0] == len(bias) == len(before):
            raise UserError(f"checkpoint {path} has a speaker layer {layer} that does not fit {target}: it is damaged")
        result[f"{target}.bias"] = before + weight[:, :, 0] @ speaker + bias
    return result


def _read_vector(path: Path, size: int):
    import numpy as np

    from hifigan_tf.audio import numpy_files

    try:
        stored = numpy_files.load(path)
        vector = np.array(stored if stored.size == size else stored[:0], np.float32).reshape(-1)
    except (OSError, AttributeError, IndexError, *numpy_files.DAMAGE) as error:
        raise UserError(f"--speaker-vector {path} is no .npy file ({brief(error)})") from None
    if len(vector) != size or not np.isfinite(vector).all():
        raise UserError(f"--speaker-vector {path} has {stored.size} numbers: this checkpoint takes {size} finite ones")
    return vector
