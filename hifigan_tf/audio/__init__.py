"""Audio: files, the mel, and mels of other front ends."""

from hifigan_tf.audio.audio_files import find_audio, load_audio, normalize, read_audio, write_wav
from hifigan_tf.audio.mel_stream import MelStream, mel_spectrogram

__all__ = ["MelStream", "find_audio", "load_audio", "mel_spectrogram", "normalize", "read_audio", "write_wav"]
