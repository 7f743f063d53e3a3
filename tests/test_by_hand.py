"""Hosts without this project's classes: the primary subgraph by the names of its tensors, and the example in C."""

import dataclasses
import shutil
import subprocess
import zipfile
from pathlib import Path

import ai_edge_litert
import numpy as np
import pytest
import soundfile
from ai_edge_litert.interpreter import Interpreter
from conftest import exported

from hifigan_tf.streaming import contract
from hifigan_tf.streaming.streaming_vocoder import vocode

EXAMPLE = Path(__file__).parents[1] / "docs" / "by_hand"
MODES = ("float32", "int8")
LENGTHS = (1, 2, 3, 4, 5, 16, 17, 60)  # frames: fewer and more than a chunk, than is masked and than is pushed


@pytest.fixture(scope="module")
def float32(tiny_generator) -> bytes:
    return exported(tiny_generator, "float32", (4, 16))


@pytest.fixture(scope="module", params=MODES)
def model(request, tiny_generator, float32) -> bytes:
    return float32 if request.param == "float32" else exported(tiny_generator, request.param, (4, 16))


def by_hand(model: bytes, mel: np.ndarray) -> np.ndarray:
    """The audio of a mel by the primary subgraph alone, as ``docs/by_hand`` describes it."""
    settings = contract.read(model, "the model")
    interpreter = Interpreter(model_content=model)
    interpreter.allocate_tensors()
    tensors = {
        entry["name"]: entry["index"] for entry in (*interpreter.get_input_details(), *interpreter.get_output_details())
    }
    chunk, hop, done, audio = min(settings.chunk_frames), settings.audio["hop_size"], 0, []
    state = np.zeros(settings.states["state"], np.float32)
    missing = len(mel) * hop + settings.delay_samples
    while done * hop < missing:
        frames = mel[done : done + chunk]
        frames = np.pad(frames, [[0, chunk - len(frames)], [0, 0]])
        interpreter.set_tensor(tensors["edge_mel"], frames[None])
        interpreter.set_tensor(tensors["edge_valid"], np.array([-done, len(mel) - done], np.int32))
        interpreter.set_tensor(tensors["edge_state"], state)
        interpreter.invoke()
        audio.append(interpreter.get_tensor(tensors["edge_audio"])[0])
        state = interpreter.get_tensor(tensors["edge_next_state"])
        done += chunk
    return np.concatenate(audio)[settings.delay_samples : missing]


def test_the_primary_subgraph_alone_gives_the_samples_of_the_stream(model, tiny_mels):
    for frames in LENGTHS:
        mel = tiny_mels[0][:frames]
        np.testing.assert_allclose(by_hand(model, mel), vocode(model, mel), rtol=0, atol=1e-5)


def test_every_tensor_of_a_signature_has_its_name(model, tiny_generator):
    stateful = {"edge_mel", "edge_valid", "edge_state", "edge_audio", "edge_next_state"}
    for data, expected in ((model, stateful), (exported(tiny_generator, frames=48), {"window_mel", "window_audio"})):
        interpreter = Interpreter(model_content=data)
        details = (*interpreter.get_input_details(), *interpreter.get_output_details())
        assert {entry["name"] for entry in details} == expected


@pytest.fixture(scope="session")
def program(tmp_path_factory) -> Path:
    """The example, built with the library of the wheel."""
    if not (shutil.which("make") and shutil.which("cc")):
        pytest.fail("make c-test needs make, a C compiler and zlib (Debian: build-essential zlib1g-dev)")
    build = tmp_path_factory.mktemp("by_hand")
    command = ["make", "-C", EXAMPLE, f"LITERT={Path(ai_edge_litert.__file__).parent}", f"BUILD={build}"]
    process = subprocess.run(command, capture_output=True, text=True, check=False)
    assert process.returncode == 0, process.stderr
    return build / "vocode"


def run(program: Path, *arguments) -> subprocess.CompletedProcess:
    return subprocess.run([program, *map(str, arguments)], capture_output=True, text=True, check=False)


@pytest.mark.c
def test_the_example_in_c_gives_the_samples_of_python(program, model, tiny_mels, tmp_path):
    path, mel_path, output = tmp_path / "model.tflite", tmp_path / "mel.npy", tmp_path / "speech.wav"
    path.write_bytes(model)
    for frames in LENGTHS:
        mel = tiny_mels[0][:frames]
        np.save(mel_path, np.ascontiguousarray(mel, np.float32))
        process = run(program, path, mel_path, output)
        assert process.returncode == 0, process.stderr
        audio, rate = soundfile.read(output, dtype="float32")
        np.testing.assert_array_equal(audio, vocode(model, mel))
        assert rate == contract.read(model, "the model").audio["sampling_rate"]


def other_format(model: bytes) -> bytes:
    settings = contract.read(model, "the model")
    return contract.pack(model, dataclasses.replace(settings, format=3))


def stateless_contract(model: bytes) -> bytes:
    return contract.pack(model, dataclasses.replace(contract.read(model, "the model"), stateful=False))


def no_chunks(model: bytes) -> bytes:
    return contract.pack(model, dataclasses.replace(contract.read(model, "the model"), stream={}))


def other_bands(model: bytes) -> bytes:
    settings = contract.read(model, "the model")
    return contract.pack(model, dataclasses.replace(settings, audio={**settings.audio, "num_mels": 8}))


@pytest.mark.c
@pytest.mark.parametrize(
    ("change", "words"),
    [
        (contract.unpack, "carries no contract"),
        (lambda model: b"RIFF" + model[4:8][::-1], "is no TFLite model"),
        (lambda model: model[:-40], "carries no contract"),
        (other_format, "format 3, this reads 1 and 2"),
        (stateless_contract, "has no states"),
        (no_chunks, "lacks stream"),
        (other_bands, "is not what its contract says"),
    ],
)
def test_the_example_in_c_refuses_other_models(program, float32, tiny_mels, tmp_path, change, words):
    path, mel_path = tmp_path / "model.tflite", tmp_path / "mel.npy"
    path.write_bytes(change(float32))
    np.save(mel_path, tiny_mels[0].astype(np.float32))
    process = run(program, path, mel_path, tmp_path / "speech.wav")
    assert process.returncode == 2
    assert words in process.stderr.splitlines()[-1]  # LiteRT has said its own before


@pytest.mark.c
@pytest.mark.parametrize(
    ("mel", "words"),
    [
        (np.zeros([10, 7], np.float32), "the model takes [frames, 16]"),
        (np.zeros([10, 16]), "does not hold float32 by rows"),
        (np.zeros([16, 10], np.float32).T, "does not hold float32 by rows"),
        (np.zeros([16], np.float32), "the model takes [frames, 16]"),
    ],
)
def test_the_example_in_c_refuses_other_mels(program, float32, tmp_path, mel, words):
    path, mel_path = tmp_path / "model.tflite", tmp_path / "mel.npy"
    path.write_bytes(float32)
    np.save(mel_path, mel)
    process = run(program, path, mel_path, tmp_path / "speech.wav")
    assert process.returncode == 2
    assert words in process.stderr


@pytest.mark.c
def test_the_example_in_c_reads_a_contract_that_is_not_compressed(program, float32, tiny_mels, tmp_path):
    path, mel_path, output = tmp_path / "model.tflite", tmp_path / "mel.npy", tmp_path / "speech.wav"
    path.write_bytes(contract.unpack(float32))
    with zipfile.ZipFile(path, "a", zipfile.ZIP_STORED) as archive:
        archive.writestr("contract.json", contract.read(float32, "the model").dumps())
    np.save(mel_path, tiny_mels[0].astype(np.float32))
    assert run(program, path, mel_path, output).returncode == 0
    np.testing.assert_array_equal(soundfile.read(output, dtype="float32")[0], vocode(float32, tiny_mels[0]))
