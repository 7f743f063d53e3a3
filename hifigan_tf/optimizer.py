"""AdamW as the original runs it."""

import keras


@keras.saving.register_keras_serializable("hifigan_tf")
class AdamW(keras.optimizers.AdamW):
    """AdamW (Loshchilov and Hutter, 2019) with PyTorch's epsilon.

    PyTorch adds epsilon after the bias correction of the second moment, Keras before it, and the difference
    counts while moments are young or gradients tiny. Decay is on every parameter, gains and biases too.
    """

    def update_step(self, gradient, variable, learning_rate):
        ops = keras.ops
        rate, gradient = ops.cast(learning_rate, variable.dtype), ops.cast(gradient, variable.dtype)
        step = ops.cast(self.iterations + 1, variable.dtype)
        index = self._get_variable_index(variable)
        momentum, velocity = self._momentums[index], self._velocities[index]
        self.assign_add(momentum, (gradient - momentum) * (1 - self.beta_1))
        self.assign_add(velocity, (ops.square(gradient) - velocity) * (1 - self.beta_2))
        correction_1 = 1 - ops.power(ops.cast(self.beta_1, variable.dtype), step)
        correction_2 = 1 - ops.power(ops.cast(self.beta_2, variable.dtype), step)
        denominator = ops.sqrt(velocity / correction_2) + self.epsilon
        self.assign_sub(variable, rate / correction_1 * momentum / denominator)
