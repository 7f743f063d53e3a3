"""AdamW as the original runs it."""

import keras
import tensorflow as tf


@keras.saving.register_keras_serializable("hifigan_tf")
class AdamW(keras.optimizers.Adam):
    """AdamW (Loshchilov and Hutter, 2019) with PyTorch's epsilon, through TensorFlow's fused Adam kernel.

    PyTorch adds epsilon after the bias correction of the second moment, Keras before it, and the difference
    counts while moments are young or gradients tiny. ``decay`` is on every parameter, gains and biases too.
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
            # The kernel divides by √v + ε, where √(v / c) + ε is meant; c = 1 - β₂ᵗ is in its step size already.
            epsilon=self.epsilon * tf.sqrt(1.0 - beta_2_power),
            grad=gradient,
        )

    def get_config(self):
        return {**super().get_config(), "decay": self.decay}
