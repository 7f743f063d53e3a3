"""Imports point down only: inference never imports training, and nothing imports a command line."""

import ast
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[1] / "hifigan_tf"

# Folders and the files beside them, lowest first: each may import itself and those before it.
LAYERS = [
    "interrupts",
    "processor",
    "errors",
    "resources",
    "files",
    "config",
    "cli",
    "extras",
    "audio",
    "models",
    "checkpoints",
    "streaming",
    "data",
    "evaluation",
    "training",
    "export",
]
# Command lines: they may import all of the above, and these each other.
COMMANDS = {
    "vocode": set(),
    "stream": {"vocode"},
    "extract_mel": set(),
    "evaluate": set(),
    "train": set(),
    "local_workers": set(),
    "preprocess": set(),
    "report": set(),
    "import_checkpoint": set(),
    "import_torch": {"import_checkpoint"},
    "to_tflite": set(),
    "sensitivity": set(),
    "demo": set(),
    "train_demo": {"train", "vocode"},
    "experiments": set(),
}
INFERENCE = [*LAYERS[: LAYERS.index("data")], "evaluation"]
INFERENCE_COMMANDS = ["vocode", "stream", "extract_mel", "evaluate", "demo"]
FACE = {"__init__", "__main__", "moved"}  # they lead to the others by name


def place(module: str) -> str:
    """The top-level folder or file of a dotted name such as ``audio.mel``."""
    return module.partition(".")[0]


def imports(path: Path) -> set[str]:
    """The places that a file imports from, at the top or inside functions, without its own."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.module == "hifigan_tf":
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and node.module.startswith("hifigan_tf."):
            found.add(place(node.module.removeprefix("hifigan_tf.")))
    return found - {place(path.relative_to(PACKAGE).with_suffix("").as_posix().replace("/", ".")), "__version__"}


def files_of(name: str) -> list[Path]:
    return sorted((PACKAGE / name).rglob("*.py")) if (PACKAGE / name).is_dir() else [PACKAGE / f"{name}.py"]


def test_every_file_has_its_place():
    known = {*LAYERS, *COMMANDS, *FACE}
    files = {
        place(path.relative_to(PACKAGE).with_suffix("").as_posix().replace("/", ".")) for path in PACKAGE.rglob("*.py")
    }
    assert files == known


@pytest.mark.parametrize("name", LAYERS)
def test_imports_point_down(name):
    below = set(LAYERS[: LAYERS.index(name)])
    for path in files_of(name):
        assert imports(path) <= below, path


@pytest.mark.parametrize("name", COMMANDS)
def test_commands_import_no_others(name):
    for path in files_of(name):
        assert imports(path) <= {*LAYERS, *COMMANDS[name]}, path


@pytest.mark.parametrize("name", INFERENCE + INFERENCE_COMMANDS)
def test_inference_never_imports_training(name):
    for path in files_of(name):
        assert imports(path) <= {*INFERENCE, *INFERENCE_COMMANDS}, path
