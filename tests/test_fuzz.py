"""A minute of ``make fuzz``, and the files that once failed there."""

import pytest
from fuzz import KEPT, READERS, attempt, fuzz, kept_inputs, mutated, suffix_of

from hifigan_tf.errors import UserError

SECONDS = 3  # for each of the readers


@pytest.mark.parametrize("name", READERS)
def test_mutated_files_give_a_result_or_one_line(name):
    files, failures = fuzz(name, SECONDS + 10 * (name in ("shard", "manifest", "events")), 300)  # TensorFlow starts
    assert not failures, f"{name}: {failures[0].number}: {failures[0].fault}"
    assert files > 0


@pytest.mark.parametrize(("name", "path"), kept_inputs(), ids=lambda value: getattr(value, "name", value))
def test_what_once_failed_is_read_or_refused(name, path, tmp_path):
    assert attempt(READERS[name].read, tmp_path / f"input{suffix_of(name)}", path.read_bytes()) is None


def test_there_are_such_files():
    assert len(list(kept_inputs())) >= 6
    assert {path.name for path in KEPT.iterdir()} <= set(READERS)


def test_faults_are_found(tmp_path, monkeypatch):
    """Of each kind: an exception that is no UserError, several lines, too much memory, and too much time."""

    def several_lines(path):
        raise UserError("one\ntwo")

    assert "ZeroDivisionError" in attempt(lambda path: 1 / 0, tmp_path / "x", b"")
    assert "several lines" in attempt(several_lines, tmp_path / "x", b"")
    assert "MemoryError" in attempt(lambda path: bytearray(2**30), tmp_path / "x", b"")
    assert attempt(lambda path: bytearray(2**26), tmp_path / "x", b"") is None


def test_a_mutation_is_a_function_of_its_number():
    seeds = [bytes(range(256)), b"abc" * 100]
    assert [mutated(seeds, number) for number in range(50)] == [mutated(seeds, number) for number in range(50)]
    assert len({mutated(seeds, number) for number in range(500)}) > 450
