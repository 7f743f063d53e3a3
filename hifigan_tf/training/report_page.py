"""The page of ``report``: HTML without other files, scripts or network."""

import io
import math
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timezone
from html import escape

import numpy as np

from hifigan_tf.config import Config
from hifigan_tf.evaluation import html
from hifigan_tf.evaluation.metrics import METRICS
from hifigan_tf.training.tensorboard import Events

MOMENTS = 6  # steps at which a clip is shown, from the first validation to the last
POINTS = 400  # at most, per curve: as many as its picture can show
VALIDATED = {"validation": "generator", "validation_ema": "moving average"}  # group of tags: what was validated


@dataclass(frozen=True)
class Chart:
    """A picture of all curves whose tag begins with one of ``tags``; ``hint`` says how to read it."""

    title: str
    tags: tuple[str, ...]
    hint: str = ""
    logarithmic: bool = False


CHARTS = [
    *(
        Chart(
            f"Validation: {metric.name}",
            tuple(f"{group}/{key}" for group in VALIDATED),
            f"Mean over the held-out clips; {metric.better} is better.",
        )
        for key, metric in METRICS.items()
    ),
    Chart("Mel loss", ("loss/mel",), "Mean absolute log-mel difference of the segments, unweighted."),
    Chart(
        "Adversarial loss", ("loss/adversarial",), "The generator's, summed over the sub-discriminators, unweighted."
    ),
    Chart("Feature matching loss", ("loss/feature_matching",), "Summed over all feature maps, unweighted."),
    Chart("STFT loss", ("loss/stft",), "Multi-resolution STFT loss of the segments, unweighted."),
    Chart("Repetition loss", ("loss/repetition",), "Noise that repeats every frame; independent noise has about 0.06."),
    Chart("Generator loss", ("loss/generator",), "The weighted sum of the losses above."),
    Chart("Discriminator loss", ("loss/discriminator",), "Summed over the sub-discriminators."),
    Chart(
        "Accuracy of the discriminators",
        ("accuracy/",),
        "Share of right decisions: at 0.5 they are guessing, at 1 the generator never deceives them.",
    ),
    Chart("Gradient norms", ("gradient_norm/",), "L2 over all weights of each side.", logarithmic=True),
    Chart("Learning rate", ("learning_rate",)),
    Chart("Steps per second", ("steps_per_second",)),
    Chart("Waiting for data", ("waiting_for_data",), "Share of the time."),
]


@dataclass(frozen=True)
class Take:
    """A clip at one step: WAV and PNG, encoded."""

    sound: bytes
    picture: bytes


@dataclass(frozen=True)
class ShownClip:
    """A validation clip: the recording, if it was logged, and the generator's output at some steps."""

    name: str
    original: Take | None
    generated: dict[int, Take]

    @classmethod
    def all_of(cls, events: Events) -> list["ShownClip"]:
        """The clips that a run has logged, at no more than ``MOMENTS`` steps each."""
        takes: dict[str, dict[str, list[int]]] = {}  # {clip: {kind: steps}}
        for tag, steps in events.media.items():
            group, _, rest = tag.partition("/")
            name, _, kind = rest.rpartition("/")
            # A killed session may have written only the sound.
            whole = [step for step in steps if step in events.media.get(f"mel/{rest}", ())]
            if group == "audio" and whole:
                takes.setdefault(name, {})[kind] = moments(whole) if kind == "generated" else whole[-1:]
        files = events.read(
            {
                (f"{group}/{name}/{kind}", step)
                for name, kinds in takes.items()
                for kind, steps in kinds.items()
                for step in steps
                for group in ("audio", "mel")
            }
        )

        def take(rest: str, step: int) -> Take:
            return Take(files[f"audio/{rest}", step], files[f"mel/{rest}", step])

        return [
            cls(
                name,
                next((take(f"{name}/original", step) for step in kinds.get("original", [])), None),
                {step: take(f"{name}/generated", step) for step in kinds.get("generated", [])},
            )
            for name, kinds in sorted(takes.items())
        ]


def moments(steps: list[int]) -> list[int]:
    """At most ``MOMENTS`` of the steps, including the first and the last, denser early on, where more changes."""
    if len(steps) <= MOMENTS:
        return steps
    places = np.round(np.geomspace(1, len(steps), MOMENTS)).astype(int) - 1
    return [steps[place] for place in np.unique(places)]


def page(name: str, config: Config, events: Events, clips: list[ShownClip]) -> str:
    """The HTML of the run called ``name``."""
    title = f"{escape(name)}, step {events.last_step:,}"
    header = f"""<h1>{escape(name)}</h1>
<p>HiFi-GAN at step {events.last_step:,} of {config.training.max_steps:,}; last written
{datetime.fromtimestamp(events.last_time, timezone.utc):%Y-%m-%d %H:%M} UTC</p>
{_config(config)}"""
    main = f"""{_validation(events)}
<section><h2>Curves</h2><div class="charts">
{_charts(events)}
</div></section>
{_clips(clips, events, config)}"""
    return html.document(title, header, main)


def _validation(events: Events) -> str:
    rows = []
    for group, what in VALIDATED.items():
        for key, metric in METRICS.items():
            if points := events.scalars.get(f"{group}/{key}"):
                steps = list(points)
                best = (max if metric.better == "higher" else min)(points, key=points.__getitem__)
                cells = "".join(
                    f"<td><b>{points[step]:.{metric.digits}f}</b> <small>step {step:,}</small></td>"
                    for step in (steps[0], best, steps[-1])
                )
                label = " ".join(filter(None, (metric.name, metric.unit)))
                head = f"{escape(label)} <small>{what}, {metric.better} is better</small>"
                rows.append(f'<tr><th scope="row">{head}</th>{cells}</tr>')
    if not rows:
        return "<section><h2>Validation</h2><p>Nothing has been validated yet.</p></section>"
    return f"""<section><h2>Validation</h2>
<div class="wide"><table><caption>Means over the held-out clips</caption>
<thead><tr><td></td><th scope="col">first</th><th scope="col">best</th><th scope="col">last</th></tr></thead>
<tbody>{"".join(rows)}</tbody></table></div></section>"""


def _clips(clips: list[ShownClip], events: Events, config: Config) -> str:
    if not clips:
        return ""
    top = config.audio.fmax_for_loss or config.audio.sampling_rate / 2
    parts = [
        "<section><h2>Validation clips</h2>",
        f"<p>Log-mel spectrograms: time by {config.audio.fmin:,.0f} to {top:,.0f} Hz, brighter is louder. "
        "Sound is FLAC, lossless. The figures are means over all held-out clips.</p>",
    ]
    for clip in clips:
        name = escape(clip.name)
        original = _take(clip.original, f"{name}, the recording", "Recording", "ground truth") if clip.original else ""
        generated = "".join(
            _take(take, f"{name}, generated at step {step:,}", f"Step {step:,}", _scores(events, step))
            for step, take in clip.generated.items()
        )
        parts.append(
            f'<article><h3>{name}</h3><div class="clip"><div class="original">{original}</div>'
            f'<div class="generated">{generated}</div></div></article>'
        )
    return "\n".join([*parts, "</section>"])


def _scores(events: Events, step: int) -> str:
    return ", ".join(
        f"{metric.name} {points[step]:.{metric.digits}f}"
        for key, metric in METRICS.items()
        if step in (points := events.scalars.get(f"validation/{key}", {}))
    )


def _take(take: Take, label: str, caption: str, hint: str) -> str:
    """The HTML figure of a take; the texts are HTML already."""
    import soundfile

    samples, rate = soundfile.read(io.BytesIO(take.sound), dtype="int16")
    return html.take(take.picture, samples, rate, label, caption, hint)


def _charts(events: Events) -> str:
    left, figures = dict(events.scalars), []
    for chart in CHARTS:
        tags = [tag for tag in left if tag.startswith(chart.tags)]
        if tags:
            figures.append(_figure(chart, {_label(tag): left.pop(tag) for tag in tags}))
    return "\n".join([*figures, *(_figure(Chart(tag, (tag,)), {tag: points}) for tag, points in left.items())])


def _label(tag: str) -> str:
    group, _, name = tag.rpartition("/")
    return VALIDATED.get(group) or name.replace("_", " ")


def _figure(chart: Chart, curves: dict[str, dict[int, float]]) -> str:
    ends = "; ".join(
        f"{label} from {next(iter(points.values())):.4g} at step {min(points):,} to "
        f"{points[max(points)]:.4g} at step {max(points):,}"
        for label, points in curves.items()
    )
    together = math.ceil(max(map(len, curves.values())) / POINTS)
    thinned = f" Every point is the mean of {together}." if together > 1 else ""
    return (
        f"<figure><figcaption><b>{escape(chart.title)}</b> <small>{escape(chart.hint + thinned)}</small></figcaption>"
        f'<img class="chart" alt="{escape(f"{chart.title}: {ends}")}" '
        f'src="{html.data_uri("image/svg+xml", _draw(chart, curves))}"></figure>'
    )


def _draw(chart: Chart, curves: dict[str, dict[int, float]]) -> bytes:
    """The chart as SVG, with text as text, not as outlines."""
    import matplotlib
    from cycler import cycler
    from matplotlib.figure import Figure  # not pyplot: no window, no global state

    # Five colours that colour-blind readers can tell apart (Okabe and Ito), then the same dashed.
    colours = ["#0072b2", "#d55e00", "#009e73", "#cc79a7", "#8c6d00"]
    style = {
        "svg.fonttype": "none",
        "svg.hashsalt": "report",
        "font.family": "sans-serif",
        "axes.prop_cycle": cycler(linestyle=["-", "--"]) * cycler(color=colours),
        "axes.spines.top": False,
        "axes.spines.right": False,
    }
    with matplotlib.rc_context(style):
        figure = Figure(figsize=(4.6, 2.8), layout="constrained")
        panel = figure.subplots()
        for label, points in curves.items():
            steps, values = averaged(points)
            # A leading underscore would hide the label from the legend; a dollar sign would begin a formula.
            legible = label.lstrip("_").replace("$", r"\$")
            panel.plot(steps, values, label=legible, linewidth=1.2, marker="." if len(steps) < 20 else "")
        if chart.logarithmic:
            panel.set_yscale("log", nonpositive="mask")
        else:
            panel.margins(y=0.08)
        panel.xaxis.set_major_locator(matplotlib.ticker.MaxNLocator(6, integer=True))
        panel.xaxis.set_major_formatter(matplotlib.ticker.EngFormatter(sep=""))
        panel.set_xlabel("step")
        panel.grid(alpha=0.3)
        if len(curves) > 1:
            figure.legend(loc="outside lower center", ncols=4, frameon=False)
        result = io.BytesIO()
        figure.savefig(result, format="svg", transparent=True, metadata={"Date": None})
    return result.getvalue()


def averaged(points: dict[int, float]) -> tuple[list[float], list[float]]:
    """Steps and finite values of a curve, neighbours averaged so that there are at most ``POINTS``."""
    finite = [(step, value) for step, value in points.items() if math.isfinite(value)]
    together = math.ceil(len(finite) / POINTS)
    parts = [np.mean(finite[start : start + together], axis=0) for start in range(0, len(finite), together or 1)]
    return [float(step) for step, _ in parts], [float(value) for _, value in parts]


def _config(config: Config) -> str:
    generator, discriminators, training = config.generator, config.discriminators, config.training
    essentials = {
        "audio": f"{config.audio.sampling_rate:,} Hz, {config.audio.num_mels} mels, hop {config.audio.hop_size}",
        "generator": f"resblock {generator.resblock}, {generator.upsample_initial_channel} channels, "
        f"upsampling {_listed(generator.upsample_rates)}, {generator.samples_per_step} samples a step",
        "delay as a stream": f"{1000 * generator.delay_samples / config.audio.sampling_rate:.1f} ms, "
        + (f"frames of lookahead: {generator.lookahead_frames}" if generator.low_delay else "as in the paper"),
        "discriminators": f"periods {_listed(discriminators.mpd_periods)}, {discriminators.msd_scales} scales, "
        f"{discriminators.discriminator_channels} channels",
        "batch": f"{training.batch_size} × {training.segment_size:,} samples",
        "learning rate": f"{training.learning_rate:g}, × {training.lr_decay:g} "
        + (f"every {training.lr_decay_steps:,} steps" if training.lr_decay_steps else "an epoch"),
        "loss weights": f"adversarial {training.lambda_adversarial:g}, "
        f"feature matching {training.lambda_feature_matching:g}, mel {training.lambda_mel:g}, "
        f"STFT {training.lambda_stft:g}, repetition {training.lambda_repetition:g}",
        "discriminators learn": "never"
        if training.discriminator_start_step is None
        else f"from step {training.discriminator_start_step:,} on",
        "moving average": f"decay {training.ema_decay:g}" if training.ema_decay else "none",
    }
    rows = "".join(f"<dt>{key}</dt><dd>{escape(value)}</dd>" for key, value in essentials.items())
    return f"""<dl>{rows}</dl>
<details><summary>config.json</summary><pre>{escape(config.dumps())}</pre></details>"""


def _listed(values: Iterable) -> str:
    return "-".join(map(str, values)) or "none"
