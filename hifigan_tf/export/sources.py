"""Folders of exported models, the page's and the app's, which are made again when their sources have changed."""

import hashlib
import json
from pathlib import Path

from hifigan_tf.errors import UserError

ROOT = Path(__file__).resolve().parents[2]
SOURCE = "source.json"  # the file in such a folder: the digest of its sources, and the names of its files


def digest(*files: Path) -> str:
    """A hash of these files, the code, and its requirements: folders with another one are out of date."""
    code = sorted((ROOT / "hifigan_tf").rglob("*.py"))
    digests = [hashlib.sha256(path.read_bytes()).digest() for path in (*files, *code, ROOT / "requirements.txt")]
    return hashlib.sha256(b"".join(digests)).hexdigest()


def up_to_date(folder: Path, made_from: str) -> bool:
    """Whether the folder is complete and made from the same sources. Raises ``UserError`` if it holds other files."""
    if not folder.exists() or not any(folder.iterdir()):
        return False
    try:
        source = json.loads((folder / SOURCE).read_text(encoding="utf-8"))
        return source["digest"] == made_from and all((folder / name).is_file() for name in source["files"])
    except (OSError, ValueError, KeyError, TypeError):
        raise UserError(f"{folder} holds other things than this command writes: empty it, or choose another") from None
