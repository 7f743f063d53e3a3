"""``python benchmarks/foreign_mels.py --data speech``: how soon a stream refuses mels that are not the model's own.

Prints, for each kind of mel and each level of the speech, in how many clips it is refused, and how much audio is played
before: the median of these clips and the most. The model is V3 in chunks of 4 frames, whose audio lags by 2,582
samples: what is refused within its delay is never heard. The model's own mels must never be refused, whole or from any
frame on.
"""

import argparse
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # run as a script, from any folder

from hifigan_tf.audio.audio_files import find_audio, load_audio
from hifigan_tf.audio.mel_formats import MelCheck
from hifigan_tf.audio.mel_numpy import NumpyMelSpectrogram, hann_window, mel_basis
from hifigan_tf.audio.mel_scale import LN10
from hifigan_tf.audio.mel_stream import mel_spectrogram
from hifigan_tf.config import AudioConfig, Config
from hifigan_tf.resources import CONFIGS, DEMO_HELD_OUT

CHUNK = 4  # frames
LEVELS = (0, -10, -20, -30, -40)  # dBFS, of the peak
STARTS = 5  # excerpts of each clip that begin anywhere


def power_mel(audio: np.ndarray, settings: AudioConfig) -> np.ndarray:
    """Logarithms of the mel of squared magnitudes, at least 1e-10."""
    frames = np.lib.stride_tricks.sliding_window_view(audio, settings.n_fft)[:: settings.hop_size]
    power = np.abs(np.fft.rfft(frames * hann_window(settings.n_fft, settings.win_size))) ** 2
    basis = mel_basis(settings.sampling_rate, settings.n_fft, settings.num_mels, settings.fmin, settings.fmax)
    return np.log(np.maximum(power @ basis, 1e-10))


def unit(mel: np.ndarray) -> np.ndarray:
    """Decibels of -80 to 20 as 0 to 1."""
    return np.clip((mel * 20 / LN10 + 80) / 100, 0, 1)


KINDS: dict[str, Callable] = {
    "own": np.asarray,
    "mean 0, deviation 1": lambda mel: (mel - mel.mean()) / mel.std(),
    "each band so": lambda mel: (mel - mel.mean(axis=0)) / (mel.std(axis=0) + 1e-3),
    "0 to 1": unit,
    "-4 to 4": lambda mel: 8 * unit(mel) - 4,
    "magnitudes": np.exp,
    "decibels": lambda mel: mel * 20 / LN10,
    "base 10, at least 1e-10": lambda mel: mel / LN10,
}


def frames_taken(mel: np.ndarray, settings: AudioConfig) -> int | None:
    """Frames that a stream takes before it refuses a mel that comes frame by frame; None if it never does."""
    check = MelCheck(settings)
    for frame in range(len(mel)):
        if check.add(mel[frame : frame + 1].astype(np.float32)):
            return frame
    return None


def played_ms(frames: int, config: Config) -> float:
    """The audio that has come out after this many frames, in whole chunks."""
    samples = frames // CHUNK * CHUNK * config.audio.hop_size - config.generator.delay_samples
    return 1000 * max(0, samples) / config.audio.sampling_rate


def main(argv=None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--data", type=Path, default=DEMO_HELD_OUT, help="recordings of speech")
    parser.add_argument("--levels", type=int, nargs="+", default=LEVELS, metavar="DB", help="peaks in dBFS")
    args = parser.parse_args(argv)
    config = Config.load(CONFIGS / "v3.json")
    settings, clips = config.audio, [load_audio(path, config.audio.sampling_rate) for path in find_audio(args.data)]
    front_end = NumpyMelSpectrogram.of(settings)
    print(f"{'mel':26s} {'level':>6s} {'refused':>8s} {'played, median':>15s} {'most':>8s}")
    for level in args.levels:
        audios = [audio / np.abs(audio).max() * 10 ** (level / 20) for audio in clips]
        own = [mel_spectrogram(audio, front_end) for audio in audios]
        mels = {kind: [convert(mel) for mel in own] for kind, convert in KINDS.items()}
        mels["powers, at least 1e-10"] = [power_mel(audio, settings) for audio in audios]
        random = np.random.default_rng(0)
        starts = [(mel, start) for mel in own for start in random.integers(0, max(1, len(mel) - 64), STARTS)]
        mels["own, from any frame on"] = [mel[start:] for mel, start in starts]
        for kind, found in mels.items():
            taken = [frames for mel in found if (frames := frames_taken(mel, settings)) is not None]
            times = [played_ms(frames, config) for frames in taken]
            figures = f"{np.median(times):12.0f} ms {max(times):5.0f} ms" if times else ""
            print(f"{kind:26s} {level:3d} dB {len(taken):4d}/{len(found):<3d} {figures}", flush=True)


if __name__ == "__main__":
    main()
