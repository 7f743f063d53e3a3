"""The voice's recordings: split by sentence, each only on one side, at the voice's rate."""

import subprocess

import numpy as np
import pytest
import soundfile
from conftest import assert_one_error

from hifigan_tf.experiments import voice_corpus

RATE, SECONDS = 48000, 0.2


def git(folder, *arguments):
    subprocess.run(
        ["git", "-C", folder, "-c", "user.name=n", "-c", "user.email=e", *arguments], check=True, capture_output=True
    )


@pytest.fixture(scope="module")
def clone(tmp_path_factory):
    """Fifty sentences laid out as Kathleen's, the first one with three takes, and a file that is not audio."""
    folder = tmp_path_factory.mktemp("clones") / "dataset-voice-kathleen"
    (folder / "data").mkdir(parents=True)
    tone = 0.5 * np.sin(2 * np.pi * 440 * np.arange(int(RATE * SECONDS)) / RATE)
    names = [f"sentence_{n}_1560000000" for n in range(50)] + ["sentence_0_1570000000", "sentence_0_1580000000"]
    for name in names:
        soundfile.write(folder / "data" / f"{name}.wav", np.stack([tone, 0 * tone], 1), RATE)
    (folder / "data" / "broken_1560000000.wav").write_bytes(b"no audio")
    git(folder, "init", "-q")
    git(folder, "add", "-A")
    git(folder, "commit", "-qm", "all")
    return folder


def test_all_takes_of_a_sentence_are_on_one_side(clone, tmp_path, caplog):
    output = tmp_path / "corpus"
    with caplog.at_level("INFO"):
        voice_corpus.main([str(clone), "--output-dir", str(output)])
    parts = {part: sorted(path.stem for path in (output / part / "kathleen").glob("*.flac")) for part in
             ("train", "valid", "test")}  # fmt: skip
    sentences = {
        part: {name.removeprefix("sentence_").split("_")[0] for name in names} for part, names in parts.items()
    }
    assert not sentences["train"] & sentences["valid"]
    assert not (sentences["train"] | sentences["valid"]) & sentences["test"]
    assert set.union(*sentences.values()) == {str(n) for n in range(50)}
    kept = {part: sum(name.startswith("sentence_0") for name in names) for part, names in parts.items()}
    assert sorted(kept.values()) in ([0, 0, 1], [0, 0, 3])
    assert len(sentences["train"]) in (10, 11)  # one of the sets also contains the broken one
    for path in output.rglob("kathleen/*.flac"):
        audio, rate = soundfile.read(path)
        assert (rate, audio.ndim, soundfile.info(path).subtype) == (22050, 1, "PCM_16")
        assert len(audio) == pytest.approx(SECONDS * 22050, abs=1)
        assert np.abs(audio).max() == pytest.approx(0.5, abs=0.02)
    assert len(list((output / "train").glob("demo_*/*.flac"))) == 4 * 18
    assert "broken, take 1" in caplog.text


def test_bad_clones_are_one_line(clone, tmp_path, command):
    output = ("--output-dir", tmp_path / "corpus")
    other = tmp_path / "dataset-voice-nathalie"
    other.mkdir()
    git(other, "init", "-q")
    (other / "README").write_text("nothing")
    git(other, "add", "-A")
    git(other, "commit", "-qm", "all")
    module = "experiments.voice_corpus"
    assert_one_error(command(module, other, *output), "holds no recording", "verified/")
    assert_one_error(
        command(module, tmp_path, *output), "its path must name the repository, dataset-voice-kathleen or "
    )
    assert_one_error(command(module, tmp_path / "dataset-voice-kathleen", *output), "kathleen is not a folder")
    assert_one_error(command(module, clone, clone, *output), "two clones are of the same speaker")
    assert_one_error(command(module, clone, "--output-dir", clone), "is not empty: give a new folder")
    assert not (tmp_path / "corpus").exists()
