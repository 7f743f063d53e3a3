"""Audio: files, the mel, and mels of other front ends."""

from hifigan_tf.audio.audio_files import find_audio, load_audio, normalize, read_audio, write_wav

__all__ = ["find_audio", "load_audio", "normalize", "read_audio", "write_wav"]
