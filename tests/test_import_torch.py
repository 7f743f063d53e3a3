"""PyTorch checkpoints, written here byte by byte: read exactly, or refused in one line; their code is never run."""

import builtins
import collections
import contextlib
import io
import os
import pickle
import struct
import subprocess
import sys
import zipfile
from dataclasses import dataclass
from pathlib import Path

import forked
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hifigan_tf import import_checkpoint as import_torch
from hifigan_tf.checkpoints import official
from hifigan_tf.checkpoints import torch_pickle as torch_file
from hifigan_tf.checkpoints.checkpoint_files import read_content
from hifigan_tf.checkpoints.imported import Source, generator_tensors, read_checkpoint
from hifigan_tf.config import Config
from hifigan_tf.errors import UserError

CONFIGS = Path(__file__).parents[1] / "configs"
V3 = Config.load(CONFIGS / "v3.json")
TINY = {
    "upsample_rates": [4, 2],
    "upsample_kernel_sizes": [8, 4],
    "upsample_initial_channel": 16,
    "resblock_kernel_sizes": [3, 5],
    "resblock_dilation_sizes": [[1, 2], [2, 6]],
    "num_mels": 6,
    "hop_size": 8,
    "n_fft": 32,
    "win_size": 32,
    "segment_size": 64,
    "discriminator_channels": 128,
}
TINY_2 = V3.replace(**TINY)
TINY_1 = TINY_2.replace(resblock="1")


# Writing checkpoints: the opcodes that torch.save emits.


@dataclass
class Name:
    """A global, ``module.name``."""

    text: str


@dataclass
class Call:
    name: str
    arguments: tuple


@dataclass
class Identity:
    """A persistent id."""

    value: tuple


@dataclass
class View:
    """A tensor with every detail stated, true or not; ``content`` is its whole storage."""

    content: np.ndarray
    shape: tuple
    strides: tuple
    offset: int = 0
    kind: str = "torch.FloatStorage"
    count: int | None = None


KINDS = {"<f4": "Float", "<f2": "Half", "<f8": "Double", "<i8": "Long", "|b1": "Bool", "<u2": "BFloat16"}


def view(array):
    """An array as a contiguous tensor; uint16 stands for bfloat16."""
    strides = tuple(stride // array.itemsize for stride in np.asarray(array, order="C").strides)
    return View(array.reshape(-1), array.shape, strides, kind=f"torch.{KINDS[array.dtype.str]}Storage")


def emit(value, contents):
    """The opcodes that make ``value``; the storages of its tensors are appended to ``contents``."""

    def each(values):
        return b"".join(emit(item, contents) for item in values)

    match value:
        case None:
            return b"N"
        case bool():
            return b"\x88" if value else b"\x89"
        case int():
            number = value.to_bytes(value.bit_length() // 8 + 1, "little", signed=True)
            return b"\x8a" + bytes([len(number)]) + number
        case float():
            return b"G" + struct.pack(">d", value)
        case str():
            return b"X" + struct.pack("<I", len(value.encode())) + value.encode()
        case tuple():
            return b"(" + each(value) + b"t"
        case list():
            return b"](" + each(value) + b"e"
        case dict():
            return b"}(" + each(item for pair in value.items() for item in pair) + b"u"
        case Name(text):
            module, _, name = text.rpartition(".")
            return f"c{module}\n{name}\n".encode()
        case Call(name, arguments):
            return emit(Name(name), contents) + emit(arguments, contents) + b"R"
        case Identity(identity):
            return emit(identity, contents) + b"Q"
        case np.ndarray():
            return emit(view(value), contents)
        case View(content, shape, strides, offset, kind, count):
            contents.append(content)
            count = content.size if count is None else count
            identity = Identity(("storage", Name(kind), str(len(contents) - 1), "cpu", count))
            hooks = Call("collections.OrderedDict", ())
            return emit(Call(torch_file.REBUILD_TENSOR, (identity, offset, shape, strides, False, hooks)), contents)
    raise TypeError(value)


def zip_bytes(pickled, contents=(), byte_order=b"little", compression=zipfile.ZIP_STORED):
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", compression) as archive:
        archive.writestr("archive/data.pkl", pickled)
        archive.writestr("archive/byteorder", byte_order)
        for key, content in enumerate(contents):
            archive.writestr(f"archive/data/{key}", content.tobytes())
        archive.writestr("archive/version", b"3\n")
    return stream.getvalue()


def legacy_bytes(pickled, contents=()):
    head = [pickled_value(torch_file.LEGACY_MAGIC), pickled_value(1001), pickled_value({"little_endian": True})]
    keys = pickled_value([str(key) for key in range(len(contents))])
    numbers = [struct.pack("<q", content.size) + content.tobytes() for content in contents]
    return b"".join([*head, pickled, keys, *numbers])


def pickled_value(value, contents=None):
    return b"\x80\x02" + emit(value, [] if contents is None else contents) + b"."


def checkpoint_bytes(value, legacy=False):
    contents = []
    pickled = pickled_value(value, contents)
    return legacy_bytes(pickled, contents) if legacy else zip_bytes(pickled, contents)


def write(path, content):
    path.write_bytes(content)
    return path


def refusal(path):
    """The line with which the reader refuses a file."""
    with pytest.raises(UserError) as refused:
        torch_file.read(path)
    assert str(refused.value).startswith(f"checkpoint {path} ")
    assert "\n" not in str(refused.value)
    return str(refused.value)


both_formats = pytest.mark.parametrize("legacy", [False, True], ids=["zip", "legacy"])


# The reader.


@both_formats
def test_reads_what_was_saved(tmp_path, legacy):
    rng = np.random.default_rng(0)
    arrays = {
        "single": rng.standard_normal((2, 3, 4)).astype(np.float32),
        "half": rng.standard_normal((5,)).astype(np.float16),
        "double": rng.standard_normal((3, 2)),
        "long": np.array([1, -(2**40)]),
        "bool": np.array([True, False, True]),
        "scalar": np.array(2.5, np.float32),
    }
    content = {"state": arrays, "steps": 2_500_000, "lr": 2e-4, "flags": [None, True, (1, "ä")], 7: -3}
    result = torch_file.read(write(tmp_path / "c", checkpoint_bytes(content, legacy)))
    for name, tensor in result.pop("state").items():
        assert tensor.shape == arrays[name].shape
        assert tensor.numpy().dtype == arrays[name].dtype
        np.testing.assert_array_equal(tensor.numpy(), arrays[name])
    del content["state"]
    assert result == content


@both_formats
def test_bfloat16_becomes_the_float32_of_the_same_upper_bits(tmp_path, legacy):
    values = np.array([1.0, -2.5, 0.15625, 3e38], np.float32)
    upper = (values.view(np.uint32) >> 16).astype(np.uint16)
    [tensor] = torch_file.read(write(tmp_path / "c", checkpoint_bytes([upper], legacy)))
    np.testing.assert_array_equal(tensor.numpy(), (upper.astype(np.uint32) << 16).view(np.float32))
    np.testing.assert_array_equal(tensor.numpy()[:3], values[:3])


@both_formats
def test_views_share_and_transpose_their_storage(tmp_path, legacy):
    numbers = np.arange(12, dtype=np.float32)
    content = [View(numbers, (3, 2), (1, 3), offset=2), View(numbers, (2, 2), (0, 1)), View(numbers, (0, 4), (4, 1))]
    transposed, repeated, empty = torch_file.read(write(tmp_path / "c", checkpoint_bytes(content, legacy)))
    np.testing.assert_array_equal(transposed.numpy(), [[2, 5], [3, 6], [4, 7]])
    np.testing.assert_array_equal(repeated.numpy(), [[0, 1], [0, 1]])
    assert empty.numpy().shape == (0, 4)


def test_big_endian_numbers(tmp_path):
    contents = []
    pickled = pickled_value([np.array([1.5, -2.0], np.float32)], contents)
    swapped = [content.astype(">f4") for content in contents]
    [tensor] = torch_file.read(write(tmp_path / "c", zip_bytes(pickled, swapped, b"big")))
    np.testing.assert_array_equal(tensor.numpy(), [1.5, -2.0])
    assert "byteorder says b'middle'" in refusal(write(tmp_path / "d", zip_bytes(pickled, contents, b"middle")))


@pytest.mark.parametrize("protocol", [2, 4])
def test_parameters_metadata_and_the_memo(tmp_path, protocol):
    array = view(np.array([4.0], np.float32))
    contents = []
    parameter = emit(Call(torch_file.REBUILD_PARAMETER, (array, True, Call("collections.OrderedDict", ()))), contents)
    # An OrderedDict that is put into the memo, filled, and given its _metadata.
    remember, recall = {2: (b"q\0", b"h\0"), 4: (b"\x94", b"h\0")}[protocol]
    ordered = emit(Call("collections.OrderedDict", ()), contents) + remember + emit("w", contents) + parameter + b"s"
    ordered += emit({"_metadata": {"": {"version": 1}}}, contents) + b"b"
    pickled = bytes([0x80, protocol]) + ordered + recall + b"\x86."
    first, second = torch_file.read(write(tmp_path / "c", zip_bytes(pickled, contents)))
    assert first is second
    assert list(first) == ["w"]
    np.testing.assert_array_equal(first["w"].numpy(), [4.0])


class Harmful:
    """Pickles into a call of ``function``."""

    def __init__(self, function, *arguments):
        self.call = (function, arguments)

    def __reduce__(self):
        return self.call


def generator_state(path):
    """The generator's tensors in the original's names."""
    return generator_tensors(path, read_content(path))[1]


def harmful_pickles(marker):
    """(name that the error may contain, a pickle that creates ``marker`` when run) for each way to run code."""
    command, code = f"touch {marker}", f"open({str(marker)!r}, 'w')"
    system = f"{os.system.__module__}.system"
    for protocol in range(6):
        yield system, pickle.dumps({"generator": Harmful(os.system, command)}, protocol)
        yield "eval", pickle.dumps([Harmful(builtins.eval, code)], protocol)
        yield "getattr", pickle.dumps(Harmful(getattr, Harmful(__import__, "os"), "system"), protocol)
    yield system, f"(S'{command}'\ni{os.system.__module__}\nsystem\n.".encode()  # INST
    yield system, b"(c" + system.replace(".", "\n").encode() + f"\nS'{command}'\no.".encode()  # OBJ
    yield system, b"\x80\x02c" + system.replace(".", "\n").encode() + b"\n)\x81."  # NEWOBJ
    yield "EXT1", b"\x80\x02\x82\x01)R."
    yield "PERSID", b"Pstorage\n."
    # An allowed callable with a harmful argument, and calls of objects that are not functions.
    call = emit(Call("collections.OrderedDict", ()), [])[:-2]
    harmful = pickle.dumps([Harmful(builtins.eval, code)], 2)[2:-1]
    yield "eval", b"\x80\x02" + call + harmful + b"\x85R."
    yield "calls torch.FloatStorage", b"\x80\x02" + emit(Call("torch.FloatStorage", (3,)), []) + b"."
    yield "a str where a Global belongs", b"\x80\x02" + emit(system, []) + emit((command,), []) + b"R."
    # BUILD upon a class or a function would set its attributes.
    yield "a Global where a dict belongs", b"\x80\x02" + emit(Name("collections.OrderedDict"), []) + b"}b."
    yield "a list where a dict belongs", b"\x80\x02]}b."


@pytest.mark.parametrize("frame", [lambda pickled: pickled, zip_bytes, legacy_bytes], ids=["bare", "zip", "legacy"])
def test_a_harmful_file_is_never_run_and_its_generator_is_refused_by_name(tmp_path, frame):
    marker = tmp_path / "was-run"
    cases = list(harmful_pickles(marker))
    assert len(cases) == 28
    named = 0
    for number, (name, pickled) in enumerate(cases):
        path = write(tmp_path / f"{number}.pt", frame(pickled))
        with pytest.raises(UserError) as refused:
            read_checkpoint(path, Source())
        line = str(refused.value)
        assert line.startswith(f"checkpoint {path} ")
        assert "\n" not in line
        named += name in line
        assert not marker.exists()
    assert named == (4 if frame(b"") == b"" else 19)
    # Python's own unpickler does create the marker.
    pickle.loads(cases[1][1])
    assert marker.exists()


def without_memo(value) -> bytes:
    """The opcodes of Python's own pickler, to stand within others."""
    stream = io.BytesIO()
    pickler = pickle.Pickler(stream, 4)
    pickler.fast = True
    pickler.dump(value)
    pickled = stream.getvalue()[2:-1]
    return pickled[9:] if pickled[:1] == b"\x95" else pickled  # without the length of a frame


@both_formats
def test_code_beside_the_tensors_is_passed_over_and_never_run(tmp_path, legacy):
    """Schedulers, scalars of NumPy, defaultdicts, sets and arguments of a program, as libraries save them."""
    marker = tmp_path / "was-run"
    state, contents = unfolded_state(official.generator_convolutions(TINY_2)), []
    tensors = emit({"generator": state}, contents)
    beside = {
        "optimizer": Harmful(os.system, f"touch {marker}"),
        "scheduler": {"milestones": collections.Counter({200: 1}), "lr": np.float64(0.1)},
        "args": collections.defaultdict(list, {"a": {1, 2}, "b": frozenset([3])}),
        "path": [Path("x"), {(1, 2): 3}, b"bytes", 1 + 2j, range(3), Ellipsis],
    }
    pickled = b"\x80\x04" + tensors
    for key, value in beside.items():
        pickled += emit(key, contents) + without_memo(value) + b"s"
    content = (legacy_bytes if legacy else zip_bytes)(pickled + b".", contents)
    generator = imported(write(tmp_path / "c", content), TINY_2)
    np.testing.assert_array_equal(generator.conv_pre.kernel.numpy().T, state["conv_pre.weight_v"])
    assert not marker.exists()


def test_a_tensor_that_code_would_make_is_refused_by_name(tmp_path):
    marker = tmp_path / "was-run"
    state = unfolded_state(official.generator_convolutions(TINY_2))
    contents = []
    pickled = b"\x80\x02" + emit(state, contents) + emit("ups.1.bias", contents)
    pickled += pickle.dumps(Harmful(os.system, f"touch {marker}"), 2)[2:-1] + b"s."
    path = write(tmp_path / "c", zip_bytes(pickled, contents))
    with pytest.raises(UserError, match=rf"its tensor ups.1.bias made by {os.system.__module__}.system: refused"):
        read_checkpoint(path, Source())
    assert not marker.exists()
    quantized = View(np.zeros(16, np.int8), (16,), (1,), kind="torch.QInt8Storage")
    path = write(tmp_path / "d", checkpoint_bytes({"generator": {**state, "ups.0.bias": quantized}}))
    with pytest.raises(UserError, match=r"its tensor ups.0.bias made by torch.QInt8Storage"):
        read_checkpoint(path, Source())


@both_formats
@pytest.mark.parametrize(
    ("tensor", "message"),
    [
        (View(np.zeros(6, np.float32), (2, 3), (3, 1), offset=1), "reaches element 6 of a storage that has 6"),
        (View(np.zeros(6, np.float32), (7,), (1,)), "reaches element 6 of a storage that has 6"),
        (View(np.zeros(6, np.float32), (2, 2), (2**70, 1)), f"reaches element {2**70 + 1} of a storage that has 6"),
        (View(np.zeros(6, np.float32), (2**80,), (1,)), "of a storage that has 6"),
        (View(np.zeros(6, np.float32), (2,), (-1,), offset=3), "negative offset, size or stride"),
        (View(np.zeros(6, np.float32), (2,), (1,), offset=-1), "negative offset, size or stride"),
        (View(np.zeros(6, np.float32), (-2, -3), (3, 1)), "negative offset, size or stride"),
        (View(np.zeros(6, np.float32), (2, 3), (1,)), "damaged"),
        (View(np.zeros(6, np.float32), (2.0, 3), (3, 1)), "a float where a int belongs"),
        (View(np.zeros(6, np.float32), (5, 2), (2, 1), count=10), "6 numbers|24 bytes|cut short"),
        (View(np.zeros(6, np.float32), (3,), (1,), count=3), "but the pickle says 3 numbers"),
        (View(np.zeros(6, np.float32), (2**40,), (1,), count=2**59), "cut short|24 bytes"),
        (View(np.zeros(6, np.float32), (2**40,), (1,), count=2**62), "something other than a storage"),
    ],
)
def test_lies_about_sizes_are_refused(tmp_path, legacy, tensor, message):
    line = refusal(write(tmp_path / "c", checkpoint_bytes({"w": tensor}, legacy)))
    if message.startswith("but") and legacy:
        message = "6 numbers, but the pickle says 3"
    assert any(option in line for option in message.split("|"))


def test_zip_records_that_lie(tmp_path):
    contents = []
    pickled = pickled_value([np.arange(64, dtype=np.float32)], contents)
    good = zip_bytes(pickled, contents)
    assert "compressed record" in refusal(write(tmp_path / "a", zip_bytes(pickled, contents, compression=8)))
    assert "record archive/data/0 is missing" in refusal(write(tmp_path / "b", zip_bytes(pickled)))
    entry = good.index(b"PK\1\2")
    while good[entry + 46 : entry + 60] != b"archive/data/0":
        entry = good.index(b"PK\1\2", entry + 1)
    for field, value, message in [
        (20, struct.pack("<II", 1 << 30, 1 << 30), "ends behind the end"),  # both of its sizes
        (20, struct.pack("<II", 128, 128), "has 128 bytes, but the pickle says 64 numbers of torch.FloatStorage, 256"),
        (24, struct.pack("<I", 1 << 30), "compressed record"),
        (42, struct.pack("<I", 5), "does not begin where"),
        (42, struct.pack("<I", 1 << 30), "does not begin where"),
    ]:
        lying = good[: entry + field] + value + good[entry + field + len(value) :]
        assert message in refusal(write(tmp_path / "c", lying))
    start = good.index(contents[0].tobytes())
    flipped = good[: start + 9] + bytes([good[start + 9] ^ 1]) + good[start + 10 :]
    [tensor] = torch_file.read(write(tmp_path / "d", flipped))
    with pytest.raises(UserError, match="checksum"):
        tensor.numpy()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "is empty"),
        (b"Some text.\nMore of it.\n" * 50, "is no PyTorch checkpoint"),
        (b"\0" * 4096, "is no PyTorch checkpoint"),
        (b"PK\3\4" + b"\0" * 100, "cut short or damaged"),
        (pickle.dumps({"a": 1}), "no PyTorch checkpoint"),
        (pickle.dumps([1] * 10**5, 2), "no PyTorch checkpoint"),
    ],
    ids=["empty", "text", "zeros", "head of a zip", "pickle", "long pickle"],
)
def test_other_files_are_refused(tmp_path, content, message):
    assert message in refusal(write(tmp_path / "c", content))


def test_a_zip_without_a_checkpoint_is_refused(tmp_path):
    with zipfile.ZipFile(tmp_path / "c", "w") as archive:
        archive.writestr("notes/readme.txt", "nothing here")
    assert "a zip file but no PyTorch checkpoint" in refusal(tmp_path / "c")


def test_deep_nesting_is_harmless(tmp_path):
    depth = 2 * 10**5
    deep = b"\x80\x02)" + b"\x85" * depth + b"."
    assert "no PyTorch checkpoint" in refusal(write(tmp_path / "a", deep))
    key = b"\x80\x02})" + b"\x85" * depth + b"Ns."
    [found] = torch_file.read(write(tmp_path / "b", zip_bytes(key)))
    assert isinstance(found, torch_file.Opaque)


def small_state(rng=None):
    """A few tensors as a checkpoint holds them."""
    rng = rng or np.random.default_rng(1)
    return {
        "generator": {
            name: rng.standard_normal((3, 4)).astype(np.float32) for name in ("conv_pre.weight", "ups.0.bias")
        }
    }


@both_formats
def test_every_truncation_is_one_clear_line(tmp_path, legacy):
    content = checkpoint_bytes(small_state(), legacy)
    for length in range(len(content)):
        line = refusal(write(tmp_path / "c", content[:length]))
        assert any(reason in line for reason in ("cut short", "is empty", "damaged"))


@given(legacy=st.booleans(), changes=st.lists(st.tuples(st.integers(0, 10**6), st.integers(0, 255)), max_size=4))
@settings(max_examples=300, deadline=None)
def test_any_damage_is_refused_or_read(tmp_path_factory, legacy, changes):
    content = bytearray(checkpoint_bytes(small_state(), legacy))
    for position, value in changes:
        content[position % len(content)] = value
    path = write(tmp_path_factory.getbasetemp() / "damaged", bytes(content))
    with contextlib.suppress(UserError):  # any other exception is a failure
        for tensor in generator_state(path).values():
            if tensor.shape == (3, 4):
                assert tensor.numpy().shape == (3, 4)


# Fitting tensors to a config.


def norm_of(weight):
    """PyTorch's weight norm of a kernel: over all axes but the first."""
    return np.sqrt((weight.astype(np.float64) ** 2).sum(axis=tuple(range(1, weight.ndim)), keepdims=True))


def unfolded_state(convolutions, seed=0):
    """Random tensors in the original's names and shapes, weight norm unfolded, norms far from those of ``v``."""
    rng, state = np.random.default_rng(seed), {}
    for name, convolution in convolutions.items():
        state[f"{name}.bias"] = rng.standard_normal(convolution.biases) * 0.1
        weight = rng.standard_normal(convolution.shape) / np.sqrt(np.prod(convolution.shape[1:]))
        if convolution.spectral:
            state[f"{name}.weight_orig"] = weight
            for parameter, size in (("weight_u", weight.shape[0]), ("weight_v", weight[0].size)):
                vector = rng.standard_normal(size)
                state[f"{name}.{parameter}"] = vector / np.linalg.norm(vector)
        else:
            state[f"{name}.weight_g"] = norm_of(weight) * 0.9
            state[f"{name}.weight_v"] = weight
    return {name: array.astype(np.float32) for name, array in state.items()}


def folded(state):
    """The same state after PyTorch's ``remove_weight_norm``."""
    result = {}
    for name, array in state.items():
        if name.endswith("weight_v"):
            gain = state[f"{name[:-1]}g"]
            result[name[:-2]] = (gain * (array / norm_of(array))).astype(np.float32)
        elif not name.endswith("weight_g"):
            result[name] = array
    return result


def newer_names(state):
    """The same state as newer PyTorch's parametrizations name it."""
    spectral = {name.removesuffix("weight_orig") for name in state if name.endswith("weight_orig")}
    plain = {"weight_g": "original0", "weight_v": "original1"}
    normed = {"weight_orig": "original", "weight_u": "0._u", "weight_v": "0._v"}
    result = {}
    for name, array in state.items():
        layer, _, parameter = name.rpartition(".")
        table = normed if f"{layer}." in spectral else plain
        newer = f"parametrizations.weight.{table[parameter]}" if parameter in table else parameter
        result[f"{layer}.{newer}"] = array
    return result


def imported(path, config):
    """A generator filled from a checkpoint file."""
    from hifigan_tf.models.generator import Generator

    state = generator_state(path)
    assert official.misfit(official.generator_convolutions(config), state) is None
    generator = Generator.of(config.generator, config.audio)
    official.fill(official.named_convolutions(generator), state, path)
    return generator


@pytest.mark.parametrize("config", [TINY_1, TINY_2], ids=["resblock 1", "resblock 2"])
def test_the_config_predicts_names_and_shapes_of_the_model(config):
    from hifigan_tf.models.generator import Generator

    layers = official.named_convolutions(Generator.of(config.generator, config.audio))
    assert {name: (layer.kernel_shape[::-1], layer.bias.shape[0]) for name, layer in layers.items()} == {
        name: (shape, biases) for name, (shape, biases, _) in official.generator_convolutions(config).items()
    }


@both_formats
def test_every_spelling_gives_the_same_generator(tmp_path, legacy):
    config = TINY_1 if legacy else TINY_2
    state = unfolded_state(official.generator_convolutions(config))
    mel = np.random.default_rng(2).standard_normal((1, 9, 6)).astype(np.float32)
    spellings = {
        "unfolded": {"generator": state},
        "bare": state,
        "module": {"generator": {f"module.{name}": array for name, array in state.items()}},
        "newer": {"generator": newer_names(state)},
        "folded": {"generator": folded(state)},
    }
    outputs = {}
    for name, content in spellings.items():
        generator = imported(write(tmp_path / name, checkpoint_bytes(content, legacy)), config)
        outputs[name] = generator(mel).numpy()
        if name != "folded":
            for key, layer in official.named_convolutions(generator).items():
                np.testing.assert_array_equal(layer.kernel.numpy().T, state[f"{key}.weight_v"])
                np.testing.assert_array_equal(layer.gain.numpy(), state[f"{key}.weight_g"].reshape(-1))
                np.testing.assert_array_equal(layer.bias.numpy(), state[f"{key}.bias"])
    assert outputs["unfolded"].shape == (1, 72, 1)
    assert outputs["unfolded"].std() > 0.01
    for name, output in outputs.items():
        np.testing.assert_allclose(output, outputs["unfolded"], atol=1e-6, err_msg=name)


@pytest.mark.parametrize("bits", ["half", "bfloat16"])
def test_half_precision_weights_are_taken_exactly(tmp_path, bits):
    state = unfolded_state(official.generator_convolutions(TINY_2))
    if bits == "half":
        stored = {name: array.astype(np.float16) for name, array in state.items()}
        rounded = {name: array.astype(np.float32) for name, array in stored.items()}
    else:
        stored = {name: (array.view(np.uint32) >> 16).astype(np.uint16) for name, array in state.items()}
        rounded = {name: (array.view(np.uint32) >> 16 << 16).view(np.float32) for name, array in state.items()}
    generator = imported(write(tmp_path / "c", checkpoint_bytes({"generator": stored})), TINY_2)
    for name, layer in official.named_convolutions(generator).items():
        np.testing.assert_array_equal(layer.kernel.numpy().T, rounded[f"{name}.weight_v"])
        np.testing.assert_array_equal(layer.bias.numpy(), rounded[f"{name}.bias"])


def test_values_that_are_not_finite_are_refused_by_name(tmp_path):
    state = unfolded_state(official.generator_convolutions(TINY_2))
    state["ups.1.bias"][2] = np.nan
    path = write(tmp_path / "c", checkpoint_bytes(state))
    with pytest.raises(UserError, match=r"tensor ups\.1\.bias whose values are not finite"):
        imported(path, TINY_2)


def shapes_only(config):
    """A checkpoint with a config's shapes, of zeros in half precision."""
    content = {}
    for name, convolution in official.generator_convolutions(config).items():
        gain = (convolution.shape[0], 1, 1)
        for parameter, shape in (("weight_g", gain), ("weight_v", convolution.shape), ("bias", (convolution.biases,))):
            content[f"{name}.{parameter}"] = np.zeros(shape, np.float16)
    return checkpoint_bytes({"generator": content})


def failure(*arguments):
    """The error line of the command."""
    with pytest.raises(UserError) as failed:
        import_torch.main([str(argument) for argument in arguments])
    assert "\n" not in str(failed.value)
    return str(failed.value)


@pytest.mark.parametrize("fitting", ["v1.json", "v2.json", "v3.json"])
def test_a_wrong_config_names_the_first_tensor_and_the_config_that_fits(tmp_path, fitting):
    checkpoint = write(tmp_path / "g", shapes_only(Config.load(CONFIGS / fitting)))
    given_config = {"v1.json": "v2.json", "v2.json": "v1.json", "v3.json": "v1.json"}[fitting]
    line = failure(checkpoint, "--config", CONFIGS / given_config, "--output", tmp_path / "out.keras")
    has, needs = {"v1.json": (512, 128), "v2.json": (128, 512), "v3.json": (256, 512)}[fitting]
    assert f"conv_pre.weight_g is [{has}, 1, 1] in the file and [{needs}, 1, 1] in the config" in line
    assert line.endswith(f"it would fit --config {CONFIGS / fitting}")
    if fitting == "v3.json":
        assert "missing: resblocks.0.convs1.0.weight and 145 more" in line
        assert "unexpected: resblocks.0.convs.0.weight_g and 53 more" in line


def test_missing_and_unexpected_tensors_are_named(tmp_path):
    config = write(tmp_path / "tiny.json", TINY_2.dumps().encode())
    state = unfolded_state(official.generator_convolutions(TINY_2))
    bias = state.pop("ups.1.bias")
    arguments = ["--config", config, "--output", tmp_path / "out.keras"]
    line = failure(write(tmp_path / "a", checkpoint_bytes(state)), *arguments)
    assert line == f"checkpoint {tmp_path / 'a'} does not fit {config}: missing: ups.1.bias"
    state |= {"ups.1.bias": bias, "cond.weight": bias}
    line = failure(write(tmp_path / "b", checkpoint_bytes(state)), *arguments)
    assert line == f"checkpoint {tmp_path / 'b'} does not fit {config}: unexpected: cond.weight"
    assert not (tmp_path / "out.keras").exists()


def test_files_of_the_wrong_kind_are_named(tmp_path):
    weight = np.zeros(3, np.float32)
    state = unfolded_state(official.generator_convolutions(TINY_2))
    generator = write(tmp_path / "g", checkpoint_bytes({"generator": state}))
    discriminators = write(tmp_path / "do", checkpoint_bytes({"mpd": {"w": weight}, "msd": {"w": weight}, "steps": 3}))
    other = write(tmp_path / "other", checkpoint_bytes({"model": {"w": weight}, "epoch": 3}))
    config = write(tmp_path / "tiny.json", TINY_2.dumps().encode())
    options = ["--config", config, "--output", tmp_path / "out.keras"]
    assert "holds discriminators: give it to --discriminators" in failure(discriminators, *options)
    assert "holds no generator (its keys are model)" in failure(other, *options)
    both = [generator, *options, "--run-dir", tmp_path / "run", "--discriminators"]
    assert "holds no mpd and msd (its keys are generator)" in failure(*both, generator)
    assert not (tmp_path / "run").exists()


def test_options_are_checked_before_any_work(tmp_path):
    config = CONFIGS / "v3.json"
    file = write(tmp_path / "g", b"")
    output = tmp_path / "out.keras"
    assert failure(tmp_path / "none", "--config", config, "--output", output) == (
        f"checkpoint {tmp_path / 'none'} is not a file: check the path"
    )
    assert "is not the name of a .keras file" in failure(file, "--config", config, "--output", tmp_path / "out.h5")
    for option in ("--discriminators", "--run-dir"):
        assert "need each other" in failure(file, "--config", config, "--output", output, option, file)
    full = ["--discriminators", file, "--run-dir", tmp_path]
    assert f"--run-dir {tmp_path} is not empty" in failure(file, "--config", config, "--output", output, *full)
    assert "config nowhere.json does not exist" in failure(file, "--config", "nowhere.json", "--output", output)
    assert "is empty" in failure(file, "--config", config, "--output", output)


# Discriminators.


@pytest.fixture(scope="module")
def discriminators():
    """(models, their layers by name, PyTorch's convolutions) of a small config."""
    from hifigan_tf.models.discriminators import make_discriminators

    models = make_discriminators(TINY_2.discriminators)
    layers = {}
    for model in models:
        layers |= official.named_convolutions(model, model.name)
    return models, layers, official.discriminator_convolutions(layers)


def split(state):
    """The state as the original's ``do_…`` files hold it, with an optimiser's state."""
    content = {
        model: {name.removeprefix(f"{model}."): array for name, array in state.items() if name.startswith(model)}
        for model in ("mpd", "msd")
    }
    moments = {0: {"step": 3, "exp_avg": np.zeros(4, np.float32)}}
    return {**content, "optim_d": {"state": moments, "param_groups": [{"lr": 2e-4, "betas": [0.8, 0.99]}]}, "epoch": 1}


def test_discriminators_have_the_originals_names_and_shapes(discriminators):
    _, layers, convolutions = discriminators
    assert len(convolutions) == 5 * 6 + 3 * 8
    assert convolutions["mpd.discriminators.3.convs.1"] == ((16, 4, 5, 1), 16, False)
    assert convolutions["mpd.discriminators.4.conv_post"] == ((1, 128, 3, 1), 1, False)
    assert convolutions["msd.discriminators.0.convs.2"] == ((32, 1, 41), 32, True)
    assert convolutions["msd.discriminators.2.conv_post"] == ((1, 128, 3), 1, False)
    assert layers["msd.discriminators.0.convs.2"].groups == 16


@pytest.mark.parametrize("spelling", ["original", "newer"])
def test_discriminators_are_taken_exactly(tmp_path, discriminators, spelling):
    _, layers, convolutions = discriminators
    state = unfolded_state(convolutions, seed=3 if spelling == "original" else 4)
    stored = split(newer_names(state) if spelling == "newer" else state)
    path = write(tmp_path / "do", checkpoint_bytes(stored, legacy=spelling == "original"))
    loaded = official.load_discriminator_state(path)
    assert official.misfit(convolutions, loaded) is None
    official.fill(layers, loaded, path)
    spectral = 0
    for name, layer in layers.items():
        np.testing.assert_array_equal(layer.bias.numpy(), state[f"{name}.bias"])
        effective = layer.effective_kernel().numpy().T
        if convolutions[name].spectral:
            spectral += 1
            weight, u, v = (state[f"{name}.{key}"] for key in ("weight_orig", "weight_u", "weight_v"))
            np.testing.assert_array_equal(layer.kernel.numpy().T, weight)
            np.testing.assert_array_equal(layer.u.numpy(), u)
            # Sigma as in PyTorch: u and v are random here, so the order of v matters.
            sigma = u.astype(np.float64) @ weight.reshape(len(u), -1).astype(np.float64) @ v
            ours = np.sum(layer.v.numpy() * (layer.kernel.numpy().reshape(-1, len(u)).astype(np.float64) @ u))
            assert ours == pytest.approx(sigma, abs=1e-6)
            np.testing.assert_allclose(effective * sigma, weight, atol=1e-4)
        else:
            gain, weight = state[f"{name}.weight_g"], state[f"{name}.weight_v"]
            np.testing.assert_array_equal(layer.gain.numpy(), gain.reshape(-1))
            expected = (gain * weight / norm_of(weight)).reshape(layer.kernel_shape[::-1])
            np.testing.assert_allclose(effective, expected, atol=1e-6)
    assert spectral == 8


def test_a_run_folder_gets_all_networks(tmp_path, monkeypatch, capsys, discriminators):
    *_, convolutions = discriminators
    generator_tensors = unfolded_state(official.generator_convolutions(TINY_2))
    checkpoint = write(tmp_path / "g", checkpoint_bytes({"generator": generator_tensors}))
    state = unfolded_state(convolutions, seed=5)
    other = write(tmp_path / "do", checkpoint_bytes(split(state)))
    config = write(tmp_path / "tiny.json", TINY_2.dumps().encode())
    output, run_dir = tmp_path / "new" / "out.keras", tmp_path / "run"
    options = ["--output", output, "--discriminators", other, "--run-dir", run_dir]
    assert import_torch.main([str(item) for item in (checkpoint, "--config", config, *options)]) is None
    from hifigan_tf.training.run_folder import RunFolder
    from hifigan_tf.training.trainer import Trainer

    trainer = Trainer(TINY_2.replace(seed=99), epoch_steps=1)
    RunFolder(run_dir).restore_networks(trainer)
    generator, models = trainer.generator, trainer.discriminators
    assert Config.load(run_dir / "config.json") == TINY_2
    assert [model.name for model in models] == ["mpd", "msd"]
    conv = models[0].discriminators[2].convs[3]
    np.testing.assert_array_equal(conv.kernel.numpy().T[..., None], state["mpd.discriminators.2.convs.3.weight_v"])
    conv_pre = generator.conv_pre.kernel.numpy().T
    np.testing.assert_array_equal(conv_pre, generator_tensors["conv_pre.weight_v"])
    lines = capsys.readouterr().out.splitlines()
    assert lines == [
        f"found a checkpoint of the original, PyTorch (g), with config {config}",
        f"imported a generator of {generator.count_params():,} parameters into {output} and {run_dir}",
        f"vocode with it: python -m hifigan_tf.vocode --checkpoint {output} --output-dir out INPUT",
    ]
    from hifigan_tf.models.generator import load_generator

    reloaded = load_generator(output)
    assert reloaded.audio == TINY_2.audio
    np.testing.assert_array_equal(reloaded.conv_pre.kernel.numpy().T, conv_pre)

    # A config with other discriminators is refused before anything is written.
    write(tmp_path / "config.json", TINY_2.replace(discriminator_channels=256).dumps().encode())
    output, run_dir = tmp_path / "other.keras", tmp_path / "other"
    options = ["--output", output, "--discriminators", other, "--run-dir", run_dir]
    line = failure(checkpoint, *options)
    assert f"{other} does not fit the config of {checkpoint}: mpd.discriminators.0.convs.0.weight_g is [4, 1, 1" in line
    assert "[8, 1, 1, 1] in the config" in line
    assert not output.exists()


# Real command lines.


def command(*arguments):
    return forked.run("hifigan_tf.import_torch", *arguments)


def test_an_error_is_one_line_and_exit_code_2(tmp_path):
    checkpoint = write(tmp_path / "g", zip_bytes(pickle.dumps(Harmful(os.system, f"touch {tmp_path / 'was-run'}"), 2)))
    done = command(checkpoint, "--config", CONFIGS / "v1.json", "--output", tmp_path / "out.keras")
    assert done.returncode == 2
    assert done.stdout == ""
    assert done.stderr.count("\n") == 1
    assert done.stderr.startswith(
        f"error: checkpoint {checkpoint} is a whole pickled object, {os.system.__module__}.system"
    )
    assert not (tmp_path / "was-run").exists()


def test_help_does_not_import_tensorflow():
    code = "import sys, hifigan_tf.import_torch; sys.exit(any(name in sys.modules for name in ('keras', 'numpy')))"
    assert subprocess.run([sys.executable, "-c", code], timeout=60).returncode == 0
    assert "--discriminators DO" in command("--help").stdout


@pytest.mark.current
@pytest.mark.parametrize("name", ["g_lj_v3.pt", "g_lj_v3_legacy.pt"])
def test_trained_weights_give_the_original_waveform(tmp_path, shared, name):
    generator = imported(shared / "weights" / name, V3)
    reference = np.load(shared / "golden" / "trained_v3_reference.npz")
    output = generator(reference["mel_fmax8000"].T[None]).numpy()[0, :, 0]
    np.testing.assert_allclose(output, reference["generator_output"], atol=1e-4)
    line = failure(shared / "weights" / name, "--config", CONFIGS / "v1.json", "--output", tmp_path / "out.keras")
    assert line.endswith(f"it would fit --config {CONFIGS / 'v3.json'}")


@pytest.mark.current
def test_the_command_line_imports_trained_weights(tmp_path, shared):
    output = tmp_path / "v3.keras"
    done = command(shared / "weights" / "g_lj_v3.pt", "--config", CONFIGS / "v3.json", "--output", output)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.splitlines() == [
        f"found a checkpoint of the original, PyTorch (g_lj_v3.pt), with config {CONFIGS / 'v3.json'}",
        f"imported a generator of 1,464,322 parameters into {output}",
        f"vocode with it: python -m hifigan_tf.vocode --checkpoint {output} --output-dir out INPUT",
    ]
    assert output.stat().st_size > 5_000_000
    assert sorted(tmp_path.iterdir()) == [output.with_suffix(".json"), output]
    assert Config.load(output.with_suffix(".json")) == V3
