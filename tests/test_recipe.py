"""Recipes choose what is in float, layer by layer; the sensitivity report finds out what to choose."""

import json

import numpy as np
import pytest
from ai_edge_litert import schema_py_generated as schema
from conftest import model_of, operations, write_speech

from export import sensitivity, to_tflite
from export.build import Build
from export.network import fold
from export.quality import Report
from export.recipe import dump_recipe, layers_in_float, load_recipe
from export.sensitivity import costliest, table, work_shares
from hifigan_tf import contract
from hifigan_tf.errors import UserError
from hifigan_tf.litert import load_tflite

FRAMES = 32


@pytest.fixture(scope="module")
def clips(tmp_path_factory):
    return write_speech(tmp_path_factory.mktemp("clips"), seconds=1)


def written(folder, layers):
    path = folder / "recipe.json"
    path.write_text(json.dumps({"layers": layers}))
    return path


def kernel_types(data: bytes) -> list[int]:
    """Of all convolutions."""
    return [g.tensors[op.inputs[1]].type for name, op, g in operations(model_of(data)) if name == "CONV_2D"]


def test_a_recipe_decides_layer_by_layer(tiny_generator, tiny_mels):
    recipe = {"conv_pre": "int8", "stage_1/*": "float32", "stage_1/up": "int8"}
    network = fold(tiny_generator)
    names = [conv.name for conv in network.convs()]
    expected = [name for name in names if name in ("stage_2/up", "conv_post") or name.startswith("stage_1/block")]
    build = Build(tiny_generator, "int8", (4,), mels=tiny_mels, recipe=recipe)
    data = build.tflite()
    assert contract.read(data, "x").float_layers == expected
    kernels = kernel_types(data)
    assert kernels.count(schema.TensorType.FLOAT32) == 2 * len(expected)  # the chunk and the edge
    assert kernels.count(schema.TensorType.INT8) == 2 * (len(names) - len(expected))
    plain = Build(tiny_generator, "int8", (4,), mels=tiny_mels)
    assert contract.read(plain.tflite(), "x").fingerprint != contract.read(data, "x").fingerprint


def test_a_recipe_for_integers_leaves_a_layer_in_float(tiny_generator, tiny_mels):
    build = Build(tiny_generator, "full_int8", (), FRAMES, tiny_mels, recipe={"stage_0/up": "float32"})
    data = build.tflite()
    assert kernel_types(data).count(schema.TensorType.FLOAT32) == 1
    assert np.isfinite(load_tflite(data).run(tiny_mels[0][:FRAMES])).all()
    with pytest.raises(UserError, match="conv_post in float"):
        Build(tiny_generator, "full_int8", (), FRAMES, tiny_mels, recipe={"conv_*": "float32"})


def test_a_recipe_that_is_written_is_the_one_that_is_read(tiny_generator, tmp_path):
    network = fold(tiny_generator)
    path = tmp_path / "recipe.json"
    path.write_text(dump_recipe(("conv_pre", "stage_0/up"), network))
    assert layers_in_float(network, ("conv_post",), load_recipe(path)) == ("conv_pre", "stage_0/up")
    assert layers_in_float(network, ("conv_post",), {}) == ("conv_post",)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("{", ["no recipe"]),
        ('{"layer": {}}', ["no recipe"]),
        ('{"layers": ["conv_pre"]}', ["no recipe"]),
        ('{"layers": {"*": "int8"}, "default": "int8"}', ["no recipe"]),
        ('{"layers": {"*": "int8", "conv_pre": "float32", "*": "int8"}}', ["no recipe"]),
        ('{"layers": {"conv_pre": "int4"}}', ["conv_pre", "'int4'", "int8 or float32"]),
        ('{"layers": {"stage_9/*": "int8"}}', ["'stage_9/*'", "no layer", "conv_pre", "stage_0/up"]),
        (None, ["recipe.json", "cannot be read"]),
    ],
)
def test_bad_recipes(tiny_checkpoint, clips, tmp_path, content, words):
    path = tmp_path / "recipe.json"
    if content is not None:
        path.write_text(content)
    arguments = ["--checkpoint", tiny_checkpoint, "--output", tmp_path / "m.tflite", "--int8", "--recipe", path]
    with pytest.raises(UserError) as error:
        to_tflite.main([*map(str, arguments), "--evaluation-data", str(clips)])
    assert all(word in str(error.value) for word in words)


def test_a_recipe_is_for_8_bits(tiny_checkpoint, tmp_path):
    path = written(tmp_path, {"conv_pre": "int8"})
    with pytest.raises(UserError, match=r"--recipe .* --float16"):
        to_tflite.main(["--checkpoint", str(tiny_checkpoint), "--float16", "--recipe", str(path)])


def test_the_report_judges_every_layer_and_writes_a_recipe(tiny_checkpoint, clips, tiny_generator, tmp_path, capsys):
    output = tmp_path / "report"
    options = ["--checkpoint", tiny_checkpoint, "--evaluation-data", clips, "--output-dir", output]
    sensitivity.main([*map(str, options), "--float-share", "0.2"])
    rows = [line for line in (output / "sensitivity.md").read_text().splitlines()[2:] if line]
    network = fold(tiny_generator)
    names = [conv.name for conv in network.convs()]
    assert [row.split(" | ")[0].strip("| ") for row in rows] == [*names, "stage_0", "stage_1", "stage_2", "all"]
    costs = {row.split(" | ")[0].strip("| "): float(row.split(" | ")[3].strip(" |")) for row in rows}
    assert all(cost > 0 for cost in costs.values())
    assert costs["all"] == max(costs.values())
    assert (output / "sensitivity.png").read_bytes().startswith(b"\x89PNG")
    kept = layers_in_float(network, (), load_recipe(output / "recipe.json"))
    assert 0 < sum(work_shares(network)[name] for name in kept) <= 0.2
    assert kept[0] in capsys.readouterr().out


def test_work_and_choice(tiny_generator):
    network = fold(tiny_generator)
    work = work_shares(network)
    assert sum(work.values()) == pytest.approx(1)
    # Twice the steps of the stage before, and half of its channels: the first stages' upsamplings.
    pre, up = network.pre.kernel.size, network.stages[0].up.kernel.size
    assert work["stage_0/up"] / work["conv_pre"] == pytest.approx(up / pre)
    reports = {name: Report(1, {"pesq_wb": None}, {"pesq_wb": None}, 1.0) for name in work}
    reports["conv_pre"] = Report(1, {"pesq_wb": None}, {"pesq_wb": None}, 1000.0)
    assert costliest(reports, work, work["conv_pre"]) == ("conv_pre",)
    assert costliest(reports, work, 0.0) == ()
    assert set(costliest(reports, work, 1.0)) == set(work)
    assert "| conv_pre | " in table(reports, work)


def test_a_share_that_is_none(tiny_checkpoint):
    with pytest.raises(UserError, match=r"--float-share 2\.0 is no share"):
        sensitivity.main(["--checkpoint", str(tiny_checkpoint), "--float-share", "2"])
