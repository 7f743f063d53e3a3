"""Where the modules of version 0.1 are now; imports of their old names, such as ``hifigan_tf.mel``, still work."""

import sys
import warnings
from importlib import import_module
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec

MOVED = {
    "batch": "audio.file_batches",
    "clip_lists": "data.clip_lists",
    "contract": "streaming.contract",
    "convolution": "models.convolution",
    "decoding": "data.decoding",
    "discriminators": "models.discriminators",
    "distribution": "training.distribution",
    "events": "training.tensorboard",
    "generator": "models.generator",
    "layers": "models.layers",
    "litert": "streaming.litert",
    "loop": "training.loop",
    "losses": "training.losses",
    "mel": "audio.mel",
    "mel_formats": "audio.mel_formats",
    "mel_frontend": "streaming.mel_frontend",
    "mel_stream": "audio.mel_stream",
    "metrics": "evaluation.metrics",
    "mp3": "audio.mp3",
    "optimizer": "training.optimizer",
    "packed": "data.packed",
    "plots": "evaluation.plots",
    "report_page": "training.report_page",
    "run_folder": "training.run_folder",
    "shipped": "resources",
    "summaries": "training.tensorboard",
    "torch_file": "checkpoints.torch_pickle",
    "trainer": "training.trainer",
    "waiting": "data.pipeline",
    "windows": "streaming.windows",
}


class MovedModules(MetaPathFinder, Loader):
    """Imports the new module when an old name is asked for, with a ``DeprecationWarning``."""

    def find_spec(self, fullname, path, target=None):
        package, _, module = fullname.rpartition(".")
        return ModuleSpec(fullname, self) if package == __package__ and module in MOVED else None

    def create_module(self, spec):
        return None

    def exec_module(self, module):
        new = f"{__package__}.{MOVED[module.__name__.rpartition('.')[2]]}"
        warnings.warn(f"{module.__name__} is {new} now", DeprecationWarning, stacklevel=2)
        # The import system returns the entry found here, so both names are one module.
        sys.modules[module.__name__] = import_module(new)
