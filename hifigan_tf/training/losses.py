"""The losses (paper, section 2.4), unweighted scalars; the trainer weights and adds them.

Every loss is computed in float32, whatever the precision of the models.
"""

import keras

from hifigan_tf.config import REPETITION_FLOOR, REPETITION_HOPS, STFT_POWER_FLOOR, STFT_RESOLUTIONS


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
    """The share of one sub-discriminator's logits ``[batch, positions]`` that are on the right side of 0.5."""
    ops = keras.ops
    right = [ops.greater(_float32(real), 0.5), ops.less(_float32(generated), 0.5)]
    return ops.mean(ops.cast(ops.stack(right), "float32"))


def feature_matching_loss(real, generated):
    """Mean absolute difference of feature maps (equation 4); all maps have equal weight, the logit map too.

    ``real`` and ``generated`` are lists, one for each sub-discriminator, of lists of feature maps. No gradient
    flows through the real ones.
    """
    return sum(
        keras.ops.mean(keras.ops.abs(keras.ops.stop_gradient(_float32(r)) - _float32(g)))
        for real_maps, generated_maps in zip(real, generated, strict=True)
        for r, g in zip(real_maps, generated_maps, strict=True)
    )


def mel_loss(real, generated):
    """Mean absolute difference of two log-mels ``[batch, frames, num_mels]`` (equation 3)."""
    return keras.ops.mean(keras.ops.abs(_float32(real) - _float32(generated)))


def stft_loss(real, generated):
    """Multi-resolution STFT loss of two audio batches ``[batch, samples]`` (Yamamoto, Song and Kim, 2020).

    The mean over three resolutions of the spectral convergence, which loud parts dominate, and the mean absolute
    difference of the log-magnitudes, natural logarithm, which weights all parts alike (equations 4 to 6). Audio must be
    longer than half of the longest FFT, 1,024 samples.
    """
    ops, total = keras.ops, 0.0
    for resolution in STFT_RESOLUTIONS:
        magnitudes = [_magnitude(_float32(audio), *resolution) for audio in (real, generated)]
        convergence = _norm(magnitudes[0] - magnitudes[1]) / _norm(magnitudes[0])
        total += convergence + ops.mean(ops.abs(ops.log(magnitudes[0]) - ops.log(magnitudes[1])))
    return total / len(STFT_RESOLUTIONS)


def repetition_loss(real, generated, hop_size: int):
    """How differently the high frequencies of two audio batches ``[batch, samples]`` repeat a frame and two later.

    A generator has no source of noise. Where no discriminator forces it to, it fills every frame of a consonant or of
    breath with the same samples, and that buzzes at the frame rate. Magnitudes hardly show it: hence this loss, which
    is in no paper. The mean absolute difference of ``_repetition``; more samples than six hops are needed.
    """
    total = 0.0
    for lag in (hop_size, 2 * hop_size):
        ours, theirs = (_repetition(_float32(audio), lag, REPETITION_HOPS * hop_size) for audio in (generated, real))
        total += keras.ops.mean(keras.ops.abs(ours - theirs))
    return total / 2


def _repetition(audio, lag: int, window: int):
    """The correlation with itself ``lag`` samples later ``[batch, windows]`` of the second difference of audio."""
    ops = keras.ops
    high = audio[:, 2:] - 2.0 * audio[:, 1:-1] + audio[:, :-2]
    now, later = high[:, :-lag], high[:, lag:]
    windows = now.shape[1] // window

    def mean(values):
        return ops.mean(ops.reshape(values[:, : windows * window], (-1, windows, window)), axis=-1)

    power = mean(ops.square(now)) * mean(ops.square(later))
    return mean(now * later) / ops.sqrt(power + REPETITION_FLOOR**2)


def _norm(x):
    # The floor gives a finite gradient at zero, where both are silent.
    return keras.ops.sqrt(keras.ops.sum(keras.ops.square(x)) + STFT_POWER_FLOOR)


def _magnitude(audio, window: int, hop: int, n_fft: int):
    real, imaginary = keras.ops.stft(audio, window, hop, n_fft)
    return keras.ops.sqrt(keras.ops.maximum(keras.ops.square(real) + keras.ops.square(imaginary), STFT_POWER_FLOOR))
