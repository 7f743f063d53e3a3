"""Streams: exact for pushes of any size, independent of each other, and usable after every error."""

import hashlib
import io
import json
import subprocess
import sys
import zipfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
import soundfile
from conftest import exported, stream
from hypothesis import given, settings
from hypothesis import strategies as st

from hifigan_tf.audio.audio_files import normalize, read_audio
from hifigan_tf.audio.mel import MelSpectrogram, mel_spectrogram
from hifigan_tf.audio.mel_stream import MelStream
from hifigan_tf.errors import UserError
from hifigan_tf.models.generator import Generator, load_generator
from hifigan_tf.streaming import contract
from hifigan_tf.streaming.litert import load_tflite
from hifigan_tf.streaming.streaming_vocoder import StreamingVocoder, load_vocoder, vocode

pytestmark = pytest.mark.current

HOP, BANDS, FRAMES = 32, 16, 90


@pytest.fixture(scope="module")
def mel():
    return np.random.default_rng(0).normal(-6, 1.5, [FRAMES, BANDS]).astype(np.float32)


@pytest.fixture(scope="module")
def reference(tiny_generator, mel):
    return np.asarray(tiny_generator(mel[None]))[0, :, 0]


@pytest.fixture(scope="module")
def models(tiny_generator):
    """The same weights in every kind of model: bytes of ``.tflite`` files, and the Keras generator."""
    return {
        "stateful": exported(tiny_generator, "float32", (4, 16)),
        "int8": exported(tiny_generator, "int8", (4, 16)),
        "stateless": exported(tiny_generator, "float32", (), 40),
        "keras": tiny_generator,
    }


@pytest.fixture(scope="module")
def loaded(models):
    return {
        **{name: load_vocoder(model) for name, model in models.items()},
        "stateful, large chunk": load_vocoder(models["stateful"], chunk_frames=16),
        "keras": load_vocoder(models["keras"], chunk_frames=8),
    }


@pytest.mark.parametrize("kind", ["stateful", "stateful, large chunk", "stateless", "keras"])
@settings(max_examples=30, deadline=None)
@given(frames=st.integers(1, FRAMES), sizes=st.lists(st.integers(1, 70), min_size=1, max_size=6))
def test_any_pushes_give_the_samples_of_the_whole(kind, loaded, tiny_generator, mel, frames, sizes):
    audio = stream(loaded[kind], mel[:frames], sizes)
    assert audio.dtype == np.float32
    whole = np.asarray(tiny_generator(mel[None, :frames]))[0, :, 0]
    np.testing.assert_allclose(audio, whole, atol=1e-4)


def test_audio_comes_as_soon_as_it_can(loaded, mel):
    model = loaded["stateful"]
    vocoder, given = StreamingVocoder(model), 0
    for frame in range(FRAMES):
        given += len(vocoder.push(mel[frame : frame + 1]))
        pushed = (frame + 1) // 4 * 4 * HOP
        assert given == max(0, pushed - model.contract.delay_samples)
    assert given + len(vocoder.flush()) == FRAMES * HOP


@pytest.mark.parametrize("kind", ["stateful", "stateful, large chunk", "stateless", "keras"])
def test_audio_lags_by_the_delay_and_less_than_a_chunk(kind, loaded, mel):
    vocoder, given, behind = StreamingVocoder(loaded[kind]), 0, []
    for frame in range(FRAMES):
        given += len(vocoder.push(mel[frame : frame + 1]))
        behind.append((frame + 1) * HOP - given)
    assert max(behind) == vocoder.delay_samples + (vocoder.chunk_frames - 1) * HOP


@pytest.mark.parametrize("kind", ["stateful", "int8", "stateless", "keras"])
def test_eight_interleaved_streams_are_eight_separate_ones(kind, loaded):
    mels = [np.random.default_rng(i).normal(-6, 1.5, [40 + i, BANDS]).astype(np.float32) for i in range(8)]
    separate = [vocode(loaded[kind], mel) for mel in mels]
    vocoders, pieces = [StreamingVocoder(loaded[kind]) for _ in mels], [[] for _ in mels]
    for start in range(0, 48, 3):
        for vocoder, mel, piece in zip(vocoders, mels, pieces, strict=True):
            piece.append(vocoder.push(mel[start : start + 3]))
    for vocoder, piece, alone in zip(vocoders, pieces, separate, strict=True):
        np.testing.assert_array_equal(np.concatenate([*piece, vocoder.flush()]), alone)


def test_streams_in_threads_do_not_disturb_each_other(loaded, mel):
    alone = vocode(loaded["int8"], mel)
    with ThreadPoolExecutor(4) as pool:
        for audio in pool.map(lambda _: vocode(loaded["int8"], mel), range(8)):
            np.testing.assert_array_equal(audio, alone)


@pytest.mark.parametrize("kind", ["stateful", "stateless", "keras"])
def test_a_rejected_chunk_leaves_the_stream_usable(kind, loaded, mel, reference):
    vocoder = StreamingVocoder(loaded[kind])
    pieces = [vocoder.push(mel[:30])]
    bad = mel[30:34].copy()
    bad[2, 5] = np.nan
    with pytest.raises(UserError, match=r"NaN or infinite values \(first at frame 2, band 5\): it was not taken"):
        vocoder.push(bad)
    for shape in ([4, BANDS + 1], [4], [1, 4, BANDS]):
        with pytest.raises(UserError, match=r"were pushed: this model takes \[frames, 16\]"):
            vocoder.push(np.zeros(shape, np.float32))
    pieces += [vocoder.push(mel[30:]), vocoder.flush()]
    np.testing.assert_allclose(np.concatenate(pieces), reference, atol=1e-4)


@pytest.mark.parametrize("kind", ["stateful", "stateless", "keras"])
def test_zero_frames_and_the_life_of_a_stream(kind, loaded, mel):
    with StreamingVocoder(loaded[kind]) as vocoder:
        assert vocoder.push(mel[:0]).shape == (0,)
        assert vocoder.flush().shape == (0,)
        for attempt in (lambda: vocoder.push(mel), vocoder.flush):
            with pytest.raises(UserError, match=r"after flush: the utterance is over, reset\(\) begins another"):
                attempt()
        for _ in range(2):
            vocoder.reset()
            audio = np.concatenate([vocoder.push(mel[:20]), vocoder.flush()])
            np.testing.assert_array_equal(audio, vocode(loaded[kind], mel[:20]))
        vocoder.reset()
    with pytest.raises(UserError):
        vocoder.push(mel)


@pytest.mark.parametrize("kind", ["stateful", "int8", "stateless", "keras"])
def test_a_state_continues_where_it_was_taken(kind, loaded, mel):
    vocoder = StreamingVocoder(loaded[kind])
    begin = vocoder.push(mel[:50])
    state = vocoder.state
    ends = []
    for _ in range(2):
        vocoder.state = state
        ends.append(np.concatenate([begin, vocoder.push(mel[50:]), vocoder.flush()]))
        np.testing.assert_array_equal(ends[-1], vocode(loaded[kind], mel))


def test_the_state_of_another_model_is_refused(loaded, mel):
    states = {}
    for kind in ("stateful", "int8", "keras"):
        vocoder = StreamingVocoder(loaded[kind])
        vocoder.push(mel[:20])
        states[kind] = vocoder.state
    vocoder = StreamingVocoder(loaded["stateful"])
    for kind in ("int8", "keras"):
        with pytest.raises(UserError, match="this state is of another model"):
            vocoder.state = states[kind]
    vocoder.state = states["stateful"]


def test_files_that_are_not_models_of_this_project(models, tmp_path):
    whole = models["stateful"]
    cases = {
        "missing": (None, "does not exist"),
        "text": (b"hello", "is no TFLite model"),
        "bare": (contract.unpack(whole), "carries no contract"),
        "cut": (whole[:-100], "carries no contract"),
        "hollow": (whole[:8] + whole[len(contract.unpack(whole)) :], "is damaged, its bytes|carries no contract"),
        "flipped": (flipped(whole), "is damaged, its bytes are not those that were exported: copy it again"),
        "short, of an earlier export": (repacked(whole, of=5000, model_sha256=""), "cannot be loaded"),
        "newer": (repacked(whole, format=99), "contract of format 99"),
        "foreign": (repacked(whole, unknown=1), "does not fit"),
        "endless": (
            repacked(whole, generator={"replicated_frames": 10**9}),
            "'replicated_frames' is 1000000000",
        ),
        "wordy": (repacked(whole, generator={"replicated_frames": "5"}), "'replicated_frames' is '5': it must"),
    }
    for name, (content, message) in cases.items():
        path = tmp_path / f"{name}.tflite"
        if content is not None:
            path.write_bytes(content)
        with pytest.raises(UserError, match=message) as error:
            StreamingVocoder(path)
        assert "\n" not in str(error.value)
    with pytest.raises(UserError, match="no chunk of 5 frames: it has 4, 16"):
        StreamingVocoder(whole, chunk_frames=5)


def flipped(model):
    """With one bit of a weight changed."""
    return model[:20000] + bytes([model[20000] ^ 1]) + model[20001:]


def test_a_contract_holds_the_hash_of_its_model(models):
    for model in (models["stateful"], models["int8"], models["stateless"]):
        bare = contract.unpack(model)
        assert contract.read(model, "x").model_sha256 == hashlib.sha256(bare).hexdigest()
        assert contract.pack(model, contract.read(model, "x")) == model
        contract.read(repacked(model, model_sha256=""), "x")  # as earlier exports


def repacked(model, of=None, **changes):
    """The first ``of`` bytes of the model with a changed contract."""
    values = json.loads(contract.read(model, "x").dumps()) | changes
    buffer = io.BytesIO()
    buffer.write(contract.unpack(model)[:of])
    with zipfile.ZipFile(buffer, "a") as archive:
        archive.writestr(contract.MEMBER, json.dumps(values))
    return buffer.getvalue()


def test_tensorflows_interpreter_runs_the_same_file(models, loaded, mel, reference):
    import tensorflow as tf

    model = load_tflite(models["stateful"], interpreter=tf.lite.Interpreter)
    np.testing.assert_allclose(vocode(model, mel), reference, atol=1e-4)


def test_the_initial_state_is_zero_and_takes_no_room(models):
    import tensorflow as tf

    for interpreter in (None, tf.lite.Interpreter):
        model = load_tflite(models["stateful"], interpreter=interpreter)
        for number in (0, 3, -5):
            (state,) = model.call("initial_state", unused=np.array([number], np.float32)).values()
            assert not state.any()
    assert state.tobytes() not in models["stateful"]


def test_a_tflite_needs_no_tensorflow(models, tmp_path):
    (tmp_path / "m.tflite").write_bytes(models["stateful"])
    np.save(tmp_path / "x.npy", np.full([40, BANDS], -5, np.float32))
    script = f"""
import sys
from hifigan_tf import vocode
vocode.main(["--checkpoint", "{tmp_path}/m.tflite", "--output-dir", "{tmp_path}/out", "--mel-format", "log",
             "{tmp_path}/x.npy"])
sys.exit("tensorflow" in sys.modules or "keras" in sys.modules)
"""
    subprocess.run([sys.executable, "-c", script], check=True)
    assert soundfile.info(tmp_path / "out" / "x.wav").frames == 40 * HOP


def test_an_hour_takes_the_memory_of_a_minute(models, tmp_path):
    (tmp_path / "m.tflite").write_bytes(models["stateful"])
    script = f"""
import sys
from pathlib import Path
from hifigan_tf import vocode
sys.argv[1:1] = ["--checkpoint", "{tmp_path}/m.tflite", "--output-dir", "{tmp_path}/out", "--mel-format", "log"]
vocode.main()
print(next(line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM")).split()[1])
"""
    if not Path("/proc/self/status").is_file():
        pytest.skip("the peak of a process is read from /proc, which only Linux has")
    peaks = []
    for minutes in (1, 60):
        frames = minutes * 60 * 8000 // HOP
        mel = np.lib.format.open_memmap(tmp_path / "x.npy", "w+", np.float32, (frames, BANDS))
        mel[:] = -5
        mel.flush()
        done = subprocess.run(
            [sys.executable, "-c", script, str(tmp_path / "x.npy")], check=True, capture_output=True, text=True
        )
        peaks.append(int(done.stdout))
        assert soundfile.info(tmp_path / "out" / "x.wav").frames == frames * HOP
    assert peaks[1] <= 1.2 * peaks[0]


@settings(max_examples=25, deadline=None)
@given(samples=st.integers(0, 3000), sizes=st.lists(st.integers(1, 700), min_size=1, max_size=5))
def test_the_mel_of_pieces_equals_that_of_the_whole(tiny, samples, sizes):
    front_end = MelSpectrogram.of(tiny.audio)
    audio = np.random.default_rng(0).normal(0, 0.1, samples).astype(np.float32)
    mels, start, pieces = MelStream(front_end), 0, []
    while start < samples:
        size = sizes[min(len(pieces), len(sizes) - 1)]
        pieces.append(mels.push(audio[start : start + size]))
        start += size
    mel = np.concatenate([*pieces, mels.flush()])
    expected = mel_spectrogram(audio, front_end) if samples else np.zeros([0, BANDS])
    assert mel.shape == expected.shape
    np.testing.assert_allclose(mel, expected, atol=1e-4)


def test_real_speech_streams_exactly_at_every_chunk(shared, trained_v3):
    generator = load_generator(trained_v3)
    clip = normalize(read_audio(shared / "speech" / "LJ001-0008.wav")[0])
    mel = mel_spectrogram(clip, MelSpectrogram.of(generator.audio))
    reference = np.asarray(generator(mel[None]))[0, :, 0]
    model = exported(generator, "float32", (1, 3, 4, 16, 50))
    for chunk in (1, 3, 4, 16, 50):
        np.testing.assert_allclose(vocode(load_vocoder(model, chunk), mel), reference, atol=1e-4)


def test_options_for_a_loaded_model_are_refused(tiny):
    loaded = load_vocoder(Generator.of(tiny.generator, tiny.audio), chunk_frames=8)
    with pytest.raises(UserError, match="loaded already"):
        StreamingVocoder(loaded, chunk_frames=16)
    with pytest.raises(UserError, match="chunk_frames is -9: it must be at least 1"):
        load_vocoder(loaded.generator, chunk_frames=-9)
