"""Vocoding while the mel is still being made, over ``.tflite`` files and Keras models alike."""

from hifigan_tf.streaming.streaming_vocoder import StreamingVocoder, load_vocoder, vocode

__all__ = ["StreamingVocoder", "load_vocoder", "vocode"]
