"""``python -m hifigan_tf.experiments.voice_corpus``: lays out the recordings that the voice is trained on."""

import collections
import hashlib
import io
import logging
import re
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import numpy as np

from hifigan_tf import cli
from hifigan_tf.cli import progress, warn_skipped
from hifigan_tf.errors import UserError
from hifigan_tf.resources import DEMO_TRAIN

log = logging.getLogger(__name__)

DESCRIPTION = """Lays out recordings for training a voice: 22,050 Hz, mono, 16-bit FLAC, as train/<speaker> and
valid/<speaker>, and the demo's clips beside them. All takes of a sentence are on the same side, and some sentences
are left out of both, for evaluating the finished voice (test/<speaker>).

CLONE is a git clone, bare or not, of one of these public repositories, whose recordings are CC0 1.0:
rhasspy/dataset-voice-kathleen, rhasspy/dataset-voice-flemishguy, rhasspy/dataset-voice-nathalie."""

RATE = 22050  # Hz
DEMO_COPIES = 4  # of the demo's clips, so that they are a few per cent of the segments of a pass


@dataclass(frozen=True)
class Speaker:
    """``recordings`` matches the paths; ``test`` and ``valid`` are the numbers of sentences held out for these."""

    recordings: str
    test: int
    valid: int


SPEAKERS = {
    "kathleen": Speaker(r"data/.*\.wav", 24, 16),
    "flemishguy": Speaker(r"wavs/.*\.wav", 8, 4),
    "nathalie": Speaker(r"verified/.*\.flac", 8, 4),
}


def main(argv=None) -> None:
    parser = cli.parser("experiments.voice_corpus", DESCRIPTION)
    parser.add_argument("clones", nargs="+", metavar="CLONE", help="clones of the repositories")
    parser.add_argument("--output-dir", required=True, metavar="DIR", help="a new folder for the recordings")
    args = parser.parse_args(argv)
    clones = {speaker_of(clone): cli.existing_folder(clone, "clone") for clone in args.clones}
    if len(clones) < len(args.clones):
        raise UserError("two clones are of the same speaker: give each once")
    output = Path(args.output_dir)
    if output.is_dir() and any(output.iterdir()):
        raise UserError(f"--output-dir {output} is not empty: give a new folder")
    listed = {name: recordings(clone, SPEAKERS[name]) for name, clone in clones.items()}
    cli.writable_folder(output)
    for name, takes in listed.items():
        seconds = lay_out(clones[name], takes, SPEAKERS[name], output, name)
        log.info("%s: %s", name, ", ".join(f"{part} {total / 60:.1f} minutes" for part, total in seconds.items()))
    for copy in range(DEMO_COPIES):
        shutil.copytree(DEMO_TRAIN, output / "train" / f"demo_{copy + 1}")


def speaker_of(clone: str) -> str:
    """The speaker of a clone's recordings. Raises ``UserError`` if its path does not name one."""
    found = [name for name in re.findall(r"dataset-voice-([a-z]+)", str(Path(clone).resolve())) if name in SPEAKERS]
    if not found:
        raise UserError(
            f"{clone} does not say whose recordings it holds: its path must name the repository, dataset-voice-"
            f"{' or dataset-voice-'.join(SPEAKERS)}"
        )
    return found[-1]


def recordings(clone: Path, speaker: Speaker) -> dict[str, list[str]]:
    """``{sentence: git objects of its takes}``. Raises ``UserError`` if there is none."""
    takes = collections.defaultdict(list)
    for line in _git(clone, "ls-tree", "-r", "-z", "HEAD").decode().split("\0")[:-1]:
        meta, path = line.split("\t", 1)
        if re.fullmatch(speaker.recordings, path):
            # The name is the sentence, followed by the time of the take.
            takes[re.sub(r"_\d{8,}$", "", PurePosixPath(path).stem)].append((path, meta.split()[2]))
    if not takes:
        raise UserError(f"{clone} holds no recording (such as {speaker.recordings}): is it a clone of the repository?")
    return {sentence: [blob for _, blob in sorted(found)] for sentence, found in takes.items()}


def lay_out(clone: Path, takes: dict[str, list[str]], speaker: Speaker, output: Path, name: str) -> dict[str, float]:
    """Writes the recordings of a speaker; returns ``{part: seconds}``. Unreadable ones are skipped with a warning."""
    import soundfile

    from hifigan_tf.audio.audio_files import resample

    seconds: dict[str, float] = collections.defaultdict(float)
    problems = []
    ranked = sorted(takes, key=lambda sentence: hashlib.sha256(sentence.encode()).hexdigest())
    for place, sentence in enumerate(progress(ranked, desc=name, unit="sentence", leave=False)):
        part = "test" if place < speaker.test else "valid" if place < speaker.test + speaker.valid else "train"
        for number, blob in enumerate(takes[sentence] if part == "train" else takes[sentence][:1], start=1):
            try:
                file = io.BytesIO(_git(clone, "cat-file", "blob", blob))
                audio, rate = soundfile.read(file, dtype="float32", always_2d=True)
            except (UserError, soundfile.LibsndfileError) as error:
                problems.append(f"{sentence}, take {number}: {error}")
                continue
            audio = resample(audio[:, 0], rate, RATE)
            folder = output / part / name
            folder.mkdir(parents=True, exist_ok=True)
            suffix = f"_{number}" if part == "train" and len(takes[sentence]) > 1 else ""
            path = folder / f"{sentence}{suffix}.flac"
            try:
                soundfile.write(path, np.clip(audio, -1, 1), RATE, subtype="PCM_16")
            except soundfile.LibsndfileError as error:
                raise UserError(f"{path} cannot be written ({error}): is the disk full?") from None
            seconds[part] += len(audio) / RATE
    warn_skipped(problems)
    return seconds


def _git(clone: Path, *arguments: str) -> bytes:
    result = subprocess.run(["git", "-C", clone, *arguments], capture_output=True, check=False)
    if result.returncode:
        raise UserError(f"git cannot read {clone}: {result.stderr.decode(errors='replace').strip()}")
    return result.stdout


if __name__ == "__main__":
    cli.run(main)
