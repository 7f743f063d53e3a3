"""Shared by commands over many files: inputs are checked before models load, bad ones are skipped and named."""

import logging
import os
from collections.abc import Callable, Iterable
from pathlib import Path

import numpy as np

from hifigan_tf.audio.audio_files import AUDIO_KINDS, FOREIGN_SUFFIXES, check_length, load_audio, warn_of_foreign
from hifigan_tf.audio.mel_formats import FOREIGN_MELS, no_mel
from hifigan_tf.audio.names import relative_names
from hifigan_tf.cli import progress, warn_skipped
from hifigan_tf.config import AudioConfig
from hifigan_tf.errors import UserError
from hifigan_tf.files import find_files, real_path, with_suffix

log = logging.getLogger(__name__)

# For the descriptions of these command lines.
BAD_INPUTS = """\
An input that cannot be used (corrupt, empty, truncated, silent, shorter than a frame, NaN, …) does not stop a
run over several: it is skipped and named at the end. The exit code is 0 when something was written, and 2
when nothing was or when the command line itself is wrong."""


def find_inputs(inputs: Iterable[str], suffixes: tuple[str, ...], output_dir: Path, suffix: str) -> dict[Path, Path]:
    """``{output: input}`` for the files given, and those with one of ``suffixes`` under the folders given.

    An output is ``output_dir/<name><suffix>``, where the name of a file of a folder is its path in there, without its
    suffix. Files in an ``output_dir`` inside a given folder are not inputs.

    Raises ``UserError`` for an input that does not exist, a folder without a matching file, and
    outputs that would replace each other or their input.
    """
    found: dict[str, Path] = {}
    seen = set()

    def add(name: str, path: Path) -> None:
        real = real_path(path)
        if real in seen:
            return
        seen.add(real)
        if name in found:
            raise UserError(f"{found[name]} and {path} share the name {name!r}: rename one, or give a folder of both")
        found[name] = path

    for text in inputs:
        path = Path(text)
        if not path.is_dir():
            if not path.is_file():
                raise UserError(f"input {text} does not exist: check the path")
            add(path.stem, path)
            continue
        everything = find_files(path, {*suffixes, *FOREIGN_SUFFIXES, *FOREIGN_MELS})
        warn_of_foreign(path, with_suffix(everything, FOREIGN_SUFFIXES))
        if ".npy" in suffixes and (foreign := with_suffix(everything, FOREIGN_MELS)):
            log.warning("warning: %d passed over in %s, the first: %s", len(foreign), path, no_mel(foreign[0]))
        files = with_suffix(everything, suffixes)
        if real_path(path) in (outputs_in := real_path(output_dir)).parents:
            files = [file for file in files if outputs_in not in real_path(file).parents]
        if not files:
            mels = " and no .npy file" if ".npy" in suffixes else ""
            raise UserError(f"folder {text} holds no recording ({AUDIO_KINDS}){mels}: check the path")
        for name, file in relative_names(path, files).items():
            add(name[: -len(file.suffix)], file)
    outputs = {output_dir / f"{name}{suffix}": path for name, path in found.items()}
    replaced = seen & {real_path(output) for output in outputs}
    if replaced:
        raise UserError(f"{min(replaced)} would be overwritten: choose an --output-dir apart from the inputs")
    return outputs


def convert_all(files: dict[Path, Path], convert: Callable[[Path, Path], None]) -> None:
    """Calls ``convert(input, output)`` for every ``{output: input}``, with a progress bar.

    One for which it raises ``UserError`` is skipped and named at the end. Raises ``UserError`` when none is left; other
    errors, in writing or of the model, end the run.
    """
    problems = []
    for output, path in progress(files.items(), hidden=len(files) == 1, unit="file"):
        try:
            output.parent.mkdir(parents=True, exist_ok=True)
            convert(path, output)
        except UserError as error:
            if len(files) == 1:
                raise
            problems.append(str(error))
    warn_skipped(problems)
    if len(problems) == len(files):
        raise UserError(f"none of the {len(files)} inputs could be used, the first because {problems[0]}")
    folder, written = os.path.commonpath([output.parent for output in files]), len(files) - len(problems)
    skipped = f", {len(problems)} skipped" if problems else ""
    log.info("%d of %d written to %s%s", written, len(files), folder, skipped)


def load_speech(path: Path, audio: AudioConfig) -> np.ndarray:
    """The file as float32 ``[samples]`` at the config's rate. Raises ``UserError`` when it holds no whole frame."""
    samples = load_audio(path, audio.sampling_rate)
    check_length(path, len(samples), audio.hop_size)
    return samples
