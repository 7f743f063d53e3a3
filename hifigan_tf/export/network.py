"""The generator's weights as the deployment graph needs them: norms folded, upsampling as a convolution.

Plain NumPy, so that quantization can reshape and rescale the weights before any graph exists.
"""

import math
from dataclasses import dataclass, field

import keras
import numpy as np

from hifigan_tf.models.generator import Generator
from hifigan_tf.models.layers import ResBlock1

LANES = 16  # float32 numbers in the widest vector register in use; 8 cost about the same


@dataclass
class Conv:
    """A convolution with its norm folded: ``kernel`` ``[taps, channels, filters]`` and ``bias`` ``[filters]``.

    ``ahead`` is how many later steps an output sees, by default as many as earlier ones.
    """

    name: str
    kernel: np.ndarray
    bias: np.ndarray
    dilation: int = 1
    stride: int = 1
    ahead: int | None = None

    @property
    def reach(self) -> int:
        """Steps that it sees besides the ``stride`` it advances by: the past steps that a stream must keep for it."""
        return (len(self.kernel) - self.stride) * self.dilation

    @property
    def delay(self) -> int:
        """How many of them are ahead: the steps by which its output lags in a stream."""
        return self.reach // 2 if self.ahead is None else self.ahead


@dataclass
class Stage:
    """One upsampling and the residual blocks after it.

    ``up`` has ``rate * filters`` filters: phase q of an input step is their slice ``[q * filters:][:filters]``.
    ``shift`` is how many steps the transposed convolution cuts off the start, ``extra`` how many it makes beyond
    ``rate`` for each of its input. ``blocks`` holds, for each residual block, its units; a unit is the list of
    convolutions inside one skip (two in ResBlock1, one in ResBlock2).
    """

    rate: int
    shift: int
    up: Conv
    extra: int = 0
    blocks: list[list[list[Conv]]] = field(default_factory=list)

    def inner(self) -> list[Conv]:
        """Every convolution of its residual blocks, in the order of the graph."""
        return [conv for block in self.blocks for unit in block for conv in unit]


@dataclass
class Network:
    """A generator ready to be built as a graph. ``pre`` and ``post`` are its first and last convolution.

    ``mean`` ``[num_mels]``, where there is one, is taken off the mel before ``pre``; it cannot be folded into the bias,
    because ``pre`` finds zeros, not the mean, outside the utterance. ``reflects`` as in ``GeneratorConfig``.
    """

    pre: Conv
    stages: list[Stage]
    post: Conv
    slope: float
    last_slope: float
    reflects: bool = False
    mean: np.ndarray | None = None

    @property
    def samples_per_step(self) -> int:
        """Samples that the last convolution makes at each step."""
        return self.post.kernel.shape[2] // self.post.stride

    def convs(self) -> list[Conv]:
        """Every convolution, in the order of the graph."""
        stages = [conv for stage in self.stages for conv in [stage.up, *stage.inner()]]
        return [self.pre, *stages, self.post]


def fold(generator: Generator) -> Network:
    """The network of a generator: weight norm folded, the blocks' mean and the input's scale into the next kernel."""
    mean = 1.0
    stages = []
    for index, (up, mrf) in enumerate(zip(generator.ups, generator.mrfs, strict=True)):
        kernel, bias = _effective(up)
        blocks = [
            [_unit(f"stage_{index}/block_{number}/unit_{unit}", convs) for unit, convs in enumerate(layer_units(block))]
            for number, block in enumerate(mrf.resblocks)
        ]
        stages.append(
            Stage(
                rate=up.stride,
                shift=up.shift,
                extra=up.extra,
                up=Conv(f"stage_{index}/up", upsampling_kernel(kernel * mean, up.stride), np.tile(bias, up.stride)),
                blocks=blocks,
            )
        )
        # LeakyReLU is positively homogeneous, so the 1/n of the mean can be moved through it into the next kernel.
        mean = 1.0 / len(mrf.resblocks)
    kernel, bias = _effective(generator.conv_post)
    options = generator.hyper_parameters
    samples, bands = options.samples_per_step, generator.audio.num_mels
    pre, pre_bias = _effective(generator.conv_pre)
    if options.normalises_input:
        pre = pre / np.reshape(np.asarray(options.input_scale, np.float32), [1, -1, 1])
    phases = math.gcd(generator.audio.hop_size // samples, max(1, LANES // samples))
    return Network(
        pre=Conv("conv_pre", pre, pre_bias, ahead=generator.conv_pre.ahead),
        stages=stages,
        post=Conv("conv_post", phase_kernel(kernel * mean, phases), np.tile(bias, phases), stride=phases),
        slope=options.leaky_slope,
        last_slope=options.last_leaky_slope,
        reflects=options.reflects,
        mean=np.broadcast_to(np.asarray(options.input_mean, np.float32), [bands])
        if np.any(options.input_mean)
        else None,
    )


def upsampling_kernel(kernel: np.ndarray, rate: int) -> np.ndarray:
    """A transposed convolution's kernel ``[k, filters, channels]`` as a plain one of ceil(k / rate) taps.

    Output step ``i * rate + q`` of the transposed convolution (before it cuts ``shift`` off its start) is the
    sum over j of x[i - j] * kernel[q + j * rate]. So phase q is a plain convolution over the steps i - j, and
    all phases together one with ``rate * filters`` filters, whose reshape is the upsampled signal:

        kernel        w0 w1 w2 w3 | w4 w5 w6 w7        k = 8, rate = 4
        phase q = 1      w1       |    w5              tap for x[i]: w1, for x[i - 1]: w5
    """
    size, filters, channels = kernel.shape
    taps = -(-size // rate)
    padded = np.zeros((taps * rate, filters, channels), np.float32)
    padded[:size] = kernel
    # [taps, rate, filters, channels]; oldest step first, as a convolution reads it.
    phases = padded.reshape(taps, rate, filters, channels)[::-1]
    return np.ascontiguousarray(phases.transpose(0, 3, 1, 2).reshape(taps, channels, rate * filters))


def phase_kernel(kernel: np.ndarray, phases: int) -> np.ndarray:
    """A kernel ``[taps, channels, samples]`` as one that computes ``phases`` steps at once, with that stride.

    A convolution with a single filter leaves all but one lane of a vector unit idle. Filters from q * samples on are
    the kernel shifted by q steps and padded with zeros: more multiplications, in a quarter of the time.
    """
    taps, channels, samples = kernel.shape
    result = np.zeros((taps + phases - 1, channels, phases, samples), np.float32)
    for phase in range(phases):
        result[phase : phase + taps, :, phase] = kernel
    return result.reshape(len(result), channels, phases * samples)


def _effective(layer) -> tuple[np.ndarray, np.ndarray]:
    to_numpy = keras.ops.convert_to_numpy
    return to_numpy(layer.effective_kernel()).astype(np.float32), to_numpy(layer.bias).astype(np.float32)


def layer_units(block) -> list[list]:
    """The layers of a residual block, grouped by skip."""
    if isinstance(block, ResBlock1):
        return [list(pair) for pair in zip(block.convs1, block.convs2, strict=True)]
    return [[conv] for conv in block.convs]


def _unit(name: str, layers: list) -> list[Conv]:
    return [
        Conv(f"{name}/conv_{i}", *_effective(layer), layer.dilation, ahead=layer.ahead)
        for i, layer in enumerate(layers)
    ]
