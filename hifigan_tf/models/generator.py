"""The generator (paper, section 2.2): log-mel in, waveform out."""

import dataclasses
from collections.abc import Mapping
from pathlib import Path

import keras

from hifigan_tf.cli import refuse_hdf5
from hifigan_tf.config import EDGE_TAPS, AudioConfig, GeneratorConfig
from hifigan_tf.errors import UserError, one_line
from hifigan_tf.models.layers import MRF, WeightNormConv1D, WeightNormConv1DTranspose, leaky_relu


@keras.saving.register_keras_serializable("hifigan_tf")
class Generator(keras.Model):
    """Log-mel ``[batch, frames, num_mels]`` to waveform ``[batch, frames * hop_size, 1]`` in -1 to 1.

    The arguments are those of ``GeneratorConfig``; ``audio`` holds those of the mel front end, so that a
    saved model knows the mels it was trained on. ``Generator.of`` makes one from a config. Raises ``UserError``
    if the arguments contradict each other.
    """

    def __init__(
        self,
        resblock: str,
        upsample_rates,
        upsample_kernel_sizes,
        upsample_initial_channel: int,
        resblock_kernel_sizes,
        resblock_dilation_sizes,
        audio: Mapping,
        lookahead_frames: int | None = None,
        samples_per_step: int = 1,
        upsample_output_padding: bool | None = None,
        leaky_slope: float = GeneratorConfig.leaky_slope,
        last_leaky_slope: float = GeneratorConfig.last_leaky_slope,
        padding: str = "zero",
        input_mean=0.0,
        input_scale=1.0,
        replicated_frames: int = 0,
        **kwargs,
    ):
        super().__init__(**kwargs)
        self.hyper_parameters = GeneratorConfig(
            resblock=resblock,
            upsample_rates=tuple(upsample_rates),
            upsample_kernel_sizes=tuple(upsample_kernel_sizes),
            upsample_initial_channel=upsample_initial_channel,
            resblock_kernel_sizes=tuple(resblock_kernel_sizes),
            resblock_dilation_sizes=tuple(tuple(dilations) for dilations in resblock_dilation_sizes),
            lookahead_frames=lookahead_frames,
            samples_per_step=samples_per_step,
            upsample_output_padding=upsample_output_padding,
            leaky_slope=leaky_slope,
            last_leaky_slope=last_leaky_slope,
            padding=padding,
            input_mean=input_mean,
            input_scale=input_scale,
            replicated_frames=replicated_frames,
        )
        self.audio = AudioConfig(**audio)
        if self.audio.hop_size != self.hyper_parameters.hop_size:
            raise UserError(
                f"the generator makes {self.hyper_parameters.hop_size} samples of a frame (upsample_rates "
                f"{list(upsample_rates)}, samples_per_step {samples_per_step}), but hop_size is {self.audio.hop_size}: "
                "they must be equal"
            )
        self.hyper_parameters.check_bands(self.audio.num_mels)
        channels, policy = upsample_initial_channel, self.dtype_policy
        ends = {"padding": padding, "dtype": policy}
        self.conv_pre = WeightNormConv1D(self.audio.num_mels, channels, EDGE_TAPS, ahead=lookahead_frames, **ends)
        self.ups, self.mrfs = [], []
        ahead = 0 if self.hyper_parameters.low_delay else None  # only in the first stage, where steps are longest
        for rate, kernel_size in zip(upsample_rates, upsample_kernel_sizes, strict=True):
            shift = self.hyper_parameters.upsample_shift(rate, kernel_size)
            extra = self.hyper_parameters.upsample_extra(rate, kernel_size)
            self.ups.append(
                WeightNormConv1DTranspose(channels, channels // 2, kernel_size, rate, shift, extra, dtype=policy)
            )
            channels //= 2
            blocks = (resblock, resblock_kernel_sizes, resblock_dilation_sizes)
            settings = {"ahead": ahead, "slope": leaky_slope, "padding": padding}
            self.mrfs.append(MRF(channels, *blocks, settings, dtype=policy))
            ahead = None
        self.conv_post = WeightNormConv1D(channels, samples_per_step, EDGE_TAPS, **ends)
        self.build()

    @classmethod
    def of(cls, generator: GeneratorConfig, audio: AudioConfig, **kwargs) -> "Generator":
        """A generator with fresh weights from the two sections of a config."""
        return cls(**dataclasses.asdict(generator), audio=audio.to_dict(), **kwargs)

    @property
    def resblocks(self) -> list:
        """Every residual block, in the original's numbering."""
        return [block for mrf in self.mrfs for block in mrf.resblocks]

    def build(self, input_shape=None):
        layers: list[keras.layers.Layer] = [self.conv_pre, *self.ups, *self.mrfs, self.conv_post]
        for layer in layers:
            layer.build()
        self.built = True

    def call(self, mel):
        options, x = self.hyper_parameters, mel
        if options.normalises_input:
            x = (x - keras.ops.array(options.input_mean, x.dtype)) / keras.ops.array(options.input_scale, x.dtype)
        x = self.conv_pre(x)
        for up, mrf in zip(self.ups, self.mrfs, strict=True):
            x = mrf(up(leaky_relu(x, options.leaky_slope)))
        x = self.conv_post(leaky_relu(x, options.last_leaky_slope))
        if options.samples_per_step > 1:
            x = keras.ops.reshape(x, (keras.ops.shape(x)[0], -1, 1))
        if any(up.extra for up in self.ups):  # what lies beyond the last frame is only for the layers in between
            x = x[:, : keras.ops.shape(mel)[1] * self.audio.hop_size]
        # float32 under mixed precision too, because half precision has fewer levels than 16-bit audio.
        return keras.ops.tanh(keras.ops.cast(x, "float32"))

    def compute_output_shape(self, input_shape):
        frames = input_shape[1]
        return (input_shape[0], None if frames is None else frames * self.audio.hop_size, 1)

    def export(self, filepath, *args, **options):
        """As Keras' ``export``, for mels of any batch and length: a loaded model has been called with none yet."""
        options.setdefault(
            "input_signature", [keras.InputSpec(shape=(None, None, self.audio.num_mels), dtype="float32")]
        )
        return super().export(filepath, *args, **options)

    def get_config(self):
        return {
            **super().get_config(),
            **self.hyper_parameters.to_dict(),
            "audio": self.audio.to_dict(),
        }


def load_generator(path: str | Path) -> Generator:
    """The generator in a ``.keras`` file. Raises ``UserError`` when there is none or it cannot be read."""
    path = Path(path)
    if not path.is_file():
        raise UserError(f"checkpoint {path} does not exist: give a .keras file or a run folder")
    refuse_hdf5(path)
    try:
        model = keras.models.load_model(path, compile=False)
    except MemoryError:
        raise
    except Exception as error:  # Keras raises whatever the zip file, its JSON or its HDF5 file led to
        raise UserError(f"checkpoint {path} cannot be read (cut short, or no .keras file): {one_line(error)}") from None
    if not isinstance(model, Generator):
        raise UserError(f"checkpoint {path} holds a {type(model).__name__}, not a Generator: give a generator's file")
    return model
