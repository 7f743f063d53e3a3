"""Bad checkpoints of every format: one clear line, nothing run, nothing written, and no more memory than the file."""

import gzip
import io
import json
import pickle
import re
import shutil
import tarfile
import tempfile
import tracemalloc
import zipfile
from pathlib import Path

import h5py
import numpy as np
import pytest
from checkpoint_writers import OnnxWriter, entry, onnx_bytes, safetensors_bytes, tar_bytes
from conftest import DATA
from test_import_torch import View, checkpoint_bytes, write, zip_bytes

from hifigan_tf.audio import hdf5
from hifigan_tf.audio.mel_formats import read_mel
from hifigan_tf.checkpoints import nemo, onnx, plain_yaml, safetensors
from hifigan_tf.checkpoints.checkpoint_files import read_config, read_statistics
from hifigan_tf.checkpoints.imported import Source, read_checkpoint
from hifigan_tf.config import GeneratorConfig
from hifigan_tf.errors import UserError, brief
from hifigan_tf.import_checkpoint import main

FILES = DATA / "checkpoints"
SMALL = GeneratorConfig(
    resblock="1",
    upsample_rates=(2,),
    upsample_kernel_sizes=(4,),
    upsample_initial_channel=4,
    resblock_kernel_sizes=(3,),
    resblock_dilation_sizes=((1, 3, 5),),
)


def small_state(bands: int = 3, seed: int = 0) -> dict:
    """The tensors of a generator of a few hundred numbers."""
    rng, shapes = np.random.default_rng(seed), {"conv_pre": (4, bands, 7), "ups.0": (4, 2, 4), "conv_post": (1, 2, 7)}
    shapes |= {f"resblocks.0.convs{part}.{index}": (2, 2, 3) for part in (1, 2) for index in range(3)}
    state = {}
    for name, shape in shapes.items():
        state[f"{name}.weight"] = rng.standard_normal(shape).astype(np.float32)
        state[f"{name}.bias"] = rng.standard_normal(shape[1 if name == "ups.0" else 0]).astype(np.float32)
    return state


def refusal(path, **source) -> str:
    """The line with which the command refuses a checkpoint, and writes nothing."""
    names = {"config": "--config", "statistics": "--mel-stats", "speaker_vector": "--speaker-vector"}
    with tempfile.TemporaryDirectory() as folder:
        output = Path(folder) / "out" / "g.keras"
        options = [text for key, value in source.items() for text in (names[key], str(value))]
        with pytest.raises(UserError) as refused:
            main([str(path), "--output", str(output), *options])
        assert not output.parent.exists()
    assert "\n" not in str(refused.value)
    return str(refused.value)


def small_hdf5(path: Path) -> bytes:
    with h5py.File(path, "w") as file:
        for layer in ("conv1d", "conv1d_7"):
            file[f"sequential/{layer}/kernel:0"] = np.ones((7, 3, 4), np.float32)
            file[f"sequential/{layer}/bias:0"] = np.ones(4, np.float32)
    return path.read_bytes()


NEMO_CONFIG = (FILES / "nemo" / "model_config.yaml").read_bytes()


def good_files(folder: Path) -> dict:
    """``{format: (name, bytes, reader)}`` of small files that are read."""
    state = small_state()
    members = {
        "model_config.yaml": NEMO_CONFIG,
        "model_weights.ckpt": checkpoint_bytes({"generator.a": state["ups.0.bias"]}),
    }
    return {
        "safetensors": ("a.safetensors", safetensors_bytes(state), safetensors.read),
        "onnx": ("a.onnx", onnx_bytes(state, SMALL), onnx.read),
        "tar": ("a.nemo", tar_bytes(members), nemo.read),
        "tar.gz": ("a.nemo", tar_bytes(members, "w:gz"), nemo.read),
        "hdf5": ("a.h5", small_hdf5(folder / "made.h5"), hdf5.read),
        "yaml": ("a.yaml", NEMO_CONFIG, plain_yaml.read),
        "hyperpyyaml": (
            "a.yaml",
            (FILES / "speechbrain/tts_hifigan_like/hyperparams.yaml").read_bytes(),
            plain_yaml.read,
        ),
    }


KINDS = ["safetensors", "onnx", "tar", "tar.gz", "hdf5", "yaml", "hyperpyyaml"]


@pytest.mark.parametrize("kind", KINDS)
def test_any_damage_is_refused_in_one_line_or_read(tmp_path, kind):
    name, content, reader = good_files(tmp_path)[kind]
    reader(write(tmp_path / name, content))
    rng = np.random.default_rng(0)
    lines: list[str] = []
    tracemalloc.start()
    for number in range(300):
        damaged = bytearray(content)
        if number % 3 == 0:
            damaged = damaged[: rng.integers(1, len(content))]
        for _ in range(rng.integers(1, 5)):
            # Most of a file is numbers, so half of the damage is done to its beginning.
            damaged[rng.integers(min(len(damaged), 600) if number % 2 else len(damaged))] = rng.integers(256)
        path = write(tmp_path / name, bytes(damaged))
        try:
            reader(path)
        except UserError as error:  # any other exception is a failure
            lines.append(str(error))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert len(lines) > (20 if "yaml" in kind else 60)
    assert all(str(path) in line and "\n" not in line for line in lines)
    assert peak < 80 * len(content) + (40 << 20)


@pytest.mark.parametrize("kind", ["safetensors", "onnx", "tar", "tar.gz", "hdf5"])
def test_every_truncation_is_refused(tmp_path, kind):
    name, content, _ = good_files(tmp_path)[kind]
    content = content.rstrip(b"\0")  # a tar ends with many zeros
    for length in {1, 4, 8, 9, 100, len(content) // 3, len(content) // 2, len(content) * 2 // 3}:
        line = refusal(write(tmp_path / name, content[:length]))
        assert "cut short" in line or "no PyTorch checkpoint" in line, line


@pytest.mark.parametrize(
    "file",
    [
        "transformers/speecht5_hifigan/model.safetensors",
        "parallel_wavegan/24k_like/checkpoint-100steps.pkl",
        "coqui/best_model_new_names/best_model.pth",
        "nemo/hifigan.nemo",
        "speechbrain/tts_hifigan_like/generator.ckpt",
        "tensorflowtts/generator-100.h5",
        "onnx/folded_old.onnx",
        "other/lightning.ckpt",
    ],
)
def test_real_files_cut_short_write_nothing(tmp_path, file):
    source = FILES / file
    folder = tmp_path / "in"
    shutil.copytree(source.parent, folder)
    content = source.read_bytes()
    for share in (0.3, 0.9):
        path = write(folder / source.name, content[: int(share * len(content))])
        with pytest.raises(UserError) as refused:
            main([str(path), "--output", str(tmp_path / "out" / "g.keras")])
        assert str(path) in str(refused.value)
        assert not (tmp_path / "out").exists()


# Bombs, and paths that climb.


def test_a_tar_that_unpacks_to_far_more_is_refused(tmp_path):
    member = tarfile.TarInfo("model_weights.ckpt")
    member.size = 64 << 20
    stream = io.BytesIO()
    with gzip.GzipFile(fileobj=stream, mode="wb") as packed, tarfile.open(fileobj=packed, mode="w|") as archive:
        archive.addfile(member, io.BytesIO(bytes(member.size)))
    path = write(tmp_path / "bomb.nemo", stream.getvalue())
    assert path.stat().st_size < 100_000
    tracemalloc.start()
    assert "unpacks to far more bytes than weights of its size have: refused" in refusal(path)
    assert tracemalloc.get_traced_memory()[1] < 32 << 20
    tracemalloc.stop()


def test_a_sparse_member_is_no_file(tmp_path):
    """A sparse member of a few bytes may state any size."""
    path = write(tmp_path / "a.nemo", tar_bytes({"model_config.yaml": NEMO_CONFIG}))
    content = bytearray(path.read_bytes())
    content[156:157] = b"S"
    assert "a.nemo" in refusal(write(path, bytes(content)))


@pytest.mark.parametrize("name", ["../model_weights.ckpt", "/tmp/model_weights.ckpt", "a/../../b.ckpt"])
def test_a_path_that_climbs_out_of_a_tar_is_refused(tmp_path, name):
    path = write(tmp_path / "a.nemo", tar_bytes({"model_config.yaml": NEMO_CONFIG, name: b"x"}))
    assert "outside of its own folder: refused" in refusal(path)
    assert list(tmp_path.iterdir()) == [path]


def test_links_in_a_tar_are_not_followed(tmp_path):
    secret = write(tmp_path / "secret.ckpt", b"secret")
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w") as archive:
        for name, kind in (("model_weights.ckpt", tarfile.SYMTYPE), ("other.ckpt", tarfile.LNKTYPE)):
            member = tarfile.TarInfo(name)
            member.type, member.linkname = kind, str(secret)
            archive.addfile(member)
        config = tarfile.TarInfo("model_config.yaml")
        config.size = len(NEMO_CONFIG)
        archive.addfile(config, io.BytesIO(NEMO_CONFIG))
    assert "is a tar with 0 .ckpt files" in refusal(write(tmp_path / "a.nemo", stream.getvalue()))


def test_headers_of_a_tar_that_lead_to_each_other_end(tmp_path):
    """tarfile reads the header behind a long name by calling itself."""
    member = tarfile.TarInfo("././@LongLink")
    member.type, member.size = tarfile.GNUTYPE_LONGNAME, 0
    path = write(tmp_path / "a.nemo", member.tobuf(tarfile.GNU_FORMAT) * 3000)
    assert "is a tar cut short or damaged" in refusal(path)


def test_too_many_members(tmp_path):
    path = write(tmp_path / "a.nemo", tar_bytes({f"{number}.txt": b"x" for number in range(1001)}))
    assert "more than 1000 members" in refusal(path)


def test_a_zip_bomb_is_refused(tmp_path):
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("archive/data.pkl", bytes(64 << 20))
    assert "has a compressed record" in refusal(write(tmp_path / "bomb.pt", stream.getvalue()))


def test_weights_of_onnx_in_other_folders_are_refused(tmp_path):
    folder = tmp_path / "models"
    folder.mkdir()
    write(tmp_path / "secret", bytes(1000))
    data = folder / "model.data"
    content = onnx_bytes(small_state(), SMALL, newer=True, external=data)
    assert onnx.read(write(folder / "model.onnx", content))[1]["upsample_rates"] == [2]
    climbing = content.replace(b"model.data", b"../secret_")  # of the same length
    assert "which is no file beside it: copy both" in refusal(write(folder / "model.onnx", climbing))
    write(data, data.read_bytes()[:-8])
    assert "at bytes that this file does not have" in refusal(write(folder / "model.onnx", content))


def test_weights_of_onnx_beside_it_are_read_once(tmp_path):
    """Many tensors may name the same bytes."""
    write(tmp_path / "model.data", bytes(1 << 20))
    place = entry(13, entry(1, "location") + entry(2, "model.data"))
    tensor = entry(1, 1 << 18) + entry(2, 1) + place + entry(14, 1)
    graph = b"".join(entry(5, tensor + entry(8, f"w{number}")) for number in range(300))
    write(tmp_path / "model.onnx", entry(7, graph + entry(12, entry(1, "w0"))))
    tracemalloc.start()
    assert "nothing where Tanh belongs" in refusal(tmp_path / "model.onnx")  # the numbers themselves were read
    assert tracemalloc.get_traced_memory()[1] < 8 << 20
    tracemalloc.stop()


def test_constants_of_onnx_that_grow_are_refused(tmp_path):
    writer = OnnxWriter()
    column, row = (writer.constant(np.ones(shape, np.float32)) for shape in ((4000, 1), (1, 4000)))
    for _ in range(30):
        writer.node("Mul", [column, row])
    tracemalloc.start()
    assert "constants are far larger than the file" in refusal(write(tmp_path / "a.onnx", writer.dump("val")))
    assert tracemalloc.get_traced_memory()[1] < 32 << 20
    tracemalloc.stop()


def test_onnx_graphs_in_a_circle_end(tmp_path):
    graph = entry(1, entry(1, "b") + entry(2, "a") + entry(4, "Identity"))
    graph += entry(1, entry(1, "a") + entry(2, "b") + entry(4, "Tanh")) + entry(12, entry(1, "a"))
    assert "not in order" in refusal(write(tmp_path / "a.onnx", entry(7, graph)))


def test_hdf5_numbers_in_other_files_are_refused(tmp_path):
    write(tmp_path / "secret", bytes(400))
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file.create_dataset("conv1d/kernel:0", (100,), "f4", external=[(str(tmp_path / "secret"), 0, 400)])
    assert "conv1d/kernel:0 lies in another file" in refusal(tmp_path / "a.h5")
    with h5py.File(tmp_path / "b.h5", "w") as file:
        file.create_dataset("conv1d/kernel:0", (1 << 28,), "f4", chunks=(1024,), compression="gzip")
    assert "with conv1d/kernel:0 its arrays are larger than the file" in refusal(tmp_path / "b.h5")


def test_hdf5_names_that_are_no_text_are_read_as_text(tmp_path):
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file.create_dataset(b"me\xffan", data=np.zeros(3))
        file.create_dataset("scale", data=np.ones(3))
    assert sorted(hdf5.read(tmp_path / "a.h5")) == ["me\\xffan", "scale"]


def test_an_npy_file_cannot_ask_for_memory_by_the_length_of_its_header(tmp_path):
    """A header of version 2 states its length in four bytes, and numpy sets memory aside for all of it."""
    header = b"{'descr': '<f4', 'fortran_order': False, 'shape': (2, 80), }"
    path = write(tmp_path / "a.npy", b"\x93NUMPY\x02\x00" + (700_000_000).to_bytes(4, "little") + header)
    tracemalloc.start()
    for read in (read_mel, lambda path: read_statistics(path, 80)):
        with pytest.raises(UserError, match=re.escape(str(path))):
            read(path)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 10_000_000


def test_hdf5_arrays_are_together_no_larger_than_the_file(tmp_path):
    """Arrays that were never written take no place in a file."""
    with h5py.File(tmp_path / "stats.h5", "w") as file:
        for number in range(300):
            file.create_dataset(f"{number}/kernel:0", (4000,), "f4")
    assert (tmp_path / "stats.h5").stat().st_size > 16_000  # so that no single one is larger
    for read in (hdf5.read, lambda path: read_statistics(path, 80)):
        tracemalloc.start()
        with pytest.raises(UserError, match="its arrays are larger than the file"):
            read(tmp_path / "stats.h5")
        assert tracemalloc.get_traced_memory()[1] < 8 << 20
        tracemalloc.stop()


def test_statistics_take_no_numbers_from_elsewhere(tmp_path):
    write(tmp_path / "secret", np.ones(80, np.float32).tobytes())
    with h5py.File(tmp_path / "other.h5", "w") as file:
        file["mean"] = np.ones(80)
    with h5py.File(tmp_path / "external.h5", "w") as file:
        file.create_dataset("mean", (80,), "f4", external=[(str(tmp_path / "secret"), 0, 320)])
    with h5py.File(tmp_path / "link.h5", "w") as file:
        file["mean"] = h5py.ExternalLink("other.h5", "mean")
        file["scale"] = np.ones(80)
    with h5py.File(tmp_path / "huge.h5", "w") as file:
        file.create_dataset("mean", (1 << 38,), "f4", chunks=(1 << 10,))
    for name, message in (
        ("external", "mean lies in another file"),
        ("link", "has no mean, only scale"),
        ("huge", "larger"),
    ):
        with pytest.raises(UserError, match=message):
            read_statistics(tmp_path / f"{name}.h5", 80)
    np.savez_compressed(tmp_path / "bomb.npz", mean=np.zeros(80), scale=np.ones(80), more=np.zeros(3 << 20))
    with pytest.raises(UserError, match="unpacks to more than"):
        read_statistics(tmp_path / "bomb.npz", 80)


def npy_with_header(text: str) -> bytes:
    """A .npy file whose header, which numpy reads as Python, is this text."""
    return b"\x93NUMPY\x01\x00" + len(text).to_bytes(2, "little") + text.encode() + bytes(320)


@pytest.mark.parametrize("name", ["stats.npy", "stats.npz", "speaker.npy"])
def test_headers_of_npy_files_that_overflow_the_parser(tmp_path, name):
    header = f"{{'descr': '<f4', 'fortran_order': False, 'shape': ({'-' * 6000}80,)}}"
    content = npy_with_header(header)
    if name == "stats.npz":
        stream = io.BytesIO()
        with zipfile.ZipFile(stream, "w") as archive:
            archive.writestr("mean.npy", content)
        content = stream.getvalue()
    path = write(tmp_path / name, content)
    if name == "speaker.npy":
        config = FILES / "coqui" / "best_model_new_names" / "config.json"
        line = refusal(FILES / "coqui" / "with_speaker", config=config, speaker_vector=path)
        assert "speaker.npy is no .npy file" in line
    else:
        with pytest.raises(UserError, match=rf"{name} cannot be read"):
            read_statistics(path, 80)


# Views of a storage that repeat its numbers.


def test_tensors_larger_than_their_storage_are_refused_before_they_are_made(tmp_path):
    zero, huge = np.zeros(1, np.float32), 1 << 40
    state = {f"model_g.{key}": array for key, array in small_state(80).items()}
    for name, shape in (("conv_pre.weight", (huge, 80, 7)), ("cond_layer.weight", (huge, 16, 1))):
        content = {"model": state | {f"model_g.{name}": View(zero, shape, (0, 0, 0))}}
        line = refusal(write(tmp_path / "best_model.pth", checkpoint_bytes(content)))
        assert f"has its tensor {name} made by a view that repeats its numbers: refused, nothing was run" in line
    folder = copy(tmp_path, "transformers/speecht5_hifigan")
    for file in folder.glob("*.safetensors"):
        file.unlink()
    statistics = {name: View(zero, (huge,), (0,)) for name in ("mean", "scale")}
    pre = {
        "conv_pre.weight": np.zeros((32, 80, 7), np.float32),
        "upsampler.0.weight": np.zeros((32, 16, 8), np.float32),
    }
    write(folder / "pytorch_model.bin", checkpoint_bytes(pre | statistics))
    assert "has its tensor mean made by a view that repeats its numbers" in refusal(folder)
    # Outside of the generator it is passed over.
    elsewhere = checkpoint_bytes({"generator": small_state(80), "optimizer": {"step": View(zero, (huge,), (0,))}})
    assert "makes 2 samples of a frame" in refusal(write(tmp_path / "g.pt", elsewhere))


# YAML.


def test_yaml_tags_of_python_are_refused_and_not_run(tmp_path):
    marker = tmp_path / "was-run"
    for tag in ("object/apply:os.system", "object/new:os.system", "name:os.system", "module:os", "tuple"):
        text = f"a: !!python/{tag} ['touch {marker}']"
        with pytest.raises(UserError, match=r"has the YAML tag !!python/.* which would run code: refused"):
            plain_yaml.parse(text, "config c.yaml")
    assert not marker.exists()


def test_tags_of_hyperpyyaml_are_plain_data():
    text = "n: 7\nx: !new:a.b.C\n  k: !ref <n>\n  v: 1.5\ny: !name:f\nz: !tuple (1, 2)\nw: !apply:g [1, 2]\nu: !ref <n>"
    read = plain_yaml.parse(text, "config")
    assert read == {"n": 7, "x": {"k": "<n>", "v": 1.5}, "y": "", "z": "(1, 2)", "w": [1, 2], "u": "<n>"}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a: [1, 2", "is not valid YAML"),
        ("a: " + "[" * 5000, "nested too deeply"),
        ("x" * (1 << 20) + ": 1", "bytes, which is no config"),
        ("a: *b", "is not valid YAML"),
        ("- 1\n", "holds a list: it must be"),
    ],
)
def test_bad_yaml(tmp_path, text, message):
    folder = shutil.copytree(FILES / "parallel_wavegan" / "24k_like", tmp_path / "in")
    (folder / "config.yml").write_text(text)
    assert message in refusal(folder)


def test_yaml_aliases_do_not_grow(tmp_path):
    """A billion laughs, by aliases and by merges, takes the memory of its text, and is refused as a config."""
    laughs = "a0: &a0 {x: 1}\n" + "\n".join(f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 10)}]" for i in range(1, 25))
    merges = "a0: &a0 {x: 1}\n" + "\n".join(
        f"a{i}: &a{i} {{<<: [{', '.join([f'*a{i - 1}'] * 10)}]}}" for i in range(1, 25)
    )
    for text in (laughs, merges):
        tracemalloc.start()
        assert "a24" in plain_yaml.parse(text, "config")
        write(tmp_path / "c.yml", text.encode())
        with pytest.raises(UserError, match=r"c\.yml has more than 100000 values, which is no config: give another"):
            read_config(tmp_path / "c.yml")
        assert tracemalloc.get_traced_memory()[1] < 32 << 20
        tracemalloc.stop()


def test_values_that_double_at_every_level_are_never_printed_whole(tmp_path):
    folder = copy(tmp_path, "parallel_wavegan/24k_like")
    content = plain_yaml.read(folder / "config.yml")
    laughs = ["a0: &a0 [x, x]", *(f"a{i}: &a{i} [*a{i - 1}, *a{i - 1}]" for i in range(1, 26))]

    def line(levels: int) -> str:
        text = json.dumps(content).replace('"@"', f"*a{levels - 1}")
        (folder / "config.yml").write_text(f"{{{', '.join(laughs[:levels])}, {text[1:]}")
        line = refusal(folder)
        assert len(line) < 400
        return line

    shown = "[[[[...], [...]], [[...], [...]]], [[[...], [...]], [[...], [...]]]]"
    kind, content["generator_type"] = content["generator_type"], "@"
    assert f"its generator is a {shown}, not a HiFiGANGenerator" in line(13)
    assert "has more than 100000 values" in line(26)
    content["generator_type"], content["generator_params"]["resblock_dilations"] = kind, "@"
    assert f"'resblock_dilation_sizes' is {shown}: it must" in line(13)
    assert brief(1 << 100_000) == "an integer of 100001 bits"
    assert brief([1 << 100_000]) == "[an integer of 100001 bits]"


def test_a_config_inside_a_pickle_does_not_grow_either(tmp_path):
    nested: list = ["x", "x"]
    for _ in range(25):
        nested = [nested, nested]
    stream = io.BytesIO()
    pickle.Pickler(stream, 2).dump({"config": {"generator_model": nested}})
    path = write(tmp_path / "best_model.pth", zip_bytes(stream.getvalue()))
    assert "the config inside has more than 100000 values" in refusal(path)


# Configs that do not fit.


def copy(tmp_path: Path, name: str) -> Path:
    return shutil.copytree(FILES / name, tmp_path / "in")


def edit(path: Path, old: str, new: str) -> None:
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))


def test_a_config_that_contradicts_the_tensors_names_both(tmp_path):
    folder = copy(tmp_path, "parallel_wavegan/24k_like")
    edit(folder / "config.yml", "channels: 32", "channels: 64")
    line = refusal(folder)
    assert re.search(r"does not fit .*config.yml: conv_pre.weight_g is \[32, 1, 1\] in the file and \[64, 1, 1\]", line)


@pytest.mark.parametrize(
    ("name", "file", "old", "new", "message"),
    [
        ("parallel_wavegan/24k_like", "config.yml", "hop_size: 300", "hop_size: 256", "it must equal hop_size"),
        ("parallel_wavegan/24k_like", "config.yml", "generator_params", "parameters", "is not one of ParallelWaveGAN"),
        ("parallel_wavegan/24k_like", "config.yml", "channels: 32", "channels: many", "upsample_initial_channel"),
        ("parallel_wavegan/24k_like", "config.yml", "LeakyReLU\n", "ELU\n", "nonlinear_activation is ELU"),
        ("parallel_wavegan/24k_like", "config.yml", "HiFiGANGenerator", "MelGANGenerator", "its generator is a MelGAN"),
        (
            "parallel_wavegan/24k_like",
            "config.yml",
            "bias: true",
            "bias: true\n  use_causal_conv: true",
            "causal variant",
        ),
        ("parallel_wavegan/24k_like", "config.yml", "window: hann", "window: hamming", "window is hamming: only hann"),
        ("nemo", "model_config.yaml", "HifiGanModel", "UnivNetModel", "it is a UnivNetModel, not a HifiGanModel"),
        (
            "transformers/speecht5_hifigan",
            "config.json",
            '"upsample_rates": [',
            '"upsample_rates": 7, "x": [',
            "damaged",
        ),
        ("transformers/speecht5_hifigan", "config.json", "{", "[{", "is not valid JSON"),
        ("speechbrain/tts_hifigan_like", "hyperparams.yaml", "[8, 8, 2, 2]", "<upsample_factors>", "damaged"),
        (
            "coqui/best_model_new_names",
            "config.json",
            '"hifigan_generator"',
            '"melgan_generator"',
            "only hifigan_generator",
        ),
    ],
)
def test_configs_of_other_models_or_damaged_ones(tmp_path, name, file, old, new, message):
    folder = copy(tmp_path, name)
    edit(folder / file, old, new)
    if name == "nemo":  # beside the config inside
        assert message in refusal(folder / "hifigan.nemo", config=folder / file)
    else:
        assert message in refusal(folder)


STRANGE = [None, -1, 0, "x", "", [], {}, [[]], 10**30, 1e308, float("nan"), True, [1, 2, 3], {"a": 1}, ["x"], 2.5]


def places(content, path=()) -> list[tuple]:
    """The paths of all values in a nested config."""
    children = content.items() if isinstance(content, dict) else enumerate(content) if isinstance(content, list) else []
    return [path, *(place for key, child in children for place in places(child, (*path, key)))][0 if path else 1 :]


@pytest.mark.parametrize(
    ("name", "file"),
    [
        ("transformers/speecht5_hifigan", "config.json"),
        ("parallel_wavegan/24k_like", "config.yml"),
        ("coqui/best_model_new_names", "config.json"),
        ("nemo", "model_config.yaml"),
        ("speechbrain/tts_hifigan_like", "hyperparams.yaml"),
    ],
)
def test_strange_values_in_a_config_are_refused_in_one_line_or_have_no_effect(tmp_path, name, file):
    folder = copy(tmp_path, name)
    content = plain_yaml.read(folder / file)  # JSON is YAML too
    usual = read_checkpoint(folder, Source()).config.generator
    rng, refused, source = np.random.default_rng(0), 0, Source(config=str(folder / file))
    for place in places(content):
        for strange in rng.choice(np.array(STRANGE, dtype=object), 4, replace=False):
            changed = json.loads(json.dumps(content))
            inner = changed
            for key in place[:-1]:
                inner = inner[key]
            inner[place[-1]] = strange
            (folder / file).write_text(json.dumps(changed).replace("NaN", ".nan" if file.endswith("l") else "NaN"))
            try:
                read = read_checkpoint(folder / "hifigan.nemo" if name == "nemo" else folder, source)
            except UserError as error:  # any other exception is a failure
                refused += 1
                lines = str(error).splitlines()
            else:
                lines = ["read"]
                # What is read fits the tensors.
                assert read.config.generator.upsample_initial_channel == usual.upsample_initial_channel
            assert len(lines) == 1
    assert refused > 20


def test_two_configs_that_differ_are_refused(tmp_path):
    folder = copy(tmp_path, "nemo")
    assert read_checkpoint(folder, Source()).config.audio.fmax == 8000  # beside it and inside it, and equal
    edit(folder / "model_config.yaml", "highfreq: 8000", "highfreq: 7600")
    assert "are two configs, and differ in fmax (7600 and 8000): name the right one with --config" in refusal(folder)
    chosen = read_checkpoint(folder, Source(config=str(folder / "model_config.yaml")))
    assert chosen.config.audio.fmax == 7600
    folder = shutil.copytree(FILES / "parallel_wavegan" / "24k_like", tmp_path / "two")
    (folder / "config.json").write_text(json.dumps({"anything": 1}))
    assert "config.json is not one of ParallelWaveGAN" in refusal(folder)


def test_statistics_that_do_not_fit(tmp_path):
    folder = copy(tmp_path, "parallel_wavegan/24k_like")
    with h5py.File(folder / "stats.h5", "w") as file:
        file["mean"], file["scale"] = np.zeros(80), np.zeros(80)
    assert "scale is 0 in band 0: it must be above 0 in every band" in refusal(folder)
    write(folder / "stats.h5", b"no HDF5")
    assert "stats.h5 cannot be read (cut short, or no HDF5 file)" in refusal(folder)
    for content in (b"", b"\x93NUMPY\x01\x00", b"text", np.float32(1).tobytes()):
        assert "stats.npy cannot be read" in refusal(folder, statistics=write(tmp_path / "stats.npy", content))


def test_folders_that_are_not_clear(tmp_path):
    assert "holds no checkpoint of a known name" in refusal(tmp_path)
    for name in ("a.onnx", "b.onnx"):
        (tmp_path / name).touch()
    assert "holds several checkpoints (a.onnx, b.onnx): name the one to import" in refusal(tmp_path)


def test_two_generators_in_one_file(tmp_path):
    state = small_state(80)
    twice = {f"{part}.{key}": array for part in ("one", "two") for key, array in state.items()}
    assert "holds several generators (one., two.): keep one" in refusal(
        write(tmp_path / "a.pt", checkpoint_bytes(twice))
    )


def test_rates_that_no_tensor_shows_need_a_config(tmp_path):
    state = small_state(80)
    state["ups.0.weight"] = np.zeros((4, 2, 5), np.float32)
    path = write(tmp_path / "a.pt", checkpoint_bytes({"generator": state}))
    assert "has no config beside it, and its tensors do not show all of it: give --config" in refusal(path)
    path = write(tmp_path / "b.pt", checkpoint_bytes({"generator": small_state(80)}))
    assert "makes 2 samples of a frame, so its mel is not the usual one of the original" in refusal(path)


# Vocoders of other kinds.


def test_a_whole_module_is_refused_by_name():
    line = refusal(FILES / "other" / "whole_module.pt")
    assert "is a whole pickled object, official.Generator, and not its tensors: that is code, refused" in line


CONV = np.zeros((4, 3, 7), np.float32)
OTHERS = {
    "an RVC model": {
        "weight": {"enc_p.emb_phone.weight": CONV, "dec.conv_pre.weight": CONV, "dec.m_source.l_linear.weight": CONV}
    },
    "a Bert-VITS2 model": {"model": {"enc_p.bert_proj.weight": CONV, "dec.conv_pre.weight": CONV}},
    "a VITS model": {"model": {"enc_p.emb.weight": CONV, "flow.flows.0.pre.weight": CONV, "dec.conv_pre.weight": CONV}},
    "an NSF-HiFiGAN": {
        "generator": {"conv_pre.weight": CONV, "m_source.l_linear.weight": CONV, "noise_convs.0.weight": CONV}
    },
    "a BigVGAN": {"generator": {"conv_pre.weight": CONV, "resblocks.0.activations.0.act.alpha": CONV}},
    "a Vocos model": {"state_dict": {"backbone.embed.weight": CONV, "head.out.weight": CONV}},
    "an iSTFTNet": {"generator": {"conv_pre.weight": CONV, "conv_post.weight_v": np.zeros((18, 4, 7), np.float32)}},
    "the causal variant of ParallelWaveGAN": {"model": {"generator": {"input_conv.conv.weight": CONV}}},
    "a vocoder of units": {"generator": {"conv_pre.weight": CONV, "dict.weight": CONV}},
}


@pytest.mark.parametrize("name", OTHERS)
def test_other_vocoders_are_refused_by_name_with_the_reason(tmp_path, name):
    line = refusal(write(tmp_path / "a.pt", checkpoint_bytes(OTHERS[name])))
    assert f" is {name}" in line
    reason = {"an RVC": "F0", "a Bert": "latents", "a VITS": "latents", "an NSF": "F0", "a BigVGAN": "Snake"}
    reason |= {"a Vocos": "inverse STFT", "an iSTFT": "spectrum", "the causal": "another network", "a vocoder": "units"}
    assert next(word for start, word in reason.items() if name.startswith(start)) in line


def test_transformers_vits_is_refused_by_name(tmp_path):
    state = {
        "text_encoder.embed_tokens.weight": CONV,
        "decoder.upsampler.0.weight": CONV,
        "decoder.conv_pre.weight": CONV,
    }
    assert "is a VITS model" in refusal(write(tmp_path / "model.safetensors", safetensors_bytes(state)))


@pytest.mark.parametrize(("operation", "word"), [("Sin", "Snake"), ("STFT", "Vocos"), ("RandomNormalLike", "VITS")])
def test_onnx_of_other_vocoders(tmp_path, operation, word):
    writer = OnnxWriter()
    x = writer.node(operation, ["mel"])
    line = refusal(write(tmp_path / "a.onnx", writer.dump(writer.generator(small_state(), SMALL, x))))
    assert f"has the operation {operation}, " in line
    assert word in line


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"pads": [0, 0]}, "does not pad its convolution"),
        ({"group": 2}, "grouped or automatically padded"),
    ],
)
def test_onnx_of_other_convolutions(tmp_path, settings, message, monkeypatch):
    writer, usual = OnnxWriter(), OnnxWriter.node
    monkeypatch.setattr(
        writer,
        "node",
        lambda op, inputs, **rest: usual(writer, op, inputs, **rest | (settings if op == "Conv" else {})),
    )
    assert message in refusal(write(tmp_path / "a.onnx", writer.dump(writer.generator(small_state(), SMALL))))


def test_onnx_of_other_graphs(tmp_path):
    def line(change):
        writer = OnnxWriter()
        x = writer.generator(small_state(), SMALL)
        return refusal(write(tmp_path / "a.onnx", writer.dump(change(writer, x))))

    assert "no HiFi-GAN's: Relu where Tanh belongs" in line(lambda writer, x: writer.node("Relu", [x]))
    assert "operations of custom, which are not ONNX's own" in line(lambda writer, x: writer.node("F", [x], "custom"))
    assert "no HiFi-GAN's: nothing where Tanh belongs" in line(lambda writer, x: "mel")
