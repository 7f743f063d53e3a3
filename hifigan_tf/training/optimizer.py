"""AdamW and its learning rate decay, as in the original."""

from collections.abc import Sequence
from typing import NamedTuple

import keras
import tensorflow as tf


class Pace(NamedTuple):
    """From step ``step`` of a run on, its learning rate decays every ``decay_steps``."""

    step: int
    decay_steps: int


class SteppedDecay(keras.optimizers.schedules.LearningRateSchedule):
    """The rate, multiplied by ``decay_rate`` at every decay of the ``paces``, which follow each other from step 0 on.

    The optimizer takes its first step at ``first_step`` of the run. Steps are counted, not weight updates, even with
    gradient accumulation, because Keras asks for the rate by step.
    """

    def __init__(self, learning_rate: float, decay_rate: float, paces: Sequence[Pace], first_step: int = 0):
        self.learning_rate = learning_rate
        self.decay_rate = decay_rate
        self.paces = paces
        self.first_step = first_step

    def __call__(self, steps):
        step = tf.cast(steps, tf.float32) + self.first_step
        decays = 0.0
        for pace, after in zip(self.paces, [*self.paces[1:], None], strict=True):
            until = step if after is None else tf.minimum(step, float(after.step))
            decays += tf.maximum(until - pace.step, 0.0) / pace.decay_steps
        return self.learning_rate * tf.pow(self.decay_rate, tf.floor(decays))

    def get_config(self):
        return vars(self)


@keras.saving.register_keras_serializable("hifigan_tf")
class AdamW(keras.optimizers.Adam):
    """AdamW (Loshchilov and Hutter, 2019) with PyTorch's epsilon, through TensorFlow's fused Adam kernel.

    PyTorch adds epsilon after the bias correction of the second moment, Keras before it, and the difference
    matters in the first steps and for tiny gradients. ``decay`` applies to every parameter, gains and biases too.
    """

    def __init__(self, *args, decay: float, **kwargs):
        super().__init__(*args, **kwargs)
        self.decay = decay

    def update_step(self, gradient, variable, learning_rate):
        learning_rate = tf.cast(learning_rate, tf.float32)
        step = keras.ops.cast(self.iterations, "float32") + 1.0
        beta_1_power, beta_2_power = tf.pow(self.beta_1, step), tf.pow(self.beta_2, step)
        index = self._get_variable_index(variable)
        variable.assign_sub(variable * (learning_rate * self.decay))
        tf.raw_ops.ResourceApplyAdam(
            var=variable.handle,
            m=self._momentums[index].value.handle,
            v=self._velocities[index].value.handle,
            beta1_power=beta_1_power,
            beta2_power=beta_2_power,
            lr=learning_rate,
            beta1=self.beta_1,
            beta2=self.beta_2,
            # The kernel divides by √v + ε, but √(v / c) + ε is needed; c = 1 - β₂ᵗ is already in its step size.
            epsilon=self.epsilon * tf.sqrt(1.0 - beta_2_power),
            grad=gradient,
        )

    def get_config(self):
        return {**super().get_config(), "decay": self.decay}
