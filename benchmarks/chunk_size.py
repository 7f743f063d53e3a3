"""``python benchmarks/chunk_size.py``: quality and throughput by chunk size, as a picture and a table."""

import argparse
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # run as a script, from any folder

from hifigan_tf import cli
from hifigan_tf.files import atomic_path
from hifigan_tf.resources import DEMO_HELD_OUT, VOICE

CHUNKS = (1, 2, 4, 8, 16, 32)


def parse(argv=None):
    parser = argparse.ArgumentParser(
        prog="python benchmarks/chunk_size.py", description=__doc__, formatter_class=cli.Formatter
    )
    parser.add_argument(
        "--checkpoint", default=str(VOICE), metavar="CKPT", help="a .keras file or a run folder; default: the voice"
    )
    parser.add_argument("--evaluation-data", metavar="DIR", default=str(DEMO_HELD_OUT), help="recordings of speech")
    parser.add_argument("--output", metavar="F", type=Path, default=Path("chunks.png"), help="the picture")
    return parser.parse_args(argv)


def main(argv=None) -> None:
    args = parse(argv)
    checkpoint = cli.checkpoint(args.checkpoint)
    folder = cli.existing_folder(args.evaluation_data, "--evaluation-data")
    cli.writable_folder(args.output.parent)

    from hifigan_tf.evaluation.tables import markdown
    from hifigan_tf.export.export_vocoder import build_unjudged
    from hifigan_tf.export.options import ExportOptions
    from hifigan_tf.export.quality import compare, evaluate_model, evaluation_clips, speed
    from hifigan_tf.models.generator import load_generator

    generator = load_generator(checkpoint)
    float_reference = evaluate_model(generator, evaluation_clips(folder, generator.audio))
    drops, rates = [], {"float32": [], "int8": []}
    for chunk in CHUNKS:
        # One model per chunk size, because the choice of fast convolutions depends on the smallest chunk.
        options = [ExportOptions(mode=mode, chunk_frames=(chunk,)) for mode in rates]
        models = {one.mode: build_unjudged(generator, one).vocoder() for one in options}
        drops.append(compare(models["int8"], float_reference).pesq_drop)
        for mode, model in models.items():
            rates[mode].append(speed(model))
    rows = [
        [str(chunk), "-" if drop is None else f"{drop:.3f}", f"{int8:.1f}", f"{float32:.1f}"]
        for chunk, drop, int8, float32 in zip(CHUNKS, drops, rates["int8"], rates["float32"], strict=True)
    ]
    print(markdown(["frames a chunk", "int8 PESQ drop", "int8 x real time", "float32 x real time"], rows, left=0))
    draw(args.output, drops, rates)


def draw(path: Path, drops: list, rates: dict) -> None:
    """Writes the picture: PESQ drop of int8 on one panel, the speed of both on the other."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(8, 3), layout="constrained")
    quality, throughput = figure.subplots(1, 2)
    colours = dict(zip(rates, ("tab:blue", "tab:orange"), strict=True))
    points = [float("nan") if drop is None else drop for drop in drops]
    quality.plot(CHUNKS, points, "o-", label="int8", color=colours["int8"])
    quality.set(ylabel="PESQ-WB drop from float32", ylim=(0, None))
    for mode, values in rates.items():
        throughput.plot(CHUNKS, values, "o-", label=mode, color=colours[mode])
    throughput.set(ylabel="x real time, one thread", ylim=(0, None))
    for axes in (quality, throughput):
        axes.set_xscale("log", base=2)
        axes.set_xticks(CHUNKS, [str(chunk) for chunk in CHUNKS])
        axes.set(xlabel="frames a chunk")
        axes.grid(alpha=0.3)
        axes.legend()
    with atomic_path(path) as temporary:
        figure.savefig(temporary, dpi=120)


if __name__ == "__main__":
    cli.run(main)
