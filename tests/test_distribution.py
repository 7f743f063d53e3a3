"""Several workers compute the same as one process; errors of a cluster are reported in one line."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from conftest import assert_one_error, relative_error
from forked import ForkedCommand

from hifigan_tf.errors import UserError
from hifigan_tf.local_workers import free_ports
from hifigan_tf.training.distribution import Workers, check_batch, workers_of
from hifigan_tf.training.run_folder import RunFolder

STEPS = str(Path(__file__).with_name("distributed_steps.py"))


@pytest.fixture(scope="module")
def config_file(tiny, tmp_path_factory):
    path = tmp_path_factory.mktemp("config") / "tiny.json"
    path.write_text(tiny.replace(mpd_periods=[2], msd_scales=1).dumps())
    return path


def tf_config(addresses, index):
    return json.dumps({"cluster": {"worker": addresses}, "task": {"type": "worker", "index": index}})


@pytest.fixture(scope="module")
def results(corpus, config_file, tmp_path_factory):
    """What one process computed, and each of two workers."""
    folder = tmp_path_factory.mktemp("results")
    addresses = [f"localhost:{port}" for port in free_ports(2)]
    runs = [("one", None), ("multiworker", tf_config(addresses, 0)), ("multiworker", tf_config(addresses, 1))]
    outputs, processes = [folder / f"{number}.npz" for number in range(3)], []
    for (strategy, cluster), output in zip(runs, outputs, strict=True):
        environment = {"TF_CONFIG": cluster} if cluster else {}
        processes.append(ForkedCommand(STEPS, strategy, config_file, corpus, output, environment=environment))
    for process in processes:
        output, _ = process.communicate(timeout=500)
        assert process.returncode == 0, output
    return [np.load(output) for output in outputs]


@pytest.mark.processors
def test_two_workers_compute_what_one_process_does(results):
    one, *workers = results
    for side in ("generator", "discriminator"):
        np.testing.assert_array_equal(workers[0][f"{side}_weights"], workers[1][f"{side}_weights"])
        assert relative_error(workers[0][f"{side}_gradient"], one[f"{side}_gradient"]) < 1e-5
        assert np.abs(workers[0][f"{side}_weights"] - one[f"{side}_weights"]).max() < 1e-4
    for name in one.files:
        if name.startswith(("loss/", "accuracy/")):
            assert workers[0][name] == workers[1][name] == pytest.approx(one[name], rel=1e-5), name


def local_workers(*arguments):
    return subprocess.Popen(
        [sys.executable, "-m", "hifigan_tf.local_workers", *map(str, arguments)],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def test_a_lost_worker_stops_the_run_and_one_process_goes_on(corpus, shallow, tmp_path, command):
    folder, config_file = tmp_path / "run", tmp_path / "shallow.json"
    config_file.write_text(shallow.replace(msd_scales=0, checkpoint_interval=5, validation_interval=5).dumps())
    options = ("--config", config_file, "--data", corpus, "--run-dir", folder)
    process = local_workers(2, *options, "--max-steps", 100000)
    output = ""
    while "step 5: validation" not in output:
        line = process.stdout.readline()
        assert line, output
        output += line
    # The second of the two, by its TF_CONFIG.
    for path in Path("/proc").glob("[0-9]*/environ"):
        try:
            environment = path.read_bytes()
        except OSError:
            continue
        if b'"index": 1}' in environment and str(folder).encode() in path.with_name("cmdline").read_bytes():
            os.kill(int(path.parent.name), 9)
    output += process.communicate(timeout=200)[0]
    assert process.returncode == 2, output
    assert "error: worker 0 of 2 lost the others" in output
    assert "Traceback" not in output
    saved = RunFolder(folder).saved()
    assert saved
    step = int(saved[-1].name.removeprefix("step-"))
    finished = command("train", *options, "--max-steps", step + 1)
    assert finished.returncode == 0, finished.stderr
    assert f"resumed from {saved[-1]}" in finished.stderr
    assert RunFolder(folder).saved()[-1].name == f"step-{step + 1:08d}"


def test_workers_of():
    assert workers_of("one") == Workers(0, 1)
    assert Workers(0, 3).is_chief
    assert not Workers(2, 3).is_chief


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (None, "TF_CONFIG is not set"),
        ("{", "is no JSON"),
        ("[" * 100_000, "is no JSON"),
        ("[]", "lacks"),
        ('{"cluster": {"worker": ["a:1"]}}', "lacks 'task'"),
        ('{"cluster": {"worker": "a:1"}, "task": {"type": "worker", "index": 0}}', "every worker as host:port"),
        ('{"cluster": {"worker": ["a"]}, "task": {"type": "worker", "index": 0}}', "every worker as host:port"),
        ('{"cluster": {"worker": ["a:1", "a:1"]}, "task": {"type": "worker", "index": 0}}', "lists a worker twice"),
        ('{"cluster": {"worker": ["a:1"]}, "task": {"type": "worker", "index": 1}}', "has index 1"),
        ('{"cluster": {"worker": ["a:1"], "ps": ["b:1"]}, "task": {"type": "ps", "index": 0}}', "worker"),
    ],
)
def test_a_malformed_cluster_is_one_line(text, words, monkeypatch, command, corpus):
    monkeypatch.delenv("TF_CONFIG", raising=False)
    if text is not None:
        monkeypatch.setenv("TF_CONFIG", text)
    with pytest.raises(UserError, match=re.escape(words)):
        workers_of("multiworker")
    if text in (None, "{"):
        assert_one_error(command("train", "--strategy", "multiworker"), words, "TF_CONFIG")


def test_a_batch_that_the_replicas_cannot_share():
    check_batch(6, 3)
    with pytest.raises(UserError, match="batch_size 7 cannot be split over 2 replicas: give --batch-size 8"):
        check_batch(7, 2)
