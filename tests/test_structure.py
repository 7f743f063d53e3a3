"""Imports point down only: inference never imports training, and nothing imports a command line."""

import ast
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[1] / "hifigan_tf"

# From the ground up; a module may import those of lower lines, and those before it on its own.
LAYERS = [
    ["errors", "shipped"],
    ["files", "config", "cli", "mp3", "distribution"],
    ["audio", "clip_lists", "mel_stream", "mel", "mel_formats"],
    ["metrics", "plots", "batch"],
    ["convolution", "layers", "generator"],
    ["contract", "windows", "litert", "streaming", "mel_frontend"],  # inference ends here
    ["losses", "discriminators", "optimizer"],
    ["decoding", "packed", "data", "waiting", "trainer", "events", "run_folder", "summaries", "loop", "report_page"],
    # Command lines
    [
        "vocode",
        "stream",
        "extract_mel",
        "evaluate",
        "torch_file",
        "import_torch",
        "train",
        "local_workers",
        "preprocess",
        "report",
        "experiments.periodicity",
        "experiments.voice_corpus",
    ],
    ["demo"],
]
ORDER = [name for line in LAYERS for name in line]
INFERENCE = [*ORDER[: ORDER.index("losses")], "vocode", "stream", "extract_mel", "evaluate"]


def imports(module: str) -> set[str]:
    """The modules of this package that a module imports, at the top or later."""
    found = set()
    for node in ast.walk(ast.parse((PACKAGE / f"{module.replace('.', '/')}.py").read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.module == "hifigan_tf":
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and node.module.startswith("hifigan_tf."):
            found.add(node.module.removeprefix("hifigan_tf."))
    return found


def test_every_module_has_its_place():
    files = (path.relative_to(PACKAGE).with_suffix("") for path in PACKAGE.rglob("*.py") if path.stem != "__init__")
    assert sorted(ORDER) == sorted(".".join(file.parts) for file in files)


@pytest.mark.parametrize("module", ORDER)
def test_imports_point_down(module):
    assert imports(module) <= set(ORDER[: ORDER.index(module)])


@pytest.mark.parametrize("module", INFERENCE)
def test_inference_never_imports_training(module):
    assert imports(module) <= set(INFERENCE)
