"""A few files of ``make fuzz`` for every reader, the files that once failed there, and that it finds what it is for."""

import subprocess
import sys
import time

import fuzz
import pytest
from fuzz import KEPT, READERS, attempt, kept_inputs, mutated

from hifigan_tf.errors import UserError, file_guard

FILES = 60  # of each reader

# Readers that fail, each in its way, on what is not their seed.
FAULTY = """
import os, signal, sys, time
sys.path.insert(0, {folder!r})
import fuzz
fuzz.SECONDS = 0.3
SEED = b"a good file"
fuzz.mutated = lambda seeds, number: SEED if number % 2 else b"mutated"

def faulty(fail):
    return fuzz.Reader(lambda path: path.read_bytes() == SEED or fail(), lambda: {{"seed": SEED}})

def spin():
    while True: pass

fuzz.READERS = {{
    "spins": faulty(spin),
    "sleeps": faulty(lambda: time.sleep(600)),
    "aborts": faulty(os.abort),
    "raises": faulty(lambda: 1 / 0),
    "good": faulty(lambda: None),
}}
fuzz.HERE, fuzz.FOUND = fuzz.Path({tmp!r}), fuzz.Path({tmp!r})
if __name__ == "__main__":
    sys.exit(fuzz.main())
"""


@pytest.fixture(scope="module")
def outcomes():
    """What became of every reader: of all in one process, whose start takes longer than the files."""
    return fuzz.fuzz(READERS, FILES)


@pytest.fixture
def faulty(tmp_path):
    """A script with the faulty readers."""
    (tmp_path / "faulty.py").write_text(FAULTY.format(folder=str(fuzz.HERE), tmp=str(tmp_path)))
    return str(tmp_path / "faulty.py")


@pytest.mark.parametrize("name", READERS)
def test_mutated_files_give_a_result_or_one_line(outcomes, name):
    failures = outcomes[name].failures
    assert not failures, f"{name}: {failures[0].number}: {failures[0].fault}"
    assert outcomes[name].files == FILES


@pytest.mark.parametrize("name", [name for name in READERS if kept_inputs(name)])
def test_what_once_failed_is_read_or_refused(outcomes, name):
    assert outcomes[name].kept == {path.name: None for path in kept_inputs(name)}


def test_there_are_such_files():
    """And none of a reader that is no more."""
    assert {path.name for path in KEPT.iterdir()} <= set(READERS)
    assert sum(len(kept_inputs(name)) for name in READERS) >= 8


def test_faults_are_found(tmp_path):
    """Of each kind: an exception that is no UserError, several lines, and too much memory, told or hidden."""

    def several_lines(path):
        raise UserError("one\ntwo")

    def hidden(path):
        with file_guard(path):
            bytearray(2**30)

    def hidden_without_cause(path):
        try:
            bytearray(2**30)
        except MemoryError:
            raise UserError("damaged") from None

    def hidden_deeper(path):
        try:
            hidden(path)
        except UserError as error:
            raise UserError("damaged") from error

    assert "ZeroDivisionError" in attempt(lambda path: 1 / 0, tmp_path / "x", b"")
    assert "SystemExit" in attempt(lambda path: sys.exit(1), tmp_path / "x", b"")
    assert "several lines" in attempt(several_lines, tmp_path / "x", b"")
    assert "MemoryError" in attempt(lambda path: bytearray(2**30), tmp_path / "x", b"")
    for reader in (hidden, hidden_without_cause, hidden_deeper):
        assert "more memory than 10 times the file" in attempt(reader, tmp_path / "x", b"")
    assert attempt(lambda path: bytearray(2**26), tmp_path / "x", b"") is None


def test_a_process_that_ends_is_named_and_started_again(faulty, monkeypatch):
    """Too much of the processor, waiting without end, and a crash; the files and the readers after them are read."""
    monkeypatch.setattr(fuzz, "PATIENCE", 3)
    outcomes = fuzz.fuzz(["spins", "sleeps", "aborts", "raises", "good"], 2, script=faulty)
    assert {name: outcome.files for name, outcome in outcomes.items()} == dict.fromkeys(outcomes, 2)
    faults = {name: [failure.fault for failure in outcome.failures] for name, outcome in outcomes.items()}
    assert faults["spins"] == ["the process ended: more than 5 s of the processor"]
    assert faults["sleeps"] == ["the process ended: nothing for 3 s"]
    assert faults["aborts"] == ["the process ended: SIGABRT"]
    assert ["ZeroDivisionError" in fault for fault in faults["raises"]] == [True]
    assert faults["good"] == []
    assert [failure.number for outcome in outcomes.values() for failure in outcome.failures] == [0] * 4


def test_too_few_files_and_failures_are_an_exit_code(faulty, capfd):
    def code(*arguments):
        return subprocess.run([sys.executable, faulty, *arguments], check=False, timeout=120).returncode

    assert code("good", "--most", "4", "--least", "4") == 0
    assert code("good", "--most", "3", "--least", "4") == 1
    assert "good: 3 files" in (told := capfd.readouterr().out)
    assert "fewer than 4" in told
    assert code("raises", "good", "--most", "4") == 1


def test_the_time_is_kept(faulty):
    """A reader of endless files ends in time: no file of it is cut off, and no more are begun."""
    begin = time.monotonic()
    outcome = fuzz.fuzz(["good"], 10**9, seconds=1, script=faulty)["good"]
    assert not outcome.failures
    assert 0 < outcome.files < 10**9
    assert time.monotonic() - begin >= 1


def test_a_mutation_is_a_function_of_its_number():
    seeds = [bytes(range(256)), b"abc" * 100]
    assert [mutated(seeds, number) for number in range(50)] == [mutated(seeds, number) for number in range(50)]
    assert len({mutated(seeds, number) for number in range(500)}) > 450
