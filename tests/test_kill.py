"""A run that is killed at any moment, also while it writes a checkpoint, resumes from its last one."""

import random
import time

import pytest
from conftest import start_training

from hifigan_tf.training.run_folder import HIDDEN, RunFolder

INTERVAL = 2  # steps between checkpoints
MOMENTS = ("inside a checkpoint write", "anywhere")


def step_of(checkpoint) -> int:
    return int(checkpoint.name.removeprefix("step-"))


def kill(process, run: RunFolder, moment: str, rng: random.Random) -> bool:
    """Kills the process after its first new checkpoint; returns whether it left one half written."""
    before = set(run.saved())
    deadline = time.time() + 300
    while set(run.saved()) <= before:
        assert process.poll() is None, process.communicate()[0]
        assert time.time() < deadline
    if moment == "anywhere":
        time.sleep(rng.random())
    else:
        while not any(run.checkpoints.glob(f"{HIDDEN}*")):
            assert process.poll() is None
            assert time.time() < deadline
    process.kill()
    process.wait()
    return any(run.checkpoints.glob(f"{HIDDEN}*"))


def check(corpus, config, folder, kills: int) -> int:
    """Kills a run ``kills`` times; returns how many of the kills left a checkpoint half written."""
    path = folder / "config.json"
    path.write_text(config.replace(checkpoint_interval=INTERVAL, summary_interval=1).dumps())
    run, rng, torn, last = RunFolder(folder / "run"), random.Random(0), 0, None
    options = ("--config", path, "--data", corpus, "--run-dir", run.path)
    for number in range(kills):
        process = start_training(*options, "--max-steps", 1_000_000)
        torn += kill(process, run, MOMENTS[number % 2], rng)
        output = process.stdout.read()
        assert "Traceback" not in output
        if last:
            assert f"resumed from {last}" in output
        last = run.saved()[-1]
        steps, _ = run.scalars(["loss/mel"])["loss/mel"]
        assert steps[-1] - step_of(last) <= INTERVAL
    process = start_training(*options, "--max-steps", step_of(last) + 1)
    output, _ = process.communicate(timeout=300)
    assert process.returncode == 0, output
    assert f"resumed from {last}" in output
    assert not any(run.checkpoints.glob(f"{HIDDEN}*"))
    assert step_of(run.saved()[-1]) == step_of(last) + 1
    return torn


@pytest.fixture
def config(shallow):
    return shallow.replace(msd_scales=0)


def test_two_kills(corpus, config, tmp_path):
    check(corpus, config, tmp_path, 2)


@pytest.mark.slow
def test_twenty_kills(corpus, config, tmp_path):
    assert check(corpus, config, tmp_path, 20) >= 3
