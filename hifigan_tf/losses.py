"""The losses (paper, section 2.4), unweighted scalars; the trainer weighs and adds them.

Every loss is computed in float32, whatever the models compute in.
"""

import keras


def _float32(x):
    return keras.ops.cast(x, "float32")


def discriminator_loss(real, generated):
    """Least-squares loss of the discriminators (equation 1), summed over sub-discriminators.

    ``real`` and ``generated`` are lists of logits ``[batch, positions]``.
    """
    ops = keras.ops
    return sum(
        ops.mean(ops.square(1.0 - _float32(r))) + ops.mean(ops.square(_float32(g)))
        for r, g in zip(real, generated, strict=True)
    )


def adversarial_loss(generated):
    """Least-squares loss of the generator (equation 2), summed over sub-discriminators."""
    return sum(keras.ops.mean(keras.ops.square(1.0 - _float32(g))) for g in generated)


def accuracy(real, generated):
    """The share of logits ``[batch, positions]`` on the right side of the middle, of one sub-discriminator."""
    ops = keras.ops
    right = [ops.greater(_float32(real), 0.5), ops.less(_float32(generated), 0.5)]
    return ops.mean(ops.cast(ops.stack(right), "float32"))


def feature_matching_loss(real, generated):
    """Mean absolute difference of feature maps (equation 4), every map weighing the same, the logit map too.

    ``real`` and ``generated`` are lists, one for each sub-discriminator, of lists of feature maps. The real
    ones carry no gradient.
    """
    return sum(
        keras.ops.mean(keras.ops.abs(keras.ops.stop_gradient(_float32(r)) - _float32(g)))
        for real_maps, generated_maps in zip(real, generated, strict=True)
        for r, g in zip(real_maps, generated_maps, strict=True)
    )


def mel_loss(real, generated):
    """Mean absolute difference of two log-mels ``[batch, frames, num_mels]`` (equation 3)."""
    return keras.ops.mean(keras.ops.abs(_float32(real) - _float32(generated)))
