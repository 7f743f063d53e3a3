"""The multi-period and the multi-scale discriminator (paper, section 2.3, figure 2)."""

from typing import NamedTuple

import keras

from hifigan_tf.config import DiscriminatorConfig
from hifigan_tf.models.layers import SpectralNormConv1D, WeightNormConv1D, leaky_relu


class DiscriminatorOutput(NamedTuple):
    """The output of one sub-discriminator for a batch.

    ``logits`` is ``[batch, positions]`` in the original's order; ``features`` are its feature maps, the
    logit map last. Losses take means over them, so their layout is free.
    """

    logits: keras.KerasTensor
    features: list


class SubDiscriminator(keras.Model):
    """A stack of normed convolutions with LeakyReLU and a last one that makes the logits.

    Here and below, audio may be ``batches`` batches concatenated: the same as one call for each, at less cost. In
    training, the spectral norm takes one power iteration per batch.
    """

    def __init__(self, convs, conv_post, **kwargs):
        super().__init__(**kwargs)
        self.convs = convs
        self.conv_post = conv_post
        self.build()

    def build(self, input_shape=None):
        for conv in [*self.convs, self.conv_post]:
            conv.build()
        self.built = True

    def feature_maps(self, x, training, batches):
        """Every feature map of ``x`` ``[batch, length, 1]``, the logit map last."""
        features = []
        for conv in self.convs:
            x = leaky_relu(conv(x, training=training, batches=batches))
            features.append(x)
        features.append(self.conv_post(x, training=training, batches=batches))
        return features


class PeriodDiscriminator(SubDiscriminator):
    """Logits and features of audio ``[batch, samples, 1]`` from every ``period``-th sample.

    The original's (5, 1) convolutions over a ``[samples / period, period]`` image are 1-D convolutions over
    each column; here the columns are moved into the batch, which a CPU convolves faster:

        [batch, samples, 1] -> [batch, rows, period] -> [batch * period, rows, 1]
    """

    def __init__(self, period, discriminator_channels=1024, **kwargs):
        policy = {"dtype": kwargs["dtype"]} if "dtype" in kwargs else {}
        widths = [1, *(discriminator_channels // part for part in (32, 8, 2, 1, 1))]
        strides = (3, 3, 3, 3, 1)
        convs = [
            WeightNormConv1D(channels, filters, 5, stride, **policy)
            for channels, filters, stride in zip(widths[:-1], widths[1:], strides, strict=True)
        ]
        super().__init__(convs, WeightNormConv1D(widths[-1], 1, 3, **policy), **kwargs)
        self.period = period

    def call(self, audio, training=False, batches=1):
        ops = keras.ops
        batch, samples = ops.shape(audio)[0], ops.shape(audio)[1]
        # Mirrored on the right to a whole number of rows.
        audio = ops.pad(audio, [[0, 0], [0, -samples % self.period], [0, 0]], mode="reflect")
        columns = ops.transpose(ops.reshape(audio, (batch, -1, self.period)), (0, 2, 1))
        columns = ops.reshape(columns, (-1, ops.shape(columns)[2], 1))
        features = self.feature_maps(columns, training, batches)
        logits = ops.reshape(features[-1], (batch, self.period, -1))
        return DiscriminatorOutput(ops.reshape(ops.transpose(logits, (0, 2, 1)), (batch, -1)), features)


class ScaleDiscriminator(SubDiscriminator):
    """Logits and features of audio ``[batch, samples, 1]`` by grouped convolutions with long kernels (as in MelGAN)."""

    def __init__(self, norm, discriminator_channels=1024, **kwargs):
        policy = {"dtype": kwargs["dtype"]} if "dtype" in kwargs else {}
        widths = [1, *(discriminator_channels // part for part in (8, 8, 4, 2, 1, 1, 1))]
        kernel_sizes = (15, 41, 41, 41, 41, 41, 5)
        strides = (1, 2, 2, 4, 4, 1, 1)
        groups = (1, 4, 16, 16, 16, 16, 1)
        layers = zip(widths[:-1], widths[1:], kernel_sizes, strides, groups, strict=True)
        convs = [norm(*layer[:4], groups=layer[4], **policy) for layer in layers]
        super().__init__(convs, norm(widths[-1], 1, 3, **policy), **kwargs)

    def call(self, audio, training=False, batches=1):
        features = self.feature_maps(audio, training, batches)
        return DiscriminatorOutput(features[-1][..., 0], features)


class MultiPeriodDiscriminator(keras.Model):
    """One ``PeriodDiscriminator`` for each period: a list of ``DiscriminatorOutput``, in the order of ``labels``."""

    def __init__(self, periods=(2, 3, 5, 7, 11), discriminator_channels=1024, **kwargs):
        super().__init__(**kwargs)
        self.periods = tuple(periods)
        self.labels = [f"mpd_{period}" for period in periods]
        self.discriminators = [
            PeriodDiscriminator(period, discriminator_channels, dtype=self.dtype_policy) for period in periods
        ]
        self.built = True

    def call(self, audio, training=False, batches=1):
        return [discriminator(audio, training=training, batches=batches) for discriminator in self.discriminators]


class MultiScaleDiscriminator(keras.Model):
    """One ``ScaleDiscriminator`` on the audio, the others on it average-pooled by 2, 4, …: outputs as above.

    The first is spectrally normalised, the others weight-normalised.
    """

    def __init__(self, scales=3, discriminator_channels=1024, **kwargs):
        super().__init__(**kwargs)
        self.labels = [f"msd_{2**index}" for index in range(scales)]  # by how much the audio is averaged
        self.discriminators = [
            ScaleDiscriminator(norm, discriminator_channels, dtype=self.dtype_policy)
            for norm in [SpectralNormConv1D, *[WeightNormConv1D] * (scales - 1)][:scales]
        ]
        self.built = True

    def call(self, audio, training=False, batches=1):
        outputs = []
        for index, discriminator in enumerate(self.discriminators):
            if index > 0:
                audio = average_pool(audio)
            outputs.append(discriminator(audio, training=training, batches=batches))
        return outputs


def average_pool(audio):
    """AvgPool1d(4, 2, padding=2) of PyTorch, whose mean counts the padding: ``[batch, samples // 2 + 1, 1]``."""
    padded = keras.ops.pad(audio, [[0, 0], [2, 2], [0, 0]])
    return keras.ops.average_pool(padded, 4, strides=2, padding="valid")


def make_discriminators(config: DiscriminatorConfig, dtype=None) -> list[keras.Model]:
    """The discriminators that the config asks for, named "mpd" and "msd"."""
    models = []
    if config.mpd_periods:
        models.append(
            MultiPeriodDiscriminator(config.mpd_periods, config.discriminator_channels, name="mpd", dtype=dtype)
        )
    if config.msd_scales:
        models.append(
            MultiScaleDiscriminator(config.msd_scales, config.discriminator_channels, name="msd", dtype=dtype)
        )
    return models
