"""stream in a pipe: the samples of vocode as early as possible, and every way in which a pipe can end."""

import errno
import io
import os
import pty
import select
import signal
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import soundfile
from conftest import assert_one_error, write_tflite

from hifigan_tf import stream, vocode
from hifigan_tf.audio.audio_files import pcm16_bytes
from hifigan_tf.resources import DEMO_SENTENCES, VOICE_FLOAT
from hifigan_tf.streaming.contract import read
from hifigan_tf.streaming.streaming_vocoder import vocode as whole

pytestmark = pytest.mark.current

BANDS, FRAMES = 16, 90
FRAME_BYTES = 4 * BANDS


@pytest.fixture(scope="module")
def model(tiny_generator, tmp_path_factory):
    return write_tflite(tmp_path_factory.mktemp("model") / "tiny.tflite", tiny_generator)


@pytest.fixture(scope="module")
def run_folder(tiny_generator, tmp_path_factory):
    path = tmp_path_factory.mktemp("run")
    tiny_generator.save(path / "best.keras")
    return path


@pytest.fixture(scope="module")
def mel():
    return np.random.default_rng(0).normal(-6, 1.5, [FRAMES, BANDS]).clip(-11.5, 0).astype(np.float32)


@pytest.mark.parametrize(("options", "threads"), [((), None), (("--threads", "3"), 3)])
def test_threads_are_those_asked_for(model, monkeypatch, options, threads):
    """As far as the model that the stream loads."""

    class Loaded(Exception):
        pass

    def load(*_, **given):
        raise Loaded(given["threads"])

    monkeypatch.setattr(stream, "StreamingVocoder", load)
    monkeypatch.setattr(stream.os, "isatty", lambda _: False)
    kept = {number: signal.getsignal(number) for number in (signal.SIGPIPE, signal.SIGTERM)}
    try:
        with pytest.raises(Loaded) as given:
            stream.main(["--checkpoint", str(model), *options])
    finally:
        for number, handler in kept.items():
            signal.signal(number, handler)
    assert given.value.args == (threads,)


def start(checkpoint, *options, **streams):
    """The command in the background, with unbuffered pipes; without a checkpoint the voice speaks."""
    model = ["--checkpoint", checkpoint] if checkpoint else []
    command = [sys.executable, "-m", "hifigan_tf.stream", *model, *options]
    pipes = dict.fromkeys(("stdin", "stdout", "stderr"), subprocess.PIPE)
    return subprocess.Popen(list(map(str, command)), bufsize=0, **(pipes | streams))


def finish(process, data=b""):
    """Writes the rest of the input; returns the finished process, standard error as text without LiteRT's message."""
    stdout, stderr = process.communicate(data, timeout=120)
    lines = stderr.decode().splitlines(keepends=True)
    stderr = "".join(line for line in lines if "TensorFlow Lite XNNPACK" not in line)
    return subprocess.CompletedProcess(process.args, process.returncode, stdout, stderr)


def read_exactly(process, count):
    """Reads ``count`` bytes of output; fails when they do not come."""
    data = b""
    while len(data) < count:
        assert select.select([process.stdout], [], [], 120)[0], f"{len(data)} of {count} bytes came"
        piece = os.read(process.stdout.fileno(), count - len(data))
        assert piece, process.stderr.read()
        data += piece
    return data


def await_start(process):
    for line in process.stderr:
        if b"to play it" in line:
            return
    pytest.fail("it ended without a start")


def vocoded(checkpoint, mel, folder, *options):
    """The samples of the WAV that vocode writes, as bytes."""
    np.save(folder / "x.npy", mel)
    vocode.main(["--checkpoint", str(checkpoint), "--output-dir", str(folder / "out"), *options, str(folder / "x.npy")])
    return soundfile.read(folder / "out" / "x.wav", dtype="int16")[0].astype("<i2").tobytes()


@pytest.mark.parametrize("kind", ["model", "run_folder"])
def test_the_samples_are_those_of_vocode(kind, request, mel, tmp_path):
    checkpoint = request.getfixturevalue(kind)
    mel = np.concatenate([mel] * 3)  # more than one window of a Keras model
    result = finish(start(checkpoint), mel.tobytes())
    assert result.returncode == 0, result.stderr
    ours, theirs = (np.frombuffer(data, "<i2") for data in (result.stdout, vocoded(checkpoint, mel, tmp_path)))
    # TensorFlow may sum in another order under load, and a value half-way between two integers is rounded differently.
    np.testing.assert_allclose(ours, theirs, rtol=0, atol=0 if kind == "model" else 1)
    assert np.abs(ours).max() > 300
    (line,) = result.stderr.splitlines()
    assert line.endswith("to play it: aplay -t raw -f S16_LE -r 8000 -c 1")


def test_without_a_checkpoint_the_voice_speaks(tmp_path):
    mel = np.load(sorted(DEMO_SENTENCES.glob("*.npy"))[0]).astype(np.float32)
    result = finish(start(None), mel.tobytes())
    assert result.returncode == 0, result.stderr
    (line,) = result.stderr.splitlines()
    assert line.startswith("the voice of hifigan_tf, 22050 Hz, 30 ms late and up to")
    assert result.stdout == vocoded(VOICE_FLOAT, mel, tmp_path)


def test_foreign_mels_are_refused_before_a_sample_is_played(model, mel):
    normalized = ((mel - mel.mean()) / mel.std()).astype(np.float32)
    result = finish(start(model, "--quiet"), normalized.tobytes())
    assert (result.returncode, result.stdout) == (2, b"")
    assert "are louder than audio can be: make natural logarithms of at least 1e-5 of them" in result.stderr
    result = finish(start(model, "--quiet", "--mel-format", "model"), normalized.tobytes())
    assert (result.returncode, len(result.stdout)) == (0, 2 * FRAMES * 32)


def test_audio_comes_as_soon_as_it_can_frame_by_frame(model, mel, tiny):
    hop, chunk, contract = tiny.audio.hop_size, 4, read(model.read_bytes(), "x")
    process, given = start(model), b""
    data = mel.tobytes()
    # Always half a frame ahead, which must neither be lost nor delay the audio.
    ends = [min(frame * FRAME_BYTES + FRAME_BYTES // 2, len(data)) for frame in range(1, FRAMES + 1)]
    for frames, (begin, end) in enumerate(zip([0, *ends], ends, strict=False), start=1):
        process.stdin.write(data[begin:end])
        samples = max(0, frames // chunk * chunk * hop - contract.delay_samples)
        given += read_exactly(process, 2 * samples - len(given))
        assert frames * hop - len(given) // 2 <= contract.delay_samples + chunk * hop
    result = finish(process)
    assert result.returncode == 0, result.stderr
    assert given + result.stdout == pcm16_bytes(whole(model, mel))
    # The first line states the delay that was just observed.
    late = f"{contract.delay_ms:.0f} ms late and up to {1000 * chunk * hop / 8000:.0f} ms more (chunks of 4 frames)"
    assert result.stderr.startswith(f"8000 Hz, {late}; ")


def test_float32_quietly(model, mel):
    result = finish(start(model, "--float32", "--quiet"), mel.tobytes())
    assert (result.returncode, result.stderr) == (0, "")
    np.testing.assert_array_equal(np.frombuffer(result.stdout, "<f4"), whole(model, mel))
    loud = finish(start(model, "--float32"), mel.tobytes())
    assert "aplay -t raw -f FLOAT_LE -r 8000 -c 1" in loud.stderr


@pytest.mark.parametrize("mel_format", ["log10", "db", "linear"])
def test_mels_of_another_scale(mel_format, model, mel, tmp_path):
    foreign = {"log10": mel / np.log(10), "db": mel * 20 / np.log(10), "linear": np.exp(mel)}[mel_format]
    foreign = foreign.astype(np.float32)
    result = finish(start(model, "--mel-format", mel_format, "--quiet"), foreign.tobytes())
    assert (result.returncode, result.stderr) == (0, "")
    assert result.stdout == vocoded(model, foreign, tmp_path, "--mel-format", mel_format)
    assert np.abs(np.frombuffer(result.stdout, "<i2")).max() > 300


def test_another_scale_is_refused_before_any_audio(model, mel):
    decibels = (mel * 20 / np.log(10)).astype(np.float32).tobytes()
    cases = {"": "look like decibels: pass --mel-format db", "linear": "cannot be linear of speech"}
    for given, message in cases.items():
        result = finish(start(model, *(["--mel-format", given] if given else [])), decibels)
        assert_one_error(result, "standard input: values from ", message)
        assert result.stdout == b""
    result = finish(start(model, "--mel-format", "log"), decibels)
    assert (result.returncode, len(result.stdout)) == (0, 2 * FRAMES * 32)


def test_a_last_frame_cut_short(model, mel):
    result = finish(start(model), mel.tobytes()[: 10 * FRAME_BYTES + 7])
    assert_one_error(result, "standard input ends within frame 10: 7 of 64 bytes are left over")
    assert result.stdout == pcm16_bytes(whole(model, mel[:10]))
    result = finish(start(model), mel.tobytes()[:7])
    assert_one_error(result, "within frame 0: 7 of 64 bytes are left over")
    assert result.stdout == b""


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_a_non_finite_frame(value, model, mel):
    bad = mel.copy()
    bad[37, 3] = value
    process = start(model)
    process.stdin.write(bad[:38].tobytes())
    process.wait(120)  # at once: neither more frames nor the end of the input are needed
    result = finish(process)
    assert_one_error(result, "standard input holds NaN or infinite values (first at frame 37, band 3)")
    assert result.stdout == pcm16_bytes(whole(model, mel[:37]))


@pytest.mark.parametrize("piece", [3, 50, 1 << 16])
def test_partial_reads_and_writes(piece, mel, monkeypatch):
    def read_piece(descriptor, count):
        return os.read(descriptor, min(count, piece))

    def write_piece(descriptor, data):
        return os.write(descriptor, data[:piece])

    source, sink = os.pipe()
    monkeypatch.setattr(stream, "INPUT", source)
    monkeypatch.setattr(stream, "OUTPUT", sink)
    monkeypatch.setattr(stream, "os", SimpleNamespace(read=read_piece, write=write_piece))
    stream.write(mel.tobytes())
    os.close(sink)
    blocks = list(stream.read_frames(BANDS, 4))
    os.close(source)
    np.testing.assert_array_equal(np.concatenate(blocks), mel)
    # No block is longer than asked for, so the audio of its first frames does not wait for the rest.
    assert max(map(len, blocks)) == (4 if piece > 4 * FRAME_BYTES else 1)


def test_only_writing_shows_that_nobody_listens_any_more(mel, monkeypatch):
    """Windows says EINVAL for a closed pipe; of standard input it is an error."""

    def fails(*_):
        raise OSError(errno.EINVAL, "Invalid argument")

    monkeypatch.setattr(stream, "os", SimpleNamespace(read=fails, write=fails))
    with pytest.raises(stream.ClosedPipeError):
        stream.write(mel.tobytes())
    with pytest.raises(OSError, match="Invalid argument"):
        next(stream.read_frames(BANDS, 4))


def test_no_frames_and_a_file_with_a_header(model, mel):
    assert_one_error(finish(start(model)), "standard input is empty: pipe float32 mel frames of 16 values")
    file = io.BytesIO()
    np.save(file, mel)
    result = finish(start(model), file.getvalue())
    assert_one_error(result, "standard input is a .npy file")
    assert result.stdout == b""


def test_a_reader_that_closes_the_pipe_ends_it_quietly(model, mel):
    process = start(model, "--quiet")
    process.stdin.write(mel.tobytes())
    read_exactly(process, 100)
    process.stdout.close()
    process.stdout = None
    result = finish(process, mel.tobytes())
    assert (result.returncode, result.stderr) == (-signal.SIGPIPE, "")  # 141 in a shell


@pytest.mark.parametrize(("number", "word"), [(signal.SIGINT, "interrupted"), (signal.SIGTERM, "terminated")])
def test_a_signal_ends_it_with_one_line(number, word, model, mel):
    # A shell may have started the tests with Ctrl-C ignored, which programs inherit.
    process = start(model)
    await_start(process)
    process.stdin.write(mel.tobytes())
    read_exactly(process, 100)
    process.send_signal(number)
    result = finish(process)
    assert (result.returncode, result.stderr) == (128 + number, f"{word}\n")


def test_terminals_and_mistakes_are_reported_before_the_model_loads(model, tmp_path):
    controller, terminal = pty.openpty()
    cases = [
        (start("nowhere.tflite", stdin=terminal), "standard input is a terminal: pipe float32 mel frames"),
        (start("nowhere.tflite", stdout=terminal), "standard output is a terminal: pipe the audio"),
        (start("nowhere.tflite"), "nowhere.tflite does not exist"),
        (start(model, "--mel-format", "db,transposed"), "--mel-format db,transposed: a stream comes frame by frame"),
    ]
    for process, message in cases:
        result = finish(process)
        assert_one_error(result, message)
        assert result.stderr.count("\n") == 1
    os.close(controller)
    os.close(terminal)


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="only Linux has a disk that is always full")
def test_a_full_disk(model, mel):
    with Path("/dev/full").open("wb") as full:
        assert_one_error(finish(start(model, stdout=full), mel.tobytes()), "the disk is full")


def test_five_minutes_take_the_memory_of_one_and_no_tensorflow(model, mel):
    if not Path("/proc/self/status").is_file():
        pytest.skip("the peak of a process is read from /proc, which only Linux has")
    script = """
import sys
from pathlib import Path
from hifigan_tf import stream
stream.main(sys.argv[1:])
assert not {"tensorflow", "keras"} & sys.modules.keys()
print(next(line for line in Path("/proc/self/status").read_text().splitlines() if "VmHWM" in line), file=sys.stderr)
"""
    decibels, peaks = (mel * 20 / np.log(10)).astype(np.float32), []
    for minutes in (1, 5):
        frames = minutes * 60 * 8000 // 32
        command = [sys.executable, "-c", script, "--checkpoint", str(model), "--mel-format", "db"]
        data = np.resize(decibels, [frames, BANDS]).tobytes()
        done = subprocess.run(command, input=data, capture_output=True, check=True)
        assert len(done.stdout) == 2 * frames * 32
        peaks.append(int(done.stderr.split()[-2]))
    assert peaks[1] <= 1.05 * peaks[0]
