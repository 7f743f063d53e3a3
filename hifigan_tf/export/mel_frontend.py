"""The log-mel front end as a finished model, and the check that it computes what ``mel.py`` does."""

import numpy as np
import tensorflow as tf

from hifigan_tf.audio.mel import MelSpectrogram, mel_spectrogram
from hifigan_tf.audio.mel_stream import MelStream
from hifigan_tf.config import AudioConfig
from hifigan_tf.export.build import ExportedModel, versions
from hifigan_tf.export.convert import to_tflite
from hifigan_tf.export.tensor_names import with_tensor_names
from hifigan_tf.streaming.contract import AUDIO, MEL, MelContract, mel_fields, number_or_pair
from hifigan_tf.streaming.mel_frontend import TfliteMelSpectrogram

ANALYZE = "analyze"
BLOCK_FRAMES = 16  # enough to keep the matrix product busy, few enough (0.2 s) to follow a microphone
# The largest allowed difference of a log-mel, at any frame and band. Other orders of summation in float32 give up to
# 3e-4, where a band lies just above the floor; the parity test with the original has the same limit.
MAX_DIFFERENCE = 1e-3


def build(audio: AudioConfig) -> ExportedModel[MelContract]:
    """The front end as a model: ``MelSpectrogram.analyze`` itself, over blocks of static length."""
    front_end = MelSpectrogram.of(audio)
    contract = MelContract(
        analyze=ANALYZE,
        block_frames=BLOCK_FRAMES,
        block_samples=(BLOCK_FRAMES - 1) * audio.hop_size + audio.n_fft,
        mirrored_samples=number_or_pair(*audio.mirrored_samples),
        min_samples=front_end.min_samples,
        versions=versions("float32"),
        **mel_fields(audio),
    )
    block = tf.TensorSpec([1, contract.block_samples], name=AUDIO)
    function = tf.function(lambda audio: {MEL: front_end.analyze(audio)}).get_concrete_function(audio=block)
    return ExportedModel(with_tensor_names(to_tflite(tf.Module(), {ANALYZE: function})), contract)


def largest_difference(model: TfliteMelSpectrogram, clips: dict[str, np.ndarray]) -> float:
    """Between log-mels of the model, fed one second at a time, and ``mel_spectrogram``'s, at any frame and band."""
    front_end, second = MelSpectrogram.of(model.audio), model.audio.sampling_rate
    largest = []
    for clip in clips.values():
        mels = MelStream(model)
        pieces = [mels.push(clip[start : start + second]) for start in range(0, len(clip), second)]
        mel = np.concatenate([*pieces, mels.flush()])
        largest.append(np.abs(mel - mel_spectrogram(clip, front_end)).max())
    return float(np.max(largest))  # NaN stays NaN
