"""A generator in the original's layout, for other runtimes: its config, and plain weights by the original's names."""

from dataclasses import dataclass

import numpy as np

from hifigan_tf.config import GeneratorConfig
from hifigan_tf.errors import UserError


@dataclass(frozen=True)
class Original:
    """``weights`` is ``{name: (kernel [out, in, taps], bias [out])}`` in PyTorch's order of axes, norms folded."""

    config: GeneratorConfig
    num_mels: int
    weights: dict[str, tuple[np.ndarray, np.ndarray]]


def original(generator) -> Original:
    """Converts a Keras ``Generator``. Raises ``UserError`` for options that the original does not have."""
    import keras

    from hifigan_tf.checkpoints.official import named_convolutions

    if unknown := generator.hyper_parameters.beyond_paper:
        raise UserError(f"--against knows the paper's generator alone, and this one has {unknown}: leave it out")
    to_numpy = keras.ops.convert_to_numpy
    weights = {
        name: (np.ascontiguousarray(to_numpy(layer.effective_kernel()).transpose(2, 1, 0)), to_numpy(layer.bias))
        for name, layer in named_convolutions(generator).items()
    }
    return Original(generator.hyper_parameters, generator.audio.num_mels, weights)
