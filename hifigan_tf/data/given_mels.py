"""Teacher-forced mels: which file in a folder of them is that of a clip."""

from collections import Counter
from collections.abc import Iterable
from pathlib import Path, PurePath

from hifigan_tf.audio.mel_formats import FOREIGN_MELS, MelConversion, load_given_mel, no_mel
from hifigan_tf.audio.names import NameIndex, plain_name, relative_names, unique_names
from hifigan_tf.errors import UserError
from hifigan_tf.files import find_files, with_suffix


class GivenMels:
    """The mels in a folder, found for the clips of a corpus by their names (``audio/names.py``)."""

    def __init__(self, folder: Path, clips: Iterable[str]):
        self.folder = folder
        files = find_files(folder, {".npy", *FOREIGN_MELS})
        self.files = unique_names(relative_names(folder, with_suffix(files, {".npy"})))
        self.foreign = {path.stem: path for path in reversed(with_suffix(files, FOREIGN_MELS))}
        names = [plain_name(name) for name in dict.fromkeys(clips)]
        self.copies = {name for name, count in Counter(names).items() if count > 1}
        self.clips, self.mels = NameIndex(names), NameIndex(self.files)

    def path_of(self, clip: str) -> Path:
        """The mel of a clip by its name in the corpus. Raises ``UserError`` where there is none that is surely its."""
        name = plain_name(clip)
        if name in self.copies:
            raise UserError(
                f"{clip} and another clip differ in their suffix alone, and {name}.npy could be of either: keep one"
            )
        found = self.mels.meant_by(name)
        if not found:
            if foreign := self.foreign.get(PurePath(name).name):
                raise no_mel(foreign)
            raise UserError(f"{self.folder / name}.npy is not there, and no other file of {self.folder} fits {clip}")
        path, clips = self.files[found[0]], self.clips.meant_by(found[0])
        if len(found) > 1:
            raise UserError(f"{path} or {self.files[found[1]]} could be the mel of {clip}: keep one of them")
        if clips != [name]:
            others = next(other for other in clips if other != name)
            raise UserError(
                f"{path} could be the mel of {clip} or of {others}: put the mels into folders as the recordings are, "
                f"{self.folder / name}.npy"
            )
        return path


def check_given_mel(mel_path: Path, path: PurePath, samples: int, conversion: MelConversion) -> None:
    """Raises ``UserError`` unless the mel fits the clip at ``path``, of ``samples`` samples at the config's rate."""
    frames = len(load_given_mel(mel_path, conversion))
    expected = samples / conversion.audio.hop_size
    # Front ends differ by a frame or two at the ends; more means another hop or another recording.
    if abs(frames - expected) > 3:
        raise UserError(f"{mel_path} has {frames} frames, but {path} needs {expected:.0f}: is hop_size right?")
