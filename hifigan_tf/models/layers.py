"""Normed convolutions, and the generator's residual blocks (paper, section 2.2, figure 1)."""

import math

import keras
import numpy as np

from hifigan_tf.models.convolution import WIDE, convolution

LEAKY_SLOPE = 0.1


def leaky_relu(x, slope: float = LEAKY_SLOPE):
    """LeakyReLU, with the slope of every layer but the generator's last."""
    return keras.ops.leaky_relu(x, negative_slope=slope)


class NormedConv1D(keras.layers.Layer):
    """A 1-D convolution whose kernel is reparametrised, by ``effective_kernel`` of the subclasses.

    ``[batch, length, channels]`` to ``[batch, ceil(length / stride), filters]`` for odd ``kernel_size``, or
    one step more if the original's symmetric padding of (kernel_size - 1) * dilation / 2 gives one more.
    Kernel and bias start as PyTorch's default does, uniform in ±1 / sqrt(fan_in): the ``init_weights`` of
    the original has no effect under weight norm. ``ahead`` is how many later steps an output sees, by default as
    many as earlier ones; the rest of the kernel covers earlier steps.
    """

    def __init__(self, channels, filters, kernel_size, stride=1, dilation=1, groups=1, ahead=None, **kwargs):
        super().__init__(**kwargs)
        self.channels = channels
        self.filters = filters
        self.kernel_size = kernel_size
        self.stride = stride
        self.dilation = dilation
        self.groups = groups
        self.ahead = ahead

    @property
    def kernel_shape(self) -> tuple[int, int, int]:
        """PyTorch's shape with its axes reversed: ``[taps, channels / groups, filters]``."""
        return (self.kernel_size, self.channels // self.groups, self.filters)

    @property
    def fan_in(self) -> int:
        """The number of inputs of one output, as PyTorch counts them."""
        return self.kernel_size * self.channels // self.groups

    def build(self, input_shape=None):
        limit = 1.0 / math.sqrt(self.fan_in)
        uniform = keras.initializers.RandomUniform(-limit, limit)
        # Without autocast: norms are taken in float32 under mixed precision too.
        self.kernel = self.add_weight(shape=self.kernel_shape, initializer=uniform, name="kernel", autocast=False)
        self.build_norm()
        self.bias = self.add_weight(shape=(self.filters,), initializer=uniform, name="bias")
        self.built = True

    def build_norm(self):
        """Adds the variables that the reparametrisation needs besides ``kernel``."""
        raise NotImplementedError

    def effective_kernel(self):
        """The kernel used in the convolution, float32."""
        raise NotImplementedError

    def assign(self, weight, bias) -> None:
        """Sets the effective kernel and the bias, both in this layer's shapes, whatever the reparametrisation."""
        raise NotImplementedError

    def call(self, x, training=False, batches=1):
        """``x`` is ``batches`` batches concatenated; spectral norm needs the count."""
        return self.convolve(x, self.effective_kernel()) + self.bias

    def convolve(self, x, kernel):
        """``x`` convolved with this kernel, without the bias."""
        reach = (self.kernel_size - 1) * self.dilation
        padding = reach // 2
        if self.ahead is not None:
            x, padding = keras.ops.pad(x, [[0, 0], [reach - self.ahead, self.ahead], [0, 0]]), 0
        kernel = keras.ops.cast(kernel, self.compute_dtype)
        return convolution(x, kernel, self.stride, self.dilation, self.groups, padding)


class WeightNormConv1D(NormedConv1D):
    """Weight normalisation (Salimans and Kingma, 2016): kernel = gain * direction / |direction|.

    The norm is taken over all axes but PyTorch's first, which is the last one here.
    """

    def build_norm(self):
        self.gain = self.add_weight(shape=self.kernel_shape[-1:], name="gain", autocast=False)
        self.gain.assign(self._norm())

    def _norm(self):
        return keras.ops.sqrt(keras.ops.sum(keras.ops.square(self.kernel), axis=(0, 1)))

    def effective_kernel(self):
        return self.kernel * (self.gain / self._norm())

    def call(self, x, training=False, batches=1):
        if self.groups > 1 or self.channels < WIDE:
            return super().call(x)
        # A wide kernel is far larger than its output for a segment, so the gain is applied to the output.
        scale = keras.ops.cast(self.gain / self._norm(), self.compute_dtype)
        return self.convolve(x, self.kernel) * scale + self.bias

    def assign(self, weight, bias):
        self.kernel.assign(weight)
        norm = self._norm()
        self.gain.assign(norm)
        # An all-zero (pruned) filter has no direction: any will do, with gain 0.
        self.kernel.assign(keras.ops.where(norm == 0, 1.0, self.kernel))
        self.bias.assign(bias)


class WeightNormConv1DTranspose(WeightNormConv1D):
    """Upsampling ``[batch, length, channels]`` to ``[batch, length * stride + extra, filters]``.

    Equal to PyTorch's transposed convolution with padding ``shift``, the steps that it cuts off the start; by default
    (kernel_size - stride) / 2. The gain is per *input* channel, because that is PyTorch's first axis here.
    """

    def __init__(self, channels, filters, kernel_size, stride, shift=None, extra=0, **kwargs):
        super().__init__(channels, filters, kernel_size, stride, **kwargs)
        self.shift = (kernel_size - stride) // 2 if shift is None else shift
        self.extra = extra

    @property
    def kernel_shape(self):
        return (self.kernel_size, self.filters, self.channels)

    @property
    def fan_in(self):
        return self.kernel_size * self.filters  # PyTorch's count for a transposed convolution

    def call(self, x, training=False, batches=1):
        ops, kernel = keras.ops, keras.ops.cast(self.effective_kernel(), self.compute_dtype)
        if 2 * self.shift == self.kernel_size - self.stride:
            return ops.conv_transpose(x, kernel, strides=self.stride, padding="same") + self.bias
        steps = ops.shape(x)[1] * self.stride + self.extra
        whole = ops.conv_transpose(x, kernel, strides=self.stride, padding="valid")
        return whole[:, self.shift : self.shift + steps] + self.bias


class SpectralNormConv1D(NormedConv1D):
    """Spectral normalisation (Miyato et al., 2018): kernel = weight / its largest singular value.

    A reparametrisation, as PyTorch's: the stored kernel is never overwritten. The persistent singular
    vectors ``u`` and ``v`` take one power iteration in every training call and carry no gradient.
    """

    EPSILON = 1e-12

    def build_norm(self):
        taps, channels, filters = self.kernel_shape
        vectors = (("u", filters), ("v", taps * channels))
        for name, size in vectors:
            normal = keras.initializers.RandomNormal(0.0, 1.0)
            # Replicas have the same kernel, and so the same vectors: they need no synchronisation.
            vector = self.add_weight(
                shape=(size,),
                initializer=normal,
                name=name,
                trainable=False,
                autocast=False,
                aggregation="only_first_replica",
            )
            vector.assign(self._unit(vector))
            setattr(self, name, vector)

    def _matrix(self):
        """The kernel as ``[taps * channels, filters]``: PyTorch's matrix transposed."""
        return keras.ops.reshape(self.kernel, (-1, self.filters))

    def _unit(self, vector):
        return vector / keras.ops.maximum(keras.ops.sqrt(keras.ops.sum(keras.ops.square(vector))), self.EPSILON)

    def power_iteration(self):
        """One step towards the leading singular vectors, kept in ``u`` and ``v``."""
        matrix = keras.ops.stop_gradient(self._matrix())
        v = self._unit(keras.ops.matmul(matrix, self.u))
        self.v.assign(v)
        self.u.assign(self._unit(keras.ops.matmul(v, matrix)))

    def _largest_singular_value(self):
        u, v = keras.ops.stop_gradient(self.u), keras.ops.stop_gradient(self.v)
        return keras.ops.sum(v * keras.ops.matmul(self._matrix(), u))

    def effective_kernel(self):
        return self.kernel / self._largest_singular_value()

    def call(self, x, training=False, batches=1):
        # Only the scale differs between batches: it is applied to the output of the stored kernel for all of them.
        ops, scales = keras.ops, []
        for _ in range(batches):
            if training:
                self.power_iteration()
            scales.append(1.0 / self._largest_singular_value())
        scales = ops.repeat(ops.cast(ops.stack(scales), self.compute_dtype), ops.shape(x)[0] // batches)
        return self.convolve(x, self.kernel) * ops.reshape(scales, (-1, 1, 1)) + self.bias

    def assign(self, weight, bias):
        """As above; sets ``u`` and ``v`` to the values to which the power iteration would converge."""
        self.kernel.assign(weight)
        self.bias.assign(bias)
        left, _, right = np.linalg.svd(keras.ops.convert_to_numpy(self._matrix()), full_matrices=False)
        self.v.assign(left[:, 0])
        self.u.assign(right[0])


class ResBlock1(keras.layers.Layer):
    """Pairs of a dilated and a plain convolution, each pair with a skip; keeps ``[batch, length, channels]``.

    ``ahead`` is how many later steps each convolution sees, by default as many as earlier ones.
    """

    def __init__(self, channels, kernel_size, dilations, ahead=None, **kwargs):
        super().__init__(**kwargs)
        size, settings = (channels, channels, kernel_size), {"ahead": ahead, "dtype": self.dtype_policy}
        self.convs1 = [WeightNormConv1D(*size, dilation=dilation, **settings) for dilation in dilations]
        self.convs2 = [WeightNormConv1D(*size, **settings) for _ in dilations]

    def build(self, input_shape=None):
        for conv in self.convs1 + self.convs2:
            conv.build()
        self.built = True

    def call(self, x):
        for dilated, plain in zip(self.convs1, self.convs2, strict=True):
            x = x + plain(leaky_relu(dilated(leaky_relu(x))))
        return x


class ResBlock2(keras.layers.Layer):
    """Dilated convolutions, each with a skip; keeps ``[batch, length, channels]``. ``ahead`` as in ``ResBlock1``."""

    def __init__(self, channels, kernel_size, dilations, ahead=None, **kwargs):
        super().__init__(**kwargs)
        size, settings = (channels, channels, kernel_size), {"ahead": ahead, "dtype": self.dtype_policy}
        self.convs = [WeightNormConv1D(*size, dilation=dilation, **settings) for dilation in dilations]

    def build(self, input_shape=None):
        for conv in self.convs:
            conv.build()
        self.built = True

    def call(self, x):
        for conv in self.convs:
            x = x + conv(leaky_relu(x))
        return x


class MRF(keras.layers.Layer):
    """Multi-receptive-field fusion: the mean over residual blocks of several kernel sizes (section 2.2).

    ``ahead`` as in ``ResBlock1``.
    """

    def __init__(self, channels, resblock, kernel_sizes, dilation_sizes, ahead=None, **kwargs):
        super().__init__(**kwargs)
        block = ResBlock1 if resblock == "1" else ResBlock2
        self.resblocks = [
            block(channels, kernel_size, dilations, ahead, dtype=self.dtype_policy)
            for kernel_size, dilations in zip(kernel_sizes, dilation_sizes, strict=True)
        ]

    def build(self, input_shape=None):
        for block in self.resblocks:
            block.build()
        self.built = True

    def call(self, x):
        return sum(block(x) for block in self.resblocks) / len(self.resblocks)
