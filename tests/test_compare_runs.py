"""Comparison of runs: which steps are compared, and from where they are counted."""

import pytest

from benchmarks import compare_runs
from hifigan_tf.errors import UserError
from hifigan_tf.training.run_folder import RunFolder
from hifigan_tf.training.tensorboard import Summaries


def make_run(folder, config, errors, group="validation_ema", left_out=()):
    run = RunFolder(folder)
    run.prepare(config)
    summaries = Summaries(run.logs)
    for step, error in errors.items():
        values = {"log_mel_l1": error, "stft_distance": 2 * error, "pesq_wb": 1 + error}
        summaries.scalars({f"{group}/{key}": value for key, value in values.items() if key not in left_out}, step)
    return folder


@pytest.fixture
def runs(tiny, tmp_path):
    averaged = tiny.replace(ema_decay=0.9)
    return [
        make_run(tmp_path / "plain", averaged, {100: 0.8, 200: 0.7, 300: 0.6}),
        make_run(tmp_path / "late", averaged.replace(discriminator_start_step=100), {100: 0.9, 200: 0.5, 300: 0.25}),
    ]


def test_the_last_common_step_and_the_last(runs, tmp_path, capsys):
    compare_runs.main([str(runs[0]), f"warm-up={runs[1]}", "--output", str(tmp_path / "curves.png")])
    lines = capsys.readouterr().out.splitlines()
    assert lines[:4] == [
        "| run | step | log-mel L1 | STFT distance | PESQ-WB |",
        "|---|--:|--:|--:|--:|",
        "| plain | 300 | 0.6000 | 1.2000 | 1.600 |",
        "| warm-up | 300 | 0.2500 | 0.5000 | 1.250 |",
    ]
    assert (tmp_path / "curves.png").read_bytes().startswith(b"\x89PNG")


def test_steps_are_counted_from_the_start_of_the_discriminators(runs, capsys):
    compare_runs.main([*map(str, runs), "--from-start-of-discriminators"])
    assert capsys.readouterr().out.splitlines()[2:] == [
        "| plain | 200 | 0.7000 | 1.4000 | 1.700 |",
        "| plain | 300 | 0.6000 | 1.2000 | 1.600 |",
        "| late | 200 | 0.2500 | 0.5000 | 1.250 |",
    ]


def test_a_metric_that_was_not_measured_is_left_empty(tiny, tmp_path, capsys):
    run = make_run(tmp_path / "rate=0.1", tiny, {100: 0.5}, "validation", ("stft_distance", "pesq_wb"))
    compare_runs.main([str(run), "--output", str(tmp_path / "curves.png")])
    assert capsys.readouterr().out.splitlines()[2] == "| rate=0.1 | 100 | 0.5000 |  |  |"


def test_runs_that_cannot_be_compared(runs, tiny, tmp_path):
    odd = make_run(tmp_path / "odd", tiny, {150: 0.5}, group="validation")
    for arguments, words in (
        ([odd, runs[0]], "no validated step in common"),
        ([runs[0], runs[0]], "two runs have the same name"),
        ([tmp_path], "is no run folder"),
        ([tmp_path / "none"], "is not a folder"),
    ):
        with pytest.raises(UserError, match=words):
            compare_runs.main(list(map(str, arguments)))
