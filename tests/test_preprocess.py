"""Packed corpora: the same bits as the files they came from, on any storage; errors of broken ones."""

import json
import os
import shutil
import socket
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import soundfile
import tensorflow as tf
from conftest import assert_one_error

from benchmarks import data_pipeline
from hifigan_tf import cli, preprocess, train
from hifigan_tf.audio.audio_files import find_audio, load_audio
from hifigan_tf.data import packed
from hifigan_tf.data import pipeline as data
from hifigan_tf.data.clip_lists import corpus_files, hold_out
from hifigan_tf.data.decoding import tensorflow_io
from hifigan_tf.data.packed import BLOCK, PackedAudio, read_clips, to_pcm
from hifigan_tf.data.pipeline import TimedBatches, check_clips, training_batches, validation_clips
from hifigan_tf.errors import UserError

RATE = 8000  # of the fixture `tiny`
SHARD = 40_000  # bytes: a few of the clips below


def speech(samples, rate=RATE, seed=0, peak=0.5):
    """``[samples]``: harmonics and noise, at a peak of its own."""
    rng, seconds = np.random.default_rng(seed), np.arange(samples) / rate
    audio = sum(np.sin(2 * np.pi * (100 + 10 * seed) * k * seconds) / k for k in range(1, 8))
    audio += 0.05 * rng.standard_normal(samples)
    return peak * audio / np.abs(audio).max()


def write(path, samples, rate=RATE, seed=0, peak=0.5, subtype="PCM_16", channels=1):
    path.parent.mkdir(parents=True, exist_ok=True)
    signal = np.stack([speech(samples, rate, seed + c, peak) for c in range(channels)], axis=1)
    soundfile.write(path, signal, rate, subtype=subtype)


@pytest.fixture(scope="module")
def corpus(tmp_path_factory):
    """16-bit mono clips at the model's rate, one shorter than a segment and one of three records."""
    folder = tmp_path_factory.mktemp("corpus")
    for index, samples in enumerate([4000, 900, 2 * BLOCK + 5000, 8000, 6000, 3000, 7000]):
        suffix = "flac" if index > 4 else "wav"
        write(folder / ("deep" if index % 2 else "") / f"clip{index}.{suffix}", samples, seed=index)
    return folder


def pack(folder, output, config, shard_bytes=SHARD):
    return preprocess.pack(corpus_files(folder), str(output), config.audio, shard_bytes, workers=2)


@pytest.fixture(scope="module")
def packed_corpus(corpus, tiny, tmp_path_factory):
    output = tmp_path_factory.mktemp("packed")
    pack(corpus, output, tiny)
    return output


@pytest.fixture
def broken(packed_corpus, tmp_path):
    """A copy of the packed corpus, to be broken."""
    return Path(shutil.copytree(packed_corpus, tmp_path / "broken"))


@pytest.fixture(scope="module")
def tiny_file(tiny, tmp_path_factory):
    path = tmp_path_factory.mktemp("config") / "tiny.json"
    path.write_text(tiny.replace(mpd_periods=[2], msd_scales=0).dumps())
    return path


@pytest.fixture
def run(capfd):
    """Runs a command line as ``python -m`` does, in this process; returns what ``assert_one_error`` takes."""

    def run(main, *arguments):
        with pytest.raises(SystemExit) as stop:
            cli.run(lambda: main([str(argument) for argument in arguments]))
        return SimpleNamespace(returncode=stop.value.code, stderr=capfd.readouterr().err)

    return run


def batches(clips, config, steps=8, first_step=0, **options):
    first_example = first_step * config.training.batch_size
    return list(training_batches(clips, config, first_example, **options).take(steps).as_numpy_iterator())


def assert_bit_equal(left, right):
    assert len(left) == len(right) > 0
    for ours, theirs in zip(left, right, strict=True):
        assert [array.tobytes() for array in ours] == [array.tobytes() for array in theirs]


@pytest.mark.parametrize("cache_bytes", [data.CACHE_BYTES, 0], ids=["memory", "storage"])
def test_16_bit_recordings_give_the_batches_of_their_files_to_the_bit(
    corpus, packed_corpus, tiny, monkeypatch, cache_bytes
):
    monkeypatch.setattr(data, "CACHE_BYTES", cache_bytes)
    files, clips = check_clips(find_audio(corpus), tiny), check_clips(read_clips(str(packed_corpus), RATE), tiny)
    assert [clip.path.stem for clip in clips] == [clip.path.stem for clip in files]
    assert_bit_equal(batches(clips, tiny), batches(files, tiny))
    assert_bit_equal(batches(clips, tiny, first_step=5), batches(files, tiny, first_step=5))
    ours, theirs = validation_clips(clips, tiny), validation_clips(files, tiny)
    assert_bit_equal([clip[1:] for clip in ours], [clip[1:] for clip in theirs])


def test_given_mels_go_with_packed_clips_too(corpus, packed_corpus, tiny, tmp_path, monkeypatch):
    rng = np.random.default_rng(0)
    for path in find_audio(corpus):
        frames = soundfile.info(path).frames // tiny.audio.hop_size
        np.save(tmp_path / f"{path.stem}.npy", rng.uniform(-11, -4, (frames, 16)).astype(np.float32))
    (tmp_path / "clip3.npy").unlink()
    files = check_clips(find_audio(corpus), tiny, tmp_path)
    clips = check_clips(read_clips(str(packed_corpus), RATE), tiny, tmp_path)
    assert len(clips) == len(files) == 6
    expected = batches(files, tiny)
    assert_bit_equal(batches(clips, tiny), expected)
    monkeypatch.setattr(data, "CACHE_BYTES", 0)
    assert_bit_equal(batches(clips, tiny), expected)


@pytest.mark.processors
@pytest.mark.parametrize("parts", [2, 4])
def test_the_parts_of_several_workers_are_the_batches_of_one(packed_corpus, tiny, parts):
    config, clips = tiny.replace(batch_size=4), read_clips(str(packed_corpus), RATE)
    workers = [batches(clips, config, first_step=3, part=part, parts=parts) for part in range(parts)]
    for shares, (mel, audio) in zip(zip(*workers, strict=True), batches(clips, config, first_step=3), strict=True):
        mels, audios = zip(*shares, strict=True)
        np.testing.assert_array_equal(np.concatenate(audios), audio)
        # A matrix product sums in another order for another batch size.
        np.testing.assert_allclose(np.concatenate(mels), mel, atol=1e-4)


@pytest.mark.parametrize(("peak", "is_16_bit"), [(0.5, False), (1e-4, False), (1.7, False), (0.5, True), (1.0, True)])
def test_pcm_is_exact_or_within_half_a_step_of_its_peak(peak, is_16_bit):
    audio = speech(5000, peak=peak).astype(np.float32)
    if is_16_bit:
        audio = np.clip(np.rint(audio * 32768), -32768, 32767).astype(np.float32) / 32768
        audio[0] = -1.0
    pcm, scale = to_pcm(audio)
    back = pcm.astype(np.float32) * np.float32(scale)
    assert np.abs(back - audio).max() <= (0 if is_16_bit else np.abs(audio).max() / 65000)
    assert is_16_bit == (scale == 2.0**-15)


def test_other_recordings_are_mixed_resampled_and_stored_at_16_bits_of_their_peak(tmp_path, tiny):
    write(tmp_path / "data" / "a.wav", 30000, 22050, peak=0.9, subtype="PCM_24", channels=2)
    write(tmp_path / "data" / "b.wav", 9000, peak=0.01, subtype="FLOAT")
    write(tmp_path / "data" / "c.ogg", 30000, 16000, subtype="VORBIS")
    manifest = pack(tmp_path / "data", tmp_path / "out", tiny)
    assert manifest["source_rates"] == {"22050": 1, "8000": 1, "16000": 1}
    clips = read_clips(str(tmp_path / "out"), RATE)
    for index, path in enumerate(find_audio(tmp_path / "data")):
        samples, peak, cut = PackedAudio(clips).open(index)
        expected = load_audio(path, RATE)
        assert int(samples) == len(expected)
        assert float(peak) == pytest.approx(np.abs(expected).max(), rel=1e-6)
        np.testing.assert_allclose(cut(0, samples), expected, atol=np.abs(expected).max() / 65000, rtol=0)


def test_a_part_of_a_long_clip_is_read_without_the_rest(broken):
    """Its first record is damaged: the checksum fails only for segments inside that record."""
    clips = read_clips(str(broken), RATE)
    index = next(index for index, clip in enumerate(clips) if clip.samples > 2 * BLOCK)
    samples, _, cut = PackedAudio(clips).open(index)
    parts = [(BLOCK, BLOCK + 1), (BLOCK + 5, BLOCK + 900), (2 * BLOCK - 7, 2 * BLOCK + 9), (BLOCK, 9 * BLOCK)]
    whole = cut(0, samples).numpy()
    shard = Path(clips[index].shard.path)
    contents = bytearray(shard.read_bytes())
    contents[clips[index].offset + 12 + 100] ^= 1
    shard.write_bytes(contents)
    for start, stop in parts:
        np.testing.assert_array_equal(cut(start, stop), whole[start:stop])
    with pytest.raises(tf.errors.DataLossError):
        cut(0, 10)


def test_shards_end_with_the_clip_that_fills_them_and_are_plain_tfrecords(packed_corpus, corpus):
    manifest = json.loads((packed_corpus / "manifest.json").read_text())
    assert sorted(path.name for path in packed_corpus.iterdir()) == [
        "manifest.json",
        *(shard["file"] for shard in manifest["shards"]),
    ]
    assert len(manifest["shards"]) == 3
    names = []
    for shard in manifest["shards"]:
        sizes = [2 * clip["samples"] for clip in shard["clips"]]
        assert sum(sizes[:-1]) < SHARD
        records = tf.data.TFRecordDataset(str(packed_corpus / shard["file"]))
        pcm = np.concatenate([np.frombuffer(record, "<i2") for record in records.as_numpy_iterator()])
        expected = [soundfile.read(corpus / clip["name"], dtype="int16")[0] for clip in shard["clips"]]
        np.testing.assert_array_equal(pcm, np.concatenate(expected))
        names += [clip["name"] for clip in shard["clips"]]
    assert names == list(corpus_files(corpus))


def test_any_file_system_of_tensorflow_works(corpus, packed_corpus, tiny):
    pack(corpus, "ram://bucket/packed", tiny)
    clips = read_clips("ram://bucket/packed", RATE)
    assert_bit_equal(batches(clips, tiny), batches(read_clips(str(packed_corpus), RATE), tiny))


def test_the_command_packs_and_reports_what_it_skips(tmp_path, tiny_file, command):
    folder = tmp_path / "data"
    for index in range(5):
        write(folder / f"good{index}.wav", 4000, 16000 if index == 0 else RATE, index)
    write(folder / "low.wav", 4000, 6000)
    write(folder / "brief.wav", 31)
    write(folder / "silent.wav", 4000, peak=1e-9)
    (folder / "empty.wav").touch()
    write(folder / "cut.wav", 4000)
    (folder / "cut.wav").write_bytes((folder / "cut.wav").read_bytes()[:5000])
    process = command("preprocess", "--data", folder, "--output-dir", tmp_path / "out", "--config", tiny_file)
    assert process.returncode == 0, process.stderr
    reasons = {"brief": "shorter than one frame", "silent": "is silent", "empty": "is empty", "cut": "is truncated"}
    skipped = json.loads((tmp_path / "out" / "manifest.json").read_text())["skipped"]
    assert skipped.keys() == {f"{stem}.wav" for stem in reasons}
    for stem, words in reasons.items():
        assert words in skipped[f"{stem}.wav"]
        assert f"skipped: {skipped[f'{stem}.wav']}" in process.stderr
    assert "4 files skipped" in process.stderr
    assert "recordings at 6000 Hz (1 of 6) are below 8000 Hz: their band above 3000 Hz stays empty" in process.stderr
    assert (
        f"6 of 10 files packed into {tmp_path / 'out'}: 0.00 hours at 8000 Hz, 2 resampled, 1 shard" in process.stderr
    )
    assert len(read_clips(str(tmp_path / "out"), RATE)) == 6


def test_a_corpus_that_is_mostly_broken_is_an_error(tmp_path, tiny_file, run):
    write(tmp_path / "data" / "good.wav", 4000)
    for name in ("a.wav", "b.wav"):
        (tmp_path / "data" / name).touch()
    out = tmp_path / "out"
    process = run(preprocess.main, "--data", tmp_path / "data", "--output-dir", out, "--config", tiny_file)
    assert_one_error(process, "2 of 3 files cannot be used, the first because", "a.wav is empty")
    assert_one_error(run(train.main, "--config", tiny_file, "--data", out), "holds no manifest.json")


def test_an_interrupted_packing_resumes_with_the_same_result(corpus, packed_corpus, tiny, tmp_path, monkeypatch):
    """Stopped within the second shard."""
    add = packed.ShardWriter.add

    def interrupt(writer, name, *clip):
        if name == "clip6.flac":
            raise KeyboardInterrupt
        add(writer, name, *clip)

    monkeypatch.setattr(packed.ShardWriter, "add", interrupt)
    with pytest.raises(KeyboardInterrupt):
        pack(corpus, tmp_path, tiny)
    with pytest.raises(UserError, match=r"holds no manifest\.json"):
        read_clips(str(tmp_path), RATE)
    names = []

    def record(writer, name, *clip):
        names.append(name)
        add(writer, name, *clip)

    monkeypatch.setattr(packed.ShardWriter, "add", record)
    pack(corpus, tmp_path, tiny)
    first = json.loads((packed_corpus / "manifest.json").read_text())["shards"][0]
    assert names == list(corpus_files(corpus))[len(first["clips"]) :]
    contents = [{path.name: path.read_bytes() for path in folder.iterdir()} for folder in (tmp_path, packed_corpus)]
    assert contents[0] == contents[1]
    names.clear()
    assert pack(corpus, tmp_path, tiny)["files"] == 7
    assert not names  # nothing is left to do


def test_an_interrupted_packing_of_other_files_is_begun_again(corpus, tiny, tmp_path, monkeypatch):
    folder = Path(shutil.copytree(corpus, tmp_path / "data"))
    monkeypatch.setattr(preprocess, "MANIFEST", "not/there/manifest.json")  # so that the last step fails
    with pytest.raises(tf.errors.NotFoundError):
        pack(folder, tmp_path / "out", tiny, shard_bytes=1)
    monkeypatch.undo()
    for path in find_audio(folder)[2:]:
        path.unlink()
    pack(folder, tmp_path / "out", tiny, shard_bytes=1)
    assert len(read_clips(str(tmp_path / "out"), RATE)) == len(list((tmp_path / "out").glob("*.tfrecord"))) == 2


def test_preprocess_refuses_what_it_cannot_use(corpus, packed_corpus, tmp_path, tiny_file, run):
    (tmp_path / "file").touch()
    (tmp_path / "none").mkdir()
    output = ("--output-dir", tmp_path / "out", "--config", tiny_file)
    for arguments, words in (
        (("--data", tmp_path / "no", *output), "is not a folder"),
        (("--data", tmp_path / "none", *output), "holds no audio file"),
        (("--data", corpus, *output, "--shard-size", 0), "--shard-size is 0"),
        (("--data", corpus, *output, "--config", tmp_path / "no.json"), "no.json does not exist"),
        (("--data", corpus, "--config", tiny_file, "--output-dir", tmp_path / "file"), "cannot write to"),
        (("--data", corpus, "--config", tiny_file, "--output-dir", packed_corpus), "holds another packed corpus"),
        (("--data", corpus, "--output-dir", tmp_path / "x"), "without --config a corpus is packed at the 22050 Hz"),
        (("--data", corpus, "--config", tiny_file, "--output-dir", "abc://bucket/x"), "no file system for abc://"),
    ):
        assert_one_error(run(preprocess.main, *arguments), words)


def change(folder, edit):
    manifest = json.loads((folder / "manifest.json").read_text())
    edit(manifest)
    (folder / "manifest.json").write_text(json.dumps(manifest))


def shorten(path, size):
    path.write_bytes(path.read_bytes()[:size])


# Damage to a packed corpus, and the words of the error.
DAMAGES = {
    "shard missing": (lambda f: (f / "shard-00001.tfrecord").unlink(), ["shard-00001.tfrecord is missing"]),
    "shard truncated": (lambda f: shorten(f / "shard-00001.tfrecord", 5000), ["is truncated: 5000 of"]),
    "shard empty": (lambda f: shorten(f / "shard-00000.tfrecord", 0), ["is truncated: 0 of"]),
    "shards swapped": (
        lambda f: (f / "shard-00000.tfrecord").replace(f / "shard-00002.tfrecord"),
        ["shard-00000.tfrecord is missing", "2 shards are wrong"],
    ),
    "shard too long": (
        lambda f: (f / "shard-00000.tfrecord").write_bytes((f / "shard-00000.tfrecord").read_bytes() * 2),
        ["they are not of one corpus"],
    ),
    "clip left out": (lambda f: change(f, lambda m: m["shards"][0]["clips"].pop()), ["does not match itself"]),
    "clip without length": (
        lambda f: change(f, lambda m: m["shards"][0]["clips"][0].pop("samples")),
        ["manifest.json is damaged"],
    ),
    "no shards": (lambda f: change(f, lambda m: m.pop("shards")), ["manifest.json is damaged"]),
    "manifest truncated": (lambda f: shorten(f / "manifest.json", 500), ["is no manifest of this version"]),
    "clip without a name": (
        lambda f: change(f, lambda m: m["shards"][0]["clips"][0].update(name=5)),
        ["manifest.json is damaged (TypeError: a clip cannot be (5, "],
    ),
    "peak of letters": (
        lambda f: change(f, lambda m: m["shards"][0]["clips"][0].update(peak="x")),
        ["manifest.json is damaged"],
    ),
    "scale without a value": (
        lambda f: change(f, lambda m: m["shards"][0]["clips"][0].update(scale=float("nan"))),
        ["manifest.json is damaged"],
    ),
    "nested manifest": (
        lambda f: (f / "manifest.json").write_text("[" * 100_000),
        ["is no manifest of this version"],
    ),
    "another manifest": (lambda f: (f / "manifest.json").write_text("[]"), ["is no manifest of this version"]),
    "no manifest": (lambda f: (f / "manifest.json").unlink(), ["holds no manifest.json"]),
    "manifest unreadable": (
        lambda f: ((f / "manifest.json").unlink(), (f / "manifest.json").mkdir()),
        ["manifest.json cannot be used", "check the path, the disk's space and the permissions"],
    ),
    "another rate": (
        lambda f: change(f, lambda m: m.update(sampling_rate=22050)),
        ["is packed at 22050 Hz, and the config asks for 8000 Hz"],
    ),
}


@pytest.mark.parametrize(("damage", "words"), DAMAGES.values(), ids=DAMAGES.keys())
def test_a_broken_packed_corpus_is_one_line(broken, tiny_file, tmp_path, run, damage, words):
    damage(broken)
    process = run(train.main, "--config", tiny_file, "--data", broken, "--run-dir", tmp_path / "run")
    assert_one_error(process, broken, *words)
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("damage", ["truncated", "altered"])
def test_a_shard_that_breaks_during_training_is_named(broken, tiny, monkeypatch, damage):
    monkeypatch.setattr(data, "CACHE_BYTES", 0)
    clips = read_clips(str(broken), RATE)
    steps = TimedBatches(training_batches(clips, tiny), clips)
    next(steps)
    for shard in broken.glob("*.tfrecord"):
        contents = shard.read_bytes()
        shard.write_bytes(contents[:3000] if damage == "truncated" else b"\0" * len(contents))
    words = "shard-00000.tfrecord is truncated: 3000 of" if damage == "truncated" else f"a shard in {broken} is damaged"
    with pytest.raises(UserError, match=words):
        [next(steps) for _ in range(100)]


def test_a_shard_that_gives_fewer_records_than_its_manifest_says_is_damaged(broken, tiny, monkeypatch):
    """As for a moment while it is written anew: of the right size again when it is looked at."""
    monkeypatch.setattr(data, "CACHE_BYTES", 0)
    clips = read_clips(str(broken), RATE)
    for shard in broken.glob("*.tfrecord"):
        shard.write_bytes(b"")
    monkeypatch.setattr(packed, "_check_sizes", lambda shards: None)
    with pytest.raises(UserError, match=rf"a shard in {broken} is damaged \(.*Dataset was empty"):
        next(TimedBatches(training_batches(clips, tiny), clips))


def test_damage_found_while_filling_the_memory_is_named(broken, tiny):
    clips = read_clips(str(broken), RATE)
    shard = broken / "shard-00000.tfrecord"
    shard.write_bytes(bytes(shard.stat().st_size))
    with pytest.raises(UserError, match="is damaged"):
        training_batches(clips, tiny)


@pytest.mark.parametrize(
    ("path", "words"),
    [
        ("abc://bucket/packed", "TensorFlow has no file system for abc://: give a gs:// path"),
        ("ram://bucket/nothing", "ram://bucket/nothing holds no manifest.json"),
    ],
)
def test_a_path_that_no_storage_knows_is_one_line(tiny_file, run, path, words):
    assert_one_error(run(train.main, "--config", tiny_file, "--data", path), words)


def test_an_object_store_that_wants_credentials_is_one_line(tiny_file, run, monkeypatch):
    def refuse(path):
        raise tf.errors.PermissionDeniedError(None, None, "HTTP response code 401 with body '{\n \"error\": 401\n}'")

    monkeypatch.setattr(tf.io.gfile, "exists", refuse)
    process = run(train.main, "--config", tiny_file, "--data", "gs://bucket/packed")
    assert_one_error(process, "gs://bucket/packed/manifest.json cannot be used", "code 401", "the credentials")


def test_an_object_store_that_does_not_answer_is_one_line(tiny_file, tmp_path):
    """The only way out of the process is a proxy that takes connections and says nothing."""
    code = "from hifigan_tf import cli, packed, train; packed.ANSWER_SECONDS = 2; cli.run(train.main)"
    with socket.create_server(("127.0.0.1", 0)) as server:
        proxy = f"http://127.0.0.1:{server.getsockname()[1]}"
        process = subprocess.run(
            [sys.executable, "-c", code, "--config", str(tiny_file), "--data", "gs://bucket/packed"],
            capture_output=True,
            text=True,
            timeout=100,
            env={**os.environ, "https_proxy": proxy, "http_proxy": proxy, "HOME": str(tmp_path)},
        )
    assert_one_error(process, "gs://bucket/packed/manifest.json: no answer within 2 s: check the path, the network")


def test_lists_and_the_held_out_split_are_those_of_the_folder(corpus, packed_corpus, tiny, tmp_path):
    (tmp_path / "training.txt").write_text("clip4|words\ndeep/clip1\nclip0.wav|words\nlost|words\n")
    (tmp_path / "validation.txt").write_text("clip4\ndeep/clip5.flac\n")
    lists = [f"--{name}-file={tmp_path / name}.txt" for name in ("training", "validation")]
    for options in ([], lists, lists[1:]):
        stems = []
        for folder in (corpus, packed_corpus):
            training, validation = train._files(train.parse(["--data", str(folder), *options]), tiny)
            if not validation:
                training, validation = hold_out(training, folder)
            stems.append([[clip.path.stem for clip in clips] for clips in (training, validation)])
        assert stems[0] == stems[1]
        assert not {*stems[0][0]} & {*stems[0][1]}
    options = ["--data", str(packed_corpus), "--validation-data", str(corpus)]
    assert len(train._files(train.parse(options), tiny)[1]) == 7


def test_copies_of_held_out_clips_are_not_trained_on(corpus, packed_corpus, tiny, tmp_path, caplog):
    """Whether either is packed: the same recordings under the same names are not trained on and held out."""
    held_out = tmp_path / "held_out"
    held_out.mkdir()
    names = [path.name for path in sorted(corpus.glob("*.wav"))[:2]]
    for name in names:
        shutil.copy(corpus / name, held_out)
    soundfile.write(held_out / "other.wav", np.random.default_rng(0).uniform(-0.5, 0.5, 4000), RATE)
    for folder in (corpus, packed_corpus):
        caplog.clear()
        options = ["--data", str(folder), "--validation-data", str(held_out), "--run-dir", str(tmp_path / "run")]
        everything = len(train._files(train.parse(["--data", str(folder)]), tiny)[0])
        config_file = tmp_path / "tiny.json"
        config_file.write_text(tiny.dumps())
        job = train.check(train.parse([*options, "--config", str(config_file)]))
        training, validation = train.good_clips(job, tiny)
        assert len(validation) == 3
        assert len(training) == everything - 2
        assert not {Path(clip.name).name for clip in training} & set(names)
        assert "2 clips to train on are left out: they are copies of clips that are held out" in caplog.text
    with pytest.raises(UserError, match=r"is packed and .* is not"):
        train._files(train.parse(["--data", str(corpus), str(packed_corpus)]), tiny)


def test_copies_at_another_rate_are_not_trained_on_either(tmp_path, tiny):
    """44,101 samples at 44.1 kHz are no whole number at 8 kHz: lengths are compared there, but for rounding."""
    write(tmp_path / "data" / "a.wav", 44_101, 44_100)
    write(tmp_path / "data" / "b.wav", 8000, seed=1)
    pack(tmp_path / "data", tmp_path / "packed", tiny)
    held_out = check_clips([tmp_path / "data" / "a.wav"], tiny)
    clips = check_clips(read_clips(str(tmp_path / "packed"), RATE), tiny)
    assert [clip.name for clip in train.without_copies(clips, held_out)] == ["b.wav"]


def test_links_to_nothing_are_named_and_the_rest_is_packed(tmp_path, tiny):
    for name in ("a", "b", "c"):
        write(tmp_path / "data" / f"{name}.wav", 4000)
    (tmp_path / "data" / "gone.wav").symlink_to(tmp_path / "nothing")
    (tmp_path / "data" / "loop.wav").symlink_to(tmp_path / "data" / "loop.wav")
    manifest = pack(tmp_path / "data", tmp_path / "packed", tiny)
    assert sorted(manifest["skipped"]) == ["gone.wav", "loop.wav"]
    assert manifest["files"] == 5
    assert len(read_clips(str(tmp_path / "packed"), RATE)) == 3


def test_training_on_a_packed_corpus(packed_corpus, tiny_file, tmp_path, run):
    from hifigan_tf.training.run_folder import RunFolder

    options = ("--config", tiny_file, "--data", packed_corpus, "--run-dir", tmp_path / "run", "--max-steps", 2)
    process = run(train.main, *options)
    assert process.returncode == 0, process.stderr
    (_, shares) = RunFolder(tmp_path / "run").scalars(["waiting_for_data"])["waiting_for_data"]
    assert all(0 <= share < 1 for share in shares)
    assert len(shares) == 1


def test_time_spent_waiting_for_data_is_measured_and_reported_once(caplog, monkeypatch):
    now = 0.0
    monkeypatch.setattr(data, "time", SimpleNamespace(perf_counter=lambda: now))

    def batches():
        nonlocal now
        for seconds in (9, 1, 3, 0.01, 0.02, 5):
            now += seconds
            yield seconds

    def share(steps):
        nonlocal now
        for _ in range(steps):
            next(timed)
            now += 2  # the step
        return timed.waiting_share()

    timed = TimedBatches(batches(), [None])
    assert share(3) == pytest.approx(4 / 10)  # the first batch does not count
    assert share(2) == pytest.approx(0.03 / 4.03)
    assert share(1) == pytest.approx(5 / 7)
    (warning,) = caplog.records
    assert warning.getMessage().startswith("warning: 40 % of the time went into waiting for data: pack the corpus")


def test_the_benchmark_fills_its_rows(corpus, tiny_file, tmp_path, capsys):
    rows, cache_bytes = tmp_path / "rows.json", data.CACHE_BYTES
    options = ("--config", tiny_file, "--seconds", 0.05, "--repeats", 2, "--json", rows)
    ways = [(name, kept) for name in ("folder", "packed") for kept in ("memory", "storage")]
    ways = [("whole files, soundfile", "storage"), *ways]
    data_pipeline.main([str(option) for option in (*options, "--data", corpus, "--steps-per-second", 4)])
    table = capsys.readouterr().out
    results = json.loads(rows.read_text())
    assert [(row["input"], row["from"]) for row in results] == ways  # some of these files are WAV
    for row in results:
        assert row["step_segments_per_second"] == 8
        assert row["ratio"] == pytest.approx(row["segments_per_second"] / 8, abs=0.1)
        assert f"| {row['input']} | {row['from']} | {row['segments_per_second']:.0f} |" in table
        assert "times_whole" not in row
    data_pipeline.main([str(option) for option in (*options, "--rates", 8000, 16000, "--clip-seconds", 30)])
    assert "measured in the same rounds" in capsys.readouterr().out
    results = json.loads(rows.read_text())
    compared = [(data_pipeline.WHOLE, "storage")] if tensorflow_io() else []
    assert [(row["corpus"], row["input"], row["from"]) for row in results] == [
        (f"{rate} Hz FLAC, 30 s", *way) for rate in (8000, 16000) for way in [*compared, *ways]
    ]
    assert all(row["step_segments_per_second"] > 0 for row in results)
    assert all(("times_whole" in row) == bool(compared) for row in results)
    whole = [row["times_whole"] for row in results if row["input"] == data_pipeline.WHOLE]
    assert whole == 2 * len(compared) * [1.0]
    assert cache_bytes == data.CACHE_BYTES


@pytest.mark.skipif(tensorflow_io() is None, reason="tensorflow-io is part of the reference set alone")
def test_the_benchmark_reads_whole_files_as_soundfile_does(tmp_path, tiny):
    """What it compares with is the same audio, but for another resampler."""
    folders = data_pipeline.make_corpora(tmp_path, [8000, 16000], [60])
    for name, folder in folders.items():
        clips = check_clips(find_audio(folder), tiny)
        assert [(clip.rate, clip.samples / clip.rate) for clip in clips] == [(int(name.split()[0]), 60)] * 2
        samples, peak, cut = data_pipeline.WholeFiles(clips, RATE).open(0)
        assert int(samples) == pytest.approx(clips[0].resampled, abs=100)
        assert float(peak) == pytest.approx(clips[0].peak, rel=0.05)
        if clips[0].rate == RATE:
            np.testing.assert_array_equal(cut(1000, 9000), load_audio(clips[0].path, RATE)[1000:9000])
