"""Configuration: frozen dataclasses over JSON in the schema of the authors' repository.

An official ``config_v1.json`` loads unchanged. Keys that the original does not have are optional; here and in all
modules *the original* is the authors' PyTorch implementation. Every value is checked when the object is made, so a
config that exists is a config that works.
"""

import dataclasses
import difflib
import json
import math
import sys
from dataclasses import dataclass, field
from pathlib import Path

from hifigan_tf.errors import UserError, brief
from hifigan_tf.files import parse_json

# The paper clips mel magnitudes to this minimum before the logarithm, and silence becomes LOG_MIN.
LOG_FLOOR = 1e-5
LOG_MIN = math.log(LOG_FLOOR)
# The multi-resolution STFT loss, as published: window, hop and FFT in samples; and the least power.
STFT_RESOLUTIONS = ((600, 120, 1024), (1200, 240, 2048), (240, 50, 512))
STFT_POWER_FLOOR = 1e-7
# The repetition loss: hops in a window, and a power of the second difference far below that of a quiet room.
REPETITION_HOPS = 4
REPETITION_FLOOR = 1e-7
# Taps of the generator's first and last convolution. In the paper's generator both see as far ahead as back.
EDGE_TAPS = 7
MAX_LOOKAHEAD = EDGE_TAPS // 2
# Names that other implementations give to these keys.
OTHER_NAMES = {
    **dict.fromkeys(("sample_rate", "samplerate", "sampling_frequency", "sr", "fs"), "sampling_rate"),
    **dict.fromkeys(("hop_length", "hop_len", "hop", "frame_shift", "frame_shift_samples"), "hop_size"),
    **dict.fromkeys(("win_length", "win_len", "window_size", "window_length", "frame_length"), "win_size"),
    **dict.fromkeys(("fft_size", "filter_length", "fft_length", "nfft"), "n_fft"),
    **dict.fromkeys(("n_mels", "n_mel", "n_mel_channels", "num_mel", "mel_channels", "mel_bins", "mels"), "num_mels"),
    **dict.fromkeys(("f_min", "mel_fmin", "fmin_hz", "lower_frequency"), "fmin"),
    **dict.fromkeys(("f_max", "mel_fmax", "fmax_hz", "upper_frequency"), "fmax"),
    **dict.fromkeys(("fmax_loss", "mel_fmax_loss", "mel_fmax_for_loss"), "fmax_for_loss"),
    **dict.fromkeys(("upsample_scales", "upsample_factors", "upsampling_rates"), "upsample_rates"),
    **dict.fromkeys(("upsample_kernels", "upsample_kernal_sizes", "upsampling_kernel_sizes"), "upsample_kernel_sizes"),
    **dict.fromkeys(("channels", "upsample_channels", "upsample_initial_channels"), "upsample_initial_channel"),
    **dict.fromkeys(("resblock_type",), "resblock"),
    **dict.fromkeys(("resblock_kernels", "resblock_kernel_size"), "resblock_kernel_sizes"),
    **dict.fromkeys(("resblock_dilations", "resblock_dilation_size"), "resblock_dilation_sizes"),
    **dict.fromkeys(("discriminator_periods", "mpd_reshapes", "periods", "period_sizes"), "mpd_periods"),
    **dict.fromkeys(("scales", "discriminator_scales", "num_scales"), "msd_scales"),
    **dict.fromkeys(("segment_length", "segment_len", "batch_max_steps", "max_wav_length"), "segment_size"),
    **dict.fromkeys(("lr", "generator_lr", "initial_learning_rate"), "learning_rate"),
    **dict.fromkeys(("gamma", "lr_gamma", "learning_rate_decay"), "lr_decay"),
    **dict.fromkeys(("lambda_aux", "c_mel", "mel_loss_weight", "lambda_mel_loss"), "lambda_mel"),
    **dict.fromkeys(("lambda_adv", "adv_loss_weight"), "lambda_adversarial"),
    **dict.fromkeys(("lambda_feat_match", "lambda_fm", "feat_match_loss_weight"), "lambda_feature_matching"),
    **dict.fromkeys(("train_max_steps", "training_steps", "total_steps", "num_steps"), "max_steps"),
    **dict.fromkeys(("save_interval_steps", "save_interval", "checkpoint_steps"), "checkpoint_interval"),
    **dict.fromkeys(("eval_interval_steps", "eval_interval", "validation_steps"), "validation_interval"),
    **dict.fromkeys(("log_interval_steps", "log_interval"), "summary_interval"),
}
# Keys of the mel that only models of other libraries set,
MEL_KEYS = ("mel_log", "mel_floor", "mel_centred", "mel_symmetric_window", "mel_mean", "mel_scale")
# and those of the generator.
OTHER_LIBRARIES = {"leaky_slope", "last_leaky_slope", "padding", "input_mean", "input_scale", "replicated_frames"}
# Keys of the original's files without an effect here: num_freq contradicts n_fft, the rest is for its launcher.
IGNORED_KEYS = ("num_freq", "num_gpus", "num_workers", "dist_config")


def require(condition: bool, key: str, value, expected: str) -> None:
    """Unless ``condition`` holds, raises ``UserError`` naming the key, the value and what is expected."""
    if not condition:
        raise UserError(f"config key {key!r} is {brief(_thawed(value), quoted=True)}: {expected}")


def _is_integer(value) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and abs(value) < 1 << 63


def _as_tuple(value) -> tuple:
    """A number, or several already, as several; a tuple is returned as it is."""
    return value if isinstance(value, tuple) else (value,)


def _is_number(value) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and abs(value) <= sys.float_info.max


def _require_integer(key: str, value, minimum: int) -> None:
    require(_is_integer(value) and value >= minimum, key, value, f"it must be a whole number, at least {minimum}")


def _require_number(key: str, value, minimum: float) -> None:
    require(_is_number(value) and value >= minimum, key, value, f"it must be a number, at least {minimum:g}")


def _require_integers(key: str, value, minimum: int, empty_allowed: bool = False) -> None:
    good = isinstance(value, tuple) and all(_is_integer(item) and item >= minimum for item in value)
    require(good and (empty_allowed or len(value) > 0), key, value, f"it must be a list of numbers from {minimum} up")


def check_replicated_frames(value) -> None:
    """Raises ``UserError`` for a number of replicated frames that no library has."""
    _require_integer("replicated_frames", value, 0)
    require(value <= 100, "replicated_frames", value, "it must be at most 100")


def mirrored_samples(n_fft: int, hop_size: int, centred: bool) -> tuple[int, int]:
    """How many samples are mirrored at either end, so that ``T * hop_size`` samples give exactly ``T`` frames.

    Together they are n_fft - hop_size: as many before as after, or with ``centred`` n_fft / 2 before.
    """
    before = n_fft // 2 if centred else (n_fft - hop_size) // 2
    return before, n_fft - hop_size - before


@dataclass(frozen=True, kw_only=True)
class AudioConfig:
    """The mel front end. Rates and frequencies in Hz; ``n_fft``, ``hop_size``, ``win_size`` in samples.

    ``fmax`` bounds the input mels and ``fmax_for_loss`` those of the loss; None is half the sampling rate.

    The keys from ``mel_log`` on are for models of other libraries; their defaults are the paper's mel. ``mel_log`` is
    the logarithm's base, ``natural`` or ``log10``, and ``mel_floor`` the smallest magnitude before it. With
    ``mel_centred`` frame t is centred on sample t * hop_size, as librosa does, otherwise on the middle of its hop. With
    ``mel_symmetric_window`` the Hann window ends with its first sample again, as NeMo's; otherwise it is periodic. The
    model's mel is ``(logarithm - mel_mean) / mel_scale``, each a number or one for every band.
    """

    sampling_rate: int
    num_mels: int
    n_fft: int
    hop_size: int
    win_size: int
    fmin: float
    fmax: float | None
    fmax_for_loss: float | None = None
    mel_log: str = "natural"
    mel_floor: float = LOG_FLOOR
    mel_centred: bool = False
    mel_symmetric_window: bool = False
    mel_mean: float | tuple[float, ...] = 0.0
    mel_scale: float | tuple[float, ...] = 1.0

    def __post_init__(self):
        for key in ("mel_mean", "mel_scale"):  # lists in the JSON of model files
            object.__setattr__(self, key, _frozen(getattr(self, key)))
        self._check_bands()
        self._check_mel()

    def _check_bands(self) -> None:
        require(
            _is_integer(self.sampling_rate) and 8000 <= self.sampling_rate <= 48000,
            "sampling_rate",
            self.sampling_rate,
            "it must be a whole number of Hz from 8000 to 48000",
        )
        _require_integer("num_mels", self.num_mels, 1)
        _require_integer("hop_size", self.hop_size, 1)
        _require_integer("n_fft", self.n_fft, 2)
        for key in ("mel_centred", "mel_symmetric_window"):
            require(isinstance(getattr(self, key), bool), key, getattr(self, key), "it must be true or false")
        if self.mel_centred:
            require(
                self.n_fft >= 2 * self.hop_size,
                "n_fft",
                self.n_fft,
                f"with mel_centred it must be at least twice hop_size ({self.hop_size})",
            )
        else:
            require(
                self.n_fft >= self.hop_size and (self.n_fft - self.hop_size) % 2 == 0,
                "n_fft",
                self.n_fft,
                f"it must be at least hop_size ({self.hop_size}) and differ from it by an even number",
            )
        require(
            _is_integer(self.win_size) and 0 < self.win_size <= self.n_fft,
            "win_size",
            self.win_size,
            f"it must be from 1 to n_fft ({self.n_fft})",
        )
        nyquist = self.sampling_rate / 2
        require(
            _is_number(self.fmin) and 0 <= self.fmin < nyquist,
            "fmin",
            self.fmin,
            f"it must be at least 0 and below half of sampling_rate ({nyquist:g})",
        )
        for key in ("fmax", "fmax_for_loss"):
            value = getattr(self, key)
            require(
                value is None or (_is_number(value) and self.fmin < value <= nyquist),
                key,
                value,
                f"it must be above fmin ({self.fmin:g}) and at most half of sampling_rate ({nyquist:g}), "
                "or null for just that",
            )

    def _check_mel(self) -> None:
        require(self.mel_log in ("natural", "log10"), "mel_log", self.mel_log, 'it must be "natural" or "log10"')
        require(
            _is_number(self.mel_floor) and 1e-30 <= self.mel_floor < 1,
            "mel_floor",
            self.mel_floor,
            "it must be a magnitude from 1e-30 to below 1 (the paper has 1e-05)",
        )
        for key in ("mel_mean", "mel_scale"):
            value = getattr(self, key)
            values = _as_tuple(value)
            require(
                all(map(_is_number, values)) and (values is not value or len(values) == self.num_mels),
                key,
                value,
                f"it must be a number, or a list of one for each of the {self.num_mels} num_mels",
            )
            require(key == "mel_mean" or min(values) > 0, key, value, "every number of it must be above 0")

    @property
    def mirrored_samples(self) -> tuple[int, int]:
        """How many samples of audio the mel front end mirrors, before the first sample and after the last."""
        return mirrored_samples(self.n_fft, self.hop_size, self.mel_centred)

    def to_dict(self) -> dict:
        """The keys for model files, without those about the mel that have the paper's value.

        So a model of the paper's mel has the same description in every version.
        """
        papers = {item.name: item.default for item in dataclasses.fields(self) if item.name in MEL_KEYS}
        return {
            key: value for key, value in dataclasses.asdict(self).items() if key not in papers or papers[key] != value
        }


@dataclass(frozen=True, kw_only=True)
class GeneratorConfig:
    """The generator (paper, section 2.2 and appendix A.1), and options that the paper does not have.

    ``lookahead_frames`` is for low delay: the first convolution sees this many frames ahead, and the residual
    convolutions of the first stage none. None is the paper's generator, where every convolution sees as far ahead as
    back. ``samples_per_step`` is how many samples the last convolution makes at each step: one in the paper.

    ``upsample_output_padding`` is for kernels that differ from their rate by an odd number, which the paper does not
    have. With it, PyTorch's transposed convolution rounds its padding up and adds one step of output padding, as in
    ParallelWaveGAN and ESPnet; without, as in files of the original's layout, it rounds down and makes one step more
    than the rate times its input, and what lies beyond the last frame is cut off the waveform.

    The keys from ``leaky_slope`` on are for models of other libraries. ``leaky_slope`` is the slope of every LeakyReLU
    but the last, ``last_leaky_slope`` that of the last. ``padding`` is what every convolution finds outside its input:
    ``zero``, or ``reflect``, the steps inside mirrored at the first and at the last one, and again where they are
    fewer than it needs; upsampling finds zeros in either case. The network begins with ``(mel - input_mean) /
    input_scale``, each a number or one for every band; the padding comes after it. ``replicated_frames`` is how many
    times the library that the model comes from repeats the first and the last frame before it vocodes.
    """

    resblock: str
    upsample_rates: tuple[int, ...]
    upsample_kernel_sizes: tuple[int, ...]
    upsample_initial_channel: int
    resblock_kernel_sizes: tuple[int, ...]
    resblock_dilation_sizes: tuple[tuple[int, ...], ...]
    lookahead_frames: int | None = None
    samples_per_step: int = 1
    upsample_output_padding: bool | None = None
    leaky_slope: float = 0.1
    last_leaky_slope: float = 0.01
    padding: str = "zero"
    input_mean: float | tuple[float, ...] = 0.0
    input_scale: float | tuple[float, ...] = 1.0
    replicated_frames: int = 0

    def __post_init__(self):
        for key in ("input_mean", "input_scale"):  # lists in the JSON of model files
            object.__setattr__(self, key, _frozen(getattr(self, key)))
        self._check_network()
        self._check_options()

    def _check_network(self) -> None:
        require(self.resblock in ("1", "2"), "resblock", self.resblock, 'it must be "1" or "2"')
        _require_integers("upsample_rates", self.upsample_rates, 1)
        _require_integers("upsample_kernel_sizes", self.upsample_kernel_sizes, 1)
        require(
            len(self.upsample_kernel_sizes) == len(self.upsample_rates),
            "upsample_kernel_sizes",
            self.upsample_kernel_sizes,
            f"it must have one entry for each of the {len(self.upsample_rates)} upsample_rates",
        )
        for rate, kernel in zip(self.upsample_rates, self.upsample_kernel_sizes, strict=True):
            require(
                kernel >= rate,
                "upsample_kernel_sizes",
                self.upsample_kernel_sizes,
                f"kernel {kernel} must be at least its rate {rate}: {2 * rate} would be right",
            )
            require(
                (kernel - rate) % 2 == 0 or self.upsample_output_padding is not None,
                "upsample_kernel_sizes",
                self.upsample_kernel_sizes,
                f"kernel {kernel} minus its rate {rate} is odd, so upsample_output_padding must say which kind it is: "
                "true as in ParallelWaveGAN and ESPnet, false as in files of the original's layout",
            )
        _require_integer("upsample_initial_channel", self.upsample_initial_channel, 1)
        stages = len(self.upsample_rates)
        require(
            self.upsample_initial_channel % 2**stages == 0,
            "upsample_initial_channel",
            self.upsample_initial_channel,
            f"it is halved {stages} times, so it must be a multiple of {2**stages}",
        )
        _require_integers("resblock_kernel_sizes", self.resblock_kernel_sizes, 1)
        require(
            all(kernel % 2 for kernel in self.resblock_kernel_sizes),
            "resblock_kernel_sizes",
            self.resblock_kernel_sizes,
            "every kernel must be odd",
        )
        require(
            isinstance(self.resblock_dilation_sizes, tuple)
            and len(self.resblock_dilation_sizes) == len(self.resblock_kernel_sizes),
            "resblock_dilation_sizes",
            self.resblock_dilation_sizes,
            f"it must have one list for each of the {len(self.resblock_kernel_sizes)} resblock_kernel_sizes",
        )
        for dilations in self.resblock_dilation_sizes:
            _require_integers("resblock_dilation_sizes", dilations, 1)

    def _check_options(self) -> None:
        require(
            self.lookahead_frames is None
            or (_is_integer(self.lookahead_frames) and 0 <= self.lookahead_frames <= MAX_LOOKAHEAD),
            "lookahead_frames",
            self.lookahead_frames,
            f"it must be a whole number from 0 to {MAX_LOOKAHEAD}, or null for the paper's generator",
        )
        _require_integer("samples_per_step", self.samples_per_step, 1)
        require(
            self.upsample_output_padding in (None, True, False) and not _is_integer(self.upsample_output_padding),
            "upsample_output_padding",
            self.upsample_output_padding,
            "it must be true, false or null",
        )
        for key in ("leaky_slope", "last_leaky_slope"):
            value = getattr(self, key)
            require(_is_number(value) and 0 <= value < 1, key, value, "it must be at least 0 and below 1")
        require(self.padding in ("zero", "reflect"), "padding", self.padding, 'it must be "zero" or "reflect"')
        require(
            not (self.low_delay and self.reflects),
            "padding",
            self.padding,
            "with lookahead_frames it must be zero: what is mirrored has to be as far ahead as back",
        )
        for key in ("input_mean", "input_scale"):
            value = getattr(self, key)
            values = _as_tuple(value)
            require(bool(values) and all(map(_is_number, values)), key, value, "it must be a number, or a list of them")
            require(key == "input_mean" or min(values) > 0, key, value, "every number of it must be above 0")
        check_replicated_frames(self.replicated_frames)

    def check_bands(self, num_mels: int) -> None:
        """Raises ``UserError`` unless ``input_mean`` and ``input_scale`` are numbers, or have one for every band."""
        for key in ("input_mean", "input_scale"):
            value = getattr(self, key)
            require(
                not isinstance(value, tuple) or len(value) == num_mels,
                key,
                value,
                f"it must be a number, or a list of one for each of the {num_mels} num_mels",
            )

    def to_dict(self) -> dict:
        """The keys for model files, without those for other libraries' models that have the paper's value.

        So the paper's generator has the same description in every version.
        """
        papers = OTHER_LIBRARIES - self.of_other_libraries.keys()
        return {key: value for key, value in dataclasses.asdict(self).items() if key not in papers}

    @property
    def reflects(self) -> bool:
        """Whether convolutions find mirrored steps, not zeros, outside their input."""
        return self.padding == "reflect"

    @property
    def normalises_input(self) -> bool:
        """Whether the network begins with a normalisation."""
        return (self.input_mean, self.input_scale) != (0.0, 1.0)

    @property
    def hop_size(self) -> int:
        """Samples of audio for each mel frame."""
        return math.prod(self.upsample_rates) * self.samples_per_step

    @property
    def low_delay(self) -> bool:
        """Whether the first stage does without most of the lookahead (``lookahead_frames`` is set)."""
        return self.lookahead_frames is not None

    @property
    def beyond_paper(self) -> str | None:
        """The first option in use that the paper does not have, as ``key = value``, or None."""
        if self.low_delay:
            return f"lookahead_frames = {self.lookahead_frames}"
        if self.samples_per_step > 1:
            return f"samples_per_step = {self.samples_per_step}"
        return next((f"{key} = {value}" for key, value in self.of_other_libraries.items()), None)

    @property
    def of_other_libraries(self) -> dict:
        """``{key: value}`` of the options in use that only models of other libraries have."""
        return {
            key: getattr(self, key) for key in sorted(OTHER_LIBRARIES) if getattr(self, key) != getattr(type(self), key)
        }

    @property
    def delay_samples(self) -> int:
        """The delay of a stream: samples by which the audio lags its frames.

        A sample waits for everything it depends on: the steps that its convolutions see ahead, and half the excess of
        each upsampling kernel over its rate.
        """
        steps = self.frames_ahead
        for stage, (rate, kernel) in enumerate(zip(self.upsample_rates, self.upsample_kernel_sizes, strict=True)):
            steps = steps * rate + self.upsample_shift(rate, kernel) + self.resblock_steps_ahead(stage)
        return (steps + EDGE_TAPS // 2) * self.samples_per_step

    def upsample_shift(self, rate: int, kernel: int) -> int:
        """Steps cut off the start of an upsampling's output: the padding of PyTorch's transposed convolution."""
        return (kernel - rate + bool(self.upsample_output_padding)) // 2

    def upsample_added(self, rate: int, kernel: int) -> int:
        """Output padding of PyTorch's transposed convolution: steps added at the end of its output."""
        return (kernel - rate) % 2 if self.upsample_output_padding else 0

    def upsample_extra(self, rate: int, kernel: int) -> int:
        """Steps that an upsampling makes beyond ``rate`` for each of its input: one without output padding."""
        return (kernel - rate) % 2 if self.upsample_output_padding is False else 0

    @property
    def frames_ahead(self) -> int:
        """Frames that the first convolution sees ahead."""
        return MAX_LOOKAHEAD if self.lookahead_frames is None else self.lookahead_frames

    def resblock_steps_ahead(self, stage: int) -> int:
        """Steps that the residual blocks of a stage see ahead: half of their reach, or none."""
        return 0 if self.low_delay and stage == 0 else self.resblock_reach // 2

    @property
    def resblock_reach(self) -> int:
        """Receptive field minus 1, in steps, of the residual blocks of a stage."""
        return max(
            sum((size - 1) * (dilation + (self.resblock == "1")) for dilation in dilations)
            for size, dilations in zip(self.resblock_kernel_sizes, self.resblock_dilation_sizes, strict=True)
        )


@dataclass(frozen=True, kw_only=True)
class DiscriminatorConfig:
    """Both discriminators (paper, section 2.3).

    An empty ``mpd_periods`` or ``msd_scales`` 0 leaves that discriminator out; ``discriminator_channels`` is the width
    of the widest layers, the others keep the paper's proportions.
    """

    mpd_periods: tuple[int, ...] = (2, 3, 5, 7, 11)
    msd_scales: int = 3
    discriminator_channels: int = 1024

    def __post_init__(self):
        _require_integers("mpd_periods", self.mpd_periods, 2, empty_allowed=True)
        _require_integer("msd_scales", self.msd_scales, 0)
        require(
            bool(self.mpd_periods) or self.msd_scales > 0,
            "msd_scales",
            self.msd_scales,
            "with mpd_periods empty there is no discriminator left: set one of the two",
        )
        require(
            _is_integer(self.discriminator_channels)
            and self.discriminator_channels > 0
            and self.discriminator_channels % 128 == 0,
            "discriminator_channels",
            self.discriminator_channels,
            "it must be a multiple of 128, so that the grouped convolutions divide evenly (the paper has 1024)",
        )


@dataclass(frozen=True, kw_only=True)
class TrainingConfig:
    """Optimisation (paper, section 3), losses (2.4), and how often a run validates and saves, in steps.

    The learning rate is multiplied by ``lr_decay`` after every epoch, a pass over the training clips, or after every
    ``lr_decay_steps`` where that is given. A pass takes ceil(duration / ``epoch_clip_seconds``)
    segments of each clip, so that an hour-long recording counts as much as the same hour in pieces; None is the
    original's pass, one segment of each clip.

    Options that the paper does not have are off by default. With ``ema_decay`` above 0 an exponential moving average of
    the generator's weights is kept beside it; 0.999 averages over about a thousand steps. ``lambda_stft`` is the weight
    of the multi-resolution STFT loss, and ``lambda_repetition`` of the loss against noise that repeats every frame.
    Before ``discriminator_start_step`` the generator trains without discriminators, and where that is None always.
    """

    batch_size: int
    learning_rate: float
    adam_b1: float = 0.8
    adam_b2: float = 0.99
    weight_decay: float = 0.01
    lr_decay: float = 0.999
    lr_decay_steps: int | None = None
    epoch_clip_seconds: float | None = 15.0
    seed: int = 1234
    segment_size: int
    lambda_adversarial: float = 1.0
    lambda_feature_matching: float = 2.0
    lambda_mel: float = 45.0
    lambda_stft: float = 0.0
    lambda_repetition: float = 0.0
    discriminator_start_step: int | None = 0
    ema_decay: float = 0.0
    max_steps: int = 2_500_000
    validation_interval: int = 1000
    checkpoint_interval: int = 5000
    summary_interval: int = 100
    checkpoints_to_keep: int = 3
    validation_clips: int = 100

    def __post_init__(self):
        _require_integer("batch_size", self.batch_size, 1)
        require(
            _is_number(self.learning_rate) and self.learning_rate > 0,
            "learning_rate",
            self.learning_rate,
            "it must be a positive number (the paper has 0.0002)",
        )
        for key in ("adam_b1", "adam_b2", "ema_decay"):
            value = getattr(self, key)
            require(_is_number(value) and 0 <= value < 1, key, value, "it must be at least 0 and below 1")
        require(
            _is_number(self.lr_decay) and 0 < self.lr_decay <= 1,
            "lr_decay",
            self.lr_decay,
            "it must be above 0 and at most 1",
        )
        if self.lr_decay_steps is not None:
            _require_integer("lr_decay_steps", self.lr_decay_steps, 1)
        if self.epoch_clip_seconds is not None:
            _require_number("epoch_clip_seconds", self.epoch_clip_seconds, 1)
        for key in (
            "weight_decay",
            *(item.name for item in dataclasses.fields(self) if item.name.startswith("lambda_")),
        ):
            _require_number(key, getattr(self, key), 0)
        require(
            _is_integer(self.seed) and 0 <= self.seed < 2**32,
            "seed",
            self.seed,
            f"it must be a whole number from 0 to {2**32 - 1}",
        )
        for key in (
            "segment_size",
            "max_steps",
            "validation_interval",
            "checkpoint_interval",
            "summary_interval",
            "checkpoints_to_keep",
            "validation_clips",
        ):
            _require_integer(key, getattr(self, key), 1)
        start = self.discriminator_start_step
        require(
            start is None or (_is_integer(start) and start >= 0),
            "discriminator_start_step",
            start,
            "it must be a whole number, at least 0, or null for none at all",
        )
        require(
            start is None or start <= self.max_steps,
            "discriminator_start_step",
            start,
            f"it must be at most max_steps ({self.max_steps}), or the discriminators would never learn: null, if none "
            "are wanted",
        )


@dataclass(frozen=True, kw_only=True)
class Config:
    """A whole model and its training, as one flat JSON object in the original's schema."""

    audio: AudioConfig
    generator: GeneratorConfig
    discriminators: DiscriminatorConfig = field(default_factory=DiscriminatorConfig)
    training: TrainingConfig

    def __post_init__(self):
        require(
            self.generator.hop_size == self.audio.hop_size,
            "upsample_rates",
            self.generator.upsample_rates,
            f"{_product(self.generator)} is {brief(self.generator.hop_size)}, and it must equal hop_size "
            f"({self.audio.hop_size})",
        )
        self.generator.check_bands(self.audio.num_mels)
        hop, segment = self.audio.hop_size, self.training.segment_size
        require(
            segment % hop == 0,
            "segment_size",
            segment,
            f"it must be a multiple of hop_size ({hop}), for example {max(1, round(segment / hop)) * hop}",
        )
        padding = max(self.audio.mirrored_samples)
        formula = "n_fft / 2" if self.audio.mel_centred else "(n_fft - hop_size) / 2"
        require(
            segment > padding,
            "segment_size",
            segment,
            f"it must be more than {formula} = {padding}, which the mel front end mirrors at either end",
        )
        mirrored = max(n_fft for *_, n_fft in STFT_RESOLUTIONS) // 2
        require(
            segment > mirrored or not self.training.lambda_stft,
            "segment_size",
            segment,
            f"with lambda_stft it must be more than the {mirrored} samples that the STFT loss mirrors at either end",
        )
        hops = REPETITION_HOPS + 2
        require(
            segment > hops * hop + 1 or not self.training.lambda_repetition,
            "segment_size",
            segment,
            f"with lambda_repetition it must be more than {hops} hops ({hops * hop}) and a sample",
        )

    @classmethod
    def from_dict(cls, values: dict) -> "Config":
        """A config from the flat keys of the JSON file. Raises ``UserError`` naming the first bad key."""
        values = {key: value for key, value in values.items() if key not in IGNORED_KEYS}
        known = {name for _, section in _sections() for name in _names(section)}
        for key in values:
            if key not in known:
                theirs = OTHER_NAMES.get(key.lower())
                close = [theirs] if theirs else difflib.get_close_matches(key, known, n=1)
                hint = f"did you mean {close[0]!r}?" if close else f"known keys: {', '.join(sorted(known))}"
                raise UserError(
                    f"config key {brief(key, quoted=True)} (value {brief(values[key], quoted=True)}) is unknown: {hint}"
                )
        sections = {}
        for name, section in _sections():
            for key in _names(section):
                if key not in values and _required(section, key):
                    raise UserError(f"config key {key!r} is missing: add it, as in configs/v1.json")
            present = {key: _frozen(values[key]) for key in _names(section) if key in values}
            sections[name] = section(**present)
        return cls(**sections)

    @classmethod
    def load(cls, path: str | Path) -> "Config":
        """A config from a JSON file. Raises ``UserError`` with the file's name and what is wrong in it."""
        path = Path(path)
        try:
            values = parse_json(path.read_bytes(), f"config {path}")
        except FileNotFoundError:
            raise UserError(f"config {path} does not exist: configs/ holds the shipped ones") from None
        except OSError as error:
            raise UserError(f"config {path} cannot be read: {error.strerror}") from None
        if not isinstance(values, dict):
            raise UserError(f"config {path} holds a {type(values).__name__}: it must be one JSON object")
        try:
            return cls.from_dict(values)
        except UserError as error:
            raise UserError(f"{path}: {error}") from None

    def to_dict(self) -> dict:
        """The flat keys of the JSON file, every one with its value."""
        result = {}
        for name, _ in _sections():
            result.update(dataclasses.asdict(getattr(self, name)))
        return result

    def dumps(self) -> str:
        """The JSON text: ``Config.from_dict(json.loads(config.dumps())) == config``."""
        return json.dumps(self.to_dict(), indent=4) + "\n"

    def replace(self, **values) -> "Config":
        """A copy with some flat keys changed, checked again."""
        return type(self).from_dict({**self.to_dict(), **values})


def _product(generator: GeneratorConfig) -> str:
    steps = generator.samples_per_step
    return "their product" if steps == 1 else f"their product times samples_per_step ({steps})"


def difference(theirs, ours) -> str:
    """The first key in which two sections of one kind differ, and both values, for messages."""
    pairs = ((key, getattr(theirs, key), getattr(ours, key)) for key in _names(type(ours)))
    key, value, wanted = next(pair for pair in pairs if pair[1] != pair[2])
    return f"{key} is {json.dumps(value)} there, and {json.dumps(wanted)} is asked for"


def _sections():
    """(name, class) of each section, in the order of the file."""
    return [
        ("audio", AudioConfig),
        ("generator", GeneratorConfig),
        ("discriminators", DiscriminatorConfig),
        ("training", TrainingConfig),
    ]


def _names(section) -> list[str]:
    return [item.name for item in dataclasses.fields(section)]


def _required(section, key: str) -> bool:
    item = next(item for item in dataclasses.fields(section) if item.name == key)
    return item.default is dataclasses.MISSING and item.default_factory is dataclasses.MISSING


def _frozen(value):
    """JSON lists as tuples, so that a config is hashable and cannot change."""
    return tuple(_frozen(item) for item in value) if isinstance(value, (list, tuple)) else value


def _thawed(value):
    """Tuples as the lists that the user wrote."""
    return [_thawed(item) for item in value] if isinstance(value, tuple) else value
