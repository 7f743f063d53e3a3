"""The families of checkpoints: how each names its tensors, how its config reads, which mel it takes.

A family is an entry of ``FAMILIES``: CONTRIBUTING.md adds one. Everything is translated to the original's names
(``official.py``) and to the keys of our own configs.
"""

import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from hifigan_tf.config import LOG_FLOOR
from hifigan_tf.errors import UserError, brief

# The mel of the original, and of libraries that follow librosa: frames centred, base 10, a lower floor.
OFFICIAL_MEL = {"sampling_rate": 22050, "n_fft": 1024, "win_size": 1024, "fmin": 0, "fmax": 8000}
LIBROSA_MEL = {"mel_log": "log10", "mel_floor": 1e-10, "mel_centred": True, "fmin": 80, "fmax": 7600}
# What a library does where its config has no key for it.
DILATIONS = {("1", 3): [1, 3, 5], ("2", 2): [1, 3]}  # by the kind of residual block and the number of dilations
V3_BLOCKS = [3, 5, 7], [[1, 2], [2, 6], [3, 12]]


@dataclass(frozen=True)
class Family:
    """One library's way to keep a HiFi-GAN.

    ``sign`` is a pattern that the name of one of its tensors matches, and ``config_sign`` a key that only its configs
    have. ``names`` are pairs of a pattern and its replacement, which give the original's names. ``keys`` reads its
    config as our keys; it may raise any of the errors of looking up what is not there. ``mel`` holds the audio keys
    that it leaves open, and ``generator`` the generator's that hold for all its models. ``first`` is its name of the
    first convolution, a pattern, by which the generator is found in a larger model.

    Besides ours, ``keys`` may give ``unbiased``, a pattern of the names of convolutions whose missing biases are zeros
    (None: of none), and ``note``, what our mel cannot express.
    """

    name: str
    sign: str
    config_sign: str
    keys: Callable[[Mapping], dict]
    names: tuple[tuple[str, str], ...] = ()
    mel: Mapping = field(default_factory=dict)
    generator: Mapping = field(default_factory=dict)
    first: str = "conv_pre"
    unbiased: str | None = None  # where there is no config
    formats: tuple[str, ...] = ()  # ``Content.format`` of files that only this library writes
    odd_kernels: bool | None = False  # ``upsample_output_padding`` of odd kernels; None refuses them
    normalised: bool = False  # whether its mels have statistics, in a file beside the checkpoint

    def translated(self, tensors: Mapping) -> dict:
        """``tensors`` under the original's names; those that are no convolution keep theirs."""
        result: dict = {}
        for name, tensor in tensors.items():
            for pattern, replacement in self.names:
                name = re.sub(pattern, replacement, name)
            result[name] = tensor
        return result


def _read(parameters: Mapping, keys: Mapping[str, tuple[str, Any]]) -> dict:
    """``{our key: value}`` of ``keys``, ``{our key: (the library's key, the default of its class)}``."""
    return {ours: parameters.get(theirs, default) for ours, (theirs, default) in keys.items()}


def _expect(config: Mapping, key: str, wanted, default) -> None:
    """Raises ``UserError`` unless the config's value, or its library's default, is the one that we have."""
    if (value := config.get(key, default)) != wanted:
        known = "" if key in config else ", the library's default"
        raise UserError(f"{key} is {brief(value)}{known}: only {wanted} is imported")


def _slope(parameters: Mapping, key: str, default: float, frameworks: float) -> float:
    """The slope of LeakyReLUs: ``default`` is the library's, ``frameworks`` that of parameters without the key."""
    _expect(parameters, "nonlinear_activation", "LeakyReLU", "LeakyReLU")
    return parameters.get("nonlinear_activation_params", {key: default}).get(key, frameworks)


def _preemphasis(value) -> dict:
    """A note on a pre-emphasis, where there is one."""
    return {"note": f"its mels have a pre-emphasis of {brief(value)}, which ours do not"} if value else {}


# What the classes of most libraries do where a config has no such key.
BLOCKS = {
    "resblock_kernel_sizes": ("resblock_kernel_sizes", [3, 7, 11]),
    "resblock_dilation_sizes": ("resblock_dilation_sizes", [[1, 3, 5]] * 3),
    "upsample_initial_channel": ("upsample_initial_channel", 512),
}
SPEECHT5 = BLOCKS | {
    "upsample_rates": ("upsample_rates", [4, 4, 4, 4]),
    "upsample_kernel_sizes": ("upsample_kernel_sizes", [8, 8, 8, 8]),
    "leaky_slope": ("leaky_relu_slope", 0.1),
    "num_mels": ("model_in_dim", 80),
    "sampling_rate": ("sampling_rate", 16000),
    "normalize_before": ("normalize_before", True),
}
FASTSPEECH2 = SPEECHT5 | {
    "upsample_rates": ("upsample_rates", [8, 8, 2, 2]),
    "upsample_kernel_sizes": ("upsample_kernel_sizes", [16, 16, 4, 4]),
    "sampling_rate": ("sampling_rate", 22050),
}


def transformers(config: Mapping) -> dict:
    """SpeechT5HifiGan and FastSpeech2ConformerHifiGan; also inside a model with its vocoder."""
    config = config.get("vocoder_config", config)
    fast_speech = any("FastSpeech2" in name for name in [*config.get("architectures", []), config["model_type"]])
    keys = {"resblock": "1"} | _read(config, FASTSPEECH2 if fast_speech else SPEECHT5)
    if not keys["normalize_before"] and keys["num_mels"] == 64:  # AudioLDM's
        keys |= {"mel_log": "natural", "mel_floor": LOG_FLOOR, "mel_centred": False, "fmin": 0, "fmax": 8000}
    return keys


PARALLEL_WAVEGAN = {
    "upsample_rates": ("upsample_scales", [8, 8, 2, 2]),
    "upsample_kernel_sizes": ("upsample_kernal_sizes", [16, 16, 4, 4]),  # as its older versions spell it
    "upsample_initial_channel": ("channels", 512),
    "resblock_kernel_sizes": ("resblock_kernel_sizes", [3, 7, 11]),
    "resblock_dilation_sizes": ("resblock_dilations", [[1, 3, 5]] * 3),
    "num_mels": ("in_channels", 80),
}


def parallel_wavegan(config: Mapping) -> dict:
    """ParallelWaveGAN, with which ESPnet's vocoders are trained."""
    kind, parameters = config.get("generator_type", "ParallelWaveGANGenerator"), config["generator_params"]
    if kind != "HiFiGANGenerator":
        raise UserError(f"its generator is a {brief(kind)}, not a HiFiGANGenerator: only HiFi-GANs are imported")
    if parameters.get("use_causal_conv"):
        raise UserError("its generator is the causal variant (use_causal_conv), another network: it is not imported")
    _expect(config, "window", "hann", "hann")
    base = config.get("log_base", 10.0)
    keys = _read(parameters, PARALLEL_WAVEGAN) | {
        "resblock": "1" if parameters.get("use_additional_convs", True) else "2",
        "leaky_slope": _slope(parameters, "negative_slope", default=0.1, frameworks=0.01),
        "sampling_rate": config["sampling_rate"],
        "n_fft": config["fft_size"],
        "hop_size": config["hop_size"],
        "win_size": config.get("win_length") or config["fft_size"],
        "fmin": config.get("fmin") or 0,
        "fmax": config.get("fmax"),
        "mel_log": "log10" if base == 10 else "natural",
        "unbiased": None if parameters.get("bias", True) else r"resblocks\..*",
    }
    if parameters.get("upsample_kernel_sizes"):
        keys["upsample_kernel_sizes"] = parameters["upsample_kernel_sizes"]
    if base == 2:  # log2 is the natural logarithm over ln 2
        keys |= {"mel_scale": math.log(2)}
    elif base not in (10, None):
        raise UserError(f"log_base is {brief(base)}: 10, 2 and null are known")
    return keys


COQUI = BLOCKS | {
    "upsample_rates": ("upsample_factors", [8, 8, 2, 2]),
    "upsample_kernel_sizes": ("upsample_kernel_sizes", [16, 16, 4, 4]),
    "replicated_frames": ("inference_padding", 5),
}
COQUI_AUDIO = {
    "num_mels": ("num_mels", 80),
    "sampling_rate": ("sample_rate", 22050),
    "n_fft": ("fft_size", 1024),
    "fmax": ("mel_fmax", None),
}


def coqui(config: Mapping) -> dict:
    """Coqui's TTS; its range normalisation is a mean and a scale, and the lower clip of it a floor."""
    _expect(config, "generator_model", "hifigan_generator", "hifigan_generator")
    parameters, audio = config.get("generator_model_params", {}), config["audio"]
    keys = _read(parameters, COQUI) | _read(audio, COQUI_AUDIO)
    keys |= {
        "resblock": str(parameters.get("resblock_type", "1")),
        "hop_size": audio.get("hop_length") or 256,
        "win_size": audio.get("win_length") or keys["n_fft"],
        "fmin": audio.get("mel_fmin") or 0,
        "unbiased": "conv_post" if parameters.get("conv_post_bias") is False else None,
    }
    if not audio.get("do_amp_to_db_mel", True):
        raise UserError("do_amp_to_db_mel is false: mels without a logarithm are not imported")
    return keys | _preemphasis(audio.get("preemphasis")) | _coqui_levels(audio)


def _coqui_levels(audio: Mapping) -> dict:
    """``gain * log(magnitude)``, then mapped to a range where ``signal_norm`` is set, as keys of our mel."""
    base = 10 if audio.get("log_func", "np.log10") == "np.log10" else math.e
    gain, floor = audio.get("spec_gain", 20), 1e-8
    if gain <= 0:
        raise UserError(f"spec_gain is {brief(gain)}: it must be above 0")
    factor, offset = float(gain), 0.0  # the mel is factor * log + offset
    if audio.get("signal_norm", True):
        if audio.get("stats_path"):
            return {"mel_log": "log10" if base == 10 else "natural", "mel_floor": floor, "statistics_gain": factor}
        lowest, reference = audio.get("min_level_db", -100), audio.get("ref_level_db", 20)
        reach = audio.get("max_norm", 4.0)
        span = (2 if audio.get("symmetric_norm", True) else 1) * reach
        start = -reach if audio.get("symmetric_norm", True) else 0.0
        factor, offset = factor * span / -lowest, span * (-reference - lowest) / -lowest + start
        if audio.get("clip_norm", True):
            floor = max(floor, base ** ((lowest + reference) / gain))
    return {
        "mel_log": "log10" if base == 10 else "natural",
        "mel_floor": floor,
        "mel_mean": -offset / factor if offset else 0.0,
        "mel_scale": 1 / factor,
    }


def nemo(config: Mapping) -> dict:
    """NeMo's HifiGanModel."""
    target = str(config.get("target", "HifiGanModel"))
    if not target.endswith("HifiGanModel"):
        raise UserError(f"it is a {brief(target.rpartition('.')[2])}, not a HifiGanModel: only HiFi-GANs are imported")
    generator, mel = config["generator"], config["preprocessor"]
    # The defaults are those of its FilterbankFeatures, which are for recognition.
    _expect(mel, "log", True, True)
    _expect(mel, "mag_power", 1.0, 2.0)
    _expect(mel, "normalize", None, "per_feature")
    _expect(mel, "log_zero_guard_type", "clamp", "add")
    _expect(mel, "window", "hann", "hann")
    _expect(mel, "mel_norm", "slaney", "slaney")
    _expect(mel, "frame_splicing", 1, 1)
    floor = mel.get("log_zero_guard_value", 2**-24)
    return {
        **{key: generator[key] for key in GENERATOR_KEYS},
        "resblock": str(generator["resblock"]),
        "num_mels": mel["nfilt"],
        "sampling_rate": mel["sample_rate"],
        "n_fft": mel["n_fft"],
        "hop_size": mel["n_window_stride"],
        "win_size": mel["n_window_size"],
        "fmin": mel.get("lowfreq") or 0,
        "fmax": mel.get("highfreq"),
        "mel_floor": {"eps": 2**-23, "tiny": 2**-126}.get(floor, floor),
        "mel_centred": not mel.get("exact_pad", False),
        "mel_symmetric_window": True,
        **_preemphasis(mel.get("preemph", 0.97)),
    }


GENERATOR_KEYS = (
    "upsample_rates",
    "upsample_kernel_sizes",
    "upsample_initial_channel",
    "resblock_kernel_sizes",
    "resblock_dilation_sizes",
)


def speechbrain(config: Mapping) -> dict:
    """SpeechBrain's HifiganGenerator; ``<name>`` refers to another key of the file."""

    def value(key, default=None):
        found = config.get("generator", {}).get(key, config.get(key, default))
        for _ in range(10):
            if not (isinstance(found, str) and (match := re.fullmatch(r"<(\w+)>", found))):
                return found
            found = config.get(match[1], default)
        raise ValueError(f"{key} refers to itself")

    return {
        "resblock": str(value("resblock_type")),
        "upsample_rates": value("upsample_factors"),
        **{key: value(key) for key in GENERATOR_KEYS[1:]},
        "num_mels": value("in_channels"),
        "replicated_frames": value("inference_padding", 5),
        "sampling_rate": value("sample_rate", OFFICIAL_MEL["sampling_rate"]),
        "n_fft": value("n_fft", OFFICIAL_MEL["n_fft"]),
        "win_size": value("win_length", OFFICIAL_MEL["win_size"]),
        "fmin": value("mel_fmin", OFFICIAL_MEL["fmin"]),
        "fmax": value("mel_fmax", OFFICIAL_MEL["fmax"]),
        "unbiased": "conv_post" if value("conv_post_bias", True) is False else None,
        **({} if (hop := value("hop_length")) is None else {"hop_size": hop}),
    }


TENSORFLOW_TTS = {
    "upsample_rates": ("upsample_scales", [8, 8, 2, 2]),
    "upsample_initial_channel": ("filters", 128),
    "resblock_kernel_sizes": ("stack_kernel_size", [3, 7, 11]),
    "resblock_dilation_sizes": ("stack_dilation_rate", [[1, 3, 5]] * 3),
}
TENSORFLOW_TTS_AUDIO = {
    **{key: key for key in ("sampling_rate", "hop_size", "num_mels", "fmin", "fmax")},
    "n_fft": "fft_size",
    "win_size": "win_length",
}


def tensorflow_tts(config: Mapping) -> dict:
    """TensorFlowTTS; every LeakyReLU has the same slope, the last too."""
    parameters = config["hifigan_generator_params"]
    slope = _slope(parameters, "alpha", default=0.2, frameworks=0.3)
    _expect(parameters, "padding_type", "REFLECT", "REFLECT")
    _expect(parameters, "use_final_nolinear_activation", True, True)  # as the library spells it
    keys = _read(parameters, TENSORFLOW_TTS)
    keys |= {
        "resblock": "1",
        "upsample_kernel_sizes": [2 * rate for rate in keys["upsample_rates"]],
        "leaky_slope": slope,
        "last_leaky_slope": slope,
        "unbiased": r".*" if parameters.get("use_bias") is False else None,
    }
    keys |= {ours: config[theirs] for ours, theirs in TENSORFLOW_TTS_AUDIO.items() if theirs in config}
    # Null is the lowest frequency, and for fmax the highest as it is in our configs.
    if keys.get("fmin", 0) is None:
        keys["fmin"] = 0
    if keys.get("win_size", 0) is None:
        keys["win_size"] = keys.get("n_fft", 1024)
    return keys


def the_original(config: Mapping) -> dict:
    """The original's own config, in which ours are written too, and which is read before this is asked."""
    raise UserError("it lacks keys of the original's configs: configs/v1.json shows all")


def keras_names(arrays: Mapping) -> dict:
    """The arrays of TensorFlowTTS's HDF5 file, ``{path: array}``, under the original's names and in its shapes.

    Keras numbers its convolutions in the order in which they were made, so only their order counts. Weight norm, which
    the library applies to the first and the last convolution and to upsampling, is folded: its gains of upsampling are
    of the filters, where PyTorch's are of the inputs.
    """
    found: dict[tuple, dict[str, Any]] = {}
    for path, array in arrays.items():
        layer, _, parameter = path.rpartition("/")
        if parameter == "g:0":
            continue
        if parameter == "kernel:0" and (gain := arrays.get(f"{layer}/g:0")) is not None:
            array = _normed(array, gain, axis=-2 if "conv_transpose" in layer else -1)
        if match := re.search(r"multi_hifigan_resblock_\._(\d+)/hifigan_resblock_\._(\d+)/conv1d(?:_(\d+))?$", layer):
            place: tuple = ("resblocks", int(match[1]), int(match[2]), int(match[3] or 0))
        elif match := re.search(r"conv_transpose_\._(\d+)/(?:conv2d_transpose|weight_normalization)(?:_\d+)?$", layer):
            place, array = ("ups", int(match[1])), array[:, 0] if array.ndim == 4 else array
        elif match := re.search(r"(^|/)(?:conv1d|weight_normalization)(?:_(\d+))?$", layer):
            place = ("ends", int(match[2] or 0))
        else:
            raise UserError(f"has {brief(path)}, which is no part of a HiFi-GAN")
        found.setdefault(place, {})[{"kernel:0": "weight", "bias:0": "bias"}.get(parameter, parameter)] = array.T
    blocks = 1 + max((place[2] for place in found if place[0] == "resblocks"), default=0)
    names: dict[str, dict] = {}
    counts: dict[str, int] = {}
    for place in sorted(found):
        name = ".".join(map(str, place))
        if place[0] == "ends":
            name = "conv_post" if "conv_pre" in names else "conv_pre"
        elif place[0] == "resblocks":
            block = f"resblocks.{place[1] * blocks + place[2]}"
            counts[block] = counts.get(block, -1) + 1  # a dilated convolution, then a plain one
            name = f"{block}.convs{1 + counts[block] % 2}.{counts[block] // 2}"
        names[name] = found[place]
    return {f"{name}.{parameter}": array for name, layer in names.items() for parameter, array in layer.items()}


def _normed(kernel, gain, axis: int):
    """A Keras kernel of the gains of its filters, which are on ``axis``. Raises ``UserError`` where they do not fit."""
    import numpy as np

    if kernel.ndim < 3 or gain.shape != (kernel.shape[axis],):
        raise UserError(f"has {brief(gain.shape)} gains of a kernel {brief(kernel.shape)}: it is damaged")
    others = tuple(each for each in range(kernel.ndim) if each != kernel.ndim + axis)
    squares = np.square(kernel).sum(axis=others, keepdims=True)
    return kernel / np.sqrt(np.maximum(squares, 1e-12)) * gain.reshape(gain.shape + (1,) * (-1 - axis))


ORIGINAL = Family("the original", r"(^|\.)conv_pre\.", "upsample_rates", the_original, mel=OFFICIAL_MEL)
FAMILIES = (
    Family(
        "transformers",
        r"(^|\.)upsampler\.\d",
        "model_in_dim",
        transformers,
        names=((r"^upsampler\.", "ups."),),
        mel={"sampling_rate": 16000, "n_fft": 1024, "win_size": 1024, **LIBROSA_MEL},
    ),
    Family(
        "ParallelWaveGAN",
        r"(^|\.)input_conv\.",
        "generator_params",
        parallel_wavegan,
        names=(
            (r"^input_conv\.", "conv_pre."),
            (r"^output_conv\.1\.", "conv_post."),
            (r"^upsamples\.(\d+)\.1\.", r"ups.\1."),
            (r"^blocks\.(\d+)\.(convs[12])\.(\d+)\.1\.", r"resblocks.\1.\2.\3."),
            (r"^blocks\.", "resblocks."),
        ),
        mel={"sampling_rate": 22050, "n_fft": 1024, "win_size": 1024, **LIBROSA_MEL},
        first="input_conv",
        odd_kernels=True,
        normalised=True,
    ),
    Family(
        "SpeechBrain",
        r"(^|\.)conv_pre\.conv\.",
        "upsample_factors",
        speechbrain,
        names=((r"\.conv\.(?=weight|bias|parametrizations)", "."),),
        mel={**OFFICIAL_MEL, "mel_centred": True},
        generator={"padding": "reflect", "replicated_frames": 5},
        first=r"conv_pre\.conv",
    ),
    Family(
        "NeMo",
        r"(^|\.)resblocks\.\d+\.\d+\.convs|^audio_to_melspec_precessor\.",
        "preprocessor",
        nemo,
        formats=("NeMo",),
        mel={**OFFICIAL_MEL, "mel_symmetric_window": True},
    ),
    Family(
        "Coqui",
        r"(^|\.)model_g\.",
        "generator_model",
        coqui,
        mel={**OFFICIAL_MEL, "mel_centred": True, "mel_floor": 1e-8},
        generator={"replicated_frames": 5},
        unbiased="conv_post",
    ),
    Family(
        "TensorFlowTTS",
        r"hifigan_resblock_\._\d+/",
        "hifigan_generator_params",
        tensorflow_tts,
        formats=("HDF5",),
        mel={"sampling_rate": 22050, "n_fft": 1024, "win_size": 1024, **LIBROSA_MEL},
        generator={"padding": "reflect", "leaky_slope": 0.2, "last_leaky_slope": 0.2},
        odd_kernels=None,
        normalised=True,
    ),
    ORIGINAL,
)

# Vocoders of other kinds: what they are, a pattern for the names of their tensors, and why they are not imported.
OUT_OF_SCOPE = (
    ("an RVC model", r"enc_p\.emb_(phone|pitch)\.", "its decoder takes latents and F0, not mels"),
    ("a Bert-VITS2 model", r"enc_p\.(\w*bert_proj|language_emb)\.", "its decoder takes latents, not mels"),
    (
        "a VITS model",
        r"(^|\.)(enc_p|enc_q|flow|posterior_encoder|text_encoder|waveform_decoder)\.",
        "its decoder takes latents, not mels",
    ),
    ("an NSF-HiFiGAN", r"(m_source\.l_linear|noise_convs\.\d+)\.", "it needs F0 besides the mel"),
    (
        "a BigVGAN",
        r"(activations\.\d+|activation_post)\.act\.(alpha|beta)$",
        "its Snake activations are another network",
    ),
    (
        "a Vocos model",
        r"(backbone\.(embed|convnext)|head\.(out|istft))\b",
        "it is another network, with an inverse STFT",
    ),
    (
        "the causal variant of ParallelWaveGAN",
        r"(input_conv\.conv|upsamples\.\d+\.1\.deconv)\.",
        "it is another network",
    ),
    (
        "a vocoder of units",
        r"(unit_embedding|unit_embedder|dict|speaker_embedding)\.weight$",
        "it takes units, not mels",
    ),
)


def refuse_out_of_scope(names: Mapping) -> None:
    """Raises ``UserError`` naming the vocoder, and why it is not imported, where the tensors are of another kind."""
    for what, pattern, reason in OUT_OF_SCOPE:
        if any(re.search(pattern, name) for name in names):
            raise UserError(f"is {what}, not a HiFi-GAN that makes speech of mels: {reason}")
    for name, tensor in names.items():
        if re.search(r"conv_post\.(weight|weight_v|parametrizations\.weight\.original1)$", name):
            filters = getattr(tensor, "shape", (1,))[0]
            if filters > 1:
                raise UserError(
                    f"is an iSTFTNet: its last convolution makes {filters} channels of a spectrum, not a waveform, "
                    "which is another network"
                )


def shapes_as_keys(family: Family, tensors: Mapping) -> dict:
    """The keys that tensors in the original's names show, and what the library does where they do not.

    Raises ``UserError`` where that leaves a question.
    """
    weights = {
        match[1]: tensor.shape
        for name, tensor in tensors.items()
        if (match := re.fullmatch(r"(.+)\.(weight|weight_v)", name))
    }
    stages = sum(name.startswith("ups.") for name in weights)
    blocks = len({name.split(".")[1] for name in weights if name.startswith("resblocks.")}) // max(stages, 1)
    kind = "1" if any(".convs2." in name for name in weights) else "2"
    part = "convs1" if kind == "1" else "convs"
    kernels = [weights[f"ups.{stage}"][2] for stage in range(stages)]
    sizes = [weights[f"resblocks.{block}.{part}.0"][2] for block in range(blocks)]
    counts = [sum(name.startswith(f"resblocks.{block}.{part}.") for name in weights) for block in range(blocks)]
    if (sizes, counts) == (V3_BLOCKS[0], [2, 2, 2]) and kind == "2":
        dilations = V3_BLOCKS[1]
    else:
        dilations = [DILATIONS[kind, count] for count in counts]
    if any(kernel % 2 for kernel in kernels):
        raise ValueError("rates of odd kernels")
    return {
        "resblock": kind,
        "upsample_rates": [kernel // 2 for kernel in kernels],
        "upsample_kernel_sizes": kernels,
        "upsample_initial_channel": weights["conv_pre"][0],
        "resblock_kernel_sizes": sizes,
        "resblock_dilation_sizes": dilations,
        "num_mels": weights["conv_pre"][1],
        "unbiased": family.unbiased,
    }
