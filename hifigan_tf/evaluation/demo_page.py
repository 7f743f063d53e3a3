"""The page of ``demo``: every clip to hear and see, the recording beside float and 8 bits."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from html import escape

import numpy as np

from hifigan_tf.audio.mel_numpy import NumpyMelSpectrogram
from hifigan_tf.audio.mel_stream import mel_spectrogram
from hifigan_tf.config import LOG_MIN
from hifigan_tf.evaluation import html
from hifigan_tf.evaluation.metrics import METRICS, mean_scores
from hifigan_tf.streaming.litert import ContractVocoder

LOUD = 2.0  # the logarithm that is the brightest colour
HINTS = {"float": "16-bit weights, computed in float", "int8": "8-bit weights and arithmetic"}


@dataclass
class Take:
    """What a model made: audio ``[samples]``, the computing time before the first of it, the speed, its scores."""

    audio: np.ndarray
    first_ms: float
    x_realtime: float
    scores: dict[str, float | None] = field(default_factory=dict)


@dataclass
class Speech:
    """A mel ``[frames, num_mels]`` that the models speak, the recording it is of, if there is one, and their takes."""

    group: str
    name: str
    mel: np.ndarray
    original: np.ndarray | None = None
    notes: list[str] = field(default_factory=list)
    takes: dict[str, Take] = field(default_factory=dict)


def page(
    said: list[Speech], refused: list[str], models: Mapping[str, ContractVocoder], front_end: NumpyMelSpectrogram
) -> str:
    """The HTML. ``refused`` says why recordings are not in it."""
    header = f"""<h1>hifigan_tf speaks</h1>
<p>A log-mel spectrogram becomes speech at {front_end.sampling_rate:,} Hz, {front_end.hop_size} samples a frame, while
it is still being made. Every clip below was streamed chunk by chunk on one thread of this computer.</p>"""
    groups: dict[str, list[Speech]] = {}
    for speech in said:
        groups.setdefault(speech.group, []).append(speech)
    left_out = "".join(f"<p>Left out: {escape(reason)}</p>" for reason in refused)
    parts = [_models(said, models)]
    for name, group in groups.items():
        articles = "\n".join(_article(speech, front_end) for speech in group)
        parts.append(f"<section><h2>{escape(name)}</h2>\n{articles}</section>")
    return html.document("hifigan_tf speaks", header, "\n".join([*parts, left_out]))


def _models(said: list[Speech], models: Mapping[str, ContractVocoder]) -> str:
    rows = []
    for name, model in models.items():
        contract = model.contract
        cells = [
            f"{contract.delay_ms:.1f} ms",
            f"{median(said, name, 'first_ms'):.0f} ms",
            f"{median(said, name, 'x_realtime'):.0f}",
        ]
        compared = [speech.takes[name].scores for speech in said if speech.original is not None]
        means = mean_scores(compared, ("log_mel_l1", "pesq_wb", "stoi"))
        cells += [_number(metric, value) for metric, value in means.items()]
        filled = "".join(f"<td>{cell}</td>" for cell in cells)
        rows.append(f'<tr><th scope="row">{name} <small>{HINTS[name]}</small></th>{filled}</tr>')
    heads = ["delay", "first audio", "x real time", "log-mel L1", "PESQ-WB", "STOI"]
    return f"""<section><h2>The two models</h2><div class="wide"><table>
<caption>Medians and means over the clips below; speed is by processor time; scores are of those with a
recording</caption>
<thead><tr><td></td>{"".join(f'<th scope="col">{head}</th>' for head in heads)}</tr></thead>
<tbody>{"".join(rows)}</tbody></table></div></section>"""


def _article(speech: Speech, front_end: NumpyMelSpectrogram) -> str:
    name = escape(speech.name)
    figures = []
    if speech.original is not None:
        figures.append(_figure(speech.original, f"{name}, the recording", "Recording", "", front_end))
    for model, take in speech.takes.items():
        scores = ", ".join(
            f"{METRICS[key].name} {_number(key, value)}" for key, value in take.scores.items() if value is not None
        )
        figures.append(_figure(take.audio, f"{name}, {model}", model, scores, front_end))
    notes = "".join(f"<p>{escape(note)}</p>" for note in speech.notes)
    return f'<article><h3>{name}</h3>{notes}<div class="generated">{"".join(figures)}</div></article>'


def _figure(audio: np.ndarray, label: str, caption: str, hint: str, front_end: NumpyMelSpectrogram) -> str:
    picture = html.picture(mel_spectrogram(audio, front_end), LOG_MIN, LOUD)
    return html.take(picture, audio, front_end.sampling_rate, label, caption, hint)


def _number(metric: str, value: float | None) -> str:
    return "" if value is None else f"{value:.{METRICS[metric].digits}f}"


def median(said: list[Speech], model: str, what: str) -> float:
    """Of ``first_ms`` or ``x_realtime`` of a model's takes."""
    return float(np.median([getattr(speech.takes[model], what) for speech in said]))
