"""vocode and extract_mel: exact lengths, levels and samples, and every bad input reported."""

import errno
import os
import subprocess
import sys
import time
import wave

import forked
import numpy as np
import pytest
import soundfile
from conftest import untrained

from hifigan_tf import cli, extract_mel, stream, vocode
from hifigan_tf.audio.audio_files import PEAK, find_audio, load_audio, normalize, wav_writer, write_wav
from hifigan_tf.audio.file_batches import convert_all, find_inputs
from hifigan_tf.audio.mel import MelSpectrogram, mel_spectrogram
from hifigan_tf.audio.mel_numpy import NumpyMelSpectrogram
from hifigan_tf.config import LOG_MIN, Config
from hifigan_tf.data.given_mels import GivenMels
from hifigan_tf.errors import UserError
from hifigan_tf.evaluation.metrics import evaluate_pair
from hifigan_tf.models.generator import Generator
from hifigan_tf.resources import CONFIGS, DEMO_HELD_OUT
from hifigan_tf.streaming import streaming_vocoder as streaming

RATE, HOP, BANDS = 22050, 256, 80


@pytest.fixture(scope="module")
def generator():
    config = Config.load(CONFIGS / "v3.json").replace(
        upsample_initial_channel=16, resblock_kernel_sizes=[3], resblock_dilation_sizes=[[1]]
    )
    generator = untrained(config)
    generator.conv_post.bias.assign([0.0])
    return generator


@pytest.fixture(scope="module")
def checkpoint(generator, tmp_path_factory):
    path = tmp_path_factory.mktemp("checkpoint") / "tiny.keras"
    generator.save(path)
    return path


@pytest.fixture(scope="module")
def speech():
    return load_audio(find_audio(DEMO_HELD_OUT)[0], RATE)


@pytest.fixture
def run(checkpoint, tmp_path):
    """Runs vocode in this process on inputs, into ``tmp_path/out``; returns that folder."""

    def run(*arguments):
        vocode.main(["--checkpoint", str(checkpoint), "--output-dir", str(tmp_path / "out"), *map(str, arguments)])
        return tmp_path / "out"

    return run


def command(module, *arguments):
    return forked.run(f"hifigan_tf.{module}", *arguments)


def read(path):
    """The samples of a file that vocode wrote, after checking that it is 16-bit mono at the model's rate."""
    info = soundfile.info(path)
    assert (info.format, info.subtype, info.samplerate, info.channels) == ("WAV", "PCM_16", RATE, 1)
    return soundfile.read(path, dtype="int16")[0]


def natural_mel(frames, seed=0):
    return np.random.default_rng(seed).uniform(LOG_MIN, -2, (frames, BANDS)).astype(np.float32)


def resynthesized(generator, audio, keep_level=False):
    pieces = np.array_split(audio, 3)
    front_end = MelSpectrogram.of(generator.audio)
    return np.concatenate(list(vocode.resynthesize(generator, front_end, pieces, np.abs(audio).max(), keep_level)))


def test_vocode_is_the_generator_at_any_length_from_one_trace(generator):
    streaming._compiled.cache_clear()
    for frames in (1, 2, 7, 33, 8):
        audio = streaming.vocode(generator, natural_mel(frames))
        assert (audio.shape, audio.dtype) == ((frames * HOP,), np.float32)
        np.testing.assert_allclose(audio, np.asarray(generator(natural_mel(frames)[None]))[0, :, 0], atol=1e-5)
    assert streaming._compiled(generator).experimental_get_tracing_count() == 1


@pytest.mark.parametrize("samples", [256, 257, 383, 384, 511, 512, 10001])
def test_audio_keeps_its_length(generator, speech, samples):
    clip = speech[5000 : 5000 + samples]
    assert resynthesized(generator, clip).shape == (samples,)


def test_keep_level_scales_the_same_result(generator, speech):
    quiet = speech[4000:12000] * 0.01
    normal = resynthesized(generator, quiet)
    kept = resynthesized(generator, quiet, keep_level=True)
    assert np.abs(normal).max() > 0.01
    np.testing.assert_allclose(kept, normal * (np.abs(quiet).max() / PEAK), rtol=1e-5)
    loud = resynthesized(generator, quiet * 50)
    np.testing.assert_allclose(normal, loud, atol=1e-4)  # the input's level makes no difference


def test_keep_level_on_the_command_line(run, speech, tmp_path):
    soundfile.write(tmp_path / "quiet.wav", speech[4000:20000] * 0.1, RATE, subtype="FLOAT")
    normal = read(run(tmp_path / "quiet.wav") / "quiet.wav").astype(float)
    kept = read(run(tmp_path / "quiet.wav", "--keep-level") / "quiet.wav").astype(float)
    gain = np.abs(speech[4000:20000] * 0.1).max() / PEAK
    assert np.abs(kept - normal * gain).max() <= 0.5 + 0.5 * gain  # two roundings
    assert np.abs(kept).max() > 20


def test_loud_output_is_clipped_not_wrapped(generator, speech, tmp_path):
    loud = Generator.from_config(generator.get_config())
    loud.set_weights(generator.get_weights())
    loud.conv_post.gain.assign([0.0])
    loud.conv_post.bias.assign([5.0])  # gives nearly 1 after tanh, and nearly 2 with --keep-level
    loud.save(tmp_path / "loud.keras")
    soundfile.write(tmp_path / "x.wav", normalize(speech[4000:9000]) * (1.9 / PEAK), RATE, subtype="FLOAT")
    arguments = ["--checkpoint", tmp_path / "loud.keras", "--output-dir", tmp_path / "out", "--keep-level"]
    vocode.main([*map(str, arguments), str(tmp_path / "x.wav")])
    assert set(read(tmp_path / "out" / "x.wav")) == {32767}


def test_integers_written_as_floats_are_named(run, speech, tmp_path, caplog):
    """At ±32768 a recording is scaled as any other, with a warning; where its level is to stay, it is refused."""
    for name, gain in (("big", 32768), ("good", 1)):
        soundfile.write(tmp_path / f"{name}.wav", gain * speech[:9000], RATE, subtype="FLOAT")
    expected = read(run(tmp_path / "good.wav") / "good.wav")
    np.testing.assert_array_equal(read(run(tmp_path / "big.wav") / "big.wav"), expected)
    assert "big.wav holds samples up to" in caplog.text
    with pytest.raises(UserError, match="far beyond -1 to 1"):
        run(tmp_path / "big.wav", "--keep-level")
    with pytest.raises(UserError, match="far beyond -1 to 1"):
        extract_mel.main([str(tmp_path / "big.wav"), "--output-dir", str(tmp_path / "mels"), "--keep-level"])


def test_mels_in_other_kinds_of_files_say_how_to_convert(run, speech, tmp_path, caplog):
    np.savez(tmp_path / "a.npz", natural_mel(20))
    (tmp_path / "b.pt").write_bytes(b"x")
    np.save(tmp_path / "c.npy", natural_mel(20))
    how = rf"a\.npz is no \.npy file: make one of it, with numpy\.save\('{tmp_path}/a\.npy'"
    with pytest.raises(UserError, match=how):
        run(tmp_path / "a.npz")
    with pytest.raises(UserError, match=r"b\.pt is no \.npy file: make one of it, .*torch\.load"):
        run(tmp_path / "b.pt")
    run(tmp_path)
    assert f"2 passed over in {tmp_path}, the first: {tmp_path / 'a.npz'} is no .npy file" in caplog.text


def test_what_is_clipped_is_counted(tmp_path, caplog):
    with wav_writer(tmp_path / "a.wav", RATE) as write:
        write(np.full(300, 0.5))
        write(np.full(100, -1.5))
    assert caplog.messages == [f"warning: {tmp_path / 'a.wav'}: 25 % of the samples lie beyond -1 to 1 and are clipped"]


def test_threads_are_those_asked_for(checkpoint, tmp_path):
    np.save(tmp_path / "a.npy", natural_mel(20))
    program = """
import sys
from hifigan_tf import vocode
vocode.main(sys.argv[1:])
import tensorflow as tf
print(tf.config.threading.get_intra_op_parallelism_threads(), tf.config.threading.get_inter_op_parallelism_threads())
"""
    arguments = [tmp_path / "a.npy", "--checkpoint", checkpoint, "--output-dir", tmp_path / "out", "--threads", "1"]
    command = [sys.executable, "-c", program, *map(str, arguments)]
    process = subprocess.run(command, capture_output=True, text=True, check=True)
    assert process.stdout.split() == ["1", "1"]
    with pytest.raises(UserError, match="TensorFlow has begun with others"):
        streaming.load_vocoder(checkpoint, threads=3)


@pytest.mark.parametrize("given", [None, 3])
def test_threads_of_a_tflite(tmp_path, monkeypatch, given):
    asked = []
    monkeypatch.setattr(streaming, "load_tflite", lambda model, chunk_frames, threads: asked.append(threads))
    streaming.load_vocoder(tmp_path / "a.tflite", threads=given)
    assert asked == [given or 1]
    for module in (vocode, stream):
        options = ["--checkpoint", "x.tflite", "--threads", "3", *(["in.npy"] if module is vocode else [])]
        assert module.parse(options).threads == 3
        with pytest.raises(SystemExit):
            module.parse([*options, "--threads", "0"])


def test_extract_mel_has_no_default_for_another_rate(tmp_path, speech, caplog):
    soundfile.write(tmp_path / "a.wav", speech, 48000)
    arguments = [str(tmp_path / "a.wav"), "--output-dir", str(tmp_path / "mels")]
    with pytest.raises(UserError, match=r"is at 48000 Hz, and without --checkpoint or --config a mel is that of"):
        extract_mel.main(arguments)
    extract_mel.main([*arguments, "--config", str(CONFIGS / "v1_48k.json")])
    assert np.load(tmp_path / "mels" / "a.npy").shape == (-(-len(speech) // 512), 128)


def test_extracted_then_vocoded_equals_vocoded(run, checkpoint, speech, tmp_path):
    soundfile.write(tmp_path / "x.wav", speech[3000:20000] * 0.3, RATE)
    arguments = ["--checkpoint", checkpoint, "--output-dir", tmp_path / "mels", tmp_path / "x.wav"]
    extract_mel.main([str(argument) for argument in arguments])
    mel = np.load(tmp_path / "mels" / "x.npy")
    assert (mel.shape, mel.dtype) == ((67, BANDS), np.float32)  # ceil(17000 / 256)
    direct = read(run(tmp_path / "x.wav") / "x.wav")
    from_mel = read(run(tmp_path / "mels") / "x.wav")
    assert (len(direct), len(from_mel)) == (17000, 67 * HOP)
    np.testing.assert_array_equal(direct, from_mel[:17000])
    assert np.abs(direct).max() > 300


def test_extract_mel_levels(speech, tmp_path):
    quiet = speech[3000:20000] * 0.1
    soundfile.write(tmp_path / "x.wav", quiet, RATE, subtype="FLOAT")
    front_end = NumpyMelSpectrogram.of(Config.load(CONFIGS / "v1.json").audio)
    for options, audio in (([], normalize(quiet)), (["--keep-level"], quiet)):
        extract_mel.main(["--output-dir", str(tmp_path), *options, str(tmp_path / "x.wav")])
        np.testing.assert_array_equal(np.load(tmp_path / "x.npy"), mel_spectrogram(audio, front_end))


def test_extract_mel_uses_the_config_given(speech, tmp_path):
    config = Config.load(CONFIGS / "v1.json").replace(num_mels=40, sampling_rate=16000)
    (tmp_path / "c.json").write_text(config.dumps())
    soundfile.write(tmp_path / "x.flac", speech[:22050], RATE)
    arguments = ["--output-dir", tmp_path / "out", "--config", tmp_path / "c.json", tmp_path / "x.flac"]
    extract_mel.main([str(argument) for argument in arguments])
    assert np.load(tmp_path / "out" / "x.npy").shape == (63, 40)  # ceil(16000 / 256)


@pytest.fixture
def mixed(speech, tmp_path):
    """A folder of good and bad inputs, and the words of the error for each bad one."""
    folder = tmp_path / "mixed"
    (folder / "deeper").mkdir(parents=True)
    soundfile.write(folder / "good.wav", speech[:12345], RATE)
    soundfile.write(folder / "deeper" / "stereo.FLAC", np.stack([speech[:40001]] * 2, 1), 44100, format="FLAC")
    soundfile.write(folder / "cut.wav", speech, RATE)
    (folder / "cut.wav").write_bytes((folder / "cut.wav").read_bytes()[:9999])
    soundfile.write(folder / "nan.wav", np.where(np.arange(5000) == 77, np.nan, 0.1), RATE, subtype="FLOAT")
    soundfile.write(folder / "silent.wav", np.zeros(5000), RATE)
    soundfile.write(folder / "short.wav", speech[4000:4255], RATE)
    (folder / "noise.mp3").write_bytes(b"not at all MP3" * 100)
    (folder / "void.ogg").write_bytes(b"")
    (folder / "notes.txt").write_text("no input")
    np.save(folder / "mel.npy", natural_mel(20))
    np.save(folder / "nan_mel.npy", np.full((20, BANDS), np.nan))
    np.save(folder / "foreign.npy", natural_mel(100) * 20 / np.log(10))
    reasons = {
        "cut.wav": "is truncated: 9999 of ",
        "nan.wav": "holds NaN or infinite samples (first at 77)",
        "silent.wav": "is silent",
        "short.wav": "is shorter than one frame: 255 of 256 samples",
        "noise.mp3": "cannot be decoded",
        "void.ogg": "is empty",
        "nan_mel.npy": "holds NaN or infinite values (first at frame 0, band 0)",
        "foreign.npy": "look like decibels: pass --mel-format db",
    }
    return folder, reasons


def test_mixed_folder_on_the_command_line(mixed, checkpoint, tmp_path):
    folder, reasons = mixed
    result = command("vocode", "--checkpoint", checkpoint, "--output-dir", tmp_path / "out", folder)
    assert result.returncode == 0, result.stderr
    out = tmp_path / "out"
    lengths = {str(path.relative_to(out)): len(read(path)) for path in out.rglob("*.wav")}
    assert lengths == {"good.wav": 12345, "mel.wav": 20 * HOP, "deeper/stereo.wav": 20001}
    lines = result.stderr.splitlines()
    for name, reason in reasons.items():
        (line,) = [line for line in lines if f"{folder / name}" in line]
        assert line.startswith("skipped: ")
        assert reason in line
    assert lines[-1] == f"3 of 11 written to {tmp_path / 'out'}, 8 skipped"
    assert "Traceback" not in result.stderr


def test_extract_mel_skips_by_name_too(mixed, tmp_path, caplog):
    folder, reasons = mixed
    caplog.set_level("INFO")
    out = tmp_path / "out"
    extract_mel.main(["--output-dir", str(out), "--config", str(CONFIGS / "v1.json"), str(folder)])
    assert sorted(str(path.relative_to(out)) for path in out.rglob("*.npy")) == ["deeper/stereo.npy", "good.npy"]
    for name, reason in reasons.items():
        assert (f"skipped: {folder / name}" in caplog.text and reason in caplog.text) == (not name.endswith(".npy"))
    assert caplog.messages[-1] == f"2 of 8 written to {tmp_path / 'out'}, 6 skipped"


@pytest.mark.parametrize("module", ["vocode", "extract_mel"])
def test_one_bad_input_is_one_line_and_exit_code_2(module, checkpoint, tmp_path):
    (tmp_path / "x.wav").write_bytes(b"RIFF")
    result = command(module, "--checkpoint", checkpoint, "--output-dir", tmp_path / "out", tmp_path / "x.wav")
    assert result.returncode == 2
    (line,) = result.stderr.splitlines()
    assert line.startswith(f"error: {tmp_path / 'x.wav'} cannot be decoded")
    assert not list((tmp_path / "out").iterdir())


def test_several_inputs_all_bad_are_an_error(run, tmp_path, caplog):
    for name in ("a.wav", "b.wav"):
        (tmp_path / name).write_bytes(b"")
    with pytest.raises(UserError, match=r"none of the 2 inputs could be used, the first because .*a\.wav is empty"):
        run(tmp_path / "a.wav", tmp_path / "b.wav")
    assert f"skipped: {tmp_path / 'b.wav'} is empty" in caplog.text


def test_an_error_of_the_model_is_no_fault_of_a_file(tmp_path, speech):
    """Memory that runs out, or a bug: the run ends with what it was, and no file is called unreadable."""
    write_wav(tmp_path / "a.wav", speech, RATE)
    for error in (MemoryError(), ZeroDivisionError("a bug")):

        def convert(path, output, error=error):
            raise error

        with pytest.raises(type(error)):
            convert_all({tmp_path / "out" / f"{name}.wav": tmp_path / "a.wav" for name in "ab"}, convert)


def test_a_folder_is_walked_once(speech, tmp_path, monkeypatch):
    """Whatever is looked for in it, so that what is wrong with it is told once."""
    write_wav(tmp_path / "a.wav", speech, RATE)
    walks, walk = [], os.walk
    monkeypatch.setattr(os, "walk", lambda *given, **options: walks.append(given) or walk(*given, **options))
    find_inputs([str(tmp_path)], (".wav", ".npy"), tmp_path / "out", ".wav")
    find_audio(tmp_path)
    mels = GivenMels(tmp_path, ["a.wav", "b.wav"])
    for name in ("a.wav", "b.wav"):
        with pytest.raises(UserError, match="is not there"):
            mels.path_of(name)
    assert len(walks) == 3


def test_a_link_to_itself_is_one_file(run, speech, tmp_path, caplog):
    folder = tmp_path / "in"
    folder.mkdir()
    write_wav(folder / "a.wav", speech, RATE)
    (folder / "loop.wav").symlink_to(folder / "loop.wav")
    run(folder)
    assert f"skipped: {folder / 'loop.wav'} cannot be read: Too many levels of symbolic links" in caplog.text


def test_mel_format_gives_the_audio_of_the_natural_mel(run, tmp_path):
    mel = natural_mel(70)
    for name, foreign in {"natural": mel, "other": (mel / np.log(10)).T[None]}.items():
        np.save(tmp_path / f"{name}.npy", foreign)
    natural = read(run(tmp_path / "natural.npy") / "natural.wav").astype(int)
    with pytest.raises(UserError, match="pass --mel-format log10,transposed"):
        run(tmp_path / "other.npy", "--mel-format", "log10")
    other = read(run(tmp_path / "other.npy", "--mel-format", "log10,transposed") / "other.wav")
    assert np.abs(natural - other).max() <= 1
    assert np.abs(natural).max() > 300


def test_a_lower_rate_is_used_with_a_warning(run, speech, tmp_path, caplog):
    soundfile.write(tmp_path / "x.wav", speech[:8000], 16000)
    assert len(read(run(tmp_path / "x.wav") / "x.wav")) == 11025
    assert "x.wav is recorded at 16000 Hz, below 22050 Hz: the band above 8000 Hz stays empty" in caplog.text


def test_a_run_folder_means_its_best_generator(checkpoint, tmp_path):
    with pytest.raises(UserError, match=r"no best\.keras or last\.keras in this folder: training has not saved yet"):
        cli.checkpoint(str(tmp_path))
    for name in ("last.keras", "best.keras"):
        (tmp_path / name).write_bytes(checkpoint.read_bytes())
        assert cli.checkpoint(str(tmp_path)) == tmp_path / name
    assert cli.checkpoint(str(checkpoint)) == checkpoint


def test_mistakes_are_reported_before_tensorflow_loads(checkpoint, tmp_path):
    (tmp_path / "empty").mkdir()
    for folder in ("a", "b"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "same.wav").write_bytes(b"x")
    (tmp_path / "g.pt").write_bytes(b"x")
    out = ["--output-dir", tmp_path / "out"]
    cases = [
        ([tmp_path / "a", *out, "--checkpoint", tmp_path / "no.keras"], "no.keras does not exist: give a .keras"),
        ([tmp_path / "a", *out, "--checkpoint", tmp_path / "empty"], "training has not saved yet"),
        ([tmp_path / "a", *out, "--checkpoint", tmp_path / "g.pt"], "python -m hifigan_tf.import_checkpoint"),
        ([tmp_path / "no", *out], "no does not exist: check the path"),
        (
            [tmp_path / "empty", *out],
            "empty holds no recording (WAV, FLAC, OGG, Opus, MP3, AIFF, AU, CAF, W64) and no .npy file",
        ),
        ([tmp_path / "a", tmp_path / "b", *out], "share the name 'same': rename one, or give a folder"),
        ([tmp_path / "a", "--output-dir", tmp_path / "a"], "same.wav would be overwritten: choose an --output-dir"),
        ([tmp_path / "a", "--output-dir", checkpoint / "x"], "cannot write to "),
        ([tmp_path / "a", *out, "--mel-format", "log2"], "--mel-format 'log2': give one of log, log10, db, linear"),
    ]
    script = """
import sys
from hifigan_tf import cli, extract_mel, vocode
from hifigan_tf.streaming import streaming_vocoder as streaming
for line in sys.stdin.read().splitlines():
    try:
        cli.run(lambda: vocode.main(line.split("\\t")))
    except SystemExit as exit:
        assert exit.code == 2, exit.code
heavy = {"tensorflow", "keras", "librosa", "numba"} & sys.modules.keys()
assert not heavy, heavy
"""
    lines = "\n".join("\t".join(["--checkpoint", str(checkpoint), *map(str, arguments)]) for arguments, _ in cases)
    start = time.perf_counter()
    result = subprocess.run([sys.executable, "-c", script], input=lines, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr
    errors = result.stderr.splitlines()
    assert len(errors) == len(cases)
    for error, (_, message) in zip(errors, cases, strict=True):
        assert error.startswith("error: ")
        assert message in error
    assert time.perf_counter() - start < 5
    assert not (tmp_path / "out").exists()


def test_a_checkpoint_cut_short_is_an_error(checkpoint, tmp_path):
    (tmp_path / "cut.keras").write_bytes(checkpoint.read_bytes()[:1000])
    np.save(tmp_path / "x.npy", natural_mel(5))
    arguments = ["--checkpoint", tmp_path / "cut.keras", "--output-dir", tmp_path / "out", tmp_path / "x.npy"]
    with pytest.raises(UserError, match=r"checkpoint .*cut\.keras cannot be read"):
        vocode.main([str(argument) for argument in arguments])


def test_an_output_folder_inside_the_input_folder_is_not_an_input(checkpoint, speech, tmp_path):
    soundfile.write(tmp_path / "x.wav", speech[:5000], RATE)
    arguments = ["--checkpoint", str(checkpoint), "--output-dir", str(tmp_path / "out"), str(tmp_path)]
    for _ in range(2):
        vocode.main(arguments)
        assert [path.name for path in (tmp_path / "out").iterdir()] == ["x.wav"]
    vocode.main([*arguments, str(tmp_path / "x.wav")])  # an input given twice is one input


@pytest.mark.parametrize(("rate", "channels"), [(8000, 1), (22050, 1), (48000, 2)])
def test_without_a_checkpoint_the_voice_speaks(tmp_path, capsys, rate, channels):
    audio = load_audio(find_audio(DEMO_HELD_OUT)[0], rate)
    soundfile.write(tmp_path / "x.wav", np.stack([audio] * channels, 1), rate)
    vocode.main(["--output-dir", str(tmp_path / "out"), str(tmp_path / "x.wav")])
    assert "the voice of hifigan_tf, at 22050 Hz" in capsys.readouterr().out
    vocoded, found = soundfile.read(tmp_path / "out" / "x.wav")
    expected = load_audio(tmp_path / "x.wav", found)
    assert (found, len(vocoded)) == (22050, len(expected))
    front_end = NumpyMelSpectrogram.of(Config.load(CONFIGS / "live.json").audio, for_loss=True)
    scores = evaluate_pair(normalize(expected), vocoded.astype(np.float32), front_end, ["stoi"])
    assert scores["stoi"] > 0.7


def test_a_full_disk_is_one_line_and_leaves_nothing(checkpoint, tmp_path, monkeypatch, capsys):
    np.save(tmp_path / "x.npy", natural_mel(5))
    np.save(tmp_path / "y.npy", natural_mel(5))

    def write(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(wave.Wave_write, "writeframesraw", write)
    arguments = ["--checkpoint", checkpoint, "--output-dir", tmp_path / "out", tmp_path / "x.npy", tmp_path / "y.npy"]
    with pytest.raises(SystemExit) as exit_code:
        cli.run(lambda: vocode.main([str(argument) for argument in arguments]))
    assert exit_code.value.code == 2
    assert capsys.readouterr().err.splitlines()[-1].startswith("error: the disk is full: free some space")
    assert not list((tmp_path / "out").iterdir())
