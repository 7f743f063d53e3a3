"""The metrics of evaluation, one function each, and ``evaluate_pair``, which computes those asked for."""

import functools
import math
import warnings
from collections.abc import Iterable
from importlib import util
from typing import NamedTuple

import numpy as np

from hifigan_tf.audio.audio_files import SILENCE, resample
from hifigan_tf.audio.mel_numpy import MelSettings
from hifigan_tf.audio.mel_stream import mel_spectrogram
from hifigan_tf.config import REPETITION_FLOOR, REPETITION_HOPS, STFT_POWER_FLOOR, STFT_RESOLUTIONS
from hifigan_tf.errors import UserError


class Metric(NamedTuple):
    """How a metric is shown: ``unit`` is "" if it has none, ``absent`` says why a pair may have no value."""

    name: str
    unit: str
    digits: int
    better: str
    absent: str


METRICS = {
    "log_mel_l1": Metric("log-mel L1", "", 4, "lower", ""),
    "mcd_db": Metric("MCD", "dB", 2, "lower", "the config has a single mel band"),
    "stft_distance": Metric("STFT distance", "", 4, "lower", "silent, or shorter than 1,025 samples"),
    "repetition": Metric("repetition", "", 3, "lower", "silent, or not longer than six hops"),
    "pesq_wb": Metric("PESQ-WB", "", 3, "higher", "no utterance found, or shorter than 0.25 s"),
    "visqol": Metric("ViSQOL", "", 3, "higher", "no 0.4 s of speech found"),
    "stoi": Metric("STOI", "", 4, "higher", "less than 0.4 s of speech"),
    "f0_rmse_hz": Metric("F0 RMSE", "Hz", 2, "lower", "no frame is voiced in both"),
    "f0_rmse_cents": Metric("F0 RMSE", "cents", 1, "lower", "no frame is voiced in both"),
    "voicing_f1": Metric("voicing F1", "", 4, "higher", "no frame is voiced"),
}
# Metrics that are left out where their packages are not installed: the modules, and how to install them.
OPTIONAL = {
    "pesq_wb": (("pesq",), "pip install pesq (it needs a C compiler)"),
    "visqol": (("visqol", "ai_edge_litert"), "pip install visqol-python[lattice] (it needs a C++ compiler)"),
}

ALIGNED = ("log_mel_l1", "mcd_db", "f0_rmse_hz", "f0_rmse_cents", "voicing_f1")  # those of frames
MOST_ALIGNED = 6000  # frames, a minute at a hop of 10 ms: the distances of all pairs take memory by the square

SPEECH_RATE = 16000  # Hz: of wide-band PESQ and ViSQOL for speech; F0 is measured at it too, whatever the config's
AT_SPEECH_RATE = {"pesq_wb", "visqol", "f0_rmse_hz", "f0_rmse_cents", "voicing_f1"}
LONGEST_PIECE = 20.0  # seconds, see _pieces
MCD_COEFFICIENTS = 24
STFT_PIECE = 2**20  # samples: longer recordings would take gigabytes
STOI_SHORTEST = 0.4  # seconds: one of STOI's windows is 30 frames of 12.8 ms
F0_RANGE = (65.0, 600.0)  # Hz, from a low bass to a child
F0_FRAME, F0_HOP = 1024, 160  # samples at SPEECH_RATE: 64 ms, four periods of the lowest F0, every 10 ms


def evaluate_pair(
    reference: np.ndarray, generated: np.ndarray, front_end: MelSettings, metrics: Iterable[str] = METRICS
) -> dict[str, float | None]:
    """The chosen metrics of two recordings ``[samples]``, compared over their common length.

    Both are float32 at ``front_end.sampling_rate`` and time-aligned: nothing is shifted or warped.
    ``front_end`` is that of the loss, ``NumpyMelSpectrogram.of(config.audio, for_loss=True)`` or its Keras twin. A
    value is None if the metric is not defined (``METRICS[key].absent`` says when), or its package is not installed
    (``left_out``). F0 and voicing take a quarter of real time, ViSQOL a twentieth, the others together a fiftieth.
    Raises ``ValueError`` for a metric that is not in ``METRICS``.
    """
    wanted = set(metrics)
    if unknown := wanted - set(METRICS):
        raise ValueError(f"unknown metrics {sorted(unknown)}: known are {list(METRICS)}")
    length, rate = min(len(reference), len(generated)), front_end.sampling_rate
    pair = (reference[:length], generated[:length])
    values: dict[str, float | None] = {}
    if wanted & {"log_mel_l1", "mcd_db"}:
        mels = [mel_spectrogram(audio, front_end) for audio in pair]
        values["log_mel_l1"] = log_mel_l1(*mels)
        values["mcd_db"] = mel_cepstral_distortion(*mels)
    if "stft_distance" in wanted:
        values["stft_distance"] = stft_distance(*pair)
    if "repetition" in wanted:
        values["repetition"] = repetition(*pair, front_end.hop_size)
    if "stoi" in wanted:
        values["stoi"] = stoi(*pair, rate)
    at_speech_rate = [resample(audio, rate, SPEECH_RATE) for audio in pair] if wanted & AT_SPEECH_RATE else []
    if "pesq_wb" in wanted:
        values["pesq_wb"] = pesq_wb(*at_speech_rate)
    if "visqol" in wanted:
        values["visqol"] = visqol(*at_speech_rate)
    if wanted & {"f0_rmse_hz", "f0_rmse_cents", "voicing_f1"}:
        contours = [f0_contour(audio) for audio in at_speech_rate]
        values["f0_rmse_hz"] = f0_rmse_hz(*contours)
        values["f0_rmse_cents"] = f0_rmse_cents(*contours)
        values["voicing_f1"] = voicing_f1(*contours)
    return {key: values[key] for key in METRICS if key in wanted}


def evaluate_aligned(
    reference: np.ndarray, generated: np.ndarray, front_end: MelSettings, metrics: Iterable[str] = ALIGNED
) -> dict[str, float | None]:
    """The chosen metrics of ``ALIGNED`` of two recordings ``[samples]`` that say the same at another pace.

    Frames are paired along a path of dynamic time warping between the mel cepstra (``dtw_path``); the F0 of a frame is
    that at its middle. Otherwise as ``evaluate_pair``. Raises ``UserError`` beyond ``MOST_ALIGNED`` frames.
    """
    wanted = set(metrics)
    if unknown := wanted - set(ALIGNED):
        raise ValueError(f"metrics {sorted(unknown)} have no value along a path: known are {ALIGNED}")
    rate, hop = front_end.sampling_rate, front_end.hop_size
    if (longest := max(len(reference), len(generated))) > MOST_ALIGNED * hop:
        raise UserError(
            f"{longest / rate:.0f} s are too long to be aligned: cut at pauses, into up to "
            f"{MOST_ALIGNED * hop / rate:.0f} s ({MOST_ALIGNED} frames)"
        )
    first, second = (mel_spectrogram(audio, front_end) for audio in (reference, generated))
    places = dtw_path(first, second)
    pair = first[places[:, 0]], second[places[:, 1]]
    values: dict[str, float | None] = {"log_mel_l1": log_mel_l1(*pair), "mcd_db": mel_cepstral_distortion(*pair)}
    if wanted & {"f0_rmse_hz", "f0_rmse_cents", "voicing_f1"}:
        contours = []
        for audio, frames in zip((reference, generated), places.T, strict=True):
            contour = f0_contour(resample(audio, rate, SPEECH_RATE))
            at = np.rint((frames + 0.5) * hop / rate * SPEECH_RATE / F0_HOP).astype(int)
            contours.append(contour[np.minimum(at, len(contour) - 1)])
        values["f0_rmse_hz"] = f0_rmse_hz(*contours)
        values["f0_rmse_cents"] = f0_rmse_cents(*contours)
        values["voicing_f1"] = voicing_f1(*contours)
    return {key: values[key] for key in ALIGNED if key in wanted}


def dtw_path(reference: np.ndarray, generated: np.ndarray) -> np.ndarray:
    """The pairs of frames ``[pairs, 2]`` of two log-mels ``[frames, num_mels]`` with the least sum of distances.

    Dynamic time warping by librosa with its defaults (steps of one frame in either or both, from first to last frame),
    with the distance of ``mel_cepstral_distortion``.
    """
    from librosa.sequence import dtw

    cepstra = [mel_cepstrum(mel) for mel in (reference, generated)]
    if not cepstra[0].shape[1]:  # a single band has no cepstrum
        cepstra = [reference, generated]
    return dtw(cepstra[0].T, cepstra[1].T)[1][::-1]


def mel_cepstrum(mel: np.ndarray) -> np.ndarray:
    """Mel-cepstral coefficients 1 to 24 ``[frames, coefficients]`` of a log-mel ``[frames, num_mels]``."""
    bands = mel.shape[-1]
    order = np.arange(1, min(MCD_COEFFICIENTS, bands - 1) + 1)
    cosines = np.cos(np.pi * np.outer(np.arange(bands) + 0.5, order) / bands)
    return 2 / bands * np.asarray(mel, np.float64) @ cosines


def mean_scores(rows: Iterable[dict[str, float | None]], metrics: Iterable[str]) -> dict[str, float | None]:
    """The mean of each metric over the rows of ``evaluate_pair`` that have a value; None where none has."""
    rows = list(rows)
    present = {key: [value for row in rows if (value := row[key]) is not None] for key in metrics}
    return {key: float(np.mean(values)) if values else None for key, values in present.items()}


def log_mel_l1(reference: np.ndarray, generated: np.ndarray) -> float:
    """Mean absolute difference of two log-mels ``[frames, num_mels]``, natural logarithm.

    The original's validation error and, without its weight, its mel loss (paper, section 2.4, equation 3).
    """
    return float(np.mean(np.abs(np.asarray(reference, np.float64) - generated)))


def mel_cepstral_distortion(reference: np.ndarray, generated: np.ndarray) -> float | None:
    """Mel-cepstral distortion in dB of two log-mels ``[frames, num_mels]``, natural logarithm of magnitude.

    10 / ln 10 * sqrt(2 * sum of (c_m - c'_m)²) over m = 1 to 24, averaged over all frames (Kubichek, 1993,
    "Mel-cepstral distance measure for objective speech quality assessment"; 24 coefficients and no c_0, the
    loudness, as Toda, Black and Tokuda, 2007). The cepstrum is defined by ln S = c_0 + sum of c_m cos(m w),
    so the result is the RMS difference of the smoothed spectra in dB. No time warping: a vocoder's output is
    aligned with its input. None when there is a single band.
    """
    if reference.shape[-1] == 1:
        return None
    difference = mel_cepstrum(np.asarray(reference, np.float64) - generated)
    return float(10 / math.log(10) * np.mean(np.sqrt(2 * np.sum(difference**2, axis=-1))))


def stft_distance(reference: np.ndarray, generated: np.ndarray) -> float | None:
    """Multi-resolution STFT distance of two recordings ``[samples]``: what ``losses.stft_loss`` trains on.

    The mean over three resolutions of the spectral convergence and the mean absolute difference of the
    log-magnitudes (Yamamoto, Song and Kim, 2020, "Parallel WaveGAN", equations 4 to 6), of the whole recording, taken
    in pieces. None where the reference is silent, or shorter than half of the longest FFT.
    """
    import librosa

    if len(reference) <= max(n_fft for *_, n_fft in STFT_RESOLUTIONS) // 2 or np.abs(reference).max() < SILENCE:
        return None
    count = math.ceil(len(reference) / STFT_PIECE)
    pieces = list(zip(np.array_split(reference, count), np.array_split(generated, count), strict=True))
    total, floor = 0.0, math.sqrt(STFT_POWER_FLOOR)
    for window, hop, n_fft in STFT_RESOLUTIONS:
        settings = {"n_fft": n_fft, "hop_length": hop, "win_length": window, "pad_mode": "reflect"}
        difference = power = logarithms = bins = 0.0
        for pair in pieces:
            original, other = (np.maximum(np.abs(librosa.stft(audio, **settings)), floor) for audio in pair)
            difference += np.sum(np.square(original - other))
            power += np.sum(np.square(original))
            logarithms += np.sum(np.abs(np.log(original) - np.log(other)))
            bins += original.size
        total += math.sqrt(difference / power) + logarithms / bins
    return float(total / len(STFT_RESOLUTIONS))


def repetition(reference: np.ndarray, generated: np.ndarray, hop_size: int) -> float | None:
    """How differently the high frequencies of two recordings ``[samples]`` repeat after one and two hops, 0 to 2.

    What ``losses.repetition_loss`` trains on, of the whole recording: noise that is the same in every frame buzzes, and
    neither spectra nor PESQ show it. Independent noises have about 0.06. None where the reference is silent, or too
    short for a window.
    """
    if len(reference) <= (REPETITION_HOPS + 2) * hop_size + 1 or np.abs(reference).max() < SILENCE:
        return None
    total = 0.0
    for lag in (hop_size, 2 * hop_size):
        theirs, ours = (_repetition(audio, lag, REPETITION_HOPS * hop_size) for audio in (reference, generated))
        total += np.mean(np.abs(ours - theirs))
    return float(total / 2)


def _repetition(audio: np.ndarray, lag: int, window: int) -> np.ndarray:
    """The correlation with itself ``lag`` samples later ``[windows]`` of the second difference of ``[samples]``."""
    high = np.diff(np.asarray(audio, np.float64), 2)
    now, later = high[:-lag], high[lag:]
    windows = len(now) // window

    def mean(values):
        return values[: windows * window].reshape(windows, window).mean(axis=1)

    return mean(now * later) / np.sqrt(mean(now**2) * mean(later**2) + REPETITION_FLOOR**2)


def installed(metric: str) -> bool:
    """Whether the packages that a metric needs beyond those of evaluation are there."""
    return metric not in OPTIONAL or all(util.find_spec(module) for module in OPTIONAL[metric][0])


def left_out(metrics: Iterable[str]) -> list[str]:
    """A line for each metric whose package is not installed."""
    return [
        f"{METRICS[key].name} is left out, its package is not installed: {OPTIONAL[key][1]}"
        for key in metrics
        if not installed(key)
    ]


def pesq_wb(reference: np.ndarray, generated: np.ndarray) -> float | None:
    """Wide-band PESQ, 1.04 to 4.64, of ``[samples]`` at 16 kHz (ITU-T P.862.2, by the ``pesq`` package).

    The mean over pieces where the recordings are long. None where the package is missing, where no
    utterance is found, or below 0.25 s.
    """
    if not installed("pesq_wb"):
        return None
    import pesq

    values = []
    for original, other in zip(_pieces(reference), _pieces(generated), strict=True):
        if np.abs(other).max() < SILENCE:
            continue  # PESQ equalises the levels of both, which silence does not allow
        try:
            values.append(pesq.pesq(SPEECH_RATE, original, other, "wb"))
        except (pesq.NoUtterancesError, pesq.BufferTooShortError):
            continue
    return float(np.mean(values)) if values else None


def visqol(reference: np.ndarray, generated: np.ndarray) -> float | None:
    """ViSQOL for speech, 1 to 5, of ``[samples]`` at 16 kHz (Chinen et al., 2020, "ViSQOL v3"), by ``visqol-python``.

    With the lattice network that the original program takes by default: equal recordings have 4 to 5. The mean over
    pieces where the recordings are long. None where the package is missing, or a recording holds no speech.
    """
    if not installed("visqol"):
        return None
    values = []
    for original, other in zip(_pieces(reference), _pieces(generated), strict=True):
        if min(np.abs(original).max(), np.abs(other).max()) < SILENCE:
            continue  # it makes the levels equal, which silence does not allow
        try:
            result = _visqol().measure_from_arrays(original, other, SPEECH_RATE)
        except (ValueError, IndexError):  # how it says that there is too little, or no speech
            continue
        values.append(result.moslqo)
    return float(np.mean(values)) if values else None


@functools.cache
def _visqol():
    from visqol import VisqolApi

    api = VisqolApi()
    api.create(mode="speech", use_lattice_model=True)
    return api


def stoi(reference: np.ndarray, generated: np.ndarray, rate: int) -> float | None:
    """Short-time objective intelligibility, 0 to 1, of ``[samples]`` at ``rate`` Hz, resampled to 10 kHz inside.

    Taal, Hendriks, Heusdens and Jensen, 2011, by the ``pystoi`` package; not the extended variant. None
    where fewer than 30 frames (0.4 s) hold speech.
    """
    import pystoi

    if len(reference) < STOI_SHORTEST * rate:
        return None
    with warnings.catch_warnings():
        warnings.filterwarnings("error", "Not enough STFT frames", RuntimeWarning)
        try:
            return float(pystoi.stoi(reference, generated, rate))
        except RuntimeWarning:
            return None


def f0_contour(audio: np.ndarray) -> np.ndarray:
    """F0 in Hz of ``[samples]`` at 16 kHz, a value every 10 ms, NaN where unvoiced.

    Probabilistic YIN (Mauch and Dixon, 2014) by librosa with its defaults: a resolution of 10 cents.
    """
    import librosa

    low, high = F0_RANGE
    contours = [
        librosa.pyin(piece, fmin=low, fmax=high, sr=SPEECH_RATE, frame_length=F0_FRAME, hop_length=F0_HOP)[0]
        for piece in _pieces(audio)
    ]
    return np.concatenate(contours)


def f0_rmse_hz(reference: np.ndarray, generated: np.ndarray) -> float | None:
    """Root mean square difference of two F0 contours ``[frames]`` in Hz, over the frames voiced in both.

    None where there is no such frame.
    """
    return _rms_voiced(reference - generated)


def f0_rmse_cents(reference: np.ndarray, generated: np.ndarray) -> float | None:
    """As ``f0_rmse_hz``, in cents (hundredths of a semitone), which are comparable between low and high voices."""
    return _rms_voiced(1200 * np.log2(generated / reference))


def _rms_voiced(difference: np.ndarray) -> float | None:
    """Root mean square over the entries that are not NaN, which are those voiced in both."""
    voiced = difference[~np.isnan(difference)]
    return float(np.sqrt(np.mean(voiced**2))) if len(voiced) else None


def voicing_f1(reference: np.ndarray, generated: np.ndarray) -> float | None:
    """F1, 0 to 1, of the voiced frames of ``generated`` against those of ``reference``, F0 contours ``[frames]``.

    2 TP / (2 TP + FP + FN), with voiced as positive. None where neither has a voiced frame.
    """
    voiced, predicted = ~np.isnan(reference), ~np.isnan(generated)
    total = np.sum(voiced) + np.sum(predicted)  # 2 TP + FP + FN
    return float(2 * np.sum(voiced & predicted) / total) if total else None


def _pieces(audio: np.ndarray) -> list[np.ndarray]:
    """``audio`` ``[samples]`` at 16 kHz whole, or in equal pieces of at most 20 s.

    PESQ is defined for clips of that length, and its reference code overruns an array of 50 utterances (each
    is at least 0.2 s, after a pause of at least 0.2 s), which crashes the process. pYIN needs 5 MB a second.
    """
    return np.array_split(audio, max(1, math.ceil(len(audio) / (LONGEST_PIECE * SPEECH_RATE))))
