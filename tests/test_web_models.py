"""The tools of the page in the browser, run as commands, and the packages that the page needs."""

import json
import re
import socket
from pathlib import Path

import forked
import pytest
from conftest import assert_one_error, exported

from hifigan_tf.streaming import contract
from hifigan_tf.streaming.contract import MelContract
from web_demo.tools import make_models, serve

PAGE = Path(make_models.__file__).parents[1]


def run(*options, tool=make_models):
    return forked.run(tool.__file__, *options)


@pytest.fixture(scope="module")
def model(tiny_generator, tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("finished") / "mine.tflite"
    path.write_bytes(exported(tiny_generator))
    return path


def test_a_finished_model_gets_its_front_end_and_a_second_run_does_nothing(model, tmp_path):
    folder = tmp_path / "models"
    done = run("--model", model, "--output-dir", folder)
    assert done.returncode == 0, done.stderr
    listed = json.loads((folder / "models.json").read_text())
    assert listed["models"] == [{"name": "mine", "file": "mine.tflite", "front_end": "mel_frontend.tflite"}]
    assert (folder / listed["sample"]).stat().st_size > 0
    assert (folder / "mine.tflite").read_bytes() == model.read_bytes()
    front_end = contract.read_kind((folder / "mel_frontend.tflite").read_bytes(), "front end", MelContract)
    assert front_end.audio_config == contract.read(model.read_bytes(), "mine").audio_config
    again = run("--model", model, "--output-dir", folder)
    assert again.returncode == 0
    assert "nothing to do" in again.stderr


def test_a_renamed_model_is_made_again(tmp_path, monkeypatch):
    monkeypatch.setattr(make_models, "with_front_ends", lambda vocoders, folder: list(vocoders))
    folder = tmp_path / "models"
    for name in ("one", "other"):
        (tmp_path / f"{name}.tflite").write_bytes(b"the same")
        make_models.main(["--model", str(tmp_path / f"{name}.tflite"), "--output-dir", str(folder)])
        assert json.loads((folder / "models.json").read_text())["models"] == [name]


def test_bad_models_leave_the_folder_as_it_is(model, tmp_path):
    other = tmp_path / "mine.tflite"
    other.write_bytes(model.read_bytes())
    folder = tmp_path / "models"
    assert_one_error(run("--model", model, other, "--output-dir", folder), "two models are named mine.tflite")
    assert_one_error(run("--model", tmp_path / "none.tflite", "--output-dir", folder), "none.tflite does not exist")
    other.write_bytes(contract.unpack(model.read_bytes()))
    assert_one_error(run("--model", other, "--output-dir", folder), "mine.tflite carries no contract")
    front_end = tmp_path / "mel_frontend.tflite"
    front_end.write_bytes(model.read_bytes())
    assert_one_error(run("--model", front_end, "--output-dir", folder), "has the name of a mel front end")
    assert not folder.exists()


def test_a_port_that_cannot_be_used_is_one_line():
    assert_one_error(run("--port", 70000, tool=serve), "port 70000 cannot be used (ports go from 0 to 65535)")
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        assert_one_error(run("--port", port, tool=serve), f"port {port} cannot be used (Address already in use)")


def test_the_packages_are_pinned_and_come_from_any_registry():
    """npm's lock file has exact versions with hashes, and no address to fetch them from."""
    package = json.loads((PAGE / "package.json").read_text())
    for kind in ("dependencies", "devDependencies"):
        assert all(re.fullmatch(r"\d+\.\d+\.\d+", version) for version in package[kind].values())
    lock = json.loads((PAGE / "package-lock.json").read_text())["packages"]
    for name, entry in lock.items():
        assert "resolved" not in entry, name
        assert not name or entry["integrity"].startswith("sha512-"), name
    assert lock["node_modules/@litertjs/core"]["version"] == package["dependencies"]["@litertjs/core"]
