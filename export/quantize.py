"""8-bit weights and 8-bit arithmetic with ranges found at run time, by ai-edge-quantizer."""

import contextlib
import io

from export.convert import quiet
from export.network import Network
from hifigan_tf.errors import UserError


def float_layers(network: Network) -> tuple[str, ...]:
    """The convolutions that ``--int8`` leaves in float: a twentieth of the work, a third of the loss.

    The first rounds the mel, and so moves the phase of everything; the last makes the samples themselves;
    the last upsampling feeds the widest stage, the one where rounding costs most.
    """
    return network.pre.name, network.stages[-1].up.name, network.post.name


def dynamic_int8(model: bytes, float_layers: tuple[str, ...]) -> bytes:
    """A float ``.tflite`` with every CONV_2D in int8, a scale per filter, but those whose names hold one given.

    The range of a convolution's input is found in every call, over the whole chunk: short chunks follow the
    loudness of speech, and their rounding noise with it.
    """
    try:
        from ai_edge_quantizer import algorithm_manager, qtyping, quantizer, recipe_manager
    except ImportError:
        raise UserError("--int8 needs a package that is not installed: pip install ai-edge-quantizer") from None

    convolution, algorithm = qtyping.TFLOperationName.CONV_2D, algorithm_manager.AlgorithmName
    recipe = recipe_manager.RecipeManager()
    recipe.add_dynamic_config(regex=".*", operation_name=convolution, num_bits=8)
    for layer in float_layers:
        recipe.add_quantization_config(f".*{layer}.*", convolution, algorithm_key=algorithm.NO_QUANTIZE)
    # It prints its timing, and draws progress bars, natively and from Python.
    with quiet(), contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
        return bytes(quantizer.Quantizer(model, recipe.get_quantization_recipe()).quantize().quantized_model)
