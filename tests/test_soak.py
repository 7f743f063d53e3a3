"""Seconds of ``make soak``, and that it finds what it is for."""

import numpy as np
import pytest
import soak
from conftest import exported

from hifigan_tf.streaming.litert import load_tflite


@pytest.fixture
def small(tiny_generator, tiny_mels, monkeypatch):
    """A small model in two kinds instead of the voice."""
    loaded = {
        "float32": load_tflite(exported(tiny_generator, "float32", (4, 16)), 4),
        "windows": load_tflite(exported(tiny_generator, frames=48)),
    }
    monkeypatch.setattr(soak, "models", lambda: loaded)
    return loaded


def test_streams_that_share_their_models_give_the_samples_of_the_whole(small):
    steps, ended, faults = soak.soak(5, 8, 4)
    assert not faults
    assert steps > 100
    assert ended > 5


def test_other_samples_are_found(small, monkeypatch):
    push = soak.StreamingVocoder.push

    def wrong(self, frames):
        audio = push(self, frames)
        return audio + np.float32(1e-6) if len(frames) == 7 else audio

    monkeypatch.setattr(soak.StreamingVocoder, "push", wrong)
    _, _, faults = soak.soak(20, 4, 2)
    assert "other audio from sample" in faults[0]
