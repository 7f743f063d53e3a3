"""The original's quality with the original's weights, from checkpoint to scores, through the real command lines."""

import json

import pytest
from conftest import assert_one_error

from hifigan_tf.resources import CONFIGS

# PyTorch's figures for these weights over these clips, each brought to a peak of 0.95.
PYTORCH = {"log_mel_l1": 0.3413, "pesq_wb": 2.837, "stoi": 0.9563}


def test_the_trained_v3_has_pytorchs_figures(shared, tmp_path, command):
    pytest.importorskip("pesq", reason="pesq is not installed: it needs a C compiler")
    model, generated, figures = tmp_path / "v3.keras", tmp_path / "generated", tmp_path / "figures.json"
    checkpoint, speech = shared / "weights" / "g_lj_v3.pt", shared / "speech"
    config = CONFIGS / "v3.json"
    for arguments in (
        ("import_torch", checkpoint, "--config", config, "--output", model),
        ("vocode", "--checkpoint", model, "--output-dir", generated, speech),
        ("evaluate", "--reference", speech, "--generated", generated, "--json", figures, "--metrics", *PYTORCH),
    ):
        process = command(*arguments)
        assert process.returncode == 0, process.stderr
    report = json.loads(figures.read_text())
    assert len(report["files"]) == 24
    for key, value in PYTORCH.items():
        assert report["mean"][key] == pytest.approx(value, abs=0.005), key


def test_evaluating_nothing_is_one_line(tmp_path, command):
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
    process = command("evaluate", "--reference", tmp_path / "a", "--generated", tmp_path / "b")
    assert_one_error(process, "share a name")
