"""Which file a name means: recordings, mels, lists and generated files, in folders of equal names."""

import os
import unicodedata
from pathlib import Path

import numpy as np
import pytest
import soundfile
from conftest import assert_one_error
from hypothesis import given
from hypothesis import strategies as st

from hifigan_tf import extract_mel
from hifigan_tf.audio.audio_files import find_audio, write_wav
from hifigan_tf.audio.mel_numpy import NumpyMelSpectrogram
from hifigan_tf.audio.mel_stream import mel_spectrogram
from hifigan_tf.audio.names import NameIndex, pair_names, plain_name
from hifigan_tf.data.clip_lists import corpus_files, corpus_names, read_file_list
from hifigan_tf.data.given_mels import GivenMels
from hifigan_tf.data.pipeline import check_clips
from hifigan_tf.errors import UserError
from hifigan_tf.train import _files, parse


def test_the_table_of_the_module():
    speakers = NameIndex(["p225/001", "p226/001"])
    assert speakers.meant_by("p225/001") == ["p225/001"]
    assert NameIndex(["wavs/001"]).meant_by("001") == ["wavs/001"]
    for text in ("DUMMY/001.wav", "/data/001.flac", "./001", ".\\001.WAV"):
        assert NameIndex(["001"]).meant_by(plain_name(text)) == ["001"]
    assert NameIndex(["wavs/001"]).meant_by(plain_name("DUMMY/001.wav")) == ["wavs/001"]
    assert speakers.meant_by("001") == ["p225/001", "p226/001"]
    assert speakers.meant_by("p227/001") == []


names = st.lists(st.lists(st.sampled_from("ab"), min_size=1, max_size=3).map("/".join), max_size=6, unique=True)


@given(names, names)
def test_pairs_are_one_to_one_and_share_their_end(first, second):
    pairs = pair_names(first, second)
    assert len(set(pairs.values())) == len(pairs)
    for one, other in pairs.items():
        assert f"/{one}".endswith(f"/{other}") or f"/{other}".endswith(f"/{one}")
    for one in set(first) & set(second):
        assert pairs[one] == one


def speakers(folder, config, suffix="wav"):
    """Two speakers with equal file names, other sounds and other lengths; returns the folder."""
    rng = np.random.default_rng(0)
    for index, speaker in enumerate(("p225", "p226")):
        for number in ("001", "002"):
            (folder / speaker).mkdir(parents=True, exist_ok=True)
            samples = rng.uniform(-0.5, 0.5, 3200 + 32 * index)
            soundfile.write(folder / speaker / f"{number}.{suffix}", samples, config.audio.sampling_rate)
    return folder


@pytest.fixture
def tiny_file(shallow, tmp_path):
    path = tmp_path / "tiny.json"
    path.write_text(shallow.replace(msd_scales=0).dumps())
    return path


def test_mels_go_the_way_of_their_recordings_from_extraction_to_training(tiny, tiny_file, tmp_path):
    """``extract_mel`` of a corpus makes folders as those of the corpus, and each clip trains on its own mel."""
    corpus = speakers(tmp_path / "corpus", tiny)
    extract_mel.main([str(corpus), "--output-dir", str(tmp_path / "mels"), "--config", str(tiny_file), "--keep-level"])
    made = sorted(path.relative_to(tmp_path / "mels").as_posix() for path in (tmp_path / "mels").rglob("*.npy"))
    assert made == ["p225/001.npy", "p225/002.npy", "p226/001.npy", "p226/002.npy"]
    options = ["--data", str(corpus), "--fine-tune-mels", str(tmp_path / "mels")]
    training, _ = _files(parse(options), tiny)
    clips = check_clips(training, tiny, tmp_path / "mels")
    assert [(clip.name, os.path.relpath(clip.mel.path, tmp_path / "mels")) for clip in clips] == [
        (f"{speaker}/{number}.wav", f"{speaker}/{number}.npy")
        for speaker in ("p225", "p226")
        for number in ("001", "002")
    ]
    for clip in clips:
        audio = soundfile.read(clip.path, dtype="float32")[0]
        expected = mel_spectrogram(audio, NumpyMelSpectrogram.of(tiny.audio))
        np.testing.assert_array_equal(np.load(clip.mel.path), expected)


def test_a_flat_folder_of_mels_is_refused_where_names_are_shared_and_taken_where_not(tiny, tmp_path, caplog):
    corpus = speakers(tmp_path / "corpus", tiny)
    write_wav(corpus / "p226" / "alone.wav", np.random.default_rng(1).uniform(-0.5, 0.5, 3200), 8000)
    (tmp_path / "mels").mkdir()
    for stem in ("001", "002", "alone"):
        np.save(tmp_path / "mels" / f"{stem}.npy", np.random.default_rng(2).normal(-8, 1, (100, 16)))
    training, _ = _files(parse(["--data", str(corpus)]), tiny)
    (clip,) = check_clips(training, tiny, tmp_path / "mels")
    assert (clip.name, clip.mel.path) == ("p226/alone.wav", str(tmp_path / "mels" / "alone.npy"))
    assert "001.npy could be the mel of p225/001.wav or of p226/001: put the mels into folders" in caplog.text
    # Clips that are held out have mels there too.
    one, other = training[0], training[2]
    with pytest.raises(UserError, match="could be the mel of"):
        check_clips([one], tiny, tmp_path / "mels", [other])


def test_two_recordings_that_differ_in_their_suffix_share_no_mel(tmp_path):
    np.save(tmp_path / "a.npy", np.zeros((2, 16)))
    with pytest.raises(UserError, match=r"a\.wav and another clip differ in their suffix alone"):
        GivenMels(tmp_path, ["a.wav", "a.flac"]).path_of("a.wav")


@pytest.mark.parametrize(("suffix", "words"), [("npz", "numpy.load"), ("pt", "torch.load")])
def test_mels_in_other_kinds_of_files_are_named(tmp_path, suffix, words):
    (tmp_path / f"a.{suffix}").touch()
    with pytest.raises(UserError, match=rf"a\.{suffix} is no \.npy file: make one of it, with .*{words}"):
        GivenMels(tmp_path, ["a.wav"]).path_of("a.wav")


LISTED = {
    "DUMMY": "DUMMY/LJ001-0001.wav|text",
    "folder of the corpus": "wavs/LJ001-0001|text",
    "dot": "./LJ001-0001.wav|text",
    "absolute": "/home/her/LJSpeech-1.1/wavs/LJ001-0001.wav|text",
    "backslashes": "C:\\data\\wavs\\LJ001-0001.wav|text",
    "case of the suffix": "LJ001-0001.WAV|text",
    "another suffix": "LJ001-0001.mp3|text",
    "tab": "LJ001-0001\ttext",
}


@pytest.mark.parametrize("line", LISTED.values(), ids=LISTED.keys())
@pytest.mark.parametrize("place", ["", "wavs/"])
def test_a_line_of_a_list_means_its_recording(tmp_path, line, place):
    path = tmp_path / "corpus" / f"{place}LJ001-0001.flac"
    path.parent.mkdir(parents=True)
    path.touch()
    (tmp_path / "list.txt").write_text(f"{line}\n")
    assert read_file_list(tmp_path / "list.txt", corpus_files(tmp_path / "corpus"), "x") == [path]


@pytest.mark.parametrize("stored", ["NFC", "NFD"])
def test_accents_are_compared_in_one_form(tmp_path, stored):
    path = tmp_path / f"{unicodedata.normalize(stored, 'café')}.wav"
    path.touch()
    for other in ("NFC", "NFD"):
        (tmp_path / "list.txt").write_text(unicodedata.normalize(other, "café|text"), encoding="utf-8")
        assert read_file_list(tmp_path / "list.txt", corpus_files(tmp_path), "x") == [path]


def test_only_line_ends_split_lines(tmp_path, caplog):
    for name in ("a", "b"):
        (tmp_path / f"{name}.wav").touch()
    text = "a|one\u2028two\x85three\x0bfour\r\nb|five\rb|six\n"
    (tmp_path / "list.txt").write_bytes(text.encode())
    found = read_file_list(tmp_path / "list.txt", corpus_files(tmp_path), "x")
    assert [path.stem for path in found] == ["a", "b", "b"]
    assert not caplog.messages


def test_what_a_list_cannot_mean_is_a_line(tmp_path, caplog):
    for name in ("p225/001", "p226/001", "p225/002"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / f"{name}.wav").touch()
    (tmp_path / "list.txt").write_text("001|x\np227/001|x\n002|x\n")
    (found,) = read_file_list(tmp_path / "list.txt", corpus_files(tmp_path), "CORPUS")
    assert found == tmp_path / "p225" / "002.wav"
    first, second, _ = caplog.messages
    assert "names 001 in line 1, which is not in CORPUS as such, and may mean p225/001.wav or p226/001.wav" in first
    assert "names p227/001 in line 2, which is not in CORPUS: looked for an audio file p227/001 there" in second


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-16-be"])
def test_utf_16_is_named(tmp_path, encoding):
    (tmp_path / "a.wav").touch()
    (tmp_path / "list.txt").write_bytes("a|text\n".encode(encoding))
    with pytest.raises(UserError, match="it is UTF-16"):
        read_file_list(tmp_path / "list.txt", corpus_files(tmp_path), "x")


def test_other_encodings_do_not_matter_for_names(tmp_path):
    (tmp_path / "a.wav").touch()
    (tmp_path / "list.txt").write_bytes(b"a|caf\xe9\n")
    assert read_file_list(tmp_path / "list.txt", corpus_files(tmp_path), "x") == [tmp_path / "a.wav"]


def test_several_corpora_are_told_apart(tiny, tmp_path):
    for name in ("one", "two"):
        speakers(tmp_path / name / "wavs", tiny)
    folders = [str(tmp_path / name / "wavs") for name in ("one", "two")]
    (tmp_path / "list.txt").write_text("one/wavs/p225/001\ntwo/wavs/p226/002\n")
    training, _ = _files(parse(["--data", *folders]), tiny)
    assert len(training) == 8
    assert training[0].name == "one/wavs/p225/001.wav"
    training, validation = _files(parse(["--data", *folders, "--validation-file", str(tmp_path / "list.txt")]), tiny)
    assert [clip.path for clip in validation] == [
        tmp_path / "one/wavs/p225/001.wav",
        tmp_path / "two/wavs/p226/002.wav",
    ]
    assert len(training) == 6
    assert corpus_names(["gs://b/x", "gs://b/y"]) == ["x/", "y/"]
    for nested in (str(tmp_path / "one"), folders[0]):
        with pytest.raises(UserError, match=r"lies in .* or is the same folder"):
            corpus_names([folders[0], nested])


def test_vocode_keeps_speakers_apart(tiny, tiny_checkpoint, tmp_path, command):
    corpus = speakers(tmp_path / "corpus", tiny)
    made = command("vocode", corpus, "--checkpoint", tiny_checkpoint, "--output-dir", tmp_path / "out")
    assert made.returncode == 0, made.stderr
    sizes = {
        path.relative_to(tmp_path / "out").as_posix(): soundfile.info(path).frames
        for path in find_audio(tmp_path / "out")
    }
    assert sizes == {"p225/001.wav": 3200, "p225/002.wav": 3200, "p226/001.wav": 3232, "p226/002.wav": 3232}
    both = command(
        "vocode", corpus / "p225" / "001.wav", corpus / "p226" / "001.wav", "--checkpoint", tiny_checkpoint,
        "--output-dir", tmp_path / "again",
    )  # fmt: skip
    assert_one_error(both, "share the name '001': rename one, or give a folder of both")


ODD = {
    b"gsm.wav": None,
    b"caf\xe9.wav": "WAV",
    b"a.opus": "OGG",
    b"b.aiff": "AIFF",
    b"c.w64": "W64",
    b"d.caf": "CAF",
    b"e.au": "AU",
}


@pytest.fixture
def odd(tmp_path):
    """A folder of recordings in odd files, one that no decoder takes, and one of another kind."""
    rng, folder = np.random.default_rng(3), tmp_path / "odd"
    folder.mkdir()
    for name, container in ODD.items():
        path = Path(os.fsdecode(os.fsencode(folder) + b"/" + name))
        samples = np.convolve(rng.uniform(-0.3, 0.3, 8000), np.ones(8) / 4, "same")
        samples -= samples.mean()
        options = {"subtype": "GSM610", "format": "WAV"} if container is None else {"format": container}
        if container == "OGG":
            options["subtype"] = "OPUS"
        with path.open("wb+") as file:
            soundfile.write(file, samples, 8000, **options)
    (folder / "bad.wav").write_bytes(b"RIFF\x24\0\0\0WAVEfmt " + bytes(40))
    (folder / "f.m4a").write_bytes(b"\0\0\0\x20ftypM4A ")
    return folder


def test_odd_files_pass_through_every_command(odd, tiny, tiny_file, tiny_checkpoint, tmp_path, command):
    """Each is read, what cannot be is named, and no command ends with a traceback."""
    mels, made, packed = tmp_path / "mels", tmp_path / "made", tmp_path / "packed"
    commands = {
        "extract_mel": [odd, "--output-dir", mels, "--config", tiny_file],
        "vocode": [odd, "--output-dir", made, "--checkpoint", tiny_checkpoint],
        "preprocess": ["--data", odd, "--output-dir", packed, "--config", tiny_file],
        "evaluate": ["--reference", odd, "--generated", made, "--config", tiny_file, "--metrics", "log_mel_l1"],
        "train": [
            "--data", odd, "--config", tiny_file, "--fine-tune-mels", mels, "--run-dir", tmp_path / "run",
            "--max-steps", 1,
        ],
    }  # fmt: skip
    for name, arguments in commands.items():
        done = command(name, *arguments)
        assert done.returncode == 0, (name, done.stderr)
        assert "Traceback" not in done.stderr
        assert "1 file is passed over" in done.stderr
        assert f"ffmpeg -i {odd}/f.m4a" in done.stderr
        if name != "evaluate":  # it has no pair
            assert "bad.wav" in done.stderr
            assert "1 file skipped" in done.stderr
    assert len(list(mels.glob("*.npy"))) == len(list(made.glob("*.wav"))) == len(ODD)
