"""``hifigan-tf sensitivity``: the quality cost of computing each layer in 8 bits."""

import dataclasses
from pathlib import Path

from hifigan_tf import cli, extras
from hifigan_tf.errors import UserError
from hifigan_tf.evaluation.tables import markdown
from hifigan_tf.files import atomic_path, write_bytes
from hifigan_tf.resources import DEMO_HELD_OUT

DESCRIPTION = """Exports a generator once for each layer and stage, with only that one in 8 bits and the rest in float,
and evaluates every export as hifigan-tf export does. Writes a table, a picture, and a recipe for its --int8 --recipe:
the layers that cost most stay in float, as many as --float-share of the multiplications allows."""


def parse(argv=None):
    parser = cli.parser("sensitivity", DESCRIPTION)
    parser.add_argument("--checkpoint", required=True, metavar="CKPT", help="a .keras file or a run folder")
    parser.add_argument("--evaluation-data", metavar="DIR", default=str(DEMO_HELD_OUT), help="recordings of speech")
    parser.add_argument("--output-dir", metavar="DIR", default="sensitivity", help="where table, picture and recipe go")
    parser.add_argument("--chunk-frames", type=cli.positive, default=4, metavar="N", help="frames of a chunk")
    parser.add_argument("--float-share", type=float, default=0.05, metavar="X", help="of the work, for the recipe")
    args = parser.parse_args(argv)
    if not 0 <= args.float_share <= 1:
        raise UserError(f"--float-share {args.float_share} is no share: give a number from 0 to 1")
    return args


def main(argv=None) -> None:
    args = parse(argv)
    extras.require("hifigan-tf sensitivity")
    checkpoint = cli.checkpoint(args.checkpoint)
    data = cli.existing_folder(args.evaluation_data, "--evaluation-data")
    output = cli.writable_folder(args.output_dir)

    from tqdm import tqdm

    from hifigan_tf.export.build import build
    from hifigan_tf.export.options import ExportOptions
    from hifigan_tf.export.plan import plan_export
    from hifigan_tf.export.quality import compare, evaluate_model, evaluation_clips
    from hifigan_tf.export.quantization.calibration import calibrate
    from hifigan_tf.export.quantization.recipe import dump_recipe
    from hifigan_tf.models.generator import load_generator

    generator = load_generator(checkpoint)
    plan = plan_export(generator, ExportOptions(mode="int8", chunk_frames=(args.chunk_frames,)))
    calibrated = calibrate(plan)
    layers = [conv.name for conv in plan.network.convs()]
    work = work_shares(plan.network)
    groups = {name: [name] for name in layers}
    for index in range(len(plan.network.stages)):
        groups[f"stage_{index}"] = [name for name in layers if name.startswith(f"stage_{index}/")]
    groups["all"] = layers
    float_reference = evaluate_model(generator, evaluation_clips(data, generator.audio))
    reports = {}
    for name, members in tqdm(groups.items(), desc="evaluating", unit="export", leave=False):
        formats = {layer: "int8" if layer in members else "float32" for layer in layers}
        exported = build(dataclasses.replace(plan, formats=formats), calibrated)
        reports[name] = compare(exported.vocoder(), float_reference)
        text = table(reports, {group: sum(work[layer] for layer in groups[group]) for group in reports})
        write_bytes(output / "sensitivity.md", f"{text}\n".encode())  # kept if interrupted
    print(text)
    kept = costliest(reports, work, args.float_share)
    formats = {layer: "float32" if layer in kept else "int8" for layer in layers}
    write_bytes(output / "recipe.json", dump_recipe(formats).encode())
    draw(output / "sensitivity.png", {name: reports[name] for name in layers})
    print(f"{output / 'recipe.json'} leaves in float: {', '.join(kept) or 'nothing'}")


def work_shares(network) -> dict[str, float]:
    """Each layer's share of the multiplications per frame, ``{name: share}``."""
    steps, counts = 1, {network.pre.name: network.pre.kernel.size}
    for stage in network.stages:
        counts[stage.up.name] = steps * stage.up.kernel.size
        steps *= stage.rate
        for conv in stage.inner():
            counts[conv.name] = steps * conv.kernel.size
    counts[network.post.name] = steps * network.post.kernel.size // network.post.stride
    total = sum(counts.values())
    return {name: count / total for name, count in counts.items()}


def costliest(reports: dict, work: dict[str, float], share: float) -> tuple[str, ...]:
    """The layers that lose most in 8 bits relative to their work, within ``share`` of all work."""
    kept, left = [], share
    for name in sorted(work, key=lambda name: reports[name].mel_difference / work[name], reverse=True):
        if work[name] <= left + 1e-9:  # all shares add up to 1, except for rounding
            kept.append(name)
            left -= work[name]
    return tuple(name for name in work if name in kept)


def table(reports: dict, work: dict[str, float]) -> str:
    """The reports as Markdown."""
    rows = []
    for name, report in reports.items():
        drop = "-" if report.pesq_drop is None else f"{report.pesq_drop:.3f}"
        rows.append([name, f"{100 * work[name]:.1f} %", drop, f"{report.mel_difference:.4f}"])
    return markdown(["in 8 bits", "share of the work", "PESQ-WB drop", "log-mel L1 to float"], rows)


def draw(path: Path, reports: dict) -> None:
    """A bar for each layer: how much computing it in 8 bits changes the spectrum."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(8, 0.24 * len(reports) + 1), layout="constrained")
    axes = figure.subplots()
    axes.barh(list(reports), [report.mel_difference for report in reports.values()])
    axes.invert_yaxis()
    axes.set(xlabel="log-mel L1 to the float output, with this layer alone in 8 bits")
    axes.grid(axis="x", alpha=0.3)
    with atomic_path(path) as temporary:
        figure.savefig(temporary, dpi=110)


if __name__ == "__main__":
    cli.run(main)
