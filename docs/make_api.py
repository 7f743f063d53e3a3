"""``make docs``: a page for every module, made from its docstrings by pdoc, in ``docs/api/``."""

import logging
import os
import pkgutil
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import pdoc

import hifigan_tf

LEFT_OUT = ("hifigan_tf.__main__", "hifigan_tf.import_torch", "hifigan_tf.moved")  # other names of what is there
OUTPUT = Path(__file__).parent / "api"


def modules_in(package: str) -> Iterator[str]:
    """A package and its modules; pdoc adds those of a package without ``__all__`` itself."""
    yield package
    module = import_module(package)
    if hasattr(module, "__all__"):
        for found in pkgutil.iter_modules(module.__path__, f"{package}."):
            if found.ispkg:
                yield from modules_in(found.name)
            elif found.name not in LEFT_OUT:
                yield found.name


def main() -> None:
    logging.getLogger("absl").setLevel(logging.ERROR)
    for name in hifigan_tf.__all__:  # they load on first use, which pdoc does not see
        setattr(hifigan_tf, name, getattr(hifigan_tf, name))
    pdoc.render.configure(footer_text=f"hifigan_tf {hifigan_tf.__version__}")
    pdoc.pdoc(*modules_in("hifigan_tf"), output_directory=OUTPUT)
    print(f"{len(list(OUTPUT.rglob('*.html')))} pages: {OUTPUT / 'index.html'}")


if __name__ == "__main__":
    main()
