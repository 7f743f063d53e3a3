"""A few steps of ``make soak``, and that it finds what it is for."""

from itertools import count

import numpy as np
import pytest
import soak
from conftest import exported

from hifigan_tf.streaming.litert import load_tflite


@pytest.fixture(scope="module")
def loaded(tiny_generator):
    """A small model in two kinds."""
    return {
        "float32": load_tflite(exported(tiny_generator, "float32", (4, 16)), 4),
        "windows": load_tflite(exported(tiny_generator, frames=48)),
    }


@pytest.fixture
def small(loaded, monkeypatch):
    """The small model instead of the voice."""
    monkeypatch.setattr(soak, "models", lambda: loaded)
    return loaded


def streams_of(loaded, name="float32"):
    """Two streams of a model in the middle of two utterances."""
    mels = soak.speech(loaded[name].audio, 40)[-2:]
    both = []
    for mel in mels:
        utterance = soak.Utterance(mel, {name: soak.vocode(loaded[name], mel)})
        both.append(soak.Stream(name, soak.StreamingVocoder(loaded[name]), utterance))
        both[-1].push(7 if mel is mels[0] else 10)  # frames are left over in both, 3 and 2
    return both


def finish(stream):
    stream.push(len(stream.utterance.mel))
    stream.flush()


def test_streams_that_share_their_models_give_the_samples_of_the_whole(small):
    steps, ended, faults = soak.soak(8, 4, steps=150)
    assert not faults
    assert steps == 4 * 150
    assert ended > 0


@pytest.mark.parametrize("name", ["float32", "windows"])
def test_two_streams_go_on_with_each_others_states(small, name):
    first, second = streams_of(small, name)
    utterances = first.utterance, second.utterance
    first.exchange(second)
    assert (second.utterance, first.utterance) == utterances
    finish(first)
    finish(second)


def test_a_state_that_leaves_something_behind_is_found(small, monkeypatch):
    """An exchange that the streams do not take part in gives the other's audio."""
    first, second = streams_of(small)
    state = soak.StreamingVocoder.state
    monkeypatch.setattr(soak.StreamingVocoder, "state", property(state.fget, lambda self, new: None))
    first.exchange(second)
    with pytest.raises(AssertionError, match="other audio from sample"):
        finish(first)


def test_states_are_exchanged_between_streams_at_rest(small):
    first, second = streams_of(small)
    (other, _), free, utterance = streams_of(small, "windows"), soak.SimpleQueue(), second.utterance
    soak.exchange_with_any(first, free)  # nobody is there
    for stream in (other, second):
        free.put(stream)
    soak.exchange_with_any(first, free)
    assert first.utterance is utterance
    assert {id(free.get_nowait()), id(free.get_nowait())} == {id(other), id(second)}


def test_memory_that_grows_is_found(small, monkeypatch):
    used = count(500, 60)
    monkeypatch.setattr(soak, "PAUSE", 0.01)
    monkeypatch.setattr(soak, "resident_mb", lambda: next(used))
    steps, _, faults = soak.soak(4, 2, steps=2000)
    assert faults
    assert faults[0].startswith("the memory grew from ")
    assert steps < 2 * 2000, "the run ends there"


def test_other_samples_are_found(small, monkeypatch):
    push = soak.StreamingVocoder.push

    def wrong(self, frames):
        audio = push(self, frames)
        return audio + np.float32(1e-6) if len(frames) == 7 else audio

    monkeypatch.setattr(soak.StreamingVocoder, "push", wrong)
    _, _, faults = soak.soak(4, 2, steps=2000)
    assert "other audio from sample" in faults[0]
