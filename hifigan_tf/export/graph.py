"""The deployment graph: one chunk of mel in, one chunk of audio out, and the state that joins chunks.

Three changes to the generator, none to its mathematics: every tensor is ``[1, 1, steps, channels]`` with
static lengths, so that each convolution is one CONV_2D with its bias inside; a state gives each convolution the
last steps of the previous chunk; upsampling is a plain convolution and a reshape.

A streamed convolution cannot see the future, so its output lags by the steps that it sees ahead, ``delay``. Everything
added to its output must lag by the same amount, and each stage has one buffer for all of them; here for convolutions
that see as far ahead as back, where ``reach`` is twice the ``delay``:

          state: the last steps of earlier chunks        this chunk
        |........................................|====================|   stage input x, delayed by D
           |<------- T ------->|<--- lag of a short block ---->|          (its input: an older slice)
                              |<-- reach --->|<------- T ------------>|   input of the deepest block's
                                   |<-------- T --------->|<- delay ->|   convolution, and its skip path

Shorter blocks read an older slice of the same buffer, so that all blocks have the same delay and can be added.
After an upsampling by ``rate`` the delay is D * rate + shift, in the new, finer steps.

The offline generator pads every convolution with zeros: outside the utterance each layer's output is zero,
not the bias applied to zeros. ``valid`` says which frames of the chunk lie inside, and a masked graph
sets all others to zero at every layer. Chunks far from both ends need no mask.

A generator that pads by reflection finds the steps inside mirrored, and zeros only in its upsamplings. For output step
t a convolution reads t - p to t + p, and whatever of it lies outside is mirrored to a step between the same two. So it
is in the convolution's input already: a masked graph picks the mirrored steps just before each convolution, and the
state keeps them as they are:

         first step of the utterance
                   |
          c  b  [ a  b  c  d  e  f ]          - p = 2: outputs from a on read what lies left of a as b, c
"""

import functools
from dataclasses import dataclass

import numpy as np
import tensorflow as tf

from hifigan_tf.export.network import Conv, Network, Stage

STATE = "state"  # the name of the state tensor


@dataclass
class StreamSpec:
    """What a stream over the graph of a network needs besides weights.

    ``states`` maps names to shapes; ``delay_samples`` is the delay of the audio; ``mask_frames`` is the number of
    frames from the start for which the mask matters.
    """

    states: dict[str, tuple[int, ...]]
    delay_samples: int
    mask_frames: int


class Deployment(tf.Module):
    """The weights of a network as variables, which all signatures of a model share, and the graph over them.

    ``spec`` may be passed from another deployment of the same network.
    """

    def __init__(self, network: Network, spec: StreamSpec | None = None):
        super().__init__()
        self.network = network
        # [1, taps, channels, filters]: a 2-D convolution of height 1 is a 1-D one.
        self.kernels = {conv.name: tf.Variable(conv.kernel[None], trainable=False) for conv in network.convs()}
        self.biases = {conv.name: tf.Variable(conv.bias, trainable=False) for conv in network.convs()}
        self.spec = spec or self._spec()

    def _spec(self) -> StreamSpec:
        """Finds the states by running one frame of silence without any: the graph records those it asks for."""
        bands = self.network.pre.kernel.shape[1]
        step = ChunkGraph(self, {}, None)
        step.run(tf.zeros([1, 1, bands]))
        return StreamSpec(
            states={name: tuple(tensor.shape) for name, tensor in step.new_states.items()},
            delay_samples=step.delay * self.network.samples_per_step,
            mask_frames=step.mask_frames,
        )

    def parameters(self) -> list[tf.Variable]:
        """The trainable variables."""
        return [*self.kernels.values(), *self.biases.values()]

    def store(self) -> None:
        """Copies the weights, after training, back into the network."""
        for conv in self.network.convs():
            conv.kernel, conv.bias = self.kernels[conv.name].numpy()[0], self.biases[conv.name].numpy()

    def stream(self, mel, states: dict, valid=None) -> tuple[tf.Tensor, dict]:
        """One chunk ``mel`` ``[1, frames, num_mels]`` to its audio, delayed by ``delay_samples``, and the next state.

        The audio is ``[1, frames * hop_size]``.

        ``valid`` is int32 ``[2]``: the first frame of the utterance and the one after its last, counted from
        the start of this chunk (frames outside must be zero in ``mel``). None leaves the mask out.
        """
        step = self.chunk_graph(states, valid)
        return step.run(mel), step.new_states

    def chunk_graph(self, states: dict, valid) -> "ChunkGraph":
        """Returns the builder of one chunk's graph; subclasses override it."""
        return ChunkGraph(self, states, valid)

    def whole(self, mel, valid=None) -> tf.Tensor:
        """Stateless: ``[1, frames, num_mels]`` to ``[1, frames * hop_size]``, ends padded as offline, no delay."""
        return WindowGraph(self, valid).run(mel)


class ChunkGraph:
    """Builds the streaming graph of one chunk, layer after layer, keeping track of delay and state."""

    def __init__(self, deployment: Deployment, states: dict, valid):
        self.deployment = deployment
        self.network = deployment.network
        self.states = states
        self.valid = valid
        self.kept: list = []  # the last steps of each buffer, for the next chunk
        self.rate = 1  # steps per frame at the current layer
        self.delay = 0  # delay at the current layer, in steps
        self.extra = 0  # steps there beyond those of the utterance's frames, from upsamplings that make one more
        self.mask_frames = 0  # chunks that begin before this frame need the mask

    def run(self, mel):
        """``[1, frames, num_mels]`` to ``[1, frames * hop_size]``."""
        network = self.network
        self.frames = mel.shape[1]
        x = self.normalize(mel[:, None])
        x = self.mask(self.conv(self.remember(x, network.pre.reach), network.pre))
        for stage in network.stages:
            x = self.fuse(self.upsample(self.activate(x), stage), stage)
        x = self.finish(self.activate(x, network.last_slope), network.post)
        return tf.reshape(tf.tanh(x), [x.shape[0], -1])

    def normalize(self, x):
        """Takes the network's mean off the mel, where it has one; outside the utterance zeros stay zeros."""
        return x if self.network.mean is None else self.mask(x - self.network.mean)

    def activate(self, x, slope=None):
        return tf.nn.leaky_relu(x, self.network.slope if slope is None else slope)

    def add(self, x, y):
        return x + y

    def convolve(self, x, conv: Conv, padding="VALID"):
        with tf.name_scope(conv.name):
            x = self.product(x, self.kernel(conv), [1, conv.stride], padding, [1, conv.dilation])
            return tf.nn.bias_add(x, self.deployment.biases[conv.name])

    def product(self, x, kernel, strides: list[int], padding: str, dilations: list[int]):
        """A convolution without its bias: a single operation."""
        return tf.nn.conv2d(x, kernel, strides, padding, dilations=dilations)

    def kernel(self, conv: Conv):
        return self.deployment.kernels[conv.name]

    def conv(self, x, conv: Conv):
        """Convolves ``x`` with ``conv.reach`` earlier steps in front; the result lags by ``conv.delay`` more."""
        if self.network.reflects:
            x = self.mirror(x, conv)
        self.delay += conv.delay
        self.mask_until(self.delay + (conv.delay if self.network.reflects else 0))
        return self.convolve(x, conv)

    def mirror(self, x, conv: Conv):
        """The input of ``conv`` with the steps inside the utterance mirrored to those outside that it reads."""
        if self.valid is None:
            return x
        return tf.gather(x, self.mirrored(tf.range(x.shape[2]), self.delay + conv.reach, x.shape[2]), axis=2)

    def mirrored(self, positions, delay: int, steps: int):
        """For each of the ``positions``, the one that reflection finds there, among ``steps`` from 0 on.

        ``delay`` is the position of the utterance's first step in a chunk that begins with the utterance.
        """
        first = self.valid[0] * self.rate + delay
        length = (self.valid[1] - self.valid[0]) * self.rate + self.extra
        period = tf.maximum(2 * (length - 1), 1)
        positions = (positions - first) % period
        inside = first + tf.minimum(positions, period - positions)
        # Only outputs outside the utterance, which nothing reads, depend on positions further away. Counted from 1,
        # because the converter takes limits of 0 and 6 for a Relu6, which it does not have for integers.
        return tf.clip_by_value(inside + 1, 1, steps) - 1

    def mask_until(self, delay: int) -> None:
        """Notes that chunks need the mask that begin less than ``delay`` steps after the utterance."""
        self.mask_frames = max(self.mask_frames, -(-delay // self.rate))

    def remember(self, x, steps: int):
        """``x`` with the ``steps`` before it in front; stores the last ``steps`` in the state for the next chunk."""
        if steps == 0:
            return x
        shape = [1, 1, steps, x.shape[3]]
        begin, size = sum(end.shape[1] for end in self.kept), steps * x.shape[3]
        state = self.states.get(STATE)
        before = tf.zeros(shape) if state is None else tf.reshape(tf.slice(state, [0, begin], [1, size]), shape)
        x = tf.concat([before, x], axis=2)
        self.kept.append(tf.reshape(time_slice(x, x.shape[2] - steps, x.shape[2]), [1, size]))
        return x

    @property
    def new_states(self) -> dict:
        """The state for the next chunk, packed into one tensor, because each one costs an input and an output call."""
        return {STATE: tf.concat(self.kept, axis=1)} if self.kept else {}

    def mask(self, x):
        """Sets the steps outside the utterance to zero."""
        if self.valid is None:
            return x
        positions = tf.range(x.shape[2])
        first = self.valid[0] * self.rate + self.delay
        end = self.valid[1] * self.rate + self.delay + self.extra
        inside = tf.cast((positions >= first) & (positions < end), x.dtype)
        return x * inside[None, None, :, None]

    def upsample(self, x, stage: Stage):
        x = self.convolve(self.remember(x, len(stage.up.kernel) - 1), stage.up)
        self.advance(stage)
        self.delay = self.delay * stage.rate + stage.shift
        self.mask_until(self.delay)
        return self.mask(self.interleave(x, stage))

    def advance(self, stage: Stage) -> None:
        """Counts steps in those of the upsampled signal."""
        self.rate *= stage.rate
        self.extra = self.extra * stage.rate + stage.extra

    def interleave(self, x, stage: Stage):
        """Moves the phases of an upsampling, which lie side by side in the channels, to successive time steps."""
        return tf.reshape(x, [x.shape[0], 1, x.shape[2] * stage.rate, x.shape[3] // stage.rate])

    def fuse(self, x, stage: Stage):
        """The sum over residual blocks (their mean is folded into the next kernel)."""
        start = self.delay
        lateness = [sum(conv.delay for unit in block for conv in unit) for block in stage.blocks]
        lags = [max(lateness) - late for late in lateness]
        past = max(lag + unit_reach(block[0]) for lag, block in zip(lags, stage.blocks, strict=True))
        buffer = self.remember(x, past)
        active = self.activate(buffer)
        outputs = []
        for lag, block in zip(lags, stage.blocks, strict=True):
            self.delay = start + lag
            x = self.unit(buffer, active, block[0], lag)
            for unit in block[1:]:
                recent = self.remember(self.mask(x), unit_reach(unit))
                x = self.unit(recent, self.activate(recent), unit, 0)
            outputs.append(x)
        return self.mask(functools.reduce(self.add, outputs))

    def finish(self, x, post: Conv):
        """The last convolution, ``stride`` steps at once: ``[1, 1, steps / stride, stride * samples_per_step]``."""
        return self.conv(self.remember(x, post.reach), post)

    def unit(self, buffer, active, unit: list[Conv], lag: int):
        """A skip connection and its convolutions, over the steps of a buffer up to ``lag`` before its last one."""
        length = self.frames * self.rate
        end = buffer.shape[2] - lag
        x = self.conv(time_slice(active, end - length - unit[0].reach, end), unit[0])
        for conv in unit[1:]:
            x = self.conv(self.remember(self.activate(self.mask(x)), conv.reach), conv)
        end -= sum(conv.delay for conv in unit)
        return self.add(time_slice(buffer, end - length, end), x)


def time_slice(x, begin: int, end: int):
    """Steps ``begin`` to ``end`` of ``x``; adds no operation if that is all of ``x``."""
    if (begin, end) == (0, x.shape[2]):
        return x
    return tf.slice(x, [0, 0, begin, 0], [x.shape[0], 1, end - begin, x.shape[3]])


def unit_reach(unit: list[Conv]) -> int:
    """Older steps that a unit needs: those of its first convolution, or of its skip, which waits for all of them."""
    return max(unit[0].reach, sum(conv.delay for conv in unit))


class WindowGraph(ChunkGraph):
    """The graph for a whole window, without states: every convolution pads its input, and there is no delay."""

    def __init__(self, deployment: Deployment, valid):
        super().__init__(deployment, {}, valid)

    def conv(self, x, conv):
        if 2 * conv.delay == conv.reach and not self.network.reflects:
            return self.convolve(x, conv, "SAME")
        return self.convolve(self.pad(x, conv), conv)

    def pad(self, x, conv: Conv):
        """``x`` with the steps outside that ``conv`` reads: zeros, or those inside mirrored."""
        before, after, steps = conv.reach - conv.delay, conv.delay, x.shape[2]
        if not self.network.reflects:
            return tf.pad(x, [[0, 0], [0, 0], [before, after], [0, 0]])
        if before == after == 0:
            return x
        if self.valid is not None:
            return tf.gather(x, self.mirrored(tf.range(-before, steps + after), 0, steps), axis=2)
        if max(before, after) < steps:
            return tf.pad(x, [[0, 0], [0, 0], [before, after], [0, 0]], "REFLECT")
        period = max(2 * (steps - 1), 1)
        positions = np.arange(-before, steps + after) % period
        return tf.gather(x, np.minimum(positions, period - positions), axis=2)

    def remember(self, x, steps):
        return x

    def upsample(self, x, stage):
        taps = len(stage.up.kernel)
        steps = x.shape[2] * stage.rate + stage.extra
        x = self.convolve(tf.pad(x, [[0, 0], [0, 0], [taps - 1, taps - 1], [0, 0]]), stage.up)
        x = self.interleave(x, stage)
        self.advance(stage)
        return self.mask(x[:, :, stage.shift : stage.shift + steps])

    def fuse(self, x, stage):
        outputs = []
        active = self.activate(x)
        for block in stage.blocks:
            y = self.unit(x, active, block[0])
            for unit in block[1:]:
                y = self.mask(y)
                y = self.unit(y, self.activate(y), unit)
            outputs.append(y)
        return self.mask(functools.reduce(self.add, outputs))

    def unit(self, buffer, active, unit, lag=0):
        x = self.conv(active, unit[0])
        for conv in unit[1:]:
            x = self.conv(self.activate(self.mask(x)), conv)
        return self.add(buffer, x)

    def finish(self, x, post):
        return self.within(self.convolve(self.pad(x, post), post), post)

    def within(self, x, post):
        """The output of the last convolution without what lies beyond the last frame."""
        return time_slice(x, 0, self.frames * self.rate // post.stride)
