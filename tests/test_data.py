"""The input pipeline: formats aligned to the sample, batches as a pure function of the step, bad files."""

import logging
import struct
import sys
from math import gcd
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import soundfile
import tensorflow as tf
from conftest import assert_one_error
from hypothesis import given, settings
from hypothesis import strategies as st

from hifigan_tf.audio.audio_files import (
    NEVER_SEEKABLE,
    RESAMPLER_MARGIN,
    examine,
    normalize,
    read_audio,
    read_part,
    resample,
)
from hifigan_tf.audio.mel import MelSpectrogram
from hifigan_tf.audio.mel_formats import MelConversion, MelFile
from hifigan_tf.audio.mp3 import frame_at
from hifigan_tf.config import LOG_MIN
from hifigan_tf.data import decoding
from hifigan_tf.data import pipeline as data
from hifigan_tf.data.clip_lists import corpus_files, corpus_names, hold_out, read_file_list
from hifigan_tf.data.decoding import FileAudio, WavAudio
from hifigan_tf.data.pipeline import (
    Clip,
    check_clips,
    draws_per_epoch,
    steps_per_epoch,
    training_batches,
    validation_clips,
)
from hifigan_tf.errors import UserError

HOP, SEGMENT, RATE = 32, 1024, 8000  # of the fixture `tiny`
# (suffix, container, encoding): those tensorflow-io decodes into the memory, and those that soundfile does.
BY_TENSORFLOW_IO = [
    ("wav", "WAV", "PCM_U8"),
    ("wav", "WAV", "PCM_16"),
    ("wav", "WAV", "PCM_24"),
    ("wav", "WAV", "FLOAT"),
]
BY_SOUNDFILE = [
    ("flac", "FLAC", "PCM_S8"),
    ("flac", "FLAC", "PCM_16"),
    ("flac", "FLAC", "PCM_24"),
    ("ogg", "OGG", "VORBIS"),
    ("mp3", "MP3", "MPEG_LAYER_III"),
    ("wav", "WAV", "PCM_32"),
    ("wav", "WAV", "DOUBLE"),
    ("wav", "WAV", "ULAW"),
    ("wav", "WAV", "ALAW"),
    ("wav", "WAVEX", "PCM_16"),
    ("ogg", "OGG", "OPUS"),
]


def tones(samples, rate, highest, seed=0):
    """``[samples]`` float64: thirty sinusoids up to ``highest`` Hz, the same in continuous time at every rate."""
    rng = np.random.default_rng(seed)
    frequencies, phases = rng.uniform(50, highest, (30, 1)), rng.uniform(0, 2 * np.pi, (30, 1))
    return np.sin(2 * np.pi * frequencies * np.arange(samples) / rate + phases).sum(axis=0) / 30


def write(path, signal, rate=RATE, container=None, encoding="FLOAT"):
    soundfile.write(path, signal, rate, format=container, subtype=encoding)
    return path


def ramp(samples):
    """Sample ``p`` of ``[samples]`` is ``(p + 1) / samples``."""
    return np.arange(1, samples + 1) / samples


def ramps(folder, lengths, config):
    """Clips that are ramps: the slope of a segment identifies the clip, its first sample the position."""
    return check_clips([write(folder / f"{length}.wav", ramp(length)) for length in lengths], config)


def place(segment, lengths):
    """``(length of the clip, first sample)`` of a normalised ramp's segment."""
    length = min(lengths, key=lambda length: abs(0.95 / length - np.median(np.diff(segment[:256]))))
    return length, round(float(segment[0]) * length / 0.95) - 1


def batches(clips, config, steps, first_step=0):
    """``[(mel, audio)]`` of ``steps`` steps, in NumPy."""
    first_example = first_step * config.training.batch_size
    return list(training_batches(clips, config, first_example).take(steps).as_numpy_iterator())


def assert_bit_equal(left, right):
    assert len(left) == len(right)
    for (left_mel, left_audio), (right_mel, right_audio) in zip(left, right, strict=True):
        assert left_mel.tobytes() == right_mel.tobytes()
        assert left_audio.tobytes() == right_audio.tobytes()


def messages(caplog):
    return [record.getMessage() for record in caplog.records if record.levelno >= logging.WARNING]


needs_tensorflow_io = pytest.mark.skipif(
    decoding.tensorflow_io() is None, reason="tensorflow-io is part of the reference set alone"
)


@pytest.fixture(scope="module")
def mixed(tmp_path_factory, tiny):
    """Clips of several formats, rates and numbers of channels, at most 1.5 s long."""
    folder = tmp_path_factory.mktemp("mixed")
    stereo = np.stack([tones(24000, 16000, 3000, seed) for seed in (1, 2)], axis=1)
    return check_clips(
        [
            write(folder / "a.wav", tones(9000, 8000, 3000, 3), 8000, "WAV", "PCM_16"),
            write(folder / "b.flac", stereo, 16000, "FLAC", "PCM_16"),
            write(folder / "c.wav", tones(8800, 8000, 3000, 4), 8000, "WAV", "ULAW"),
            write(folder / "d.ogg", tones(30000, 22050, 3000, 5), 22050, "OGG", "VORBIS"),
            write(folder / "e.mp3", tones(12000, 8000, 3000, 6), 8000, "MP3", "MPEG_LAYER_III"),
        ],
        tiny,
    )


def cut(clip, sampling_rate, start, stop):
    return FileAudio([clip], sampling_rate).open(0)[2](start, stop).numpy()


def whole(path, sampling_rate):
    return resample(*read_audio(path), sampling_rate)


@pytest.mark.parametrize(("suffix", "container", "encoding"), [*BY_TENSORFLOW_IO, *BY_SOUNDFILE])
def test_a_segment_is_that_cut_of_the_whole_file(tmp_path, tiny, suffix, container, encoding):
    for rate, channels in ((8000, 1), (24000, 2), (48000, 1)):
        signal = np.stack([tones(60001, rate, 3000, seed) for seed in range(channels)], axis=1)
        path = write(tmp_path / f"{rate}.{suffix}", signal, rate, container, encoding)
        (clip,) = check_clips([path], tiny)
        assert clip.seekable == (encoding not in NEVER_SEEKABLE)
        expected = whole(path, RATE)
        samples, peak, _ = FileAudio([clip], RATE).open(0)
        assert (clip.rate, clip.resampled, int(samples)) == (rate, len(expected), len(expected))
        assert float(peak) == np.abs(expected).max()
        for start in (0, 1, len(expected) // 3, len(expected) - SEGMENT, len(expected) - 10):
            found = cut(clip, RATE, start, start + SEGMENT)
            atol = 0 if rate == RATE else 1e-6
            np.testing.assert_allclose(found, expected[start : start + SEGMENT], atol=atol, rtol=0)


@settings(deadline=None, max_examples=150)
@given(data=st.data())
def test_a_segment_equals_that_cut_of_the_whole_resampling_at_any_two_rates(tmp_path_factory, data):
    """A rate and its neighbour have no period in common: soxr then is exact for as long as a clip is."""
    usual = st.sampled_from([8000, 11025, 12000, 16000, 22050, 24000, 32000, 44100, 48000])
    rate, target = (data.draw(st.one_of(usual, st.integers(8000, 48000)), label=name) for name in ("rate", "target"))
    frames = data.draw(st.integers(1, 2 * rate), label="frames")
    signal = np.random.default_rng(frames).uniform(-0.9, 0.9, frames)
    path = write(tmp_path_factory.getbasetemp() / "any.wav", signal, rate)
    expected = whole(path, target)
    start = data.draw(st.integers(0, max(0, len(expected) - 1)), label="start")
    stop = data.draw(st.integers(start, len(expected)), label="stop")
    for first, last in ((start, stop), (0, stop - start), (len(expected) - (stop - start), len(expected))):
        part = read_part(path, target, first, last)
        assert part.shape == (last - first,)
        np.testing.assert_allclose(part, expected[first:last], atol=1e-4, rtol=0)


@pytest.mark.parametrize("rate", [8000, 11025, 16000, 22050, 24001, 32000, 44100, 48000])
@pytest.mark.parametrize("target", [8000, 16000, 22050, 24000, 44100, 48000])
def test_the_margin_holds_the_filter(rate, target):
    impulse = np.zeros(rate, np.float32)
    impulse[rate // 2] = 1
    response = np.abs(resample(impulse, rate, target))
    reach = RESAMPLER_MARGIN * target // min(rate, target)
    away = np.abs(np.arange(len(response)) - target / 2) > reach
    assert response[away].max() < 1e-6 * response.max()


@pytest.mark.parametrize(("rate", "target"), [(44100, 22050), (48000, 22050), (16000, 22050), (8000, 48000)])
def test_a_segment_reads_no_more_than_it_needs(tmp_path, monkeypatch, rate, target):
    path, read = write(tmp_path / "a.flac", tones(4 * rate, rate, 3000), rate, "FLAC", "PCM_16"), []
    plain = soundfile.SoundFile.read

    def counted(file, frames=-1, **options):
        audio = plain(file, frames, **options)
        read.append(len(audio))
        return audio

    monkeypatch.setattr(soundfile.SoundFile, "read", counted)
    read_part(path, target, target, target + 8192)
    margin, step = 256 * max(1, rate / target), rate // gcd(rate, target)
    (frames,) = read
    assert 8192 * rate / target < frames <= 8192 * rate / target + 2 * margin + step + 2


def test_a_file_whose_seeks_are_not_exact_is_read_whole(tmp_path, tiny, monkeypatch):
    """One that goes to the start of the block of 64 that the sample lies in, as a decoder of blocks may."""
    signal = tones(100_000, RATE, 3000)
    path = write(tmp_path / "a.flac", signal, RATE, "FLAC", "PCM_16")
    plain = soundfile.SoundFile.seek

    def inexact(file, frames, *whence):  # soundfile's own calls tell whence
        return plain(file, frames if whence else frames // 64 * 64, *whence)

    monkeypatch.setattr(soundfile.SoundFile, "seek", inexact)
    (clip,) = check_clips([path], tiny)
    assert not clip.seekable
    np.testing.assert_array_equal(cut(clip, RATE, 70_001, 71_000), read_audio(path)[0][70_001:71_000])


def test_where_soxr_drifts_the_file_is_read_whole(tmp_path, monkeypatch):
    """At 44,101 to 8,000 Hz its clock runs away from itself by some thousandths of a sample an hour."""
    path = write(tmp_path / "a.wav", np.random.default_rng(0).uniform(-0.9, 0.9, 44101 * 200), 44101)
    file, expected = examine(path, 48000), whole(path, 48000)
    stop = len(expected)
    assert not file.seekable
    assert np.abs(read_part(path, 48000, stop - 1000, stop) - expected[-1000:]).max() > 1e-5
    assert examine(path, 44100 // 2).peak == np.abs(whole(path, 44100 // 2)).max()


@needs_tensorflow_io
@pytest.mark.parametrize(("suffix", "container", "encoding"), BY_TENSORFLOW_IO)
def test_tensorflow_io_decodes_what_soundfile_does(tmp_path, tiny, suffix, container, encoding):
    paths = []
    for channels in (1, 2):
        signal = np.stack([tones(8192, RATE, 3000, seed) for seed in range(channels)], axis=1)
        paths.append(write(tmp_path / f"{channels}.{suffix}", signal, RATE, container, encoding))
    clips = check_clips(paths, tiny)
    wav = WavAudio(clips, RATE)
    assert wav.indices == [0, 1]
    for index, path in enumerate(paths):
        samples, peak, part = wav.open(index)
        expected = read_audio(path)[0]
        assert (int(samples), float(peak)) == (8192, np.abs(expected).max())
        np.testing.assert_array_equal(part(0, samples), expected)
        np.testing.assert_array_equal(part(100, 200), expected[100:200])


@pytest.mark.parametrize(("suffix", "container", "encoding"), BY_SOUNDFILE)
def test_soundfile_decodes_the_rest(tmp_path, tiny, suffix, container, encoding):
    path = write(tmp_path / f"a.{suffix}", tones(8192, RATE, 3000), RATE, container, encoding)
    clips = check_clips([path], tiny)
    assert WavAudio(clips, RATE).indices == []
    np.testing.assert_allclose(data.Clips(clips, tiny).cache[0], normalize(read_audio(path)[0]), atol=2e-7, rtol=0)


def test_files_of_another_rate_are_resampled_by_soxr(tmp_path, tiny):
    path = write(tmp_path / "a.wav", tones(24000, 24000, 3000), 24000, "WAV", "PCM_16")
    clips = check_clips([path], tiny)
    assert WavAudio(clips, RATE).indices == []
    np.testing.assert_allclose(data.Clips(clips, tiny).cache[0], normalize(whole(path, RATE)), atol=2e-7, rtol=0)


@needs_tensorflow_io
@pytest.mark.parametrize("encoding", ["PCM_U8", "PCM_24"])
def test_a_wav_that_tensorflow_io_cannot_read_goes_to_soundfile(tmp_path, tiny, encoding):
    """An odd number of bytes makes it read past the end."""
    path = write(tmp_path / "a.wav", tones(8191, RATE, 3000), RATE, "WAV", encoding)
    good = write(tmp_path / "b.wav", tones(8192, RATE, 3000), RATE, "WAV", encoding)
    clips = check_clips([path, good], tiny)
    with pytest.raises(tf.errors.OpError):
        WavAudio(clips, RATE).open(0)[2](0, 10)
    expected = np.concatenate([normalize(read_audio(clip.path)[0]) for clip in clips])
    np.testing.assert_allclose(data.Clips(clips, tiny).cache[0], expected, atol=2e-7, rtol=0)


@needs_tensorflow_io
@pytest.mark.parametrize("change", [{"resampled": 8000}, {"peak": 0.1}])
def test_what_tensorflow_io_reads_otherwise_is_not_taken(tmp_path, tiny, change):
    path = write(tmp_path / "a.wav", tones(8192, RATE, 3000), RATE, "WAV", "PCM_16")
    (clip,) = check_clips([path], tiny)
    with pytest.raises(tf.errors.InvalidArgumentError):
        WavAudio([clip._replace(**change)], RATE).open(0)[2](0, 10)


def test_a_wav_written_to_a_pipe_goes_to_soundfile(tmp_path, tiny):
    """The header that sox writes then declares 2 GB."""
    path = write(tmp_path / "a.wav", tones(8192, RATE, 3000), RATE, "WAV", "PCM_16")
    contents = bytearray(path.read_bytes())
    contents[4:8], contents[40:44] = struct.pack("<I", 0x7FFFF024), struct.pack("<I", 0x7FFFF000)
    path.write_bytes(contents)
    clips = check_clips([path], tiny)
    assert clips[0].samples == 8192
    assert WavAudio(clips, RATE).indices == []


def test_an_mp3_without_its_length_is_decoded_whole(tmp_path, tiny):
    path = write(tmp_path / "a.mp3", tones(24000, RATE, 3000), RATE, "MP3", "MPEG_LAYER_III")
    path.write_bytes(path.read_bytes()[frame_at(path.read_bytes(), 0).end :])
    (clip,) = check_clips([path], tiny)
    assert 24000 < clip.samples < 24000 + 2000
    np.testing.assert_array_equal(cut(clip, RATE, 0, clip.samples), read_audio(path)[0])


class FailsAtUse:
    """tensorflow-io on a TensorFlow that it was not built for."""

    @staticmethod
    def decode_wav(contents, dtype):
        raise NotImplementedError("unable to open file: libtensorflow_io.so")


@needs_tensorflow_io
@pytest.mark.parametrize("module", [None, SimpleNamespace(audio=FailsAtUse)], ids=["not installed", "fails at use"])
def test_without_tensorflow_io_the_same_audio_comes_out_without_a_word(mixed, tiny, caplog, capfd, monkeypatch, module):
    assert WavAudio(mixed, RATE).indices == [0]
    inside = list(validation_clips(mixed, tiny))
    monkeypatch.setitem(sys.modules, "tensorflow_io", module)
    decoding.tensorflow_io.cache_clear()
    try:
        assert WavAudio(mixed, RATE).indices == []
        clips = check_clips([clip.path for clip in mixed], tiny)
        assert clips == mixed
        outside = list(validation_clips(clips, tiny))
    finally:
        decoding.tensorflow_io.cache_clear()
    assert_bit_equal([clip[1:] for clip in outside], [clip[1:] for clip in inside])
    assert messages(caplog) == []
    assert "tensorflow" not in capfd.readouterr().err


def test_a_file_that_changes_during_training_is_named(tmp_path, tiny, monkeypatch):
    monkeypatch.setattr(data, "CACHE_BYTES", 0)
    path = write(tmp_path / "a.wav", tones(80_000, RATE, 3000), RATE, "WAV", "PCM_16")
    clips = check_clips([path], tiny)
    for damage, words in (
        (lambda: path.write_bytes(path.read_bytes()[:5000]), "a.wav has become shorter since it was checked"),
        (lambda: path.write_bytes(bytes(5000)), r"a.wav cannot be decoded \(Format not recognised\)"),
        (path.unlink, "a.wav does not exist: check the path"),
    ):
        damage()
        with pytest.raises(UserError, match=words) as error:
            next(data.TimedBatches(training_batches(clips, tiny), clips))
        assert "\n" not in str(error.value)


def test_a_batch_has_mels_of_the_segments(mixed, tiny):
    front_end = MelSpectrogram.of(tiny.audio)
    for mel, audio in batches(mixed, tiny, 3):
        assert (mel.shape, mel.dtype) == ((2, SEGMENT // HOP, 16), np.float32)
        assert (audio.shape, audio.dtype) == ((2, SEGMENT), np.float32)
        np.testing.assert_allclose(mel, front_end(audio), atol=1e-5)


def test_segments_are_excerpts_of_clips_with_peak_0_95(tmp_path, tiny):
    lengths = [1500, 2000, 3000]
    for _, audio in batches(ramps(tmp_path, lengths, tiny), tiny, 6):
        for segment in audio:
            length, start = place(segment, lengths)
            np.testing.assert_allclose(segment, 0.95 * ramp(length)[start : start + SEGMENT], atol=1e-6, rtol=0)


def test_a_clip_is_normalised_as_analysis_does(mixed, tiny):
    for clip, (stem, _, audio) in zip(mixed, validation_clips(mixed, tiny), strict=True):
        assert stem == clip.path.stem
        assert abs(np.abs(audio).max() - 0.95) < 1e-6
        samples, rate = read_audio(clip.path)
        if rate == RATE:
            np.testing.assert_allclose(audio[: len(samples)], normalize(samples), atol=5e-6, rtol=0)


@pytest.mark.parametrize("length", [HOP, 300, SEGMENT - 1, SEGMENT])
def test_a_clip_shorter_than_a_segment_is_padded_with_silence_at_its_end(tmp_path, tiny, length):
    ((_, audio),) = batches(ramps(tmp_path, [length], tiny), tiny, 1)
    for segment in audio:
        np.testing.assert_allclose(segment[:length], 0.95 * ramp(length), atol=1e-6, rtol=0)
        assert not segment[length:].any()


@pytest.mark.parametrize("batch_size", [1, 2, 7])
def test_every_clip_comes_once_an_epoch_in_a_new_order(tmp_path, tiny, batch_size):
    lengths, config = [1100, 1300, 1500, 1700, 1900], tiny.replace(batch_size=batch_size)
    clips = ramps(tmp_path, lengths, config)
    seen = [place(s, lengths)[0] for _, audio in batches(clips, config, -(-30 // batch_size)) for s in audio]
    epochs = [seen[first : first + 5] for first in range(0, 30, 5)]
    assert all(sorted(epoch) == lengths for epoch in epochs)
    assert len({tuple(epoch) for epoch in epochs}) >= 5


@pytest.mark.parametrize(("clips", "batch_size", "steps"), [(5, 2, 2), (4, 2, 2), (3, 7, 1), (1, 1, 1)])
def test_an_epoch_has_the_steps_that_a_pass_takes(tiny, clips, batch_size, steps):
    words = [Clip(Path("word.wav"), 8000, 8000, 8000, 1.0, True, "WAV PCM_16")] * clips
    assert steps_per_epoch(words, tiny.replace(batch_size=batch_size)) == steps


def test_a_long_clip_counts_as_much_as_the_same_hour_in_pieces(tiny):
    config = tiny.replace(batch_size=2)
    lengths = {1.0: 1, 15.0: 1, 15.1: 2, 60.0: 4, 3600.0: 240}
    clips = [
        Clip(Path("long.wav"), 8000, round(8000 * seconds), round(8000 * seconds), 1.0, True, "WAV PCM_16")
        for seconds in lengths
    ]
    assert draws_per_epoch(clips, config) == list(lengths.values())
    assert steps_per_epoch(clips, config) == 124
    assert draws_per_epoch(clips, config.replace(epoch_clip_seconds=None)) == [1] * 5
    assert steps_per_epoch(clips, config.replace(epoch_clip_seconds=None)) == 2


def test_an_epoch_draws_a_segment_for_every_epoch_clip_seconds(tmp_path, tiny):
    lengths, config = [1100, 8500, 25000], tiny.replace(batch_size=7, epoch_clip_seconds=1)
    clips = ramps(tmp_path, lengths, config)
    for _, audio in batches(clips, config, 3):
        seen = [place(segment, lengths) for segment in audio]
        assert sorted(length for length, _ in seen) == [1100, 8500, 8500, 25000, 25000, 25000, 25000]
        assert len(set(seen)) == 7


def test_the_same_seed_gives_the_same_bits_and_another_seed_others(mixed, tiny):
    first = batches(mixed, tiny, 6)
    assert_bit_equal(first, batches(mixed, tiny, 6))
    other = batches(mixed, tiny.replace(seed=tiny.training.seed + 1), 6)
    assert all(not np.array_equal(left[1], right[1]) for left, right in zip(first, other, strict=True))


@pytest.mark.parametrize("batch_size", [2, 7])
def test_a_pipeline_from_step_n_is_the_tail_of_one_from_the_start(mixed, tiny, batch_size):
    """Five clips: steps 1 and 4 begin inside an epoch, step 5 with a new one."""
    config = tiny.replace(batch_size=batch_size)
    whole = batches(mixed, config, 7)
    for first_step in (1, 4, 5):
        assert_bit_equal(batches(mixed, config, 7 - first_step, first_step), whole[first_step:])


def test_a_pipeline_from_a_late_step_starts_at_once(mixed, tiny):
    assert len(batches(mixed, tiny, 1, first_step=2_500_000)) == 1


def test_random_starts_cover_the_clip_evenly(tmp_path, tiny):
    clips, config = ramps(tmp_path, [SEGMENT + 9], tiny), tiny.replace(batch_size=50)
    starts = [place(segment, [SEGMENT + 9])[1] for _, audio in batches(clips, config, 10) for segment in audio]
    counts = np.bincount(starts, minlength=10)
    assert len(counts) == 10
    assert counts.min() > 25  # 50 are expected, with a deviation of 7
    assert counts.max() < 85


def test_without_the_cache_the_bits_are_the_same_but_where_a_part_is_resampled(mixed, tiny, monkeypatch):
    same = [clip for clip in mixed if clip.rate == RATE or not clip.seekable]
    assert len(same) == 4
    cached, seekable, clips = batches(mixed, tiny, 4), batches(same, tiny, 4), list(validation_clips(mixed, tiny))
    monkeypatch.setattr(data, "CACHE_BYTES", 0)
    assert data.Clips(mixed, tiny).cache is None
    assert_bit_equal(batches(same, tiny, 4), seekable)
    for (_, left), (_, right) in zip(batches(mixed, tiny, 4), cached, strict=True):
        np.testing.assert_allclose(left, right, atol=2e-6, rtol=0)
    assert_bit_equal([clip[1:] for clip in validation_clips(mixed, tiny)], [clip[1:] for clip in clips])


def test_without_the_cache_a_pipeline_from_step_n_is_the_tail_too(mixed, tiny, monkeypatch):
    monkeypatch.setattr(data, "CACHE_BYTES", 0)
    whole = batches(mixed, tiny, 7)
    assert_bit_equal(batches(mixed, tiny, 7), whole)
    for first_step in (1, 4, 5):
        assert_bit_equal(batches(mixed, tiny, 7 - first_step, first_step), whole[first_step:])


@pytest.mark.parametrize(("length", "frames"), [(HOP, 2), (1000, 32), (1024, 32), (1025, 33)])
def test_a_validation_clip_is_whole_and_fills_its_last_frame(tmp_path, tiny, length, frames):
    ((stem, mel, audio),) = validation_clips(ramps(tmp_path, [length], tiny), tiny)
    assert (stem, mel.shape, audio.shape) == (str(length), (frames, 16), (frames * HOP,))
    np.testing.assert_allclose(audio[:length], 0.95 * ramp(length), atol=1e-6, rtol=0)
    assert not audio[length:].any()
    np.testing.assert_allclose(mel, MelSpectrogram.of(tiny.audio)(audio[None])[0], atol=1e-5)


UNIT = 2.0**-17  # sample p of a clip with given mels is p times this, exactly


def mel_value(frame, band=0):
    """A value that identifies frame and band: exact in float32, and in the range of natural logarithms."""
    return (frame - 164) / 16 + band / 1024


def frame_of(value) -> int:
    return round(float(value) * 16 + 164)


def numbered(folder, stem, samples, frames, arrange=lambda mel: mel):
    """A clip whose samples encode their position, and a mel whose values encode frame and band."""
    write(folder / f"{stem}.wav", np.arange(samples) * UNIT)
    mel = mel_value(np.arange(frames, dtype=np.float32)[:, None], np.arange(16, dtype=np.float32))
    np.save(folder / f"{stem}.npy", arrange(mel))
    return folder / f"{stem}.wav"


ARRANGEMENTS = {
    "[frames, bands]": lambda mel: mel,
    "[bands, frames]": lambda mel: mel.T,
    "[1, bands, frames]": lambda mel: mel.T[None],
    "[1, frames, bands]": lambda mel: mel[None],
    "float64": lambda mel: mel.astype(np.float64),
    "Fortran": np.asfortranarray,
}


@pytest.mark.parametrize("arrange", ARRANGEMENTS.values(), ids=ARRANGEMENTS.keys())
def test_given_mels_come_with_the_audio_of_their_frames_at_its_own_level(tmp_path, tiny, arrange):
    clips = check_clips([numbered(tmp_path, "a", 3200, 100, arrange)], tiny, tmp_path)
    starts = set()
    for mel, audio in batches(clips, tiny, 8):
        assert (mel.shape, mel.dtype, audio.shape) == ((2, 32, 16), np.float32, (2, SEGMENT))
        for frames, segment in zip(mel, audio, strict=True):
            first = frame_of(frames[0, 0])
            np.testing.assert_array_equal(frames, mel_value(first + np.arange(32)[:, None], np.arange(16)))
            np.testing.assert_array_equal(segment, (first * HOP + np.arange(SEGMENT)) * UNIT)
            starts.add(first)
    assert len(starts) > 8
    ((_, mel, audio),) = validation_clips(clips, tiny)
    np.testing.assert_array_equal(mel[:, 0], mel_value(np.arange(100)))
    np.testing.assert_array_equal(audio, np.arange(3200) * UNIT)


@pytest.mark.parametrize(
    ("samples", "frames", "common"),
    [(1050, 35, 33), (1050, 33, 33), (1056, 36, 33), (1056, 30, 30), (1056, 33, 33), (320, 12, 10), (320, 8, 8)],
)
def test_given_mels_of_other_lengths_are_cut_to_what_they_have_in_common(tmp_path, tiny, samples, frames, common):
    clips = check_clips([numbered(tmp_path, "a", samples, frames)], tiny, tmp_path)
    sound = np.zeros(2 * SEGMENT, np.float32)
    sound[: min(samples, common * HOP)] = np.arange(min(samples, common * HOP)) * UNIT
    starts = set()
    for mel, audio in batches(clips, tiny, 8):
        for frames_given, segment in zip(mel, audio, strict=True):
            first = frame_of(frames_given[0, 0])
            kept = min(32, common - first)
            np.testing.assert_array_equal(frames_given[:kept, 0], mel_value(first + np.arange(kept)))
            np.testing.assert_array_equal(frames_given[kept:], np.float32(LOG_MIN))
            np.testing.assert_array_equal(segment, sound[first * HOP :][:SEGMENT])
            starts.add(first)
    assert starts == set(range(max(1, common - 31)))
    ((_, mel, audio),) = validation_clips(clips, tiny)
    assert (mel.shape, audio.shape) == ((frames, 16), (frames * HOP,))
    assert not audio[samples:].any()


def test_given_mels_without_the_cache_are_the_same_bits(tmp_path, tiny, monkeypatch):
    clips = check_clips([numbered(tmp_path, "a", 3200, 100), numbered(tmp_path, "b", 1600, 50)], tiny, tmp_path)
    cached = batches(clips, tiny, 4)
    monkeypatch.setattr(data, "CACHE_BYTES", 0)
    assert_bit_equal(batches(clips, tiny, 4), cached)
    assert [mel.shape[0] for _, mel, _ in validation_clips(clips, tiny)] == [100, 50]


def test_integers_written_as_floats_do_not_train_with_given_mels(tmp_path, tiny, caplog):
    """Their level stays as it is, and the losses were of the order of 1,000."""
    rng = np.random.default_rng(0)
    for stem, gain in (("big", 32768), ("good", 1), ("overshoot", 1.8)):
        write(tmp_path / f"{stem}.wav", gain * tones(3200, RATE, 3000))
        np.save(tmp_path / f"{stem}.npy", rng.normal(-8, 1, (100, 16)))
    paths = [tmp_path / f"{stem}.wav" for stem in ("big", "good", "overshoot")]
    assert [clip.path.stem for clip in check_clips(paths, tiny, tmp_path)] == ["good", "overshoot"]
    assert "big.wav holds samples up to" in messages(caplog)[0]
    caplog.clear()
    assert len(check_clips(paths, tiny)) == 3  # which are scaled to a peak of 0.95
    (line,) = messages(caplog)
    assert "far beyond -1 to 1, as integers written as floats do (1 of 3 clips are at such levels)" in line


def test_a_square_mel_is_read_alike_by_training_and_vocode(tmp_path, tiny, caplog):
    mel = np.random.default_rng(0).normal(-8, 1, (16, 16)).astype(np.float32)
    np.save(tmp_path / "a.npy", mel)
    write(tmp_path / "a.wav", tones(16 * HOP, RATE, 3000))
    (clip,) = check_clips([tmp_path / "a.wav"], tiny, tmp_path)
    line = messages(caplog)[0]
    assert "a.npy: shape [16, 16] is read as [frames, num_mels]; if it is not, transpose it" in line
    ((_, trained, _),) = validation_clips([clip], tiny)
    caplog.clear()
    (vocoded,) = MelFile(tmp_path / "a.npy", MelConversion(tiny.audio)).blocks()
    assert "a.npy: shape [16, 16] is read as [frames, num_mels]; if it is not, transpose it" in messages(caplog)[0]
    np.testing.assert_array_equal(trained, mel)
    np.testing.assert_array_equal(vocoded, mel)


def broken_mels(folder):
    """``{stem: words of its skip}`` for clips of 100 frames whose mel cannot be used."""
    good = np.full((100, 16), -5.25, np.float32)
    cases = {
        "nan": (np.full_like(good, np.nan), "nan.npy holds NaN or infinite values"),
        "bands": (np.zeros((100, 80)), "bands.npy has shape [100, 80]: it must be [16, frames] or [frames, 16]"),
        "flat": (np.zeros(1600), "flat.npy: shape [1600] is no mel"),
        "short": (good[:96], "short.npy has 96 frames, but"),
        "long": (np.full((104, 16), -5.25), "long.npy has 104 frames, but"),
        "decibels": (10 * good, "decibels.npy: values from -52.5 to -52.5 look like decibels: pass --mel-format db"),
        "words": (np.full((100, 16), "x"), "words.npy is no .npy array of numbers"),
        "objects": (np.full((100, 16), None), "objects.npy is no .npy array"),
        "text": (b"0 0 0 0", "text.npy is no .npy array"),
        "empty": (b"", "empty.npy is no .npy array"),
        "missing": (None, "missing.npy is not there, and no other file of"),
    }
    for stem, (content, _) in cases.items():
        write(folder / f"{stem}.wav", ramp(3200))
        if isinstance(content, bytes):
            (folder / f"{stem}.npy").write_bytes(content)
        elif content is not None:
            np.save(folder / f"{stem}.npy", content)
    np.save(folder / "half.npy", good)
    half = (folder / "half.npy").read_bytes()
    (folder / "half.npy").write_bytes(half[: len(half) // 2])
    np.savez(folder / "archive.npz", good)
    (folder / "archive.npz").rename(folder / "archive.npy")
    for stem in ("half", "archive"):
        write(folder / f"{stem}.wav", ramp(3200))
    words = {stem: words for stem, (_, words) in cases.items()}
    return {**words, "half": "half.npy is no .npy array", "archive": "archive.npy is no .npy array"}


def test_a_clip_without_a_fitting_mel_is_named_and_skipped(tmp_path, tiny, caplog):
    words = broken_mels(tmp_path)
    good = numbered(tmp_path, "good", 3200, 100)
    clips = check_clips([*(tmp_path / f"{stem}.wav" for stem in words), good], tiny, tmp_path)
    assert [clip.path.stem for clip in clips] == ["good"]
    skips = [line for line in messages(caplog) if "DC offset" not in line]
    assert len(skips) == len(words) + 1
    for line, expected in zip(skips, [*words.values(), f"{len(words)} files skipped"], strict=True):
        assert expected in line
        assert "\n" not in line


def broken_audio(folder):
    """``{file name: words of its skip}``."""
    signal = tones(24000, 24000, 3000)
    nan = signal.copy()
    nan[7] = np.nan
    (folder / "empty.wav").touch()
    (folder / "text.wav").write_text("this is no audio\n" * 50)
    write(folder / "header.wav", signal)
    (folder / "header.wav").write_bytes(bytes(64) + (folder / "header.wav").read_bytes()[64:])
    write(folder / "nan.wav", nan)
    write(folder / "silent.flac", np.zeros(8000), encoding="PCM_16")
    write(folder / "brief.wav", signal[: HOP - 1])
    words = {
        "empty.wav": "is empty",
        "text.wav": "is it really WAV?",
        "header.wav": "cannot be decoded",
        "nan.wav": "first at 7",
        "silent.flac": "is silent",
        "brief.wav": "is shorter than one frame: 31 of 32 samples",
        "gone.wav": "does not exist",
    }
    for suffix, container, encoding in [*BY_TENSORFLOW_IO, *BY_SOUNDFILE]:
        path = write(folder / f"half_{container}_{encoding}.{suffix}", signal, 24000, container, encoding)
        path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
        words[path.name] = "cannot be decoded" if suffix == "flac" else "truncated"
    return words


def test_bad_files_are_named_and_the_good_ones_keep_their_order(tmp_path, tiny, caplog):
    words = broken_audio(tmp_path)
    good = [write(tmp_path / f"{name}.wav", tones(2000, RATE, 3000)) for name in ("z", "a", "m")]
    bad = [tmp_path / name for name in words]
    clips = check_clips([good[0], *bad[:5], good[1], *bad[5:], good[2]], tiny)
    assert [clip.path for clip in clips] == good
    assert [(clip.rate, clip.samples, clip.mel) for clip in clips] == [(RATE, 2000, None)] * 3
    skips = messages(caplog)
    for line, (name, expected) in zip(skips, list(words.items())[:20], strict=False):
        assert line.startswith(f"skipped: {tmp_path / name}")
        assert expected in line
        assert "\n" not in line
    assert skips[-1] == f"{len(words)} files skipped, {len(words) - 20} of them not named here"
    assert len(skips) == 21


def test_one_bad_file_is_one_file(tmp_path, tiny, caplog):
    (tmp_path / "empty.wav").touch()
    check_clips([tmp_path / "empty.wav", write(tmp_path / "a.wav", ramp(2000))], tiny)
    assert messages(caplog)[1] == "1 file skipped"


def test_only_bad_files_are_an_error_with_the_first_reason(tmp_path, tiny):
    (tmp_path / "a.wav").touch()
    (tmp_path / "b.wav").write_text("text")
    with pytest.raises(UserError) as error:
        check_clips([tmp_path / "a.wav", tmp_path / "b.wav"], tiny)
    assert str(error.value).startswith("no usable audio: all 2 files were skipped, the first because ")
    assert str(tmp_path / "a.wav") in str(error.value)


def test_no_files_are_an_error(tiny):
    with pytest.raises(UserError, match="no audio to read"):
        check_clips([], tiny)


def test_a_lower_rate_is_used_with_one_warning_and_the_count(tmp_path, tiny, caplog):
    config = tiny.replace(sampling_rate=16000, fmax=8000)
    rates = [16000, 8000, 22050, 11025]
    paths = [write(tmp_path / f"{rate}.wav", tones(4000, rate, 3000), rate) for rate in rates]
    assert [clip.rate for clip in check_clips(paths, config)] == rates
    (line,) = messages(caplog)
    assert f"{paths[1]} is recorded at 8000 Hz, below 16000 Hz: the band above 4000 Hz stays empty" in line
    assert line.endswith("(2 of 4 clips are so)")


@pytest.fixture
def folder(tmp_path):
    """A folder of five empty files with audio names, one of them deeper."""
    for name in ("b.wav", "a.flac", "c.ogg", "d.mp3", "deep/e.wav"):
        (tmp_path / "audio" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "audio" / name).touch()
    return tmp_path / "audio"


@pytest.mark.parametrize(
    "text",
    ["b|text|text\na\n\ndeep/e|x\n", "b.wav\na.flac|x\ndeep/e.wav\n", "\ufeffb|é\r\na\r\ndeep/e", "b | x\n a\ndeep/e"],
)
def test_a_file_list_gives_its_files_in_its_order(folder, text):
    (folder.parent / "list.txt").write_text(text, encoding="utf-8")
    paths = read_file_list(folder.parent / "list.txt", corpus_files(folder), folder)
    assert [str(path.relative_to(folder)) for path in paths] == ["b.wav", "a.flac", "deep/e.wav"]


@pytest.mark.parametrize(
    ("data", "words"),
    [
        ("a|text\n".encode("utf-16-le"), "it is UTF-16"),
        ("a|text\n".encode("utf-16"), "it is UTF-16"),
        (b"a|text\nb|te\0xt\n", "it holds zero bytes, and is no text or damaged"),
        (b"a|text\n" + bytes(500), "it holds zero bytes"),
    ],
)
def test_a_list_that_is_no_text_says_what_it_is(folder, data, words):
    (folder / "list.txt").write_bytes(data)
    with pytest.raises(UserError, match=words):
        read_file_list(folder / "list.txt", corpus_files(folder), folder)


def test_corpora_that_no_folder_holds_have_their_whole_paths_for_names(tmp_path):
    local = str(tmp_path / "c").strip("/")
    assert corpus_names(["gs://bucket/a", str(tmp_path / "c")]) == ["gs:/bucket/a/", f"/{local}/"]
    assert corpus_names([str(tmp_path / "b"), str(tmp_path / "c")]) == ["b/", "c/"]


def test_missing_files_of_a_file_list_are_named_and_counted(folder, caplog):
    file_list = folder.parent / "list.txt"
    file_list.write_text("gone|x\nb|x\nlost.wav\n")
    assert read_file_list(file_list, corpus_files(folder), folder) == [folder / "b.wav"]
    first, second, count = messages(caplog)
    assert first.startswith(f"skipped: {file_list} names gone in line 1, which is not in {folder}: looked for")
    assert "names lost.wav in line 3" in second
    assert count == "2 files skipped"


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"gone|x\nlost|y\n", "none of its 2 files is in"),
        (b"", "is empty"),
        (b"\n \n", "is empty"),
        (b"\xff\xfe\xfa", "cannot be read"),
        (None, "cannot be read"),
    ],
)
def test_an_unusable_file_list_is_an_error(folder, content, words):
    file_list = folder.parent / "list.txt"
    if content is not None:
        file_list.write_bytes(content)
    with pytest.raises(UserError) as error:
        read_file_list(file_list, corpus_files(folder), folder)
    assert f"file list {file_list}" in str(error.value)
    assert words in str(error.value)


@pytest.mark.parametrize(("count", "held_out"), [(2, [1]), (19, [18]), (20, [19]), (39, [19]), (40, [19, 39])])
def test_every_twentieth_file_is_held_out_and_at_least_one(count, held_out):
    paths = [Path(f"{index}.wav") for index in range(count)]
    training, validation = hold_out(paths, Path("x"))
    assert validation == [paths[index] for index in held_out]
    assert training == [path for path in paths if path not in validation]


@pytest.mark.parametrize("count", [0, 1])
def test_fewer_than_two_files_cannot_be_split(count):
    with pytest.raises(UserError, match=f"some/folder holds {count} usable audio files"):
        hold_out([Path("a.wav")] * count, Path("some/folder"))


def test_the_command_ends_with_one_line_for_a_folder_without_audio(tmp_path, command):
    (tmp_path / "notes.txt").touch()
    process = command("train", "--data", tmp_path, "--run-dir", tmp_path / "run")
    assert_one_error(process, tmp_path, "holds 0 usable audio files")
    assert not (tmp_path / "run").exists()


def test_the_command_ends_with_one_line_for_a_folder_of_bad_audio(tmp_path, command):
    (tmp_path / "a.wav").touch()
    (tmp_path / "b.wav").write_text("text")
    process = command("train", "--data", tmp_path, "--run-dir", tmp_path / "run")
    assert_one_error(process, "all 2 files were skipped, the first because", tmp_path / "a.wav", "is empty")
    assert "skipped: " in process.stderr
