"""From a generator to a ``.tflite``: folded network, deployment graph, conversion, quality gate."""
