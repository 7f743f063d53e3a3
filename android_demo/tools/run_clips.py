"""``python run_clips.py MODEL OUTPUT CLIP…``: runs a model over clips, on any processor.

A CLIP is an ``.npy`` with the input of the model: a mel, or samples for the mel front end. OUTPUT is an ``.npz`` with
an array for each, and ``machine``. Needs only NumPy and ai-edge-litert, so that an emulator need not run TensorFlow.
"""

import platform
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))  # run as a script, from any folder

import numpy as np

from hifigan_tf.audio.mel_stream import MelStream
from hifigan_tf.streaming.mel_frontend import TfliteMelSpectrogram
from hifigan_tf.streaming.streaming_vocoder import StreamingVocoder, load_vocoder

PUSH = 10  # frames, so that pushes and chunks do not coincide


def main() -> None:
    model, output, *clips = map(Path, sys.argv[1:])
    if model.stem == "mel_frontend":
        front_end = TfliteMelSpectrogram(model)
        step, begin = PUSH * front_end.hop_size, lambda: MelStream(front_end)
    else:
        vocoder = load_vocoder(model)
        step, begin = PUSH, lambda: StreamingVocoder(vocoder)
    results = {}
    for path in clips:
        clip, stream = np.load(path), begin()
        pieces = [stream.push(clip[start : start + step]) for start in range(0, len(clip), step)]
        results[path.stem] = np.concatenate([*pieces, stream.flush()])
    np.savez(output, machine=platform.machine(), **results)


if __name__ == "__main__":
    main()
