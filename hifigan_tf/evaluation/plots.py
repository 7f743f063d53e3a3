"""Pictures of spectrograms and curves."""

from pathlib import Path

import numpy as np

from hifigan_tf.audio.mel_numpy import MelSettings, mel_edges
from hifigan_tf.audio.mel_stream import mel_spectrogram
from hifigan_tf.files import atomic_path

HZ_TICKS = (250, 500, 1000, 2000, 4000, 8000, 16000)


def save_spectrograms(path: str | Path, recordings: dict[str, np.ndarray], front_end: MelSettings) -> None:
    """Writes one PNG with the log-mel of each of ``{title: audio [samples]}``, the first on top.

    All share the colour scale, the time axis in seconds and the mel bands as vertical axis (centre frequencies in Hz
    on the right). Written atomically.
    """
    figure = _figure(_seconds(recordings, front_end), rows=len(recordings))
    _draw_mels(
        figure,
        figure.subplots(len(recordings), 1, sharex=True, sharey=True, squeeze=False)[:, 0],
        recordings,
        front_end,
    )
    _save(figure, path)


def save_overview(
    path: str | Path,
    recordings: dict[str, np.ndarray],
    front_end: MelSettings,
    curves: dict[str, tuple[list[int], list[float]]],
) -> None:
    """Writes one PNG with the log-mels of ``recordings`` and, below, each of ``{name: (steps, values)}``."""
    figure = _figure(_seconds(recordings, front_end), rows=len(recordings) + 1)
    above, below = figure.subfigures(2, 1, height_ratios=(len(recordings), 1))
    _draw_mels(
        above, above.subplots(len(recordings), 1, sharex=True, sharey=True, squeeze=False)[:, 0], recordings, front_end
    )
    for panel, (name, (steps, values)) in zip(below.subplots(1, len(curves)), curves.items(), strict=True):
        panel.plot(steps, values, marker="." if len(steps) < 20 else "")
        panel.set_title(name.replace("_", " "))
        panel.set_xlabel("step")
        panel.set_ylim(bottom=0)
        panel.grid(alpha=0.3)
    _save(figure, path)


def save_accuracies(path: str | Path, accuracies: dict[str, dict[float, list[float]]]) -> None:
    """Writes one PNG of ``{model: {share of wrong samples: [accuracy of each seed]}}``: dots, a line of means."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7, 4), layout="constrained")
    panel = figure.subplots()
    panel.axhline(50, color="gray", linestyle="--", label="chance")
    for place, (model, by_share) in enumerate(accuracies.items()):
        shares = [100 * share for share in by_share]
        aside = 1.04 ** (place - (len(accuracies) - 1) / 2)  # dots of different models beside each other
        (line,) = panel.plot(shares, [100 * np.mean(values) for values in by_share.values()], label=model.upper())
        for share, values in zip(shares, by_share.values(), strict=True):
            dots = [100 * value for value in values]
            panel.plot([share * aside] * len(dots), dots, "o", color=line.get_color(), alpha=0.6)
    panel.set_xscale("log")
    panel.set_xticks(shares, [f"{share:g}" for share in shares], minor=False)
    panel.set_xticks([], minor=True)
    panel.invert_xaxis()
    panel.set_xlabel("wrong, % of the signal")
    panel.set_ylabel("signals judged right, %")
    panel.set_ylim(min(45, *panel.get_ylim()), 102)
    panel.grid(alpha=0.3)
    panel.legend()
    _save(figure, path)


def _figure(seconds: float, rows: int):
    from matplotlib.figure import Figure  # not pyplot: no window, no global state

    return Figure(
        figsize=(float(np.clip(3 + 1.3 * seconds, 12 if rows > 2 else 7, 18)), 3.2 * rows), layout="constrained"
    )


def _save(figure, path: str | Path) -> None:
    with atomic_path(path) as temporary:
        figure.savefig(temporary, format="png", dpi=100)


def _seconds(recordings: dict[str, np.ndarray], front_end: MelSettings) -> float:
    return max(map(len, recordings.values())) / front_end.sampling_rate


def _draw_mels(figure, panels, recordings: dict[str, np.ndarray], front_end: MelSettings) -> None:
    mels = {title: mel_spectrogram(audio, front_end) for title, audio in recordings.items()}
    low, high = min(mel.min() for mel in mels.values()), max(mel.max() for mel in mels.values())
    edges = mel_edges(front_end.sampling_rate, front_end.num_mels, front_end.fmin, front_end.fmax)
    ticks = [hz for hz in HZ_TICKS if edges[1] <= hz <= edges[-2]]
    for panel, (title, mel) in zip(panels, mels.items(), strict=True):
        # Frame t covers hop t, band m the height from m to m + 1.
        extent = (0, len(mel) * front_end.hop_size / front_end.sampling_rate, 0, front_end.num_mels)
        image = panel.imshow(mel.T, origin="lower", aspect="auto", vmin=low, vmax=high, extent=extent, cmap="magma")
        panel.set_title(title, parse_math=False)
        panel.set_xlim(0, _seconds(recordings, front_end))
        panel.set_ylabel("mel band")
        hertz = panel.secondary_yaxis("right")
        hertz.set_yticks(np.interp(ticks, edges[1:-1], np.arange(front_end.num_mels) + 0.5), [f"{hz}" for hz in ticks])
        hertz.set_ylabel("Hz")
    panels[-1].set_xlabel("seconds")
    figure.colorbar(image, ax=list(panels), label="ln of mel magnitude", pad=0.02)
