"""Words and names that made readers stumble do not come back: see CONTRIBUTING.md."""

import ast
import os
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
# Made or fetched, not written.
SKIPPED = {".git", ".ruff_cache", ".mypy_cache", "build", "runs", "demo_output", "api", "node_modules", "litert"}
READ = {".py", ".md", ".java", ".sh", ".toml", ".yml", ".yaml", ".gradle", ".properties", ".xml"}
READ |= {".js", ".mjs", ".html", ".css"}

# {pattern: what to write instead}. Case does not matter, and a phrase may be broken over lines.
PHRASES = {
    r"What builds the graph of one chunk": "returns the builder of one chunk's graph",
    r"for each costs a call to hand in": "each state tensor costs an input and an output call",
    r"\bits audio\b[^.]{0,40}, late\b": "its audio, delayed by delay_samples",
    r"audio, late\b": "audio, delayed",
    r"\bthe audio that is not late\b": "the audio after the initial delay has been dropped",
    r"\bAudio comes \S+ late\b|\b(is|comes|are) late by\b": "is delayed by, lags by",
    r"\blateness D\b|\bequally late\b|\bnothing is late\b|\ball that is late\b": "delay",
    r"The audio given is behind": "output lags the pushed frames by",
    r"\bso many\b": "the number's name: ``batches`` batches, N steps, this many frames",
    r"\bto be kept no more\b": "beyond checkpoints_to_keep",
    r"The sum of a number over the replicas": "sums ``value`` over all replicas",
    r"\bis told from\b|\bas soon as they tell it\b": "is detected from",
    r"\b(is|are) told (at|before)\b": "reported",
    r"\b(not|that|which) tells? (its|the|what|when|where|whether)\b": "state, report, list",
    r"\bcosts no more than a word\b": "costs no more to read than a short clip",
    r"\btheir like\b|\bthe like of\b|\band (its|their) kin\b|\bnearest kin\b": "such, similar",
    r"\bwhose memory it can use\b|\bTwo are two\b": "buffer reuse; adding two at a time is deterministic",
    r"\bway to it and from it\b|\bway to the product and back\b": "the cost of transforming in and out",
    r"\bbeginner's weights\b": "the initial weights",
    r"\bdevices that hear\b": "on-device audio input",
    r"\bits lessons\b|\bdef lessons\b": "training",
    r"\bteach(es|ing)?\b(?!er)": "train",
    r"\bwhat (\w+ ){1,3}(knows?|makes?|made|says?|learns) of\b": "the output, the error, the metadata",
    r"\b(all|everything) that is 8 and 16 bits\b": "quantization",
    r"\bintegers alone\b|\ball-integer\b": "full-integer quantization, TFLite's own term",
    r"\bhears? (noise|a second)\b|\bclips it has not heard\b|\bfor each one heard\b": "process, play, see",
    r"\blest\b": "so that no",
    r"\bfeigned\b": "fake",
    r"\bin vain\b": "missing",
    r"\bby and by\b": "gradually",
    r"\bby ear and by spectrum\b": "by PESQ and by spectrum",
    r"\bbusy moment of the machine\b": "other load on the machine",
    r"\bmeets? (both|all) alike\b": "affects all alike",
    r"\bunder what conditions they arose\b": "the conditions of the measurement",
    r"\bpeace of mind\b": "reference",
    r"\bwins by far\b": "is clearly better",
    r"\btaken apart\b|\bTakes the APK apart\b": "unpacked",
    r"\bare given way to\b": "have priority",
    r"\bfalls silent\b": "pauses, stops",
    r"\bLONG_AGO\b": "POSITION_LIMIT, in Java too",
}
NAMES = {
    "Judgement": "DiscriminatorOutput",
    "Outline": "StreamSpec",
    "exact": "float_layers",
    "form": "weight_format",
    "perform": "evaluate_model",
    "lossless": "float_reference",
    "RuntimeRanges": "DynamicRange",
    "LONG_AGO": "POSITION_LIMIT",
    "FAR": "FAR_RATIO",
    "BULK": "BULK_FACTOR",
    "damage_named": "reraise_damage",
    "with_length": "add_xing_header",
    "judgement": "output",
    "judgements": "outputs",
    "lessons": "distilled",
}
FILES = {
    "integers": "full_integer",
    "simulate": "quantized_graphs",
    "waiting": "timed_batches",
    "batch": "file_batches",
    "shipped": "resources",
    "peers": "torch_model, onnx_model",
    "sides": "train_step_frameworks",
}


def written_files() -> list[Path]:
    """Every file that people write and read, without this one."""
    files = []
    for folder, folders, names in os.walk(ROOT):
        environments = {name for name in folders if Path(folder, name, "pyvenv.cfg").is_file()}
        folders[:] = sorted(set(folders) - SKIPPED - environments)
        files += [Path(folder, name) for name in sorted(names)]
    return [
        path
        for path in files
        if (path.suffix in READ or path.name in ("Makefile", "run")) and path != Path(__file__).resolve()
    ]


def joined(text: str) -> str:
    """The text on one line, without what begins the lines of comments."""
    return re.sub(r"\s*\n\s*(#+ |\* |// ?)?", " ", text)


def defined_names(tree: ast.AST) -> set[str]:
    """Functions, classes, arguments, variables, attributes and imported aliases."""
    names = set()
    for node in ast.walk(tree):
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
            names.add(node.name)
        elif isinstance(node, ast.arg):
            names.add(node.arg)
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            names.add(node.id)
        elif isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store):
            names.add(node.attr)
        elif isinstance(node, ast.alias):
            names.add(node.asname or node.name)
    return names


TEXTS = {path.relative_to(ROOT).as_posix(): path.read_text(encoding="utf-8") for path in written_files()}
LINES = {name: joined(text) for name, text in TEXTS.items()}


def test_every_kind_of_file_is_searched():
    for name in ("README.md", "Makefile", "pyproject.toml", "hifigan_tf/config.py", "android_demo/host/test.sh"):
        assert name in TEXTS
    assert any(name.endswith(".java") for name in TEXTS)
    assert "web_demo/src/app.js" in TEXTS


@pytest.mark.parametrize("phrase", PHRASES)
def test_phrases(phrase):
    pattern = re.compile(phrase, re.IGNORECASE)
    found = [f"{name}: {match[0]}" for name, text in LINES.items() for match in pattern.finditer(text)]
    assert not found, f"better: {PHRASES[phrase]}"


def test_names():
    sources = {name: text for name, text in TEXTS.items() if name.endswith(".py")}
    found = [
        f"{path}: {name} (better: {NAMES[name]})"
        for path, text in sources.items()
        for name in sorted(defined_names(ast.parse(text)) & NAMES.keys())
    ]
    assert not found


def test_file_names():
    stems = {Path(name).stem: name for name in TEXTS if name.endswith(".py")}
    assert not {stem: name for stem, name in stems.items() if stem in FILES}


def test_a_phrase_over_two_lines_and_a_name_are_found():
    assert re.search(r"\bso many\b", joined("# it takes so\n    # many steps"))
    assert re.search(r"\bthe like of\b", joined("/**\n * the like\n * of it\n */"))
    tree = ast.parse("def f(exact):\n    self.form = BULK = 1\n    for FAR in with_length: lossless: int = 2")
    assert defined_names(tree) & NAMES.keys() == {"exact", "form", "BULK", "FAR", "lossless"}
