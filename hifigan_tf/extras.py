"""What each command needs beyond the light core, checked before any work starts: the extras of ``pyproject.toml``."""

from importlib import metadata, util

from hifigan_tf.errors import UserError

_KERAS = ("tensorflow", "keras")
_INT8 = ("tf_keras", "tensorflow_model_optimization", "ai_edge_litert", "ai_edge_quantizer")
_EXPORT = (*_KERAS, *_INT8, "pystoi", "tqdm")

# {who needs it: (the extra to install, the modules that are imported)}
NEEDS = {
    "a .keras checkpoint": ("train", _KERAS),
    "an HDF5 file": ("train", ("h5py",)),
    "hifigan-tf import-checkpoint": ("train", (*_KERAS, "h5py", "yaml")),
    "hifigan-tf train": ("train", (*_KERAS, "librosa", "matplotlib", "tensorboard", "tqdm")),
    "hifigan-tf preprocess": ("train", ("tensorflow", "tqdm")),
    "hifigan-tf report": ("train", ("tensorflow", "matplotlib", "tensorboard")),
    "hifigan-tf evaluate": ("evaluate", ("librosa", "matplotlib", "pystoi")),
    "hifigan-tf demo": ("evaluate", ("librosa", "matplotlib", "pystoi")),
    "hifigan-tf train-demo": ("train,evaluate", (*_KERAS, "librosa", "matplotlib", "pystoi", "tensorboard", "tqdm")),
    "hifigan-tf export": ("export", _EXPORT),
    "hifigan-tf sensitivity": ("export", (*_EXPORT, "matplotlib")),
    "the experiment": ("train", (*_KERAS, "matplotlib", "tqdm")),
}

PACKAGES = {"yaml": "pyyaml"}  # where the package to install has another name than the module
# The oldest release that works, and the distributions that a module may come from.
OLDEST = {"tensorflow": (2, 16), "keras": (3, 0)}
DISTRIBUTIONS = {
    "tensorflow": ("tensorflow", "tensorflow-cpu", "tensorflow-gpu", "tensorflow-macos", "tf-nightly"),
    "keras": ("keras", "keras-nightly"),
}


def require(who: str) -> None:
    """Raises ``UserError`` naming the ``pip install`` where a package that ``who`` needs is missing or too old."""
    extra, modules = NEEDS[who]
    missing = [PACKAGES.get(module, module.replace("_", "-")) for module in modules if util.find_spec(module) is None]
    if missing:
        raise UserError(
            f'{who} needs packages that are not installed ({", ".join(missing)}): run pip install "hifigan_tf[{extra}]"'
        )
    for module in OLDEST.keys() & set(modules):
        found = _version(module)
        if found and tuple(map(int, found.split(".")[:2])) < OLDEST[module]:
            oldest = ".".join(map(str, OLDEST[module]))
            raise UserError(
                f"{who} needs {module} {oldest} or newer, and {found} is installed: "
                f'run pip install --upgrade "hifigan_tf[{extra}]" "{module}>={oldest}"'
            )


def _version(module: str) -> str | None:
    """The version of the distribution that a module comes from, or None where that is unknown."""
    for name in DISTRIBUTIONS[module]:
        try:
            return metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return None
