"""Recipes choose the format of each layer; the sensitivity report finds which layers to keep in float."""

import dataclasses
import io
import json
import zipfile
from collections import Counter

import pytest
import tensorflow as tf
from ai_edge_litert import schema_py_generated as schema
from conftest import LOW_DELAY, calibrated_plan, exported, model_of, operations, snr, untrained, write_speech

from hifigan_tf import sensitivity, to_tflite
from hifigan_tf.errors import UserError
from hifigan_tf.export.build import build
from hifigan_tf.export.graph import Deployment
from hifigan_tf.export.network import fold
from hifigan_tf.export.options import ExportOptions
from hifigan_tf.export.plan import plan_export
from hifigan_tf.export.quality import DEFAULT_LIMITS, Limits, Report, limits_of
from hifigan_tf.export.quantization.fake_quant import LearnedRanges, Weights
from hifigan_tf.export.quantization.quantized_graphs import StaticWindow
from hifigan_tf.export.quantization.recipe import FORMATS, dump_recipe, layer_formats, load_recipe
from hifigan_tf.sensitivity import costliest, table, work_shares
from hifigan_tf.streaming import contract
from hifigan_tf.streaming.litert import load_tflite
from hifigan_tf.streaming.streaming_vocoder import load_vocoder, vocode

FRAMES = 32


@pytest.fixture(scope="module")
def clips(tmp_path_factory):
    return write_speech(tmp_path_factory.mktemp("clips"), seconds=1)


def written(folder, layers):
    path = folder / "recipe.json"
    path.write_text(json.dumps({"layers": layers}))
    return path


def kernel_formats(data: bytes) -> list[dict[str, str]]:
    """``{layer: format}`` of every signature with convolutions, as the file itself has it."""
    types = {getattr(schema.TensorType, name.upper()): name for name in FORMATS}
    result, model = [], model_of(data)
    for graph in model.subgraphs:
        found = [(name, op) for name, op, its_graph in operations(model) if its_graph is graph]
        made = {op.outputs[0]: op.inputs[0] for name, op in found if name == "DEQUANTIZE"}
        back = {op.inputs[0]: op.outputs[0] for name, op in found if name == "QUANTIZE"}
        formats = {}
        for kernel, output in [(op.inputs[1], op.outputs[0]) for name, op in found if name == "CONV_2D"]:
            layer = graph.tensors[back.get(output, output)].name.decode().split("/BiasAdd")[0]
            formats[layer] = types[graph.tensors[made.get(kernel, kernel)].type]
        if formats:
            result.append(formats)
    return result


@pytest.mark.parametrize("mode", ["float32", "float16", "int8"])
def test_a_recipe_decides_layer_by_layer(tiny_generator, tiny_mels, mode):
    recipe = {"conv_pre": "int8", "stage_1/*": "float16", "stage_1/up": "float32", "stage_2/up": "int8"}
    names = [conv.name for conv in fold(tiny_generator).convs()]
    expected = dict.fromkeys(names, mode)
    expected.update({name: "float16" for name in names if name.startswith("stage_1/block")})
    expected.update({"conv_pre": "int8", "stage_1/up": "float32", "stage_2/up": "int8"})
    if mode == "int8":
        expected["conv_post"] = "float32"
    data = exported(tiny_generator, mode, mels=tiny_mels, recipe=recipe)
    assert contract.read(data, "x").layers == expected
    assert kernel_formats(data) == 2 * [expected]  # the chunk and the edge
    plain = exported(tiny_generator, mode)
    assert contract.read(plain, "x").fingerprint != contract.read(data, "x").fingerprint
    # The output equals that in float, except for the rounding in 8-bit layers.
    audio, float_audio = (vocode(load_vocoder(model), tiny_mels[0]) for model in (load_tflite(data), tiny_generator))
    assert 38 < snr(float_audio, audio) < 50


@pytest.mark.parametrize("mode", ["full_int8", "int16"])
def test_a_recipe_for_full_integer_modes_leaves_only_these_layers_in_float(tiny_generator, tiny_mels, mode):
    recipe = {"stage_0/up": "float32", "stage_2/b*": "float32"}
    plan, calibrated = calibrated_plan(tiny_generator, mode, frames=FRAMES, mels=tiny_mels, recipe=recipe)
    data = build(plan, calibrated).packed()
    expected = {name for name in plan.formats if name == "stage_0/up" or name.startswith("stage_2/b")}
    (found,) = kernel_formats(data)
    assert {name for name, weights in found.items() if weights == "float32"} == set(plan.float_layers) == expected
    assert {name for name, weights in contract.read(data, "x").layers.items() if weights == "float32"} == expected
    in_float = Counter(
        name
        for name, op, graph in operations(model_of(data))
        if any(graph.tensors[i].type == schema.TensorType.FLOAT32 for i in (*op.inputs, *op.outputs))
    )
    conversions = len(expected) + 1  # one before and one after each, and those of mel and audio
    assert in_float == {"CONV_2D": len(expected), "QUANTIZE": conversions, "DEQUANTIZE": conversions}


def distances(models: list[bytes], mel, target) -> list[list[float]]:
    """SNR of the models' audio to the target, on LiteRT and on TensorFlow's own interpreter."""
    by_interpreter = [
        [load_tflite(model, interpreter=interpreter).run(mel) for model in models]
        for interpreter in (None, tf.lite.Interpreter)
    ]
    return [[snr(target, audio) for audio in audios] for audios in by_interpreter]


def test_float_layers_of_full_int8_compute_as_simulated(tiny_generator, tiny_mels):
    mel, recipe = tiny_mels[0][:FRAMES], {"conv_pre": "float32", "stage_*": "float32"}
    plans = [
        calibrated_plan(tiny_generator, "full_int8", frames=FRAMES, mels=tiny_mels, recipe=it) for it in (recipe, {})
    ]
    (plan, calibrated), _ = plans
    deployment, ranges = Deployment(calibrated.network), LearnedRanges(calibrated.ranges)
    simulated = StaticWindow(deployment, ranges, Weights(deployment), plan.float_layers).run(tf.constant(mel[None]))
    for found in distances([build(*one).packed() for one in plans], mel, simulated.numpy()[0]):
        assert found[0] > max(28, found[1] + 1)


def test_int16_with_float_layers_is_near_to_float(tiny_generator, tiny_mels):
    mel, float_audio = tiny_mels[0][:FRAMES], Deployment(fold(tiny_generator)).whole(tiny_mels[0][None, :FRAMES])
    models = [
        exported(tiny_generator, "int16", (), FRAMES, tiny_mels, recipe=it or {}) for it in ({"*": "float32"}, None)
    ]
    for found in distances(models, mel, float_audio.numpy()[0]):
        assert found[0] > found[1] + 20


@pytest.mark.parametrize(
    ("recipe", "mode", "words"),
    [
        ({"conv_*": "float32"}, "full_int8", "conv_post in float32, and --full-int8 cannot: make it int8"),
        ({"conv_pre": "float16"}, "full_int8", "conv_pre in float16, and --full-int8 cannot: make it int8 or float32"),
        ({"*": "float16"}, "int16", "conv_pre in float16, and --int16-activations cannot"),
    ],
)
def test_formats_that_a_mode_cannot_give(tiny_generator, tiny_mels, recipe, mode, words):
    with pytest.raises(UserError, match=words):
        exported(tiny_generator, mode, (), FRAMES, tiny_mels, recipe=recipe)


def test_models_of_equal_formats_share_their_states(tiny_generator, tiny_mels):
    """However the formats are given."""
    models = [
        contract.read(exported(tiny_generator, mode, (4,), mels=tiny_mels, recipe={"*": "int8"}), "x")
        for mode in ("float32", "int8")
    ]
    assert models[0].fingerprint == models[1].fingerprint


@pytest.mark.parametrize("layers", [{"conv_pre": "float32"}, {"*": "float32"}])
def test_weights_that_a_recipe_replaces_are_not_in_the_file(tiny_generator, tiny_mels, layers):
    model = model_of(exported(tiny_generator, "int16", (), FRAMES, tiny_mels, recipe=layers))
    (graph,) = model.subgraphs
    read = {graph.tensors[index].buffer for op in graph.operators for index in op.inputs}
    dead = [model.buffers[tensor.buffer] for tensor in graph.tensors if tensor.buffer not in read]
    assert all(buffer.data is None for buffer in dead)


@pytest.mark.parametrize(
    ("option", "words"), [("--calibration-data", "nothing to calibrate"), ("--distill-steps", "nothing to distil")]
)
def test_calibration_without_8_bit_layers_is_refused(tiny_checkpoint, clips, tmp_path, option, words):
    path, value = written(tmp_path, {"*": "float16"}), clips if option == "--calibration-data" else 5
    options = ["--checkpoint", tiny_checkpoint, "--evaluation-data", clips, "--int8", "--recipe", path, option, value]
    with pytest.raises(UserError, match=f"{words}, no layer is in int8: leave out {option}"):
        to_tflite.main([*map(str, options), "--output", str(tmp_path / "m.tflite")])


def test_contracts_of_earlier_exports_are_read(tiny_generator):
    data = exported(tiny_generator, "float32", (4,))
    values = json.loads(contract.read(data, "x").dumps())
    del values["layers"]
    buffer = io.BytesIO(contract.unpack(data))
    with zipfile.ZipFile(buffer, "a") as archive:
        archive.writestr(contract.MEMBER, json.dumps({**values, "float_layers": ["conv_pre"]}))
    assert contract.read(buffer.getvalue(), "x").fingerprint == values["fingerprint"]


def test_a_recipe_that_is_written_is_the_one_that_is_read(tiny_generator, tmp_path):
    network = fold(tiny_generator)
    formats = layer_formats(network, "int8", {"stage_0/up": "float32", "conv_post": "float16"})
    path = tmp_path / "recipe.json"
    path.write_text(dump_recipe(formats))
    assert all(layer_formats(network, mode, load_recipe(path)) == formats for mode in ("float32", "float16", "int8"))


def test_a_contract_holds_the_recipe_of_its_model(tiny_generator, tiny_mels, tmp_path):
    plan, calibrated = calibrated_plan(tiny_generator, "int8", mels=tiny_mels, recipe={"stage_0/up": "float16"})
    path = tmp_path / "recipe.json"
    path.write_text(json.dumps({"layers": contract.read(build(plan, calibrated).packed(), "x").layers}))
    again = plan_export(tiny_generator, ExportOptions(recipe=load_recipe(path)))
    assert again.formats == plan.formats


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("{", ["no recipe"]),
        ("[" * 100_000, ["no recipe"]),
        ('{"layer": {}}', ["no recipe"]),
        ('{"layers": ["conv_pre"]}', ["no recipe"]),
        ('{"layers": {"*": "int8"}, "default": "int8"}', ["no recipe"]),
        ('{"layers": {"*": "int8", "conv_pre": "float32", "*": "int8"}}', ["no recipe"]),
        ('{"layers": {"conv_pre": "int4"}}', ["conv_pre", "'int4'", "int8 or float16 or float32"]),
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


def test_a_recipe_through_the_command_line(tiny_checkpoint, clips, tmp_path):
    path, output = written(tmp_path, {"*": "int8", "conv_post": "float32"}), tmp_path / "model.tflite"
    options = ["--checkpoint", tiny_checkpoint, "--evaluation-data", clips, "--output", output, "--float16"]
    assert to_tflite.main([*map(str, options), "--recipe", str(path)]) == 0
    stored = contract.read(output.read_bytes(), "x")
    assert (stored.mode, stored.layers["conv_pre"], stored.layers["conv_post"]) == ("float16", "int8", "float32")
    named = to_tflite.output_path(to_tflite.parse(["--float16", "--recipe", str(path)]), tmp_path / "best.keras", None)
    assert named.name == "best_float16_recipe.tflite"


@pytest.mark.parametrize(
    ("options", "formats", "expected"),
    [
        (["--float32"], {"float32"}, DEFAULT_LIMITS["float32"]),
        (["--float32"], {"float32", "float16"}, DEFAULT_LIMITS["float16"]),
        (["--float16"], {"float16", "int8"}, DEFAULT_LIMITS["int8"]),
        (["--int8"], {"float32"}, DEFAULT_LIMITS["float32"]),
        (["--full-int8"], {"int8", "float32"}, DEFAULT_LIMITS["full_int8"]),
        (["--float16", "--max-pesq-drop", "0.01"], {"int8"}, Limits(0.01, DEFAULT_LIMITS["int8"].mel_difference)),
    ],
)
def test_limits_depend_on_the_formats(tiny_generator, options, formats, expected):
    plan = plan_export(tiny_generator, to_tflite.options_of(to_tflite.parse(options)))
    plan = dataclasses.replace(plan, formats={f"layer_{weight_format}": weight_format for weight_format in formats})
    assert limits_of(plan) == expected


@pytest.fixture(
    scope="module",
    params=[{"upsample_rates": [8, 4], "upsample_kernel_sizes": [16, 8]}, LOW_DELAY],
    ids=["paper", "low delay"],
)
def two_stages(tiny, request):
    """A generator of eight layers."""
    blocks = {"resblock_kernel_sizes": [3], "resblock_dilation_sizes": [[1, 2]]}
    return untrained(tiny.replace(**blocks, **request.param))


def test_the_report_judges_every_layer_and_writes_a_recipe(two_stages, clips, tmp_path, capsys):
    output = tmp_path / "report"
    two_stages.save(tmp_path / "best.keras")
    options = ["--checkpoint", tmp_path / "best.keras", "--evaluation-data", clips, "--output-dir", output]
    sensitivity.main([*map(str, options), "--float-share", "0.2"])
    rows = [line for line in (output / "sensitivity.md").read_text().splitlines()[2:] if line]
    network = fold(two_stages)
    names = [conv.name for conv in network.convs()]
    assert [row.split(" | ")[0].strip("| ") for row in rows] == [*names, "stage_0", "stage_1", "all"]
    costs = {row.split(" | ")[0].strip("| "): float(row.split(" | ")[3].strip(" |")) for row in rows}
    assert all(cost > 0 for cost in costs.values())
    assert costs["all"] == max(costs.values())
    assert (output / "sensitivity.png").read_bytes().startswith(b"\x89PNG")
    formats = load_recipe(output / "recipe.json")
    kept = [name for name in names if formats[name] == "float32"]
    assert 0 < sum(work_shares(network)[name] for name in kept) <= 0.2
    assert kept[0] in capsys.readouterr().out


def test_work_and_choice(tiny_generator):
    network = fold(tiny_generator)
    work = work_shares(network)
    assert sum(work.values()) == pytest.approx(1)
    # Twice the steps of the previous stage, and half of its channels: the first stages' upsamplings.
    pre, up = network.pre.kernel.size, network.stages[0].up.kernel.size
    assert work["stage_0/up"] / work["conv_pre"] == pytest.approx(up / pre)
    reports = {name: Report(1, {"pesq_wb": None}, {"pesq_wb": None}, 1.0) for name in work}
    reports["conv_pre"] = Report(1, {"pesq_wb": None}, {"pesq_wb": None}, 1000.0)
    assert costliest(reports, work, work["conv_pre"]) == ("conv_pre",)
    assert costliest(reports, work, 0.0) == ()
    assert set(costliest(reports, work, 1.0)) == set(work)
    assert "| conv_pre | " in table(reports, work)


def test_an_impossible_share(tiny_checkpoint):
    with pytest.raises(UserError, match=r"--float-share 2\.0 is no share"):
        sensitivity.main(["--checkpoint", str(tiny_checkpoint), "--float-share", "2"])
