"""Checkpoints of other libraries: each file that its library made gives the library's own audio, and goes to int8."""

import json
import math
import re
import shutil
import subprocess
import sys
from pathlib import Path

import h5py
import numpy as np
import pytest
import soundfile
from checkpoint_writers import OnnxWriter, entry, onnx_bytes, safetensors_bytes, tar_bytes, varint
from conftest import DATA, exported, snr, stream, write_speech
from test_graph import offline
from test_import_torch import checkpoint_bytes, folded, newer_names, write

from hifigan_tf import to_tflite, train, vocode
from hifigan_tf.audio import find_audio, hdf5, read_audio, write_wav
from hifigan_tf.audio.audio_files import resample
from hifigan_tf.checkpoints import families, onnx_graph, plain_yaml, safetensors, torch_pickle
from hifigan_tf.checkpoints import imported as imported_module
from hifigan_tf.checkpoints.checkpoint_files import find_checkpoint
from hifigan_tf.checkpoints.imported import Source, read_checkpoint
from hifigan_tf.config import Config
from hifigan_tf.errors import UserError
from hifigan_tf.import_checkpoint import filled, main
from hifigan_tf.models.generator import load_generator
from hifigan_tf.resources import DEMO_HELD_OUT
from hifigan_tf.streaming.litert import load_tflite

FILES = DATA / "checkpoints"
COQUI_CONFIG = FILES / "coqui" / "best_model_new_names" / "config.json"
# {checkpoint: (family, whether there is a reference, whether it is exported below)}. The others are ``SAME_NETWORK``.
CHECKPOINTS = {
    "transformers/speecht5_hifigan": ("transformers", True, True),
    "transformers/speecht5_hifigan/pytorch_model.bin": ("transformers", True, False),
    "transformers/speecht5_hifigan_weight_norm": ("transformers", True, True),
    "transformers/speecht5_hifigan_weight_norm/pytorch_model.bin": ("transformers", True, False),
    "parallel_wavegan/ljspeech_like": ("ParallelWaveGAN", True, True),
    "parallel_wavegan/24k_like": ("ParallelWaveGAN", True, True),
    "coqui/best_model_new_names": ("Coqui", True, True),
    "coqui/with_numpy_scalar": ("Coqui", False, True),
    "coqui/with_speaker": ("Coqui", True, True),
    "nemo/hifigan.nemo": ("NeMo", True, True),
    "speechbrain/tts_hifigan_like": ("SpeechBrain", True, True),
    "tensorflowtts": ("TensorFlowTTS", True, True),
    "onnx/folded_old.onnx": ("the original", True, False),
    "onnx/norm_left_in_old.onnx": ("the original", True, False),
    "onnx/folded_new.onnx": ("the original", True, False),
    "onnx/norm_left_in_new.onnx": ("the original", True, False),
    "other/official.safetensors": ("the original", True, False),
    "other/lightning.ckpt": ("the original", True, False),
}


SAME_NETWORK = {
    "transformers/speecht5_hifigan/pytorch_model.bin": "transformers/speecht5_hifigan",
    "transformers/speecht5_hifigan_weight_norm/pytorch_model.bin": "transformers/speecht5_hifigan_weight_norm",
    **dict.fromkeys(
        (
            *(f"onnx/{norm}_{exporter}.onnx" for norm in ("folded", "norm_left_in") for exporter in ("old", "new")),
            *("other/official.safetensors", "other/lightning.ckpt"),
        ),
        "nemo/hifigan.nemo",
    ),
}
# Of these a stream is tested with the slow tests: another file has the same layers.
SECOND_OF_A_KIND = (
    "transformers/speecht5_hifigan_weight_norm",
    "parallel_wavegan/ljspeech_like",
    "coqui/best_model_new_names",
    "coqui/with_numpy_scalar",
)
INT8 = ("tensorflowtts", "coqui/with_speaker")  # and by the commands below


def folder_of(name: str) -> Path:
    path = FILES / name
    return path if path.is_dir() else path.parent


def reference(name: str) -> tuple[np.ndarray, np.ndarray]:
    """The mel that the model takes ``[frames, num_mels]``, and the library's own audio ``[samples]``."""
    folder = folder_of(name)
    arrays = np.load(folder / ("reference_official.npz" if folder.name == "other" else "reference.npz"))
    mel = arrays["mel"] if "mel" in arrays else (arrays["mel_log10"] - arrays["mean"]) / arrays["scale"]
    return mel, arrays["audio"]


@pytest.fixture(scope="module")
def speaker(tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("speaker") / "speaker.npy"
    np.save(path, np.load(FILES / "coqui" / "with_speaker" / "reference.npz")["speaker"])
    return path


def read(name: str, speaker: Path | None = None, **changes):
    source = {"config": COQUI_CONFIG, "speaker_vector": speaker} if name == "coqui/with_speaker" else {}
    return read_checkpoint(FILES / name, Source(**{key: str(value) for key, value in (source | changes).items()}))


def state_of(name: str) -> dict:
    """The generator's arrays in the original's names."""
    tensors = read(name).tensors
    return {
        key: np.array(item.numpy() if isinstance(item, torch_pickle.Tensor) else item) for key, item in tensors.items()
    }


@pytest.mark.parametrize("name", CHECKPOINTS)
def test_a_checkpoint_gives_its_librarys_audio(name, speaker):
    family, referenced, _ = CHECKPOINTS[name]
    imported = read(name, speaker)
    assert imported.family.name == family
    assert imported.found.startswith(f"found a checkpoint of {family}, ")
    generator = filled(imported)
    if referenced:
        mel, audio = reference(name)
        made = offline(generator, mel)
        assert made.shape == audio.shape
        assert audio.std() > 0.02
        np.testing.assert_allclose(made, audio, atol=1e-5)


@pytest.mark.parametrize(
    "name",
    [
        pytest.param(name, marks=pytest.mark.slow) if name in SECOND_OF_A_KIND else name
        for name, (*_, exports) in CHECKPOINTS.items()
        if exports
    ],
)
def test_a_checkpoint_streams_in_float_and_in_int8(name, speaker):
    generator = filled(read(name, speaker))
    mel, audio = reference(name) if CHECKPOINTS[name][1] else (reference("nemo/hifigan.nemo")[0], None)
    audio = offline(generator, mel) if audio is None else audio
    model = load_tflite(exported(generator))
    np.testing.assert_allclose(stream(model, mel, [5, 1, 12]), audio, atol=1e-4)
    if name in INT8:
        eight_bits = stream(load_tflite(exported(generator, "int8", mels=[mel])), mel, [9])
        assert snr(audio, eight_bits) > 15


@pytest.mark.parametrize(("name", "exported_one"), SAME_NETWORK.items())
def test_other_files_of_a_network_that_streams_give_the_same_network(name, exported_one):
    """The same options and weights, so the ``.tflite`` of one is that of the other."""
    assert not CHECKPOINTS[name][2]
    assert CHECKPOINTS[exported_one][2]
    assert read(name).config.generator == read(exported_one).config.generator
    ours, others = folded(state_of(name)), folded(state_of(exported_one))
    assert ours.keys() == others.keys()
    for key, array in ours.items():
        np.testing.assert_allclose(array, others[key], rtol=1e-5, atol=1e-8)


@pytest.mark.parametrize("name", ["coqui/best_model_new_names", "speechbrain/tts_hifigan_like"])
def test_frames_are_replicated_on_demand_as_the_library_does(name, tmp_path, monkeypatch):
    main([str(FILES / name), "--output", str(tmp_path / "g.keras")])
    mel = reference(name)[0]
    np.save(tmp_path / "mel.npy", mel)
    expected = np.load(FILES / name / "reference.npz")["audio_inference"]
    checkpoint = tmp_path / "g.keras"
    if name.startswith("speechbrain"):
        checkpoint = write(tmp_path / "g.tflite", exported(load_generator(checkpoint)))
    options = ["--checkpoint", str(checkpoint), "--output-dir", str(tmp_path / "out"), "--mel-format", "log"]
    vocode.main([*options, "--pad-like-original", str(tmp_path / "mel.npy")])
    audio = soundfile.read(tmp_path / "out" / "mel.wav")[0]
    np.testing.assert_allclose(audio, expected, atol=1 / 32768 + 1e-4)
    vocode.main([*options, str(tmp_path / "mel.npy")])
    assert len(soundfile.read(tmp_path / "out" / "mel.wav")[0]) == len(mel) * 256


def test_a_model_that_repeats_no_frames_says_so(tiny_checkpoint, tmp_path):
    np.save(tmp_path / "mel.npy", np.zeros((4, 16), np.float32))
    options = ["--checkpoint", str(tiny_checkpoint), "--output-dir", str(tmp_path / "out"), "--pad-like-original"]
    with pytest.raises(UserError, match="comes from no library that repeats frames: leave out --pad-like-original"):
        vocode.main([*options, str(tmp_path / "mel.npy")])
    soundfile.write(tmp_path / "speech.wav", np.zeros(800), 8000)
    with pytest.raises(UserError, match="is for mels, and every input is a recording: leave it out"):
        vocode.main([*options, str(tmp_path / "speech.wav")])


# The mel that belongs to a model.


MELS = {
    "transformers/speecht5_hifigan": {
        "sampling_rate": 16000,
        "fmin": 80,
        "fmax": 7600,
        "mel_log": "log10",
        "mel_floor": 1e-10,
        "mel_centred": True,
    },
    "parallel_wavegan/24k_like": {
        "sampling_rate": 24000,
        "n_fft": 2048,
        "hop_size": 300,
        "win_size": 1200,
        "fmin": 80,
        "fmax": 7600,
        "mel_log": "log10",
        "mel_floor": 1e-10,
        "mel_centred": True,
    },
    "coqui/best_model_new_names": {"mel_log": "natural", "mel_floor": 1e-8, "mel_centred": True, "fmax": 8000},
    "nemo/hifigan.nemo": {"mel_floor": 1e-5, "mel_centred": False, "mel_symmetric_window": True, "fmax": 8000},
    "speechbrain/tts_hifigan_like": {"mel_log": "natural", "mel_floor": 1e-5, "mel_centred": True, "fmax": 8000},
    "tensorflowtts": {"mel_log": "log10", "mel_floor": 1e-10, "mel_centred": True, "fmin": 80, "fmax": 7600},
    "other/lightning.ckpt": {"mel_log": "natural", "mel_floor": 1e-5, "mel_centred": False, "fmax": 8000},
}


@pytest.mark.parametrize("name", MELS)
def test_a_checkpoint_brings_its_mel(name):
    audio = read(name).config.audio
    assert {key: getattr(audio, key) for key in MELS[name]} == MELS[name]
    assert (audio.num_mels, audio.mel_mean == 0.0) == (80, name != "parallel_wavegan/24k_like")


def test_statistics_become_mean_and_scale():
    arrays = np.load(FILES / "parallel_wavegan" / "24k_like" / "reference.npz")
    audio = read("parallel_wavegan/24k_like").config.audio
    np.testing.assert_allclose(audio.mel_mean, arrays["mean"], atol=1e-6)
    np.testing.assert_allclose(audio.mel_scale, arrays["scale"], atol=1e-6)


def test_transformers_statistics_are_inside_the_network():
    arrays = np.load(FILES / "transformers" / "speecht5_hifigan" / "reference.npz")
    generator = read("transformers/speecht5_hifigan").config.generator
    np.testing.assert_allclose(generator.input_mean, arrays["mean"], atol=1e-6)
    np.testing.assert_allclose(generator.input_scale, arrays["scale"], atol=1e-6)


@pytest.mark.parametrize("symmetric", [True, False])
@pytest.mark.parametrize("log", ["np.log", "np.log10"])
def test_coquis_gain_and_range_are_a_mean_a_scale_and_a_floor(tmp_path, symmetric, log):
    audio = {"signal_norm": True, "spec_gain": 20, "log_func": log, "ref_level_db": 20, "min_level_db": -100}

    def change(content):
        content["audio"] |= {**audio, "symmetric_norm": symmetric}

    folder = tmp_path / "changed"
    folder.mkdir()
    content = json.loads(COQUI_CONFIG.read_text())
    change(content)
    (folder / "config.json").write_text(json.dumps(content))
    with_tensors = torch_pickle.read(FILES / "coqui" / "best_model_new_names" / "best_model.pth")["model"]
    state = {key: np.array(item.numpy()) for key, item in with_tensors.items() if key.startswith("model_g.")}
    write(folder / "best_model.pth", checkpoint_bytes({"model": state}))
    ours = read_checkpoint(folder, Source()).config.audio
    assert ours.mel_log == ("log10" if log == "np.log10" else "natural")
    logarithm = {"np.log": np.log, "np.log10": np.log10}[log]
    magnitudes = np.array([1e-9, 1e-6, 1e-4, 3e-3, 0.5])
    # Coqui: gain * log, minus the reference level, mapped from the lowest level..0 to -4..4 or 0..4, and clipped there.
    span, start = (8, -4) if symmetric else (4, 0)
    decibels = 20 * logarithm(np.maximum(magnitudes, 1e-8)) - 20
    theirs = np.maximum(span * (decibels + 100) / 100 + start, start)
    made = (logarithm(np.maximum(magnitudes, ours.mel_floor)) - ours.mel_mean) / ours.mel_scale
    np.testing.assert_allclose(made, theirs, atol=1e-9)


def test_coquis_statistics(tmp_path):
    """scale_stats.npy is a pickled dictionary of arrays: read, and nothing of it run."""
    folder = shutil.copytree(FILES / "coqui" / "with_numpy_scalar", tmp_path / "coqui")
    content = json.loads(COQUI_CONFIG.read_text())
    content["audio"] |= {"signal_norm": True, "stats_path": "/somewhere/scale_stats.npy", "spec_gain": 2}
    (tmp_path / "c.json").write_text(json.dumps(content))
    mean, deviation = np.linspace(-5, -1, 80), np.linspace(1, 3, 80).astype(np.float32)
    np.save(folder / "scale_stats.npy", {"mel_mean": mean, "mel_std": deviation, "audio_config": {"a": 1}})
    audio = read_checkpoint(folder, Source(config=str(tmp_path / "c.json"))).config.audio
    np.testing.assert_allclose(audio.mel_mean, mean / 2)
    np.testing.assert_allclose(audio.mel_scale, deviation / 2)


# Other files of the same libraries.


def same_audio(path: Path, name: str) -> None:
    """Asserts that the checkpoint at ``path`` makes the audio of the one of this name."""
    mel, audio = reference(name)
    np.testing.assert_allclose(offline(filled(read_checkpoint(path, Source())), mel), audio, atol=5e-6)


def same_network(imported, name: str, spelling: str) -> None:
    """Asserts the options and tensors of the checkpoint of this name, its norms folded where ``spelling`` says so.

    The tests above show that these give the library's audio.
    """
    assert imported.config.generator == read(name).config.generator
    expected = folded(state_of(name)) if spelling == "folded" else state_of(name)
    assert imported.tensors.keys() == expected.keys()
    for key, tensor in imported.tensors.items():
        array = tensor.numpy() if isinstance(tensor, torch_pickle.Tensor) else tensor
        np.testing.assert_allclose(array, expected[key], rtol=1e-5, atol=1e-8)


SPELLINGS = {"unfolded": lambda state: state, "folded": folded, "parametrizations": newer_names}


@pytest.mark.parametrize("spelling", SPELLINGS)
@pytest.mark.parametrize("legacy", [False, True], ids=["zip", "legacy"])
def test_norms_and_wrappings_of_the_original(tmp_path, spelling, legacy):
    state = SPELLINGS[spelling](state_of("other/official.safetensors"))
    expected = SPELLINGS["folded" if spelling == "folded" else "unfolded"](state_of("other/official.safetensors"))
    for prefix in ("", "module."):
        wrapped = {f"{prefix}{key}": array for key, array in state.items()}
        for number, content in enumerate([wrapped, {"generator": wrapped}, {"state_dict": wrapped, "epoch": 3}]):
            path = write(tmp_path / f"{prefix}{number}.pt", checkpoint_bytes(content, legacy))
            tensors = read_checkpoint(path, Source()).tensors
            assert tensors.keys() == expected.keys()
            for name, tensor in tensors.items():
                np.testing.assert_array_equal(tensor.numpy(), expected[name])
    if not legacy:
        same_audio(write(tmp_path / "a.safetensors", safetensors_bytes(state)), "other/official.safetensors")


THEIR_NAMES = {
    "ParallelWaveGAN": [
        (r"conv_pre\.", "input_conv."),
        (r"conv_post\.", "output_conv.1."),
        (r"ups\.(\d+)\.", r"upsamples.\1.1."),
        (r"resblocks\.(\d+)\.convs([12]?)\.(\d+)\.", lambda m: f"blocks.{m[1]}.convs{m[2] or 1}.{m[3]}.1."),
    ],
    "SpeechBrain": [(r"(.*?)\.(?=(weight|bias|parametrizations)[^.]*(\.weight.*)?$)", r"\1.conv.")],
    "Coqui": [(r"^", "model_g.")],
    "transformers": [(r"^ups\.", "upsampler.")],
}


def renamed(state: dict, family: str) -> dict:
    result = {}
    for key, array in state.items():
        for pattern, replacement in THEIR_NAMES[family]:
            key = re.sub(pattern, replacement, key, count=1)
        result[key] = array
    return result


@pytest.mark.parametrize("spelling", SPELLINGS)
@pytest.mark.parametrize(
    ("name", "file", "family"),
    [
        ("parallel_wavegan/24k_like", "checkpoint-7steps.pkl", "ParallelWaveGAN"),
        ("coqui/best_model_new_names", "best_model.pth", "Coqui"),
        ("speechbrain/tts_hifigan_like", "generator.ckpt", "SpeechBrain"),
        ("transformers/speecht5_hifigan_weight_norm", "pytorch_model.bin", "transformers"),
    ],
)
def test_norms_of_the_other_libraries(tmp_path, spelling, name, file, family):
    folder = shutil.copytree(FILES / name, tmp_path / "copy")
    find_checkpoint(folder).unlink()
    state = renamed(SPELLINGS[spelling](state_of(name)), family)
    if family == "transformers":
        arrays = np.load(folder / "reference.npz")
        state |= {key: arrays[key].astype(np.float32) for key in ("mean", "scale")}
    content = {"ParallelWaveGAN": {"model": {"generator": state}, "steps": 7}, "Coqui": {"model": state}}
    write(folder / file, checkpoint_bytes(content.get(family, state)))
    same_network(read_checkpoint(folder, Source()), name, spelling)


def test_the_checkpoint_with_the_most_steps_counts(tmp_path):
    for steps in (9, 100, 20):
        (tmp_path / f"checkpoint-{steps}steps.pkl").touch()
    assert find_checkpoint(tmp_path).name == "checkpoint-100steps.pkl"


@pytest.mark.parametrize("mode", ["w", "w:gz"])
@pytest.mark.parametrize("nested", [True, False], ids=["blocks by stage", "flat"])
def test_nemo_files(tmp_path, mode, nested):
    state = state_of("nemo/hifigan.nemo")
    if nested:
        state = {
            f"resblocks.{int(key.split('.')[1]) // 2}.{int(key.split('.')[1]) % 2}.{key.split('.', 2)[2]}"
            if key.startswith("resblocks.")
            else key: array
            for key, array in state.items()
        }
    weights = checkpoint_bytes({f"generator.{key}": array for key, array in state.items()}, legacy=not nested)
    members = {
        "./model_config.yaml": (FILES / "nemo" / "model_config.yaml").read_bytes(),
        "./model_weights.ckpt": weights,
    }
    path = write(tmp_path / "other.nemo", tar_bytes(members, mode))
    imported = read_checkpoint(path, Source())
    same_network(imported, "nemo/hifigan.nemo", "as stored")
    assert imported.family.name == "NeMo"


def without_biases(state: dict, part: str) -> tuple[dict, dict]:
    """The state without some biases, and the same with zeros in their place."""
    zeros = {key: np.zeros_like(a) if key.startswith(part) and key.endswith("bias") else a for key, a in state.items()}
    return {key: a for key, a in state.items() if not (key.startswith(part) and key.endswith("bias"))}, zeros


def test_parallel_wavegan_without_biases_and_additional_convolutions(tmp_path):
    name = "parallel_wavegan/ljspeech_like"
    folder = shutil.copytree(FILES / name, tmp_path / "copy")
    find_checkpoint(folder).unlink()
    state = {key.replace("convs1", "convs"): array for key, array in state_of(name).items() if ".convs2." not in key}
    lacking, zeros = without_biases(state, "resblocks.")
    text = (folder / "config.yml").read_text()
    text = text.replace("use_additional_convs: true", "use_additional_convs: false").replace(
        "bias: true", "bias: false"
    )
    (folder / "config.yml").write_text(text)
    write(
        folder / "checkpoint-1steps.pkl",
        checkpoint_bytes({"model": {"generator": renamed(lacking, "ParallelWaveGAN")}}),
    )
    imported = read_checkpoint(folder, Source())
    assert imported.config.generator.resblock == "2"
    # The same network in the original's layout.
    config = tmp_path / "official.json"
    config.write_text(imported.config.dumps())
    official = read_checkpoint(write(tmp_path / "g_1", checkpoint_bytes(zeros)), Source(config=str(config)))
    mel = reference(name)[0]
    audio = offline(filled(imported), mel)
    assert audio.std() > 0.001
    np.testing.assert_allclose(audio, offline(filled(official), mel), atol=1e-6)
    # A config that says there are biases contradicts the file.
    (folder / "config.yml").write_text(text.replace("bias: false", "bias: true"))
    with pytest.raises(UserError, match=r"does not fit .*config.yml: missing: resblocks.0.convs.0.bias and 23 more"):
        read_checkpoint(folder, Source())


@pytest.mark.parametrize(
    ("name", "family"), [("coqui/best_model_new_names", "Coqui"), ("speechbrain/tts_hifigan_like", "SpeechBrain")]
)
def test_a_last_bias_or_norms_may_be_missing(tmp_path, name, family):
    folder = shutil.copytree(FILES / name, tmp_path / "copy")
    file = find_checkpoint(folder)
    state = state_of(name)
    lacking, zeros = without_biases(state, "conv_post.")
    plain = folded(state)
    lacking = {key: array for key, array in lacking.items() if not key.startswith(("conv_pre.w", "conv_post.w"))}
    lacking |= {key: plain[key] for key in ("conv_pre.weight", "conv_post.weight")}
    content = renamed(lacking, family)
    write(file, checkpoint_bytes({"model": content} if family == "Coqui" else content))
    with pytest.raises(UserError, match=r"missing: conv_post\.bias"):
        read_checkpoint(folder, Source())
    if family == "Coqui":
        config = json.loads((folder / "config.json").read_text())
        config["generator_model_params"]["conv_post_bias"] = False
        (folder / "config.json").write_text(json.dumps(config))
    else:
        text = (folder / "hyperparams.yaml").read_text()
        (folder / "hyperparams.yaml").write_text(text + "\nconv_post_bias: False\n")
    mel = reference(name)[0]
    with_zeros = renamed(zeros, family)
    other = tmp_path / "zeros"
    shutil.copytree(FILES / name, other)
    write(find_checkpoint(other), checkpoint_bytes({"model": with_zeros} if family == "Coqui" else with_zeros))
    expected = offline(filled(read_checkpoint(other, Source())), mel)
    np.testing.assert_allclose(offline(filled(read_checkpoint(folder, Source())), mel), expected, atol=2e-6)


def test_transformers_without_normalisation_and_inside_a_larger_model(tmp_path):
    name = "transformers/speecht5_hifigan"
    tensors = {key: np.array(array) for key, array in safetensors.read(FILES / name / "model.safetensors").items()}
    arrays = np.load(FILES / name / "reference.npz")
    content = json.loads((FILES / name / "config.json").read_text())
    for number, (prefix, config) in enumerate(
        [
            ("", {**content, "normalize_before": False}),
            ("vocoder.", {"vocoder_config": {**content, "normalize_before": False}, "model_type": "with_hifigan"}),
        ]
    ):
        folder = tmp_path / str(number)
        folder.mkdir()
        write(folder / "config.json", json.dumps(config).encode())
        larger = {f"{prefix}{key}": array for key, array in tensors.items()}
        if prefix:
            larger["model.encoder.layer.weight"] = np.zeros((3, 3), np.float32)
        write(folder / "model.safetensors", safetensors_bytes(larger))
        imported = read_checkpoint(folder, Source())
        assert imported.config.generator.input_mean == 0.0
        normalised = (arrays["mel"] - arrays["mean"]) / arrays["scale"]
        np.testing.assert_allclose(offline(filled(imported), normalised), arrays["audio"], atol=5e-6)


def keys_of(family: str, config: dict, bands: int) -> Config:
    """Our config of a library's, for a first convolution of this number of bands."""
    [found] = [each for each in families.FAMILIES if each.name == family]
    first = {"conv_pre.weight": np.zeros((32, bands, 7), np.float32), "mean": np.zeros(bands), "scale": np.ones(bands)}
    keys = imported_module._complete(found, found.keys(config), first)
    keys.pop("unbiased", None)
    return Config.from_dict(keys)


def test_configs_of_other_models_of_transformers():
    fast_speech = keys_of(
        "transformers", {"model_type": "hifigan", "architectures": ["FastSpeech2ConformerHifiGan"]}, 80
    )
    assert (fast_speech.audio.sampling_rate, fast_speech.audio.hop_size, fast_speech.audio.mel_log) == (
        22050,
        256,
        "log10",
    )
    assert fast_speech.generator.upsample_kernel_sizes == (16, 16, 4, 4)
    audioldm = keys_of(
        "transformers",
        {
            "model_type": "hifigan",
            "model_in_dim": 64,
            "normalize_before": False,
            "sampling_rate": 16000,
            "upsample_rates": [5, 4, 2, 2, 2],
            "upsample_kernel_sizes": [16, 16, 8, 4, 4],
            "upsample_initial_channel": 1024,
        },
        64,
    )
    assert (audioldm.audio.hop_size, audioldm.audio.mel_log, audioldm.audio.mel_floor) == (160, "natural", 1e-5)
    assert audioldm.generator.upsample_output_padding is False
    assert audioldm.generator.input_mean == 0.0


@pytest.mark.parametrize(
    ("library", "without", "empty", "default", "framework"),
    [("ParallelWaveGAN", "negative_slope", {}, 0.1, 0.01), ("TensorFlowTTS", "alpha", {}, 0.2, 0.3)],
)
def test_the_slope_that_a_config_leaves_out(library, without, empty, default, framework):
    """The class's own where the parameters are missing, the framework's where they are there without it."""
    if library == "ParallelWaveGAN":
        config, key = plain_yaml.read(FILES / "parallel_wavegan" / "ljspeech_like" / "config.yml"), "generator_params"
    else:
        config, key = {"hifigan_generator_params": {}}, "hifigan_generator_params"
    for value, slope in ((None, default), (empty, framework), ({without: 0.25}, 0.25)):
        parameters = {name: item for name, item in config[key].items() if name != "nonlinear_activation_params"}
        if value is not None:
            parameters["nonlinear_activation_params"] = value
        assert keys_of(library, config | {key: parameters}, 80).generator.leaky_slope == slope


def test_what_tensorflowtts_does_where_its_config_is_silent_or_null():
    silent = keys_of("TensorFlowTTS", {"hifigan_generator_params": {}}, 80)
    assert (silent.generator.upsample_initial_channel, silent.generator.upsample_rates) == (128, (8, 8, 2, 2))
    assert (silent.audio.fmin, silent.audio.fmax, silent.audio.win_size) == (80, 7600, 1024)
    null = {"fmin": None, "fmax": None, "win_length": None, "fft_size": 2048}
    audio = keys_of("TensorFlowTTS", {"hifigan_generator_params": {}, **null}, 80).audio
    assert (audio.fmin, audio.fmax, audio.win_size, audio.n_fft) == (0, None, 2048, 2048)
    with pytest.raises(UserError, match="use_final_nolinear_activation is False: only True is imported"):
        keys_of("TensorFlowTTS", {"hifigan_generator_params": {"use_final_nolinear_activation": False}}, 80)


def test_what_nemo_does_where_its_config_is_silent():
    config = plain_yaml.read(FILES / "nemo" / "model_config.yaml")

    def changed(**values):
        mel = {**config["preprocessor"], **values}
        return config | {"preprocessor": {key: value for key, value in mel.items() if value != "missing"}}

    defaults = {"normalize": "per_feature", "mag_power": "2.0", "log_zero_guard_type": "add"}
    for key, default in defaults.items():
        with pytest.raises(UserError, match=f"{key} is {default}, the library's default: only"):
            keys_of("NeMo", changed(**{key: "missing"}), 80)
    for key, value in (("window", "hamming"), ("mel_norm", None), ("frame_splicing", 2)):
        with pytest.raises(UserError, match=f"{key} is {value}: only"):
            keys_of("NeMo", changed(**{key: value}), 80)
    for floor, expected in (("missing", 2**-24), ("eps", np.finfo(np.float32).eps), (1e-5, 1e-5)):
        assert keys_of("NeMo", changed(log_zero_guard_value=floor), 80).audio.mel_floor == expected
    for preemphasis, shown in ((0.97, "0.97"), ("missing", "0.97"), (None, None), (0.0, None)):
        note = families.nemo(changed(preemph=preemphasis)).get("note")
        assert note == (shown and f"its mels have a pre-emphasis of {shown}, which ours do not")


def test_coquis_lowest_level_where_its_config_is_silent():
    content = json.loads(COQUI_CONFIG.read_text())
    audio = {key: value for key, value in content["audio"].items() if key != "min_level_db"} | {"signal_norm": True}
    silent = keys_of("Coqui", content | {"audio": audio}, 80)
    assert silent == keys_of("Coqui", content | {"audio": audio | {"min_level_db": -100}}, 80)
    assert silent != keys_of("Coqui", content | {"audio": audio | {"min_level_db": -90}}, 80)


def test_the_hop_of_speechbrains_config_is_that_of_its_rates(tmp_path):
    folder = shutil.copytree(FILES / "speechbrain" / "tts_hifigan_like", tmp_path / "copy")
    text = (folder / "hyperparams.yaml").read_text()
    (folder / "hyperparams.yaml").write_text(f"{text}\nhop_length: 256\n")
    assert read_checkpoint(folder, Source()).config.audio.hop_size == 256
    (folder / "hyperparams.yaml").write_text(f"{text}\nhop_length: 300\n")
    with pytest.raises(UserError, match=r"their product is 256, and it must equal hop_size \(300\)"):
        read_checkpoint(folder, Source())


def test_configs_with_a_byte_order_mark(tmp_path):
    folder = shutil.copytree(FILES / "transformers" / "speecht5_hifigan", tmp_path / "copy")
    (folder / "config.json").write_bytes(b"\xef\xbb\xbf" + (folder / "config.json").read_bytes())
    imported = read_checkpoint(folder, Source())
    assert imported.config == read("transformers/speecht5_hifigan").config
    ours = write(tmp_path / "ours.json", b"\xef\xbb\xbf" + imported.config.dumps().encode())
    assert read_checkpoint(folder, Source(config=str(ours))).config == imported.config
    write(folder / "config.json", imported.config.dumps().encode("utf-16"))
    with pytest.raises(UserError, match=r"config.json cannot be read: it is UTF-16"):
        read_checkpoint(folder, Source())


def test_the_generator_and_its_moving_average_in_one_file():
    """A name that only contains these letters is no average."""
    for pair in (
        ("generator.", "ema.generator."),
        ("system.generator.", "model_ema.generator."),
        ("generator.", "ema_generator."),
    ):
        assert imported_module._preferred(set(pair)) == pair[0]
    assert imported_module._preferred({"semantic.generator.", "other."}) == "semantic.generator."


@pytest.mark.parametrize("base", [10.0, 2.0, None])
def test_the_base_of_parallel_wavegans_logarithm(base):
    config = plain_yaml.read(FILES / "parallel_wavegan" / "ljspeech_like" / "config.yml") | {"log_base": base}
    audio = keys_of("ParallelWaveGAN", config, 80).audio
    magnitude = 0.01
    theirs = math.log(magnitude) / math.log(base or math.e)
    logarithm = math.log10(magnitude) if audio.mel_log == "log10" else math.log(magnitude)
    assert (logarithm - audio.mel_mean) / audio.mel_scale == pytest.approx(theirs)


@pytest.mark.parametrize(
    ("config", "family"),
    [
        ("coqui/best_model_new_names/config.json", "Coqui"),
        ("nemo/model_config.yaml", "NeMo"),
        ("original", "the original"),
    ],
)
def test_tensors_in_the_originals_names_are_of_the_family_whose_config_is_beside_them(tmp_path, config, family):
    state = state_of("other/official.safetensors")
    write(tmp_path / "g_00000100", checkpoint_bytes({"generator": state}))
    write(tmp_path / "g_00000020", b"an older one")
    if config == "original":
        write(tmp_path / "config.json", read("other/official.safetensors").config.dumps().encode())
    else:
        shutil.copy(FILES / config, tmp_path)
    imported = read_checkpoint(tmp_path, Source())
    assert (imported.family.name, imported.warnings) == (family, [])
    assert imported.path.name == "g_00000100"
    assert imported.config.audio.mel_centred == (family == "Coqui")


def test_half_precision_safetensors(tmp_path):
    state = state_of("other/official.safetensors")
    halves = {key: array.astype(np.float16) for key, array in state.items()}
    read_back = safetensors.read(write(tmp_path / "h.safetensors", safetensors_bytes(halves)))
    for key, array in read_back.items():
        np.testing.assert_array_equal(array, halves[key])
    cut = safetensors.read(write(tmp_path / "b.safetensors", safetensors_bytes(state, bfloat16=True)))
    for key, array in cut.items():
        np.testing.assert_array_equal(array, (state[key].view(np.uint32) >> 16 << 16).view(np.float32))


@pytest.mark.parametrize("newer", [False, True], ids=["classic", "other spellings"])
@pytest.mark.parametrize("norm", ["folded", "left in"])
@pytest.mark.parametrize("where", ["inside", "external"])
def test_onnx_in_several_spellings(tmp_path, newer, norm, where):
    state = state_of("other/official.safetensors")
    options = read("other/official.safetensors").config.generator
    path = tmp_path / "model.onnx"
    external = tmp_path / "model.onnx.data" if where == "external" else None
    write(path, onnx_bytes(folded(state) if norm == "folded" else state, options, newer, external))
    same_network(read_checkpoint(path, Source()), "other/official.safetensors", "folded")


@pytest.mark.parametrize(
    ("kind", "rounded"),
    [
        (10, lambda a: a.astype(np.float16).astype(np.float32)),
        (16, lambda a: (a.view(np.uint32) >> 16 << 16).view(np.float32)),
    ],
    ids=["float16", "bfloat16"],
)
@pytest.mark.parametrize("field", ["raw", "integers"])
def test_onnx_of_half_precision(tmp_path, kind, rounded, field):
    """Integer fields hold the bit patterns of types of two bytes."""
    state = folded(state_of("other/official.safetensors"))
    state = {key: np.ascontiguousarray(array) for key, array in state.items()}

    class Halves(OnnxWriter):
        def constant(self, array, name=""):
            array = np.asarray(array)
            if array.dtype != np.float32 or array.size < 2:
                return super().constant(array, name)
            name = f"const_{len(self.initializers)}"
            bits = array.astype("<f2").view("<u2") if kind == 10 else (array.view("<u4") >> 16).astype("<u2")
            data = (
                entry(9, bits.tobytes())
                if field == "raw"
                else entry(5, b"".join(map(varint, bits.reshape(-1).tolist())))
            )
            self.initializers.append(
                b"".join(entry(1, size) for size in array.shape) + entry(2, kind) + entry(8, name) + data
            )
            return name

    writer = Halves()
    options = read("other/official.safetensors").config.generator
    path = write(tmp_path / "half.onnx", writer.dump(writer.generator(state, options)))
    tensors = read_checkpoint(path, Source()).tensors
    assert tensors.keys() == state.keys()
    for name in ("conv_pre.weight", "ups.3.weight", "resblocks.7.convs2.2.bias"):
        np.testing.assert_array_equal(tensors[name], rounded(state[name]))


def test_onnx_whose_weights_are_constants_of_nodes(tmp_path):
    """As old exporters wrote them: a weight norm over them grows no more than over initializers."""
    state = state_of("other/official.safetensors")
    options = read("other/official.safetensors").config.generator

    class Nodes(OnnxWriter):
        def constant(self, array, name=""):
            super().constant(array, name)
            output = self.node("Constant", [])
            value = entry(1, "value") + entry(5, self.initializers.pop()) + entry(20, 4)
            self.nodes[-1] += entry(5, value)
            return output

    writer = Nodes(newer=True)
    path = write(tmp_path / "nodes.onnx", writer.dump(writer.generator(state, options)))
    same_network(read_checkpoint(path, Source()), "other/official.safetensors", "folded")


def test_onnx_data_without_a_length_goes_on_to_the_end(tmp_path):
    write(tmp_path / "data", np.arange(4, dtype=np.float32).tobytes())
    place = entry(13, entry(1, "location") + entry(2, "data")) + entry(13, entry(1, "offset") + entry(2, "4"))
    content = entry(7, entry(5, entry(1, 3) + entry(2, 1) + entry(8, "w") + place))
    np.testing.assert_array_equal(onnx_graph.Graph(content, tmp_path).constants["w"], [1, 2, 3])


def test_onnx_of_other_networks(tmp_path):
    """Residual blocks of one convolution, odd kernels, other slopes, a normalised input, no bias in the last."""
    import keras
    from test_odd_kernels import AUDIO, GENERATOR

    from hifigan_tf.checkpoints.official import named_convolutions
    from hifigan_tf.config import GeneratorConfig
    from hifigan_tf.models.generator import Generator

    for changes in ({"resblock": "2"}, {"upsample_output_padding": False, "leaky_slope": 0.2, "last_leaky_slope": 0.3}):
        options = GeneratorConfig(**{**vars(GENERATOR), **changes, "input_mean": -3.0, "input_scale": 2.0})
        keras.utils.set_random_seed(1)
        generator = Generator.of(options, AUDIO)
        generator.conv_post.bias.assign([0.0])
        state = {}
        for name, layer in named_convolutions(generator).items():
            state[f"{name}.weight"] = np.asarray(layer.effective_kernel()).T
            state[f"{name}.bias"] = np.asarray(layer.bias)
        del state["conv_post.bias"]
        writer = OnnxWriter(newer=True)
        centred = writer.node("Sub", ["mel", writer.constant(np.full((1, 80, 1), -3.0, np.float32))])
        scaled = writer.node("Div", [centred, writer.constant(np.full((1, 80, 1), 2.0, np.float32))])
        path = write(tmp_path / "model.onnx", writer.dump(writer.generator(state, options, scaled)))
        config = tmp_path / "audio.json"
        with pytest.raises(
            UserError, match=r"makes 300 samples of a frame, so its mel is not the usual one .*--config"
        ):
            read_checkpoint(path, Source())
        whole = Config.load(Path(__file__).parents[1] / "configs" / "v1_24k.json").to_dict() | options.to_dict()
        config.write_text(json.dumps(whole | {"fmin": 80, "fmax": 7600}))
        imported = read_checkpoint(path, Source(config=str(config)))
        mel = np.random.default_rng(0).normal(-3, 2, (20, 80)).astype(np.float32)
        np.testing.assert_allclose(offline(filled(imported), mel), offline(generator, mel), atol=2e-6)


def test_tensorflowtts_with_its_config_and_statistics(tmp_path):
    folder = shutil.copytree(FILES / "tensorflowtts", tmp_path / "copy")
    parameters = {
        "filters": 32,
        "upsample_scales": [8, 8, 2, 2],
        "stack_kernel_size": [3, 7],
        "stack_dilation_rate": [[1, 3, 5], [1, 3, 5]],
        "nonlinear_activation_params": {"alpha": 0.2},
    }
    (folder / "config.yml").write_text(json.dumps({"hifigan_generator_params": parameters, "hop_size": 256}))
    np.save(folder / "stats.npy", np.stack([np.linspace(-3, -1, 80), np.linspace(0.5, 1, 80)]))
    imported = read_checkpoint(folder, Source())
    assert not imported.warnings
    np.testing.assert_allclose(imported.config.audio.mel_mean, np.linspace(-3, -1, 80))
    mel, audio = reference("tensorflowtts")
    np.testing.assert_allclose(offline(filled(imported), mel), audio, atol=5e-6)


def weight_normed(arrays: dict, rng) -> dict:
    """The arrays of TensorFlowTTS's file as ``is_weight_norm: true`` names them: not in residual blocks."""
    result, numbers = {}, {"conv1d": 4, "conv1d_49": 5}
    for name, array in arrays.items():
        layer, _, parameter = name.rpartition("/")
        inner = layer.rpartition("/")[2]
        if "hifigan_resblock" in layer:
            result[name] = array
            continue
        number = numbers.get(inner, int(inner.rpartition("_")[2]) if inner[-1].isdigit() else 0)
        wrapper = layer[: -len(inner)] + f"weight_normalization_{number}".removesuffix("_0")
        if parameter == "kernel:0":
            filters = -2 if "transpose" in inner else -1
            others = tuple(axis for axis in range(array.ndim) if axis != array.ndim + filters)
            shape = [1] * array.ndim
            shape[filters] = array.shape[filters]
            result[f"{wrapper}/g:0"] = np.sqrt(np.square(array).sum(axis=others))
            result[f"{wrapper}/initialized:0"] = np.array(True)
            array = array * rng.uniform(0.5, 2, shape).astype(np.float32)
        result[f"{wrapper}/{parameter}"] = array
    return result


def test_tensorflowtts_with_weight_norm_and_without_biases(tmp_path):
    arrays = hdf5.read(FILES / "tensorflowtts" / "generator-100.h5")
    expected = state_of("tensorflowtts")

    def saved(content: dict) -> Path:
        with h5py.File(tmp_path / "model.h5", "w") as file:
            for name, array in content.items():
                file[name] = array
        return tmp_path

    normed = weight_normed(arrays, np.random.default_rng(0))
    assert sum(name.endswith("/g:0") for name in normed) == 6
    tensors = read_checkpoint(saved(normed), Source()).tensors
    assert tensors.keys() == expected.keys()
    for name, array in tensors.items():
        np.testing.assert_allclose(array, expected[name], rtol=1e-5, atol=1e-8)
    gain = next(name for name in normed if name.endswith("/g:0"))
    with pytest.raises(UserError, match=r"gains of a kernel .*: it is damaged"):
        read_checkpoint(saved(normed | {gain: np.ones(3, np.float32)}), Source())
    # Only transposed convolutions keep their biases with use_bias: false.
    lacking = {name: array for name, array in arrays.items() if "transpose" in name or "bias" not in name}
    assert 0 < len(arrays) - len(lacking) == sum(name.endswith("bias") for name in expected) - 4
    with pytest.raises(UserError, match=r"missing: conv_pre\.bias and 49 more"):
        read_checkpoint(saved(lacking), Source())
    parameters = {"filters": 32, "use_bias": False, "stack_kernel_size": [3, 7], "stack_dilation_rate": [[1, 3, 5]] * 2}
    (tmp_path / "config.yml").write_text(json.dumps({"hifigan_generator_params": parameters}))
    tensors = read_checkpoint(tmp_path, Source()).tensors
    for name, array in expected.items():
        zero = name.endswith("bias") and not name.startswith("ups.")
        np.testing.assert_array_equal(tensors[name], np.zeros_like(array) if zero else array)


def test_without_a_config_all_that_is_assumed_is_reported():
    for name in ("tensorflowtts", "other/lightning.ckpt", "onnx/folded_old.onnx"):
        [first, *_] = read(name).warnings
        assert first.startswith("no config beside ")
        assert first.endswith("are assumed; see --config")
    assert not read("parallel_wavegan/24k_like").warnings
    assert not read("nemo/hifigan.nemo").warnings


def test_speaker_layers_need_a_vector_of_their_size(tmp_path, speaker):
    with pytest.raises(UserError, match="is of several speakers: give the vector of one, 16 numbers, with --speaker"):
        read_checkpoint(FILES / "coqui/with_speaker", Source(config=str(COQUI_CONFIG)))
    np.save(tmp_path / "short.npy", np.zeros(3))
    with pytest.raises(UserError, match=r"short.npy has 3 numbers: this checkpoint takes 16"):
        read("coqui/with_speaker", tmp_path / "short.npy")
    write(tmp_path / "text.npy", b"no array")
    with pytest.raises(UserError, match=r"text.npy is no .npy file"):
        read("coqui/with_speaker", tmp_path / "text.npy")
    with pytest.raises(UserError, match="has no layers for a speaker: leave out --speaker-vector"):
        read("nemo/hifigan.nemo", speaker_vector=speaker)


def test_a_config_of_ours_is_complete(tmp_path):
    config = tmp_path / "ours.json"
    config.write_text(read("parallel_wavegan/24k_like").config.dumps())
    folder = FILES / "parallel_wavegan" / "24k_like"
    imported = read_checkpoint(folder, Source(config=str(config)))
    assert imported.config == read("parallel_wavegan/24k_like").config
    with pytest.raises(UserError, match="is a config of ours, which has that already: leave out --sampling-rate"):
        read_checkpoint(folder, Source(config=str(config), sampling_rate=16000))


def test_the_rate_of_a_config_that_states_none():
    assert read("speechbrain/tts_hifigan_like").config.audio.sampling_rate == 22050
    source = Source(sampling_rate=16000)
    assert read_checkpoint(FILES / "speechbrain/tts_hifigan_like", source).config.audio.sampling_rate == 16000


# A family more.


def test_the_exercise_of_contributing_adds_a_family(tmp_path, monkeypatch):
    text = (Path(__file__).parents[1] / "CONTRIBUTING.md").read_text()
    code = re.search(r"```python\n(def acme.*?)```", text, re.DOTALL)[1]
    assert len(code.splitlines()) < 40
    names = {"Family": families.Family, "OFFICIAL_MEL": families.OFFICIAL_MEL, "Mapping": dict}
    exec(code, names)
    monkeypatch.setattr(families, "FAMILIES", (names["ACME"], *families.FAMILIES))
    state = state_of("nemo/hifigan.nemo")
    for ours, theirs in (("conv_pre", "first"), ("conv_post", "last"), ("ups", "up"), ("resblocks", "block")):
        state = {re.sub(rf"^{ours}\.", f"{theirs}.", key): array for key, array in state.items()}
    (tmp_path / "config.yml").write_text(
        "vocoder:\n  {rates: [8, 8, 2, 2], channels: 32, kernels: [3, 7], rate: 22050}"
    )
    write(tmp_path / "acme.pt", checkpoint_bytes({"weights": state}))
    imported = read_checkpoint(tmp_path, Source())
    assert imported.family.name == "Acme"
    assert (imported.config.audio.mel_centred, imported.config.generator.leaky_slope) == (True, 0.2)
    np.testing.assert_array_equal(imported.tensors["ups.1.bias"].numpy(), state["up.1.bias"])


# The command line.


def test_the_command_imports_a_folder_and_training_goes_on_from_it(tmp_path, capsys):
    output, run = tmp_path / "new" / "voice.keras", tmp_path / "run"
    main([str(FILES / "speechbrain" / "tts_hifigan_like"), "--output", str(output)])
    first = capsys.readouterr().out.splitlines()[0]
    assert first.startswith("found a checkpoint of SpeechBrain, PyTorch (generator.ckpt), with config ")
    config = Config.load(output.with_suffix(".json"))
    generator = load_generator(output)
    assert (generator.hyper_parameters, generator.audio) == (config.generator, config.audio)
    narrow = config.replace(mpd_periods=[2], msd_scales=0, discriminator_channels=128, batch_size=1)
    write(tmp_path / "narrow.json", narrow.dumps().encode())
    corpus = write_speech(tmp_path, 1, clips=2)
    options = ["--config", tmp_path / "narrow.json", "--initial-checkpoint", output, "--data", corpus]
    options += ["--run-dir", run, "--max-steps", 2, "--learning-rate", 1e-6]
    assert train.main([*map(str, options)]) == 0
    trained = load_generator(run / "last.keras")
    assert (trained.hyper_parameters, trained.audio) == (config.generator, config.audio)
    assert (config.generator.padding, config.audio.mel_centred) == ("reflect", True)
    mel, audio = reference("speechbrain/tts_hifigan_like")
    changed = np.abs(offline(trained, mel) - audio)
    assert 1e-6 < changed.max() < 0.01  # two small steps from the library's own audio


@pytest.mark.parametrize(
    "name", ["transformers/speecht5_hifigan", "parallel_wavegan/24k_like", "speechbrain/tts_hifigan_like"]
)
def test_the_commands_make_an_int8_model_that_knows_its_mel(tmp_path, name):
    """A normalised input, odd kernels with a normalised mel, and reflection, through the quality gate."""
    main([str(FILES / name), "--output", str(tmp_path / "s.keras")])
    (tmp_path / "speech").mkdir()
    samples, rate = read_audio(find_audio(DEMO_HELD_OUT)[0])
    wanted = read(name).config.audio.sampling_rate
    write_wav(tmp_path / "speech" / "a.wav", resample(samples, rate, wanted), wanted)
    options = ["--checkpoint", str(tmp_path / "s.keras"), "--int8", "--evaluation-data", str(tmp_path / "speech")]
    # The weights are random, so its limits mean nothing.
    options += ["--max-pesq-drop", "9", "--max-mel-difference", "99", "--output", str(tmp_path / "s.tflite")]
    to_tflite.main(options)
    model = load_tflite(tmp_path / "s.tflite")
    assert model.audio == read(name).config.audio
    assert (model.audio.mel_centred, model.contract.mode) == (True, "int8")
    assert model.contract.quality["log_mel_l1_to_float"] > 0
    mel, audio = reference(name)
    assert snr(audio, stream(model, mel, [7])) > 15


def test_a_config_beside_the_output_is_not_replaced(tmp_path):
    """Such as the library's own, given under the name of the output."""
    config = shutil.copy(FILES / "speechbrain" / "tts_hifigan_like" / "hyperparams.yaml", tmp_path / "voice.yaml")
    theirs = write(tmp_path / "voice.json", json.dumps(plain_yaml.read(Path(config))).encode())
    before = theirs.read_bytes()
    command = [str(FILES / "speechbrain" / "tts_hifigan_like"), "--output", str(tmp_path / "voice.keras")]
    with pytest.raises(UserError, match=r"voice.json, where the config goes, exists and is another: move it"):
        main([*command, "--config", str(theirs)])
    assert theirs.read_bytes() == before
    assert sorted(path.name for path in tmp_path.iterdir()) == ["voice.json", "voice.yaml"]
    theirs.unlink()
    for _ in range(2):  # once more gives the same
        main(command)
    assert Config.load(theirs).generator.reflects


@pytest.mark.parametrize("name", ["import-checkpoint", "import", "import_torch"])
def test_every_name_of_the_command(name):
    done = subprocess.run(
        [sys.executable, "-m", "hifigan_tf", name, "--help"], capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0
    assert "--speaker-vector" in done.stdout
    done = subprocess.run([sys.executable, "-m", "hifigan_tf", "--help"], capture_output=True, text=True, timeout=120)
    assert "import-checkpoint" in done.stdout
