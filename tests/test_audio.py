"""Audio files read, resampled and written; broken ones reported; atomic files; what all commands share."""

import errno
import io
import logging
import os
import struct
import subprocess
import sys
import tracemalloc
from pathlib import Path

import numpy as np
import pytest
import soundfile
from hypothesis import given, settings
from hypothesis import strategies as st

from hifigan_tf import cli
from hifigan_tf.audio import audio_files as audio
from hifigan_tf.audio import mp3
from hifigan_tf.audio.names import unique_names
from hifigan_tf.errors import UserError, describe_os_error
from hifigan_tf.files import atomic_path, write_bytes
from hifigan_tf.streaming.streaming_vocoder import load_vocoder

# (suffix, container, encoding, largest error of the encoding)
FORMATS = [
    ("wav", "WAV", "PCM_U8", 2**-7),
    ("wav", "WAV", "PCM_16", 2**-15),
    ("wav", "WAV", "PCM_24", 2**-23),
    ("wav", "WAV", "PCM_32", 1e-7),
    ("wav", "WAV", "FLOAT", 0),
    ("wav", "WAV", "DOUBLE", 0),
    ("wav", "WAV", "ULAW", 0.02),
    ("wav", "WAVEX", "PCM_16", 2**-15),
    ("flac", "FLAC", "PCM_S8", 2**-7),
    ("flac", "FLAC", "PCM_16", 2**-15),
    ("flac", "FLAC", "PCM_24", 2**-23),
    ("ogg", "OGG", "VORBIS", 0.2),
    ("ogg", "OGG", "OPUS", 0.2),
    ("mp3", "MP3", "MPEG_LAYER_III", 0.25),
    ("opus", "OGG", "OPUS", 0.2),
    ("aiff", "AIFF", "PCM_16", 2**-15),
    ("aif", "AIFF", "FLOAT", 0),
    ("au", "AU", "PCM_16", 2**-15),
    ("caf", "CAF", "PCM_16", 2**-15),
    ("w64", "W64", "PCM_16", 2**-15),
    ("rf64", "RF64", "PCM_16", 2**-15),
]


def noise(samples=24000, rate=24000, seed=0):
    """``[samples]`` float32: noise below 1.5 kHz with a slowly varying level, peak 0.8."""
    spectrum = np.fft.rfft(np.random.default_rng(seed).standard_normal(samples))
    spectrum[np.fft.rfftfreq(samples, 1 / rate) > 1500] = 0
    signal = np.fft.irfft(spectrum, samples) * np.sin(2 * np.pi * np.arange(samples) / samples) ** 2
    return (0.8 * signal / np.abs(signal).max()).astype(np.float32)


def encoded(signal, container, encoding, rate=24000, **options):
    """The bytes of an audio file."""
    buffer = io.BytesIO()
    soundfile.write(buffer, signal, rate, format=container, subtype=encoding, **options)
    return buffer.getvalue()


def without_length(data):
    """An MP3 without the frame that states its length."""
    return data[mp3.frame_at(data, 0).end :]


def reason(path, data):
    """Why ``read_audio`` refuses ``data``."""
    path.write_bytes(data)
    with pytest.raises(UserError) as error:
        audio.read_audio(path)
    assert str(path) in str(error.value)
    assert "\n" not in str(error.value)
    return str(error.value)


@pytest.mark.parametrize(("suffix", "container", "encoding", "error"), FORMATS)
@pytest.mark.parametrize("rate", [8000, 48000])
def test_reads_every_format(tmp_path, suffix, container, encoding, error, rate):
    signal, path = noise(12001, rate), tmp_path / f"a.{suffix}"
    path.write_bytes(encoded(signal, container, encoding, rate))
    samples, found = audio.read_audio(path)
    assert (found, samples.dtype, samples.shape) == (rate, np.float32, (12001,))
    assert np.abs(samples - signal).max() <= error
    assert np.corrcoef(samples, signal)[0, 1] > 0.98  # a lag of one sample gives less at 8000 Hz


@pytest.mark.parametrize("channels", [2, 3])
def test_channels_are_averaged(tmp_path, channels):
    signals = np.stack([noise(seed=seed) for seed in range(channels)], axis=1)
    soundfile.write(tmp_path / "a.wav", signals, 24000, subtype="FLOAT")
    np.testing.assert_allclose(audio.read_audio(tmp_path / "a.wav")[0], signals.mean(axis=1), atol=1e-7)


@pytest.mark.parametrize("options", [{"bitrate_mode": "CONSTANT"}, {"bitrate_mode": "VARIABLE"}])
@pytest.mark.parametrize(("rate", "channels"), [(22050, 1), (44100, 2)])
def test_an_mp3_without_its_length_is_read_whole(tmp_path, rate, channels, options):
    signal = np.stack([noise(66150, rate)] * channels, axis=1)
    data = encoded(signal, "MP3", "MPEG_LAYER_III", rate, compression_level=0.6, **options)
    (tmp_path / "a.mp3").write_bytes(without_length(data))
    samples, _ = audio.read_audio(tmp_path / "a.mp3")
    delay = 576  # of the encoder, which a header would have stated
    assert 66150 + delay <= len(samples) <= 66150 + delay + 1152
    whole = soundfile.read(io.BytesIO(data), always_2d=True)[0].mean(axis=1)
    np.testing.assert_allclose(samples[delay + 2000 :][:60000], whole[2000:][:60000], atol=1e-5)


@pytest.mark.parametrize("tag", [b"TAG" + bytes(125), b"APETAGEX" + bytes(200)])
def test_tags_around_an_mp3_are_no_damage(tmp_path, tag):
    data = encoded(noise(), "MP3", "MPEG_LAYER_III")
    (tmp_path / "a.mp3").write_bytes(b"ID3\x04\0\0\0\0\x07\x08" + bytes(904) + data + tag)
    assert len(audio.read_audio(tmp_path / "a.mp3")[0]) == 24000


def test_a_flac_without_its_length_is_refused(tmp_path):
    data = bytearray(encoded(noise(100000), "FLAC", "PCM_16"))
    data[21] &= 0xF0  # the 36 bits of the number of samples
    data[22:26] = bytes(4)
    assert "does not state its length" in reason(tmp_path / "a.flac", bytes(data))


@pytest.mark.parametrize("size", [0, 0x7FFFF000, 0xFFFFFFFF])
def test_a_wav_written_to_a_pipe_is_read_whole(tmp_path, size):
    data = bytearray(encoded(noise(), "WAV", "PCM_16"))
    data[4:8] = struct.pack("<I", min(size + 36, 0xFFFFFFFF) if size else 0)
    data[40:44] = struct.pack("<I", size or 0xFFFFFFFF)
    (tmp_path / "a.wav").write_bytes(data)
    assert len(audio.read_audio(tmp_path / "a.wav")[0]) == 24000


@pytest.mark.parametrize(("suffix", "container", "encoding", "_"), FORMATS)
@pytest.mark.parametrize("part", [0.02, 0.5, 0.97])
def test_a_file_cut_short_is_refused(tmp_path, suffix, container, encoding, _, part):
    data = encoded(noise(), container, encoding)
    message = reason(tmp_path / f"a.{suffix}", data[: int(len(data) * part)])
    assert "truncated" in message or "cannot be decoded" in message


@pytest.mark.parametrize("encoding", ["VORBIS", "OPUS"])
def test_an_ogg_without_its_last_page_is_truncated(tmp_path, encoding):
    data = encoded(noise(120000), "OGG", encoding)
    assert data.count(b"OggS") > 4
    assert "its last Ogg page is missing" in reason(tmp_path / "a.ogg", data[: data.rfind(b"OggS")])


@pytest.mark.parametrize("mode", ["CONSTANT", "VARIABLE"])
def test_an_mp3_without_its_length_that_ends_inside_a_frame_is_truncated(tmp_path, mode):
    data = without_length(encoded(noise(), "MP3", "MPEG_LAYER_III", bitrate_mode=mode, compression_level=0.6))
    middle = next(start for start in range(len(data) // 2, len(data)) if mp3.frame_at(data, start))
    assert "ends inside an MP3 frame" in reason(tmp_path / "a.mp3", data[: middle + 20])


def test_an_mp3_with_junk_in_the_middle_is_damaged(tmp_path):
    data = encoded(noise(96000), "MP3", "MPEG_LAYER_III")
    assert "damaged at byte" in reason(tmp_path / "a.mp3", data[:2000] + bytes(700) + data[2700:])


def test_zeros_before_an_mp3_are_skipped(tmp_path):
    (tmp_path / "a.mp3").write_bytes(bytes(200) + encoded(noise(), "MP3", "MPEG_LAYER_III"))
    assert len(audio.read_audio(tmp_path / "a.mp3")[0]) == 24000


def test_a_file_that_cannot_seek_is_read(tmp_path):
    """GSM 6.10, as phone systems record: libsndfile decodes it in order, and refuses to seek."""
    signal = noise(8000, 8000)
    soundfile.write(tmp_path / "gsm.wav", signal, 8000, format="WAV", subtype="GSM610")
    samples, rate = audio.read_audio(tmp_path / "gsm.wav")
    assert (rate, len(samples)) == (8000, 8320)  # whole blocks of 320
    assert np.corrcoef(samples[:8000], signal)[0, 1] > 0.9
    found = audio.examine(tmp_path / "gsm.wav", 16000)
    assert (found.samples, found.resampled, found.seekable, found.encoding) == (8320, 16640, False, "WAV GSM610")
    data = (tmp_path / "gsm.wav").read_bytes()
    assert "truncated" in reason(tmp_path / "cut.wav", data[: len(data) // 2])


def test_a_name_may_be_any_bytes(tmp_path):
    path = Path(os.fsdecode(os.fsencode(tmp_path) + b"/caf\xe9.wav"))
    path.write_bytes(encoded(noise(), "WAV", "PCM_16"))
    assert audio.find_audio(tmp_path) == [path]
    assert len(audio.read_audio(path)[0]) == audio.examine(path, 24000).samples == 24000


def wav_with(riff_size, data_size, signal=None):
    """A WAV file whose header declares these sizes."""
    data = bytearray(encoded(noise() if signal is None else signal, "WAV", "PCM_16"))
    data[4:8], data[40:44] = struct.pack("<I", riff_size), struct.pack("<I", data_size)
    return bytes(data)


def test_a_riff_size_that_counts_itself_is_whole(tmp_path):
    (tmp_path / "a.wav").write_bytes(wav_with(48044, 48000))  # 8 more than what follows
    assert len(audio.read_audio(tmp_path / "a.wav")[0]) == 24000


@pytest.mark.parametrize("size", [2**31 + 2**20, 3_000_000_000, 2**32 - 2**20, 1_000_000])
def test_a_large_size_over_a_short_file_is_truncated(tmp_path, size):
    assert f"is truncated: 48044 of {size + 44} bytes" in reason(tmp_path / "a.wav", wav_with(size + 36, size))


def test_a_rate_that_no_recording_has_is_damage(tmp_path):
    """At 1 Hz, 48,000 samples would become a billion at 22,050 Hz."""
    data = encoded(np.full(48000, 0.1), "WAV", "PCM_16", 8000)
    assert data.count((8000).to_bytes(4, "little")) == 1
    damaged = data.replace((8000).to_bytes(4, "little"), (1).to_bytes(4, "little"))
    assert "is at 1 Hz by its header, as no recording is" in reason(tmp_path / "a.wav", damaged)


@pytest.mark.parametrize("riff_size", [0, 36])
def test_a_recording_that_was_not_finished_is_named_so(tmp_path, riff_size):
    message = reason(tmp_path / "a.wav", wav_with(riff_size, 0))
    assert "says that it holds no samples, and 48000 bytes follow: the recorder did not finish it" in message


def test_chunks_after_the_samples_do_not_matter(tmp_path):
    listed = b"LIST" + struct.pack("<I", 400) + b"INFO"  # cut short itself
    (tmp_path / "a.wav").write_bytes(wav_with(48036 + 408, 48000) + listed)
    assert len(audio.read_audio(tmp_path / "a.wav")[0]) == 24000
    empty = wav_with(36 + 12, 0, np.zeros(0)) + b"LIST" + struct.pack("<I", 4) + b"INFO"
    assert "holds no samples: record" in reason(tmp_path / "b.wav", empty)


@pytest.mark.parametrize("named", ["mp3", "wav"])
@pytest.mark.parametrize("has_length", [True, False])
@pytest.mark.parametrize("tags", [b"", b"TAG" + bytes(125) + b"ID3\x04\0\0\0\0\0\x0a" + bytes(10)])
def test_mp3s_joined_into_one_are_read_whole(tmp_path, capfd, named, has_length, tags):
    first, second = (
        encoded(noise(samples, seed=samples), "MP3", "MPEG_LAYER_III", bitrate_mode="VARIABLE")
        for samples in (24000, 48000)
    )
    if not has_length:
        first = without_length(first)
    (tmp_path / f"a.{named}").write_bytes(first + tags + second)
    samples, _ = audio.read_audio(tmp_path / f"a.{named}")
    assert 72000 <= len(samples) <= 72000 + 6 * 576  # delay and padding, and a frame that states a length
    expected = soundfile.read(io.BytesIO(second))[0][4000:44000]
    lag = np.argmax(np.correlate(samples[-50000:], expected[:20000], "valid"))
    found = samples[len(samples) - 50000 + lag :][: len(expected)]
    np.testing.assert_allclose(found, expected, atol=1e-3)
    assert capfd.readouterr().err == ""


def test_mp3s_of_two_rates_joined_into_one_are_refused(tmp_path):
    data = [encoded(noise(), "MP3", "MPEG_LAYER_III", rate) for rate in (24000, 22050)]
    assert "changes its sampling rate" in reason(tmp_path / "a.mp3", b"".join(data))


@pytest.mark.parametrize(
    ("suffix", "container", "encoding"),
    [("ogg", "OGG", "VORBIS"), ("opus", "OGG", "OPUS"), ("flac", "FLAC", "PCM_16"), ("wav", "WAV", "PCM_16"),
     ("aiff", "AIFF", "PCM_16"), ("au", "AU", "PCM_16"), ("caf", "CAF", "PCM_16"), ("w64", "W64", "PCM_16"),
     ("rf64", "RF64", "PCM_16")],
)  # fmt: skip
def test_other_files_joined_into_one_are_named(tmp_path, suffix, container, encoding):
    data = [encoded(noise(seed=seed), container, encoding) for seed in (1, 2)]
    assert "is two files joined into one" in reason(tmp_path / f"a.{suffix}", b"".join(data))


ID3 = b"ID3\x04\0\0\0\0\0\x0a" + bytes(10)


@pytest.mark.parametrize(
    "sizes", [(48044, 48000), (0, 48000), (0xFFFFFFFF, 0xFFFFFFFF), (0x7FFFF024, 0x7FFFF000), (0, 0)]
)
def test_joined_wavs_are_named_whatever_their_headers_say(tmp_path, sizes):
    """A RIFF size that counts itself or was never written, samples up to the end of the file, no samples at all."""
    joined = wav_with(*sizes) + wav_with(48036, 48000)
    message = reason(tmp_path / "a.wav", joined)
    assert ("is two files joined into one" if sizes[1] else "and 96044 bytes follow") in message


def test_a_flac_behind_a_tag_is_read_and_two_are_named(tmp_path):
    flac = encoded(noise(), "FLAC", "PCM_16")
    (tmp_path / "a.flac").write_bytes(ID3 + flac)
    assert len(audio.read_audio(tmp_path / "a.flac")[0]) == 24000
    assert "is two files joined into one" in reason(tmp_path / "b.flac", ID3 + flac + ID3 + flac)


# Where the number of bytes of samples is, what it counts besides them, and how it is written.
STALE = [
    ("wav", "WAV", b"data", 4, 0, "<I"), ("aiff", "AIFF", b"SSND", 4, 8, ">I"), ("caf", "CAF", b"data", 4, 4, ">Q"),
    ("w64", "W64", b"data", 16, 24, "<Q"), ("au", "AU", b".snd", 8, 0, ">I"),
]  # fmt: skip


@pytest.mark.parametrize(("suffix", "container", "mark", "offset", "counted", "number"), STALE)
def test_a_size_of_samples_that_was_never_corrected_is_named(
    tmp_path, suffix, container, mark, offset, counted, number
):
    """4,800 of 48,000 bytes: libsndfile would read a tenth of the recording."""
    data = bytearray(encoded(noise(), container, "PCM_16"))
    at = data.index(mark) + offset
    assert struct.unpack_from(number, data, at)[0] == 48000 + counted
    struct.pack_into(number, data, at, 4800 + counted)
    message = reason(tmp_path / f"a.{suffix}", bytes(data))
    assert "bytes of samples, and 43200 bytes follow: the recorder did not finish it" in message


@pytest.mark.parametrize("rest", [bytes(5000), b"TAG" + b"x" * 125, ID3 + b"text" * 200, b"\x80\x81" * 100])
def test_padding_and_tags_behind_a_wav_do_not_matter(tmp_path, rest):
    (tmp_path / "a.wav").write_bytes(wav_with(48036, 48000) + rest)
    assert len(audio.read_audio(tmp_path / "a.wav")[0]) == 24000


def test_a_length_that_no_file_can_have_takes_no_memory(tmp_path):
    """A FLAC of some kilobytes that declares 2^33 samples."""
    data = bytearray(encoded(noise(4000), "FLAC", "PCM_16"))
    data[21] = data[21] & 0xF0 | 2**33 >> 32
    data[22:26] = struct.pack(">I", 2**33 & 0xFFFFFFFF)
    tracemalloc.start()
    assert f"is truncated: 4000 of {2**33} samples" in reason(tmp_path / "a.flac", bytes(data))
    assert tracemalloc.get_traced_memory()[1] < 50e6
    tracemalloc.stop()


@pytest.mark.parametrize(
    ("suffix", "container", "encoding", "_"), [one for one in FORMATS if one[0] in ("mp3", "opus")]
)
def test_a_file_in_pieces_is_the_file(tmp_path, suffix, container, encoding, _):
    """Nothing is repeated or damaged where one piece ends and the next begins."""
    path = tmp_path / f"a.{suffix}"
    path.write_bytes(encoded(noise(3 * audio.PIECE), container, encoding))
    pieces = list(audio.read_pieces(path, 24000))
    assert len(pieces) > 2
    np.testing.assert_allclose(np.concatenate(pieces), soundfile.read(path)[0], atol=1e-6)


def test_channels_that_cancel_are_named(tmp_path):
    left = noise()
    for name, right in (("a", -left), ("b", -left + 1e-3 * noise(seed=1))):
        soundfile.write(tmp_path / f"{name}.wav", np.stack([left, right], 1), 24000, subtype="FLOAT")
        assert "has channels that cancel each other" in reason(
            tmp_path / f"{name}.wav", (tmp_path / f"{name}.wav").read_bytes()
        )
        with pytest.raises(UserError, match="channels that cancel"):
            audio.examine(tmp_path / f"{name}.wav", 8000)
    soundfile.write(tmp_path / "one.wav", np.stack([left, 0 * left], 1), 24000)
    assert len(audio.read_audio(tmp_path / "one.wav")[0]) == 24000


def test_levels_beyond_full_scale_and_dc_are_reported(tmp_path, caplog):
    speech = noise() - noise().mean()
    for name, signal in (("big", 32768 * speech), ("shifted", speech + 0.03), ("good", speech)):
        soundfile.write(tmp_path / f"{name}.wav", signal, 24000, subtype="FLOAT")
        audio.load_audio(tmp_path / f"{name}.wav", 24000)
    first, second = caplog.messages
    assert "big.wav holds samples up to 26" in first
    assert "far beyond -1 to 1" in first
    assert "shifted.wav has a DC offset of 0.030 at a peak of 0.7" in second


@pytest.mark.parametrize("suffix", ["wav", "flac", "ogg", "mp3"])
def test_text_is_no_audio(tmp_path, suffix):
    assert f"is it really {suffix.upper()}?" in reason(tmp_path / f"a.{suffix}", b"this is a text file\n" * 100)


@pytest.mark.parametrize(("suffix", "container"), [("wav", "WAV"), ("flac", "FLAC"), ("ogg", "OGG")])
def test_a_corrupt_header_is_refused(tmp_path, suffix, container):
    assert "cannot be decoded" in reason(tmp_path / f"a.{suffix}", bytes(64) + encoded(noise(), container, None)[64:])


@pytest.mark.parametrize("suffix", ["wav", "flac", "ogg", "mp3"])
def test_an_empty_file_is_refused(tmp_path, suffix):
    assert "is empty" in reason(tmp_path / f"a.{suffix}", b"")


def test_a_header_without_samples_is_refused(tmp_path):
    assert "holds no samples" in reason(tmp_path / "a.wav", encoded(np.zeros(0), "WAV", "PCM_16"))


def test_a_missing_file_and_a_folder_are_refused(tmp_path):
    with pytest.raises(UserError, match="does not exist"):
        audio.read_audio(tmp_path / "a.wav")
    with pytest.raises(UserError, match="cannot be read: Is a directory"):
        audio.read_audio(tmp_path)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_non_finite_samples_are_refused_with_their_position(tmp_path, value):
    signal = noise()
    signal[1234] = value
    message = reason(tmp_path / "a.wav", encoded(signal, "WAV", "FLOAT"))
    assert "holds NaN or infinite samples (first at 1234)" in message


@pytest.mark.parametrize("level", [0.0, 0.9e-4])
def test_silence_is_refused(tmp_path, level):
    assert "is silent" in reason(tmp_path / "a.wav", encoded(np.full(1000, level), "WAV", "FLOAT"))


def test_quiet_audio_is_not_silence(tmp_path):
    (tmp_path / "a.wav").write_bytes(encoded(np.full(1000, 1.1e-4), "WAV", "FLOAT"))
    assert len(audio.read_audio(tmp_path / "a.wav")[0]) == 1000


def test_finds_audio_under_a_folder_in_order(tmp_path):
    names = ["b.wav", "a.FLAC", "sub/c.ogg", "sub/deep/d.Mp3"]
    for name in [*names, "x.txt", "sub/y.npy", "wav"]:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    (tmp_path / "folder.wav").mkdir()
    assert audio.find_audio(tmp_path) == sorted(tmp_path / name for name in names)


@pytest.mark.parametrize(("rate", "target"), [(44100, 22050), (48000, 22050), (16000, 22050), (8000, 48000)])
def test_resampling_keeps_time_and_level(rate, target):
    seconds = np.arange(rate) / rate
    resampled = audio.resample(np.sin(2 * np.pi * 440 * seconds).astype(np.float32), rate, target)
    assert (len(resampled), resampled.dtype) == (target, np.float32)
    expected = np.sin(2 * np.pi * 440 * np.arange(target) / target)
    np.testing.assert_allclose(resampled[2000:-2000], expected[2000:-2000], atol=1e-4)


def test_a_lower_rate_is_used_with_a_warning(tmp_path, caplog):
    (tmp_path / "a.wav").write_bytes(encoded(noise(8000, 8000), "WAV", "PCM_16", 8000))
    assert len(audio.load_audio(tmp_path / "a.wav", 22050)) == 22050
    (record,) = caplog.records
    assert record.levelno == logging.WARNING
    assert "recorded at 8000 Hz, below 22050 Hz: the band above 4000 Hz stays empty" in record.getMessage()


def test_a_higher_rate_is_used_without_a_warning(tmp_path, caplog):
    (tmp_path / "a.wav").write_bytes(encoded(noise(), "WAV", "PCM_16", 24000))
    assert len(audio.load_audio(tmp_path / "a.wav", 22050)) == 22050
    assert not caplog.records


@given(st.floats(1e-3, 10), st.integers(0, 5))
@settings(max_examples=25, deadline=None)
def test_normalize_sets_the_peak(level, seed):
    signal = level * noise(500, seed=seed)
    normal = audio.normalize(signal)
    assert abs(np.abs(normal).max() - 0.95) < 1e-6
    np.testing.assert_allclose(normal * np.abs(signal).max(), signal * 0.95, atol=1e-5 * level)


@given(st.lists(st.floats(-4, 4, width=32), min_size=1, max_size=50))
def test_pcm_is_clipped_and_never_wraps(values):
    pcm = audio.to_pcm16(np.array(values)).astype(np.int64)
    assert (np.abs(pcm - 32767 * np.clip(values, -1.0001, 1)) <= 4).all()
    assert all((sample >= 0) == (value >= 0) or abs(value) < 2e-5 for sample, value in zip(pcm, values, strict=True))


def test_a_wav_comes_back_as_it_was_written(tmp_path):
    signal = noise()
    audio.write_wav(tmp_path / "a.wav", signal, 24000)
    info = soundfile.info(tmp_path / "a.wav")
    assert (info.samplerate, info.channels, info.subtype, info.frames) == (24000, 1, "PCM_16", 24000)
    assert np.abs(audio.read_audio(tmp_path / "a.wav")[0] - signal).max() < 2**-14


def test_links_are_followed_once_and_hidden_files_are_not_taken(tmp_path):
    folder, elsewhere = tmp_path / "corpus", tmp_path / "elsewhere"
    for name in ("a/1.wav", ".cache/2.wav", "a/.3.wav", "__MACOSX/4.wav", ".ipynb_checkpoints/5.wav"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).touch()
    elsewhere.mkdir()
    (elsewhere / "6.wav").touch()
    (folder / "Link").symlink_to(elsewhere)
    (folder / "0").symlink_to(folder / "a")  # which goes by its own name
    (folder / "a" / "up").symlink_to(folder)
    (elsewhere / "back").symlink_to(folder)
    (folder / "gone.wav").symlink_to(tmp_path / "nothing")
    found = [path.relative_to(folder).as_posix() for path in audio.find_audio(folder)]
    assert found == ["Link/6.wav", "a/1.wav", "gone.wav"]


def test_kinds_that_cannot_be_read_are_named_and_counted(tmp_path, caplog):
    folder = tmp_path / "my corpus"
    folder.mkdir()
    for name in ("a.m4a", "b.AAC", "c.webm", "d.wav"):
        (folder / name).touch()
    assert audio.find_audio(folder) == [folder / "d.wav"]
    (line,) = caplog.messages
    assert f"3 files are passed over in {folder}" in line
    assert ".aac, .m4a, .webm" in line
    assert f"with ffmpeg -i '{folder}/a.m4a' '{folder}/a.wav'" in line  # as a shell takes it, from any folder
    assert f"is of a kind that cannot be read: make WAV files of such ones, with ffmpeg -i {tmp_path}/x.m4a" in reason(
        tmp_path / "x.m4a", b"\0\0\0\x20ftypM4A " + bytes(100)
    )


def test_a_wav_that_is_too_loud_is_clipped(tmp_path):
    audio.write_wav(tmp_path / "a.wav", np.array([0.5, 1.0, 1.5, -1.0, -1.5, 100.0]), 8000)
    samples = soundfile.read(tmp_path / "a.wav", dtype="int16")[0]
    assert samples.tolist() == [16384, 32767, 32767, -32767, -32768, 32767]


def test_atomic_path_replaces_only_when_the_block_succeeds(tmp_path):
    target = tmp_path / "a.txt"
    target.write_text("old")

    def fail():
        with atomic_path(target) as temporary:
            temporary.write_text("half")
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    assert target.read_text() == "old"
    with atomic_path(target) as temporary:
        temporary.write_text("new")
        assert target.read_text() == "old"
        assert temporary.suffix == ".txt"
    assert target.read_text() == "new"
    assert list(tmp_path.iterdir()) == [target]


def test_an_atomic_file_has_the_usual_permissions(tmp_path):
    (tmp_path / "plain").touch()
    write_bytes(tmp_path / "atomic", b"x")
    assert (tmp_path / "atomic").stat().st_mode == (tmp_path / "plain").stat().st_mode


def test_the_temporary_name_of_a_long_name_is_not_too_long(tmp_path):
    write_bytes(tmp_path / ("é" * 120 + ".wav"), b"x")
    assert [len(path.name) for path in tmp_path.iterdir()] == [124]


def test_a_full_disk_leaves_the_old_file_and_nothing_else(tmp_path):
    """The disk is full after 8 KiB: a limit on file sizes, which ends a write as a full disk does."""
    audio.write_wav(tmp_path / "a.wav", noise(1000), 8000)
    before = (tmp_path / "a.wav").read_bytes()
    program = f"""
import resource, numpy
from hifigan_tf import cli
from hifigan_tf.audio.audio_files import write_wav
resource.setrlimit(resource.RLIMIT_FSIZE, (8192, 8192))
cli.run(lambda: write_wav({str(tmp_path / "a.wav")!r}, numpy.zeros(24000), 24000))
"""
    process = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60)
    assert process.returncode == 2
    assert process.stderr.strip() == "error: File too large"
    assert [path.name for path in tmp_path.iterdir()] == ["a.wav"]
    assert (tmp_path / "a.wav").read_bytes() == before


@given(st.lists(st.sampled_from(["a", "b", "c", "d"]), max_size=4))
def test_duplicate_stems_are_refused_naming_both_files(names):
    paths = [Path(f"{index}/{name}.wav") for index, name in enumerate(names)]
    given_names = [f"{name}.{suffix}" for name, suffix in zip(names, ("wav", "flac", "WAV", "mp3"), strict=False)]
    if len(set(names)) == len(names):
        assert unique_names(dict(zip(given_names, paths, strict=True))) == dict(zip(names, paths, strict=True))
    else:
        with pytest.raises(UserError, match=r"\d/(.)\.wav and \d/\1\.wav share the name '\1': rename one"):
            unique_names(dict(zip(given_names, paths, strict=True)))


@pytest.mark.parametrize(
    ("code", "words"),
    [
        (errno.ENOSPC, "the disk is full"),
        (errno.EDQUOT, "quota"),
        (errno.EACCES, "permission denied"),
        (errno.EROFS, "read-only"),
        (errno.ENOENT, "no such file or folder"),
        (errno.ENOTDIR, "a part of the path is a file"),
        (errno.EISDIR, "this is a folder"),
        (errno.EIO, os.strerror(errno.EIO)),
    ],
)
def test_failures_of_the_file_system_are_one_line_with_the_file(code, words):
    text = describe_os_error(OSError(code, os.strerror(code), "/some/file"))
    assert text.startswith("/some/file: ")
    assert words in text
    assert words in describe_os_error(OSError(code, os.strerror(code)))


def test_an_os_error_without_errno_keeps_its_text():
    assert describe_os_error(OSError("tape is stuck\nbadly")) == "tape is stuck"


def test_a_writable_folder_is_made_with_its_parents_and_stays_empty(tmp_path):
    folder = cli.writable_folder(tmp_path / "a" / "b")
    assert folder.is_dir()
    assert list(folder.iterdir()) == []


@pytest.mark.parametrize("place", ["{file}", "{file}/below", "/proc/nobody", "/proc"])
def test_an_unwritable_folder_is_refused_at_once(tmp_path, place):
    (tmp_path / "file").write_text("kept")
    folder = place.format(file=tmp_path / "file")
    with pytest.raises(UserError) as error:
        cli.writable_folder(folder)
    assert str(error.value).startswith(f"cannot write to {folder}: ")
    assert "\n" not in str(error.value)
    assert (tmp_path / "file").read_text() == "kept"


@pytest.mark.parametrize(
    ("raised", "code", "line"),
    [
        (UserError("wrong\nin two lines"), 2, "error: wrong"),
        (OSError(errno.ENOSPC, "No space left on device", "a.wav"), 2, "error: a.wav: the disk is full: free some"),
        (KeyboardInterrupt(), 130, "interrupted"),
    ],
)
def test_an_exception_of_main_becomes_one_line_and_an_exit_code(raised, code, line, capsys, monkeypatch):
    monkeypatch.setattr(logging, "basicConfig", lambda **_: None)

    def main():
        raise raised

    with pytest.raises(SystemExit) as end:
        cli.run(main)
    assert end.value.code == code
    (printed,) = capsys.readouterr().err.splitlines()
    assert printed.startswith(line)


def test_a_bug_keeps_its_traceback():
    def main():
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        cli.run(main)


def test_a_checkpoint_is_a_file_or_the_best_of_a_run_folder(tmp_path):
    with pytest.raises(UserError, match=r"no best\.keras or last\.keras"):
        cli.checkpoint(str(tmp_path))
    (tmp_path / "last.keras").touch()
    assert cli.checkpoint(str(tmp_path)).name == "last.keras"
    (tmp_path / "best.keras").touch()
    assert cli.checkpoint(str(tmp_path)).name == "best.keras"
    assert cli.checkpoint(str(tmp_path / "last.keras")).name == "last.keras"
    (tmp_path / "g_00000001").touch()
    with pytest.raises(UserError, match="import_checkpoint"):
        cli.checkpoint(str(tmp_path / "g_00000001"))
    with pytest.raises(UserError, match="does not exist"):
        cli.checkpoint(str(tmp_path / "gone.keras"))


@pytest.mark.parametrize("name", ["g.h5", "g.weights.h5"])
@pytest.mark.parametrize("load", [cli.checkpoint, load_vocoder])
def test_an_hdf5_file_says_why_not(tmp_path, name, load):
    (tmp_path / name).touch()
    with pytest.raises(
        UserError,
        match=r"is HDF5, .*TensorFlowTTS with python -m hifigan_tf\.import_checkpoint; .*generator\.save\('g\.keras'\)",
    ):
        load(str(tmp_path / name))


def test_a_file_is_not_a_folder_and_a_folder_not_a_file(tmp_path):
    (tmp_path / "file").touch()
    assert cli.existing_file(str(tmp_path / "file"), "--x") == tmp_path / "file"
    assert cli.existing_folder(str(tmp_path), "--x") == tmp_path
    with pytest.raises(UserError, match=f"--x {tmp_path} is not a file"):
        cli.existing_file(str(tmp_path), "--x")
    with pytest.raises(UserError, match=r"--x .*/file is not a folder"):
        cli.existing_folder(str(tmp_path / "file"), "--x")
