"""Dynamic-range quantization: a float model's weights in the formats of a recipe, by ai-edge-quantizer.

float16 weights are expanded to float32 for computing. An int8 convolution computes in 8 bits, with a scale for each
filter. The range of its input is found in every call, over the whole chunk, so with short chunks the rounding noise
follows the loudness of the speech.
"""

import contextlib
import io
import re

import numpy as np
from ai_edge_litert import schema_py_generated as schema
from ai_edge_litert.tools import flatbuffer_utils

from hifigan_tf.errors import UserError
from hifigan_tf.export.convert import quiet


def quantize(model: bytes, formats: dict[str, str]) -> bytes:
    """A float ``.tflite`` with its convolutions in ``{layer: format}``, formats as in ``recipe.py``."""
    if set(formats.values()) == {"float32"}:
        return model
    try:
        from ai_edge_quantizer import algorithm_manager, qtyping, quantizer, recipe_manager
    except ImportError:
        raise UserError("weights other than float32 need a package: pip install ai-edge-quantizer") from None

    convolution, casting = qtyping.TFLOperationName.CONV_2D, algorithm_manager.AlgorithmName.FLOAT_CASTING
    recipe = recipe_manager.RecipeManager()
    for layer, weight_format in formats.items():
        name = f"{re.escape(layer)}/"  # names of operations begin with that of their layer
        if weight_format == "int8":
            recipe.add_dynamic_config(name, convolution, num_bits=8)
        elif weight_format == "float16":
            recipe.add_weight_only_config(name, convolution, num_bits=16, algorithm_key=casting)
    # It prints timings and progress bars, from native code and from Python.
    with quiet(), contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
        quantized = quantizer.Quantizer(model, recipe.get_quantization_recipe()).quantize().quantized_model
    return with_buffers_inside(bytes(quantized))


def with_buffers_inside(model: bytes) -> bytes:
    """The model with the data of its tensors inside the flatbuffer.

    ai-edge-quantizer writes it behind, where runtimes older than LiteRT, and those of iOS and browsers, find nothing.
    """
    flatbuffer = schema.Model.GetRootAsModel(model, 0)
    tree = schema.ModelT.InitFromObj(flatbuffer)
    for buffer in tree.buffers:
        if buffer.offset > 1:  # 0 and 1 say that there is none, in the schema
            buffer.data = np.frombuffer(model, np.uint8, buffer.size, buffer.offset)
            buffer.offset = buffer.size = 0
    return bytes(flatbuffer_utils.convert_object_to_bytearray(tree))
