"""The quality gate: what an exported model costs beside the float generator, over real clips, and its speed."""

import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from hifigan_tf.audio import check_length, find_audio, normalize, read_audio, resample
from hifigan_tf.config import AudioConfig
from hifigan_tf.errors import UserError
from hifigan_tf.litert import ContractVocoder
from hifigan_tf.mel import MelSpectrogram, mel_spectrogram
from hifigan_tf.metrics import METRICS, evaluate_pair, log_mel_l1, mean_scores
from hifigan_tf.streaming import load_vocoder, vocode

SCORES = ("log_mel_l1", "pesq_wb", "stoi")
SPEED_SECONDS = 5.0  # of audio, for the speed of each signature


@dataclass(frozen=True)
class Limits:
    """What an export may lose: PESQ-WB, and the log-mel L1 between its output and the float model's.

    The second one catches a broken model where PESQ cannot: one too young to be speech, a rate other than
    PESQ's, or no ``pesq`` package.
    """

    pesq_drop: float
    mel_difference: float


# Above what a trained V3 shows: float16 loses 0.0001 and differs by 0.0007, int8 0.05 and 0.12, int16 0.02 and 0.13;
# distilled full_int8 0.32 and 0.30. Without distillation it loses twice as much, and is refused.
DEFAULT_LIMITS = {
    "float32": Limits(0.01, 0.005),
    "float16": Limits(0.02, 0.02),
    "int8": Limits(0.15, 0.25),
    "full_int8": Limits(0.4, 0.5),
    "int16": Limits(0.15, 0.25),
}


@dataclass(frozen=True)
class Report:
    """Means over the clips: ``{metric: value or None}`` of the float and the exported model, and between them."""

    clips: int
    float_scores: dict
    scores: dict
    mel_difference: float

    @property
    def pesq_drop(self) -> float | None:
        before, after = self.float_scores["pesq_wb"], self.scores["pesq_wb"]
        return None if before is None or after is None else before - after

    def better_than(self, other: "Report") -> bool:
        """Whether this export of a model loses less than another of it, by ear and by spectrum."""
        drops = (self.pesq_drop, other.pesq_drop)
        return self.mel_difference < other.mel_difference and (None in drops or drops[0] <= drops[1])

    def summary(self) -> str:
        drop = "" if self.pesq_drop is None else f"PESQ drop {self.pesq_drop:.3f}, "
        return f"{drop}log-mel L1 {self.mel_difference:.4f} to float"

    def failures(self, limits: Limits) -> list[str]:
        """Why the model may not be shipped: one phrase for each limit passed."""
        found = []
        # "Not at most" rather than "above", so that NaN fails too.
        if not self.mel_difference <= limits.mel_difference:
            found.append(
                f"log-mel L1 to the float output is {self.mel_difference:.4f}, the limit {limits.mel_difference}"
            )
        if self.pesq_drop is not None and not self.pesq_drop <= limits.pesq_drop:
            found.append(f"PESQ drops by {self.pesq_drop:.3f}, the limit is {limits.pesq_drop}")
        return found

    def to_dict(self) -> dict:
        return {
            "clips": self.clips,
            "float": self.float_scores,
            "exported": self.scores,
            "pesq_drop": self.pesq_drop,
            "log_mel_l1_to_float": self.mel_difference,
        }


def load_clips(
    folder: Path, audio: AudioConfig, convert_rate: bool = False, what: str = "evaluation"
) -> dict[str, np.ndarray]:
    """``{name: float32 [samples]}`` of a folder, at a peak of 0.95; ``what`` it is for, in messages.

    Raises ``UserError`` when it holds no audio, a clip cannot be used (silent, corrupt, shorter than a frame),
    or is of another rate than the model's, unless ``convert_rate``.
    """
    paths = find_audio(folder)
    if not paths:
        raise UserError(f"{what} folder {folder} holds no audio file: give one with recordings of speech")
    clips = {}
    for path in paths:
        clip, rate = read_audio(path)
        if rate != audio.sampling_rate and not convert_rate:
            raise UserError(
                f"{path} is recorded at {rate} Hz, the model makes {audio.sampling_rate} Hz: give "
                f"{what} recordings of the model's rate"
            )
        clip = resample(clip, rate, audio.sampling_rate)
        check_length(path, len(clip), audio.hop_size)
        clips[path.stem] = normalize(clip)
    return clips


def compare(generator, exported: ContractVocoder, clips: dict[str, np.ndarray]) -> Report:
    """Runs both models over the clips, from recordings to mels and back. ``generator`` is the float one in Keras."""
    from tqdm import tqdm

    front_end = MelSpectrogram.of(generator.audio)
    loss_front_end = MelSpectrogram.of(generator.audio, for_loss=True)
    models = {"float": load_vocoder(generator), "exported": exported}
    scores: dict[str, list] = {name: [] for name in models}
    differences = []
    for clip in tqdm(clips.values(), desc="quality", unit="clip", leave=False):
        mel = mel_spectrogram(clip, front_end)
        outputs = {name: vocode(model, mel)[: len(clip)] for name, model in models.items()}
        for name, output in outputs.items():
            output = np.nan_to_num(output)  # the metrics would stop at NaN; the difference below does not
            scores[name].append(evaluate_pair(clip, output, loss_front_end, SCORES))
        differences.append(log_mel_l1(*(mel_spectrogram(output, loss_front_end) for output in outputs.values())))
    means = {name: mean_scores(rows, SCORES) for name, rows in scores.items()}
    return Report(len(clips), means["float"], means["exported"], float(np.mean(differences)))


def round_trip(generator, clips: dict[str, np.ndarray]) -> float:
    """The log-mel L1 between clips and what the float model makes of their mels: little where it knows their like."""
    front_end = MelSpectrogram.of(generator.audio)
    vocoder = load_vocoder(generator)
    mels = [mel_spectrogram(clip, front_end) for clip in clips.values()]
    return float(np.mean([log_mel_l1(mel, mel_spectrogram(vocode(vocoder, mel), front_end)) for mel in mels]))


def speed(model: ContractVocoder, repeats: int = 3) -> float:
    """Times real time at the model's chunk: the median over some runs of a few seconds of audio."""
    audio = model.audio
    frames = int(SPEED_SECONDS * audio.sampling_rate / audio.hop_size)
    mel = np.random.default_rng(0).normal(-5, 2, [frames, audio.num_mels]).astype(np.float32)
    vocode(model, mel)  # loads and packs
    rates = []
    for _ in range(repeats):
        begin = time.perf_counter()
        vocode(model, mel)
        rates.append(frames * audio.hop_size / audio.sampling_rate / (time.perf_counter() - begin))
    return float(np.median(rates))


def table(report: Report, mode: str) -> str:
    """The scores as text: a row for the float model, the exported one, and the difference."""
    rows = {"float": report.float_scores, mode: report.scores}
    lines = [f"{'':12}" + "".join(f"{METRICS[key].name:>12}" for key in SCORES)]
    for name, values in rows.items():
        lines.append(f"{name:12}" + "".join(f"{_shown(key, values[key]):>12}" for key in SCORES))
    change = {key: _minus(report.scores[key], report.float_scores[key]) for key in SCORES}
    lines.append(f"{'difference':12}" + "".join(f"{_shown(key, change[key], '+'):>12}" for key in SCORES))
    return "\n".join(lines)


def _shown(key: str, value: float | None, sign: str = "") -> str:
    return "-" if value is None else f"{value:{sign}.{METRICS[key].digits}f}"


def _minus(a: float | None, b: float | None) -> float | None:
    return None if a is None or b is None else a - b
