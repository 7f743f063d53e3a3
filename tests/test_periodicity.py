"""The experiment on periodic signals: its signals, training on them, and its command line."""

import dataclasses
import json
import subprocess
import sys

import numpy as np
import pytest
from conftest import assert_one_error

from hifigan_tf.errors import UserError
from hifigan_tf.experiments import periodicity
from hifigan_tf.experiments.periodicity import Cell, Protocol, sinusoid_pairs

PROTOCOL = Protocol()
# Takes seconds instead of minutes: a third of the samples of short, low sinusoids is wrong.
EASY = Protocol(steps=50, learning_rate=3e-3, samples=400, highest_hz=500, test_pairs=100)


def pairs(wrong, share, seed=0, count=20):
    protocol = dataclasses.replace(PROTOCOL, wrong=wrong)
    pure, corrupted = np.split(sinusoid_pairs(np.random.default_rng(seed), count, share, protocol)[..., 0], 2)
    return pure, corrupted


def is_sinusoid(signals):
    """Whether x[n-1] + x[n+1] is the same multiple of x[n] everywhere, for each of ``[batch, samples]``."""
    x = signals.astype(np.float64)
    middle, outer = x[:, 1:-1], x[:, :-2] + x[:, 2:]
    multiple = (outer * middle).sum(1, keepdims=True) / np.square(middle).sum(1, keepdims=True)
    return np.abs(outer - multiple * middle).max(1) < 1e-5


@pytest.mark.parametrize("share", [0.1, 0.01, 0.001])
@pytest.mark.parametrize("wrong", ["scattered", "run"])
def test_exactly_the_share_of_samples_is_wrong(wrong, share):
    pure, corrupted = pairs(wrong, share)
    assert pure.shape == corrupted.shape == (20, 2000)
    assert is_sinusoid(pure).all()
    assert not is_sinusoid(corrupted).any()
    differ = pure != corrupted
    assert (differ.sum(1) == round(share * 2000)).all()
    places = [np.flatnonzero(row) for row in differ]
    stretch = [row[-1] - row[0] + 1 == len(row) for row in places]
    assert all(stretch) if wrong == "run" else not any(stretch)
    assert len({row[len(row) // 2] for row in places}) > 10  # not always the same place
    assert np.abs(corrupted).max() <= 1


def test_wrong_samples_are_those_of_one_other_sinusoid():
    pure, corrupted = pairs("run", 0.1)
    for one, other in zip(pure, corrupted, strict=True):
        places = np.flatnonzero(one != other)
        assert is_sinusoid(other[None, places])
        assert not is_sinusoid(other[None, places[0] - 2 : places[-1] + 3])


@pytest.mark.parametrize("share", [0.1, 0.001])
def test_a_mixed_signal_has_the_share_of_another_sinusoid(share):
    pure, corrupted = pairs("mixed", share)
    added = corrupted.astype(np.float64) * np.sqrt(1 + share**2) - pure
    assert is_sinusoid(added).all()
    rms = np.sqrt(np.square([pure, corrupted, added]).mean(2))
    np.testing.assert_allclose(rms[2] / rms[0], share, rtol=0.1)  # the sinusoids do not have whole periods
    np.testing.assert_allclose(rms[1] / rms[0], 1, rtol=0.1)


def test_signals_depend_on_the_seed_alone():
    first, again, other = (pairs("scattered", 0.01, seed) for seed in (0, 0, 1))
    assert np.array_equal(first, again)
    assert not np.array_equal(first[0], other[0])
    batch, same, another = (
        next(periodicity.training_batches(seed, 0.01, PROTOCOL)) for seed in (0, 0, 1)
    )  # fmt: skip
    assert np.array_equal(batch, same)
    assert not np.array_equal(batch, another)
    tested = periodicity.test_signals(0.01, PROTOCOL)
    assert np.array_equal(tested, periodicity.test_signals(0.01, PROTOCOL))
    assert not np.isin(batch[:, 0], tested[:, 0]).any()  # no test signal is also a training signal


def test_the_share_falls_over_half_of_the_training():
    shares = [PROTOCOL.share_at(step, 0.001) for step in range(PROTOCOL.steps)]
    assert shares[0] == 0.1
    np.testing.assert_allclose(shares[200], 0.01)
    np.testing.assert_allclose(shares[400:], 0.001)
    assert all(np.diff(shares[:401]) < 0)
    assert {PROTOCOL.share_at(step, 0.3) for step in (0, 100, 799)} == {0.3}
    batches = list(periodicity.training_batches(0, 0.001, dataclasses.replace(PROTOCOL, steps=10)))
    wrong = [int((batch[:8] != batch[8:]).sum(1).max()) for batch in batches]
    assert wrong == [200, 80, 32, 13, 5, 2, 2, 2, 2, 2]


def test_both_models_learn_an_easy_task_and_alike_every_time():
    mpd, msd = Cell("mpd", 0.3, 1), Cell("msd", 0.3, 1)
    accuracy = periodicity.train_cell(mpd, EASY)
    assert 0.75 < accuracy <= 1
    assert 0.75 < periodicity.train_cell(msd, EASY) <= 1
    assert periodicity.train_cell(mpd, EASY) == accuracy  # whatever was trained before


def test_the_table_has_mean_and_range():
    text = periodicity.table({"mpd": {0.1: [1.0, 0.9], 0.001: [0.5, 0.6]}, "msd": {0.1: [0.75], 0.001: [0.5]}})
    assert text.splitlines() == [
        "| wrong | MPD | MSD |",
        "|--:|--:|--:|",
        "| 10 % | 95.0 % (90.0 to 100.0) | 75.0 % |",
        "| 0.1 % | 55.0 % (50.0 to 60.0) | 50.0 % |",
    ]


class Training:
    """A fake ``train_cell``: takes no time, records the cells, and is interrupted after ``most`` of them."""

    def __init__(self, most=100):
        self.cells, self.most = [], most

    def __call__(self, cell, protocol):
        if len(self.cells) == self.most:
            raise KeyboardInterrupt
        self.cells.append(cell)
        return 0.5 + cell.share + 0.01 * cell.seed


@pytest.fixture
def run(monkeypatch, tmp_path):
    """Runs the command in this process with a ``Training``; returns the cells that it trained."""
    monkeypatch.setattr("tensorflow.config.experimental.enable_op_determinism", lambda: None)

    def run(*arguments, most=100):
        training = Training(most)
        monkeypatch.setattr(periodicity, "train_cell", training)
        try:
            periodicity.main(["--output-dir", str(tmp_path / "out"), "--shares", "10", "1", *arguments])
        except KeyboardInterrupt:
            assert len(training.cells) == most
        return training.cells

    return run


def test_finished_models_are_not_trained_again(run, tmp_path, capsys):
    output = tmp_path / "out"
    first = run("--seeds", "2", most=3)
    assert not (output / "results.json").exists()
    rest = run("--seeds", "2")
    every = [Cell(model, share, seed) for seed in (0, 1) for share in (0.1, 0.01) for model in ("mpd", "msd")]
    assert first + rest == every
    assert run("--seeds", "2") == []
    assert run("--seeds", "3") == [cell._replace(seed=2) for cell in every[:4]]

    printed = capsys.readouterr().out.splitlines()
    assert printed[-2:] == [
        "| 10 % | 61.0 % (60.0 to 62.0) | 61.0 % (60.0 to 62.0) |",
        "| 1 % | 52.0 % (51.0 to 53.0) | 52.0 % (51.0 to 53.0) |",
    ]
    assert (output / "table.md").read_text().splitlines() == printed[-4:]
    results = json.loads((output / "results.json").read_text())
    assert results["protocol"] == dataclasses.asdict(PROTOCOL)
    cells = [(cell["model"], cell["share"], cell["seed"], cell["accuracy"]) for cell in results["cells"]]
    assert len(cells) == 12
    assert cells[7] == ("msd", 0.01, 1, 0.52)
    assert (output / "accuracy.png").read_bytes().startswith(b"\x89PNG")


def test_results_of_another_protocol_are_not_mixed_in(run, tmp_path):
    run()
    with pytest.raises(UserError, match="steps 800, not 700: give another --output-dir"):
        run("--steps", "700")
    with pytest.raises(UserError, match="wrong scattered, not run: give another --output-dir"):
        run("--wrong", "run")
    for content in ("{", "[" * 100_000, "[5]"):
        (tmp_path / "out/cells/mpd_0.1_0.json").write_text(content)
        with pytest.raises(UserError, match=r"mpd_0\.1_0\.json is not a result of this program: delete it"):
            run()


def test_bad_options_and_folders(command, tmp_path):
    name = "experiments.periodicity"
    taken = tmp_path / "file"
    taken.touch()
    assert_one_error(command(name, "--output-dir", taken / "out"), "cannot write to", taken)
    assert_one_error(command(name, "--output-dir", tmp_path, "--shares", "0.01"), "--shares 0.01", "at least 0.05")
    for option, value in (("--shares", "60"), ("--wrong", "none"), ("--seeds", "0"), ("--learning-rate", "nan")):
        process = command(name, "--output-dir", tmp_path / "new", option, value)
        assert process.returncode == 2
        assert "Traceback" not in process.stderr
        assert process.stderr.splitlines()[-1].startswith(f"python -m hifigan_tf.{name}: error: argument {option}")
    assert not (tmp_path / "new").exists()


def test_help_does_not_wait_for_tensorflow():
    code = """
import sys
from hifigan_tf.experiments import periodicity
try:
    periodicity.main(["--help"])
except SystemExit:
    sys.exit(bool({"tensorflow", "keras", "matplotlib"} & sys.modules.keys()))
"""
    process = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert process.returncode == 0, process.stderr
    assert process.stdout.startswith("usage: python -m hifigan_tf.experiments.periodicity")
