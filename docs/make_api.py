"""``make docs``: a page for every module, made from its docstrings by pdoc, in ``docs/api/``."""

import logging
import os
import pkgutil
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import pdoc

import hifigan_tf

LEFT_OUT = ("hifigan_tf.__main__", "hifigan_tf.import_torch", "hifigan_tf.moved")  # other names of what is there
OUTPUT = Path(__file__).parent / "api"


def main() -> None:
    for name in hifigan_tf.__all__:  # they load on first use, which pdoc does not see
        setattr(hifigan_tf, name, getattr(hifigan_tf, name))
    logging.getLogger("absl").setLevel(logging.ERROR)
    found = (module.name for module in pkgutil.walk_packages(hifigan_tf.__path__, "hifigan_tf."))
    modules = ["hifigan_tf", *(name for name in found if name not in LEFT_OUT)]
    pdoc.render.configure(footer_text=f"hifigan_tf {hifigan_tf.__version__}")
    pdoc.pdoc(*modules, output_directory=OUTPUT)
    print(f"{len(modules)} modules: {OUTPUT / 'index.html'}")


if __name__ == "__main__":
    main()
