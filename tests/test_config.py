"""The configuration: the original's files, the shipped ones, every rule, and the round trip through JSON."""

import dataclasses
import json
import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hifigan_tf.config import OTHER_NAMES, AudioConfig, Config
from hifigan_tf.errors import UserError, brief
from hifigan_tf.resources import CONFIGS

# config_v1.json as the authors published it.
OFFICIAL_V1 = {
    "resblock": "1",
    "num_gpus": 0,
    "batch_size": 16,
    "learning_rate": 0.0002,
    "adam_b1": 0.8,
    "adam_b2": 0.99,
    "lr_decay": 0.999,
    "seed": 1234,
    "upsample_rates": [8, 8, 2, 2],
    "upsample_kernel_sizes": [16, 16, 4, 4],
    "upsample_initial_channel": 512,
    "resblock_kernel_sizes": [3, 7, 11],
    "resblock_dilation_sizes": [[1, 3, 5], [1, 3, 5], [1, 3, 5]],
    "segment_size": 8192,
    "num_mels": 80,
    "num_freq": 1025,
    "n_fft": 1024,
    "hop_size": 256,
    "win_size": 1024,
    "sampling_rate": 22050,
    "fmin": 0,
    "fmax": 8000,
    "fmax_for_loss": None,
    "num_workers": 4,
    "dist_config": {"dist_backend": "nccl", "dist_url": "tcp://localhost:54321", "world_size": 1},
}
V3_GENERATOR = {
    "resblock": "2",
    "upsample_rates": [8, 8, 4],
    "upsample_kernel_sizes": [16, 16, 8],
    "upsample_initial_channel": 256,
    "resblock_kernel_sizes": [3, 5, 7],
    "resblock_dilation_sizes": [[1, 2], [2, 6], [3, 12]],
}
# What each of the paper's ablations (table 2, all on V3) changes.
ABLATIONS = {
    "no_mpd": {"mpd_periods": []},
    "no_msd": {"msd_scales": 0},
    "no_mrf": {"resblock_kernel_sizes": [7], "resblock_dilation_sizes": [[3, 12]]},
    "no_mel_loss": {"lambda_mel": 0},
    "periods_2_4_8_16_32": {"mpd_periods": [2, 4, 8, 16, 32]},
}
V3 = Config.load(CONFIGS / "v3.json")
SHIPPED = sorted(CONFIGS.rglob("*.json"))


def as_json(config):
    return json.loads(config.dumps())


def test_the_official_file_loads_unchanged_and_is_v1(tmp_path):
    (tmp_path / "config_v1.json").write_text(json.dumps(OFFICIAL_V1))
    config = Config.load(tmp_path / "config_v1.json")
    assert config == Config.load(CONFIGS / "v1.json")
    used = {key: value for key, value in OFFICIAL_V1.items() if key in as_json(config)}
    assert set(OFFICIAL_V1) - set(used) == {"num_gpus", "num_freq", "num_workers", "dist_config"}
    assert {key: as_json(config)[key] for key in used} == used


def test_v2_is_v1_with_a_quarter_of_the_channels():
    assert Config.load(CONFIGS / "v2.json") == Config.load(CONFIGS / "v1.json").replace(upsample_initial_channel=128)


def test_v3_is_v1_with_another_generator():
    assert Config.load(CONFIGS / "v1.json").replace(**V3_GENERATOR) == V3


def test_defaults_are_the_papers():
    config = Config.load(CONFIGS / "v1.json")
    assert config.discriminators.mpd_periods == (2, 3, 5, 7, 11)
    assert (config.discriminators.msd_scales, config.discriminators.discriminator_channels) == (3, 1024)
    losses = config.training.lambda_adversarial, config.training.lambda_feature_matching, config.training.lambda_mel
    assert losses == (1, 2, 45)
    assert (config.training.weight_decay, config.training.max_steps) == (0.01, 2_500_000)


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.stem)
def test_every_shipped_config_loads_and_fits_its_hop(path):
    config = Config.load(path)
    hop_size = {"24k": 300, "44k": 512, "48k": 512}.get(path.stem.rpartition("_")[2], 256)
    assert config.generator.hop_size == config.audio.hop_size == hop_size
    assert config.training.segment_size == (28 if hop_size == 300 else 32) * hop_size


def test_the_ablations_are_all_there():
    assert {path.stem for path in (CONFIGS / "ablations").glob("*.json")} == set(ABLATIONS)


@pytest.mark.parametrize("name", ABLATIONS)
def test_an_ablation_differs_from_v3_only_in_what_its_name_says(name):
    v3, ablation = as_json(V3), as_json(Config.load(CONFIGS / f"ablations/{name}.json"))
    assert {key: value for key, value in ablation.items() if value != v3[key]} == ABLATIONS[name]


NUMBERS = (True, "1", None, [1], {}, math.nan, math.inf, 10**400)
LISTS = ([], 8, "8", None, [8, "8"], [8, True], [8, 0], [8, 8.0], [[8]], {})
POSITIVE_INTEGERS = (
    "num_mels",
    "hop_size",
    "upsample_initial_channel",
    "batch_size",
    "segment_size",
    "max_steps",
    "validation_interval",
    "checkpoint_interval",
    "summary_interval",
    "checkpoints_to_keep",
    "validation_clips",
)
# (key, bad values, words of the message on what is expected)
WEIGHTED = ("adversarial", "feature_matching", "mel", "stft", "repetition")
RULES = [
    ("sampling_rate", (7999, 48001, 22050.0, "22050", True, math.nan, None), "from 8000 to 48000"),
    *[(key, (0, -1, 1.0, "1", True, None, [], math.nan), "a whole number, at least 1") for key in POSITIVE_INTEGERS],
    ("n_fft", (1.0, "1024", True, None, 1), "a whole number, at least 2"),
    ("n_fft", (254, 1023), "at least hop_size (256) and differ from it by an even number"),
    ("win_size", (0, 1025, 1024.0, "1024", True, None), "from 1 to n_fft (1024)"),
    ("fmin", (-1, 11025, True, "0", None, math.nan), "at least 0 and below half of sampling_rate (11025)"),
    ("fmax", (0, 11026, -1, "8000", True, math.nan, math.inf, 10**400), "at most half of sampling_rate (11025)"),
    ("fmax_for_loss", (0, 11026, "8000", False, math.nan), "or null for just that"),
    ("mel_log", ("ln", "log", "db", None, 10, True, []), 'it must be "natural" or "log10"'),
    ("mel_floor", (0, -1e-5, 1, 1e-31, "1e-5", None, True, math.nan), "a magnitude from 1e-30 to below 1"),
    ("mel_centred", (0, 1, "true", None, []), "it must be true or false"),
    ("mel_symmetric_window", (0, 1, "true", None, []), "it must be true or false"),
    ("mel_mean", ("0", None, True, math.nan, [], [0.0] * 79, ["0"] * 80, {}), "one for each of the 80 num_mels"),
    ("mel_scale", ("1", None, True, math.inf, [], [1.0] * 81, [None] * 80), "one for each of the 80 num_mels"),
    ("mel_scale", (0, -1.0, [1.0] * 79 + [0.0]), "every number of it must be above 0"),
    ("resblock", (1, "3", None, True, ["1"], {}), '"1" or "2"'),
    ("upsample_rates", (*LISTS, [-8, -8, 4]), "a list of numbers from 1 up"),
    ("upsample_rates", ([8, 8, 8], [8, 8, 2]), "must equal hop_size (256)"),
    ("upsample_kernel_sizes", LISTS, "a list of numbers from 1 up"),
    ("upsample_kernel_sizes", ([16, 16], [16, 16, 8, 4]), "one entry for each of the 3 upsample_rates"),
    ("upsample_kernel_sizes", ([16, 4, 8],), "16 would be right"),
    ("upsample_kernel_sizes", ([17, 16, 8], [16, 16, 7]), "so upsample_output_padding must say which kind it is"),
    ("upsample_output_padding", ("yes", 1, []), "it must be true, false or null"),
    ("upsample_initial_channel", (4, 129), "a multiple of 8"),
    ("resblock_kernel_sizes", LISTS, "a list of numbers from 1 up"),
    ("resblock_kernel_sizes", ([3, 4, 7],), "every kernel must be odd"),
    ("resblock_dilation_sizes", ([[1, 2]], [], 3, None, "123", {}), "each of the 3 resblock_kernel_sizes"),
    ("mpd_periods", (2, "2", None, [1], [2, "3"], [2, 3.0], [True]), "a list of numbers from 2 up"),
    ("msd_scales", (-1, 1.5, "3", True, None), "a whole number, at least 0"),
    ("discriminator_channels", (0, -128, 100, 128.0, "128", True), "a multiple of 128"),
    ("learning_rate", (0, -1e-4, *NUMBERS), "a positive number"),
    ("adam_b1", (-0.1, 1, *NUMBERS), "at least 0 and below 1"),
    ("adam_b2", (-0.1, 1.0, *NUMBERS), "at least 0 and below 1"),
    ("lr_decay", (0, 1.001, *NUMBERS), "above 0 and at most 1"),
    *[
        (key, (-0.01, True, "1", None, [1], {}, math.nan, math.inf), "a number, at least 0")
        for key in ("weight_decay", *(f"lambda_{name}" for name in WEIGHTED))
    ],
    ("lookahead_frames", (-1, 4, 1.0, "1", True, [1]), "a whole number from 0 to 3, or null for the paper's generator"),
    ("samples_per_step", (0, -4, 4.0, "4", True, None, [4]), "a whole number, at least 1"),
    ("lr_decay_steps", (0, -1, 1.5, "10", True, []), "a whole number, at least 1"),
    ("epoch_clip_seconds", (0, 0.5, "15", True, [], math.nan), "a number, at least 1"),
    ("discriminator_start_step", (-1, 1.0, "1", True), "a whole number, at least 0, or null for none at all"),
    ("discriminator_start_step", (2_500_001,), "at most max_steps (2500000)"),
    ("seed", (-1, 2**32, 1.0, "1", True, None), "from 0 to 4294967295"),
    ("segment_size", (8000,), "a multiple of hop_size (256), for example 7936"),
    ("segment_size", (256,), "more than (n_fft - hop_size) / 2 = 384"),
]


@pytest.mark.parametrize(("key", "values", "right"), RULES, ids=[f"{key}: {right}" for key, _, right in RULES])
def test_a_bad_value_is_refused_with_key_value_and_what_is_expected(key, values, right):
    v3 = as_json(V3)
    for value in values:
        with pytest.raises(UserError) as error:
            Config.from_dict({**v3, key: value})
        message = str(error.value)
        assert message.startswith(f"config key '{key}' is {brief(value, quoted=True)}: ")
        assert right in message
        assert "\n" not in message


@pytest.mark.parametrize("dilations", [[], 3, "3", [1, "2"], [1, 0], [1, 2.0], [True, 2]])
def test_a_bad_list_of_dilations_is_shown(dilations):
    with pytest.raises(UserError) as error:
        V3.replace(resblock_dilation_sizes=[[1, 2], [2, 6], dilations])
    assert str(error.value).startswith(f"config key 'resblock_dilation_sizes' is {dilations!r}: it must be a list")


def test_a_centred_mel_needs_a_window_of_two_hops_and_longer_segments():
    assert V3.replace(n_fft=1025, mel_centred=True).audio.mirrored_samples == (512, 257)
    assert V3.audio.mirrored_samples == (384, 384)
    assert V3.replace(mel_centred=True).audio.mirrored_samples == (512, 256)
    for values, right in (
        ({"n_fft": 511, "win_size": 511}, "with mel_centred it must be at least twice hop_size (256)"),
        ({"segment_size": 512}, "it must be more than n_fft / 2 = 512, which the mel front end mirrors"),
    ):
        with pytest.raises(UserError) as error:
            V3.replace(mel_centred=True, **values)
        assert right in str(error.value)


def test_a_mean_and_scale_for_every_band_survive_json():
    config = V3.replace(mel_mean=[-2.5] * 80, mel_scale=[0.5] * 80)
    assert config.audio.mel_mean == (-2.5,) * 80
    assert Config.from_dict(as_json(config)) == config
    assert AudioConfig(**json.loads(json.dumps(config.audio.to_dict()))) == config.audio


def test_model_files_name_only_what_differs_from_the_papers_mel():
    assert list(V3.audio.to_dict()) == [
        *("sampling_rate", "num_mels", "n_fft", "hop_size", "win_size", "fmin", "fmax", "fmax_for_loss"),
    ]
    centred = V3.replace(mel_centred=True, mel_floor=1e-10).audio
    assert centred.to_dict() == V3.audio.to_dict() | {"mel_floor": 1e-10, "mel_centred": True}
    assert AudioConfig(**centred.to_dict()) == centred


def test_samples_per_step_count_in_the_product():
    with pytest.raises(UserError) as error:
        V3.replace(samples_per_step=4)
    assert str(error.value) == (
        "config key 'upsample_rates' is [8, 8, 4]: their product times samples_per_step (4) is 1024, and it must equal "
        "hop_size (256)"
    )
    assert (
        V3.replace(samples_per_step=4, upsample_rates=[8, 8], upsample_kernel_sizes=[16, 16]).generator.hop_size == 256
    )


def test_the_stft_loss_needs_segments_that_its_longest_fft_can_mirror():
    short = V3.replace(segment_size=1024)
    with pytest.raises(
        UserError, match="'segment_size' is 1024: with lambda_stft it must be more than the 1024 samples"
    ):
        short.replace(lambda_stft=1)


def test_the_repetition_loss_needs_segments_of_a_window_and_two_hops():
    short = Config.load(CONFIGS / "v1.json").replace(segment_size=1536)
    with pytest.raises(UserError, match=r"'segment_size' is 1536: with lambda_repetition it must be more than 6 hops"):
        short.replace(lambda_repetition=1)
    assert short.replace(segment_size=1792, lambda_repetition=1).training.lambda_repetition == 1


def test_a_config_without_any_discriminator_is_refused():
    with pytest.raises(UserError, match="'msd_scales' is 0: with mpd_periods empty there is no discriminator left"):
        V3.replace(mpd_periods=[], msd_scales=0)


def test_fmax_may_be_nyquist_or_null():
    assert V3.replace(fmax=11025).audio.fmax == 11025
    assert V3.replace(fmax=None).audio.fmax is None


@pytest.mark.parametrize(
    ("key", "suggestion"),
    [("upsample_rate", "upsample_rates"), ("segment_length", "segment_size"), ("adam_beta1", "adam_b1")],
)
def test_an_unknown_key_suggests_the_one_that_was_meant(key, suggestion):
    with pytest.raises(UserError) as error:
        Config.from_dict({**OFFICIAL_V1, key: 7})
    assert str(error.value) == f"config key '{key}' (value 7) is unknown: did you mean '{suggestion}'?"


@pytest.mark.parametrize(
    ("key", "ours"),
    [
        ("discriminator_periods", "mpd_periods"),
        ("sample_rate", "sampling_rate"),
        ("hop_length", "hop_size"),
        ("win_length", "win_size"),
        ("fft_size", "n_fft"),
        ("n_mel_channels", "num_mels"),
        ("upsample_scales", "upsample_rates"),
        ("batch_max_steps", "segment_size"),
        ("Lambda_Aux", "lambda_mel"),
    ],
)
def test_the_names_of_other_implementations_are_known(key, ours):
    with pytest.raises(UserError, match=f"'{key}' .* is unknown: did you mean '{ours}'"):
        Config.from_dict({**OFFICIAL_V1, key: 7})


def test_every_other_name_means_a_key_and_is_none():
    known = set(V3.to_dict())
    assert set(OTHER_NAMES.values()) <= known
    assert not OTHER_NAMES.keys() & known


def test_a_byte_order_mark_does_not_matter_and_utf_16_is_named(tmp_path):
    text = json.dumps(OFFICIAL_V1)
    (tmp_path / "c.json").write_text(text, encoding="utf-8-sig")
    assert Config.load(tmp_path / "c.json") == Config.from_dict(OFFICIAL_V1)
    (tmp_path / "c.json").write_text(text, encoding="utf-16")
    with pytest.raises(UserError, match=r"c\.json cannot be read: it is UTF-16"):
        Config.load(tmp_path / "c.json")
    (tmp_path / "c.json").write_text("[" * 100_000)
    with pytest.raises(UserError, match="is not valid JSON"):
        Config.load(tmp_path / "c.json")


def test_an_unknown_key_without_a_similar_one_lists_the_known_ones():
    with pytest.raises(UserError, match=r"'zzz' \(value 1\) is unknown: known keys: adam_b1, adam_b2, batch_size, "):
        Config.from_dict({**OFFICIAL_V1, "zzz": 1})


@pytest.mark.parametrize("key", ["hop_size", "resblock", "batch_size", "fmax"])
def test_a_missing_key_is_named(key):
    values = {name: value for name, value in OFFICIAL_V1.items() if name != key}
    with pytest.raises(UserError, match=f"'{key}' is missing"):
        Config.from_dict(values)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (None, "does not exist"),
        (b"", "is not valid JSON"),
        (b'{"hop_size": 256,', "is not valid JSON"),
        (b"\xff\xfe\x00", "it is UTF-16"),
        (b"\xff\xf0", "is not valid JSON"),
        (b"[1, 2]", "holds a list: it must be one JSON object"),
        (b'{"hop_size": NaN}', "'sampling_rate' is missing"),
    ],
)
def test_a_file_that_is_not_a_config_is_refused_by_name(tmp_path, content, words):
    path = tmp_path / "c.json"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(UserError) as error:
        Config.load(path)
    assert str(path) in str(error.value)
    assert words in str(error.value)


def test_a_folder_is_not_a_config(tmp_path):
    with pytest.raises(UserError, match="cannot be read: Is a directory"):
        Config.load(tmp_path)


def test_a_config_and_its_lists_cannot_change():
    config = Config.load(CONFIGS / "v1.json")
    with pytest.raises(dataclasses.FrozenInstanceError):
        config.audio = None
    with pytest.raises(dataclasses.FrozenInstanceError):
        config.audio.hop_size = 128
    assert isinstance(config.generator.resblock_dilation_sizes[0], tuple)
    assert hash(config) == hash(Config.load(CONFIGS / "v1.json"))


def test_replace_checks_again_and_leaves_the_first_unchanged():
    config = Config.load(CONFIGS / "v1.json")
    assert config.replace(batch_size=3).training.batch_size == 3
    assert config.training.batch_size == 16
    with pytest.raises(UserError, match="'batch_size' is 0"):
        config.replace(batch_size=0)


@st.composite
def configs(draw):
    """Any valid config."""
    rates = draw(st.lists(st.integers(1, 8), min_size=1, max_size=4))
    samples = draw(st.sampled_from([1, 2, 3, 4, 16]))
    hop = samples * math.prod(rates)
    n_fft = hop + 2 * draw(st.integers(0, 512))
    n_fft = max(n_fft, hop + 2)
    kernels = draw(st.lists(st.integers(0, 5).map(lambda half: 2 * half + 1), min_size=1, max_size=3))
    sampling_rate = draw(st.integers(8000, 48000))
    dilations = st.lists(st.integers(1, 12), min_size=1, max_size=3)
    fmax = st.none() | st.floats(1000, sampling_rate / 2)
    periods = draw(st.lists(st.integers(2, 40), max_size=5))
    return Config.from_dict(
        {
            "resblock": draw(st.sampled_from(["1", "2"])),
            "upsample_rates": rates,
            "upsample_kernel_sizes": [rate + 2 * draw(st.integers(0, 4)) for rate in rates],
            "upsample_initial_channel": 2 ** len(rates) * draw(st.integers(1, 64)),
            "resblock_kernel_sizes": kernels,
            "resblock_dilation_sizes": [draw(dilations) for _ in kernels],
            "lookahead_frames": draw(st.none() | st.integers(0, 3)),
            "samples_per_step": samples,
            "mpd_periods": periods,
            "msd_scales": draw(st.integers(0 if periods else 1, 4)),
            "segment_size": hop * ((n_fft - hop) // 2 // hop + draw(st.integers(1, 64))),
            "num_mels": draw(st.integers(1, 128)),
            "n_fft": n_fft,
            "hop_size": hop,
            "win_size": draw(st.integers(1, n_fft)),
            "sampling_rate": sampling_rate,
            "fmin": draw(st.floats(0, 999)),
            "fmax": draw(fmax),
            "fmax_for_loss": draw(fmax),
            "mel_log": draw(st.sampled_from(["natural", "log10"])),
            "mel_floor": draw(st.floats(1e-30, 0.5)),
            "mel_mean": draw(st.floats(-9, 9)),
            "mel_scale": draw(st.floats(1e-3, 9)),
            "batch_size": draw(st.integers(1, 1024)),
            "learning_rate": draw(st.floats(1e-9, 1)),
            "adam_b1": draw(st.floats(0, 1, exclude_max=True)),
            "lr_decay": draw(st.floats(0, 1, exclude_min=True)),
            "lr_decay_steps": draw(st.none() | st.integers(1, 10_000)),
            "epoch_clip_seconds": draw(st.none() | st.floats(1, 3600)),
            "discriminator_start_step": draw(st.none() | st.integers(0, 2_500_000)),
            "seed": draw(st.integers(0, 2**32 - 1)),
            "lambda_mel": draw(st.floats(0, 1e6)),
        }
    )


@settings(max_examples=50, deadline=None)
@given(configs())
def test_to_json_and_back_is_the_same_config(config):
    assert Config.from_dict(json.loads(config.dumps())) == config
    assert config.generator.hop_size == config.audio.hop_size


@settings(max_examples=60, deadline=None)
@given(
    key=st.sampled_from(sorted(as_json(V3))),
    value=st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=3),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=2),
        max_leaves=4,
    ),
)
def test_any_value_of_a_key_loads_or_is_refused_by_name(key, value):
    try:
        config, refusal = V3.replace(**{key: value}), None
    except UserError as error:
        config, refusal = None, str(error)
    if config is None:
        assert refusal.startswith("config key '")
    else:
        assert as_json(config)[key] == value
