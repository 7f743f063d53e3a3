"""The quality gate: what an exported model loses compared with the float generator, over clips, and its speed."""

import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from hifigan_tf.audio.audio_files import check_length, find_audio, normalize, read_audio, resample, warn_of_level
from hifigan_tf.audio.mel import MelSpectrogram, mel_spectrogram
from hifigan_tf.audio.names import relative_names, unique_names
from hifigan_tf.cli import warn_skipped
from hifigan_tf.config import AudioConfig
from hifigan_tf.errors import UserError
from hifigan_tf.evaluation.metrics import METRICS, evaluate_pair, log_mel_l1, mean_scores
from hifigan_tf.evaluation.tables import columns
from hifigan_tf.export.options import STREAMING
from hifigan_tf.export.plan import Plan
from hifigan_tf.resources import DEMO_HELD_OUT
from hifigan_tf.streaming.litert import ContractVocoder
from hifigan_tf.streaming.streaming_vocoder import load_vocoder, vocode

SCORES = ("log_mel_l1", "pesq_wb", "stoi")
PESQ_OF_SPEECH = 1.2  # of the float model, from which on PESQ says something: of noise it jumps with the last bits
SPEED_SECONDS = 5.0  # of audio, for the speed of each signature


@dataclass(frozen=True)
class Limits:
    """The largest allowed loss: in PESQ-WB, and as log-mel L1 between its output and the float model's.

    The second one catches a broken model when PESQ cannot: with too little training to give speech, or without the
    ``pesq`` package.
    """

    pesq_drop: float
    mel_difference: float


# Above the losses of a trained V3: float16 loses 0.0001 and differs by 0.0007, int8 0.05 and 0.12, int16 0.02 and 0.13;
# distilled full_int8 0.31 and 0.29. Without distillation it loses twice as much, and is refused.
DEFAULT_LIMITS = {
    "float32": Limits(0.01, 0.005),
    "float16": Limits(0.02, 0.02),
    "int8": Limits(0.15, 0.25),
    "full_int8": Limits(0.4, 0.5),
    "int16": Limits(0.15, 0.25),
}


def limits_of(plan: Plan) -> Limits:
    """The limits in the options, or else the defaults of a streaming model's formats or of the mode."""
    names = plan.formats.values() if plan.mode in STREAMING else [plan.mode]
    default, options = max((DEFAULT_LIMITS[name] for name in names), key=lambda it: it.pesq_drop), plan.options
    return Limits(
        default.pesq_drop if options.max_pesq_drop is None else options.max_pesq_drop,
        default.mel_difference if options.max_mel_difference is None else options.max_mel_difference,
    )


@dataclass(frozen=True)
class Report:
    """Means over the clips: ``{metric: value or None}`` of the float and the exported model, and the difference."""

    clips: int
    float_scores: dict
    scores: dict
    mel_difference: float

    @property
    def pesq_drop(self) -> float | None:
        """None where there is no PESQ, or the float model gives no speech."""
        before, after = self.float_scores["pesq_wb"], self.scores["pesq_wb"]
        return None if before is None or after is None or before < PESQ_OF_SPEECH else before - after

    def better_than(self, other: "Report") -> bool:
        """Whether this export of a model loses less than another one, by PESQ and by spectrum."""
        ours, theirs = self.pesq_drop, other.pesq_drop
        by_pesq = ours is None or theirs is None or ours <= theirs
        return by_pesq and self.mel_difference < other.mel_difference

    def summary(self) -> str:
        drop = "" if self.pesq_drop is None else f"PESQ drop {self.pesq_drop:.3f}, "
        return f"{drop}log-mel L1 {self.mel_difference:.4f} to float"

    def failures(self, limits: Limits) -> list[str]:
        """Why the model must not be written: one phrase for each limit exceeded."""
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


def evaluation_clips(folder: Path, audio: AudioConfig) -> dict[str, np.ndarray]:
    """``load_clips`` of a folder for evaluation; only the demo corpus is resampled to the model's rate."""
    return load_clips(folder, audio, convert_rate=folder == DEMO_HELD_OUT)


def load_clips(
    folder: Path, audio: AudioConfig, convert_rate: bool = False, what: str = "evaluation"
) -> dict[str, np.ndarray]:
    """``{name: float32 [samples]}`` of a folder, at a peak of 0.95; ``what`` names its purpose in messages.

    Recordings that cannot be used (silent, corrupt, shorter than a frame) are skipped with a warning. Raises
    ``UserError`` when none is left, and for one of another rate than the model's, unless ``convert_rate``.
    """
    paths = find_audio(folder)
    if not paths:
        raise UserError(f"{what} folder {folder} holds no audio file: give one with recordings of speech")
    clips, problems = {}, []
    for name, path in unique_names(relative_names(folder, paths)).items():
        try:
            clip, rate = read_audio(path)
            check_length(path, len(clip) * audio.sampling_rate // rate, audio.hop_size)
        except UserError as error:
            problems.append(str(error))
            continue
        if rate != audio.sampling_rate and not convert_rate:
            raise UserError(
                f"{path} is recorded at {rate} Hz, the model makes {audio.sampling_rate} Hz: give "
                f"{what} recordings of the model's rate"
            )
        warn_of_level(str(path), clip)
        clips[name] = normalize(resample(clip, rate, audio.sampling_rate))
    warn_skipped(problems)
    if not clips:
        raise UserError(
            f"{what} folder {folder}: none of its {len(paths)} recordings can be used, the first because {problems[0]}"
        )
    return clips


@dataclass(frozen=True)
class Evaluation:
    """A model's output for each clip, and the mean scores."""

    clips: dict[str, np.ndarray]
    outputs: list[np.ndarray]
    scores: list[dict]


def evaluate_model(model, clips: dict[str, np.ndarray]) -> Evaluation:
    """Runs a model that ``load_vocoder`` takes over clips, from recordings to mels and back."""
    from tqdm import tqdm

    vocoder = load_vocoder(model)
    front_end, loss_front_end = (MelSpectrogram.of(vocoder.audio, for_loss=for_loss) for for_loss in (False, True))
    outputs, scores = [], []
    for clip in tqdm(clips.values(), desc="quality", unit="clip", leave=False):
        outputs.append(vocode(vocoder, mel_spectrogram(clip, front_end), check_mel=False)[: len(clip)])
        # The metrics would stop at NaN; the difference between two models does not.
        scores.append(evaluate_pair(clip, np.nan_to_num(outputs[-1]), loss_front_end, SCORES))
    return Evaluation(clips, outputs, scores)


def compare(exported: ContractVocoder, float_reference: Evaluation) -> Report:
    """Compares an export with the float model, over the clips on which ``float_reference`` was computed."""
    ours = evaluate_model(exported, float_reference.clips)
    front_end = MelSpectrogram.of(exported.audio, for_loss=True)
    differences = [
        log_mel_l1(*(mel_spectrogram(output, front_end) for output in pair))
        for pair in zip(float_reference.outputs, ours.outputs, strict=True)
    ]
    before, after = (mean_scores(one.scores, SCORES) for one in (float_reference, ours))
    return Report(len(ours.clips), before, after, float(np.mean(differences)))


def speed(model: ContractVocoder, repeats: int = 3) -> float:
    """Speed relative to real time, with the model's chunk: the median over some runs of a few seconds of audio.

    By processor time, of the one thread that computes, so that other work on the machine counts little, and the threads
    of NumPy, which spin for a while after every product, not at all.
    """
    audio = model.audio
    frames = int(SPEED_SECONDS * audio.sampling_rate / audio.hop_size)
    mel = np.random.default_rng(0).normal(-5, 2, [frames, audio.num_mels]).astype(np.float32)
    vocode(model, mel, check_mel=False)  # the first run loads and packs the weights
    rates = []
    for _ in range(repeats):
        begin = time.thread_time()
        vocode(model, mel, check_mel=False)
        rates.append(frames * audio.hop_size / audio.sampling_rate / (time.thread_time() - begin))
    return float(np.median(rates))


def table(report: Report, mode: str) -> str:
    """The scores as text: a row for the float model, the exported one, and the difference."""
    rows = {"float": report.float_scores, mode: report.scores}
    cells = [["", *(METRICS[key].name for key in SCORES)]]
    cells += [[name, *(_shown(key, values[key]) for key in SCORES)] for name, values in rows.items()]
    change = {key: _minus(report.scores[key], report.float_scores[key]) for key in SCORES}
    cells.append(["difference", *(_shown(key, change[key], "+") for key in SCORES)])
    return "\n".join(columns(cells))


def _shown(key: str, value: float | None, sign: str = "") -> str:
    return "-" if value is None else f"{value:{sign}.{METRICS[key].digits}f}"


def _minus(a: float | None, b: float | None) -> float | None:
    return None if a is None or b is None else a - b
