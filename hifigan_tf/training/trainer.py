"""The GAN step (paper, sections 2.3 and 2.4) and the generator-only step before it, each one ``tf.function``."""

from collections.abc import Sequence

import keras
import numpy as np
import tensorflow as tf

from hifigan_tf.audio.mel import MelSpectrogram
from hifigan_tf.config import Config, TrainingConfig
from hifigan_tf.models.discriminators import make_discriminators
from hifigan_tf.models.generator import Generator
from hifigan_tf.streaming.streaming_vocoder import KerasVocoder, vocode
from hifigan_tf.training.losses import (
    accuracy,
    adversarial_loss,
    discriminator_loss,
    feature_matching_loss,
    mel_loss,
    repetition_loss,
    stft_loss,
)
from hifigan_tf.training.optimizer import AdamW, Pace, SteppedDecay

WINDOW_FRAMES = 1024  # chunk in which validation vocodes; most clips fit into one


class Trainer:
    """The networks, their two optimisers and the step that trains them.

    ``mixed_precision`` is None, "bfloat16" or "float16" (with loss scaling). ``epoch_steps`` is the number of
    steps after which the learning rate decays, or the paces of a run in which it has changed. ``accumulate_steps`` is
    the number of batches per weight update. ``jit_compile`` compiles the step with XLA. ``average`` is the
    moving average of the generator, or None.

    It must be made, and its step run, within the current ``tf.distribute`` strategy, whose replicas share the batch.
    """

    def __init__(
        self,
        config: Config,
        epoch_steps: int | Sequence[Pace],
        mixed_precision: str | None = None,
        accumulate_steps: int = 1,
        jit_compile: bool = False,
    ):
        keras.utils.set_random_seed(config.training.seed)
        self.config = config
        self.strategy = tf.distribute.get_strategy()
        settings = {"reduce_retracing": True, "autograph": False, "jit_compile": jit_compile}
        self._step_alone = tf.function(self._generator_step, **settings)
        self._step_of_both = tf.function(self._adversarial_step, **settings)
        policy = keras.DTypePolicy(f"mixed_{mixed_precision}" if mixed_precision else "float32")
        self.generator = Generator.of(config.generator, config.audio, dtype=policy)
        averaged = config.training.ema_decay > 0
        self.average = Generator.of(config.generator, config.audio) if averaged else None
        self.discriminators = make_discriminators(config.discriminators, dtype=policy)
        self.loss_front_end = MelSpectrogram.of(config.audio, for_loss=True)
        self.step = keras.Variable(0, dtype="int64", trainable=False, name="step")
        self.best_mel_error = keras.Variable(np.inf, dtype="float32", trainable=False, name="best_mel_error")
        self.generator_optimizer, self.discriminator_optimizer = (
            make_optimizer(config.training, epoch_steps, first_step, accumulate_steps, mixed_precision == "float16")
            for first_step in (0, config.training.discriminator_start_step or 0)
        )
        self.generator_optimizer.build(self.generator.trainable_variables)
        self.discriminator_optimizer.build(self.discriminator_variables)

    @property
    def discriminator_variables(self) -> list:
        """The trainable variables of both discriminators."""
        return [variable for model in self.discriminators for variable in model.trainable_variables]

    @property
    def learning_rate(self) -> float:
        """The learning rate of the next step."""
        return float(self.generator_optimizer.learning_rate)

    @property
    def steps_done(self) -> int:
        """Steps of the run so far, including earlier sessions."""
        return int(self.step.numpy())

    def is_finite(self) -> bool:
        """Whether all weights of all networks are finite."""
        weights = [weight.value for model in [self.generator, *self.discriminators] for weight in model.weights]
        return all(bool(tf.reduce_all(tf.math.is_finite(weight))) for weight in weights)

    def judge(self, audio, batches=1):
        """Outputs of all sub-discriminators for audio ``[batch, samples, 1]``: the lists ``(logits, features)``."""
        outputs = [one for model in self.discriminators for one in model(audio, training=True, batches=batches)]
        return [one.logits for one in outputs], [one.features for one in outputs]

    def train_step(self, mel, audio) -> dict:
        """Takes one step on mel ``[batch, frames, num_mels]`` and audio ``[batch, samples]``; returns its scalars.

        These are the unweighted losses ``loss/…``, ``gradient_norm/…`` of generator and discriminators, and
        ``accuracy/…`` of every sub-discriminator, means over the replicas. The discriminators are updated first, and
        the generator's loss uses the updated ones. Before ``discriminator_start_step`` the generator is trained
        alone, and the scalars are only its own losses and gradient norm.
        """
        start = self.config.training.discriminator_start_step
        alone = start is None or self.steps_done < start
        return (self._step_alone if alone else self._step_of_both)(mel, audio)

    def _generator_step(self, mel, audio) -> dict:
        return self._finish_step(self.strategy.run(self._replica_generator_step, (mel, audio)))

    def _adversarial_step(self, mel, audio) -> dict:
        return self._finish_step(self.strategy.run(self._replica_adversarial_step, (mel, audio)))

    def _finish_step(self, scalars: dict) -> dict:
        self.step.assign_add(1)
        if self.average:
            self._update_average()
        mean = tf.distribute.ReduceOp.MEAN
        return {name: self.strategy.reduce(mean, value, axis=None) for name, value in scalars.items()}

    def _replica_generator_step(self, mel, audio) -> dict:
        """The generator's step without discriminators, on one replica's share of the batch."""
        with tf.GradientTape(watch_accessed_variables=False) as tape:
            tape.watch(self._generator_tensors)
            loss = self._spectral_losses(audio, self.generator(mel, training=True))
            total = self._total(loss)
            scaled = self.generator_optimizer.scale_loss(total / self.strategy.num_replicas_in_sync)
        return {**loss, "loss/generator": total, **self._update_generator(tape, total, scaled)}

    def _replica_adversarial_step(self, mel, audio) -> dict:
        """The step on one replica's share of the batch; the optimisers add up the gradients of all."""
        replicas = self.strategy.num_replicas_in_sync
        real = audio[..., None]
        # Each tape watches only the tensors whose gradients are needed.
        generator_tape = tf.GradientTape(watch_accessed_variables=False)
        with generator_tape:
            generator_tape.watch(self._generator_tensors)
            generated = self.generator(mel, training=True)

        with tf.GradientTape(watch_accessed_variables=False) as tape:
            tape.watch([variable.value for variable in self.discriminator_variables])
            logits, _ = self.judge(tf.concat([real, tf.stop_gradient(generated)], axis=0), batches=2)
            real_logits, generated_logits = zip(*[tf.split(one, 2) for one in logits], strict=True)
            loss = {"loss/discriminator": discriminator_loss(real_logits, generated_logits)}
            scaled = self.discriminator_optimizer.scale_loss(loss["loss/discriminator"] / replicas)
        gradients = tape.gradient(scaled, [variable.value for variable in self.discriminator_variables])
        self.discriminator_optimizer.apply(gradients, self.discriminator_variables)
        judged = {"gradient_norm/discriminator": tf.linalg.global_norm(gradients) * loss["loss/discriminator"] / scaled}
        labels = [label for model in self.discriminators for label in model.labels]
        for label, of_real, of_generated in zip(labels, real_logits, generated_logits, strict=True):
            judged[f"accuracy/{label}"] = accuracy(of_real, of_generated)

        _, real_features = self.judge(real)
        with generator_tape:
            generated_logits, generated_features = self.judge(generated)
            loss["loss/adversarial"] = adversarial_loss(generated_logits)
            loss["loss/feature_matching"] = feature_matching_loss(real_features, generated_features)
            loss |= self._spectral_losses(audio, generated)
            total = self._total(loss)
            scaled = self.generator_optimizer.scale_loss(total / replicas)
        return {**loss, "loss/generator": total, **judged, **self._update_generator(generator_tape, total, scaled)}

    @property
    def _generator_tensors(self) -> list:
        return [variable.value for variable in self.generator.trainable_variables]

    def _spectral_losses(self, audio, generated) -> dict:
        """The losses that compare spectra of audio ``[batch, samples]`` and generated ``[batch, samples, 1]``."""
        generated = generated[..., 0]
        loss = {"loss/mel": mel_loss(self.loss_front_end(audio), self.loss_front_end(generated))}
        if self.config.training.lambda_stft:
            loss["loss/stft"] = stft_loss(audio, generated)
        if self.config.training.lambda_repetition:
            loss["loss/repetition"] = repetition_loss(audio, generated, self.config.audio.hop_size)
        return loss

    def _total(self, loss: dict):
        """The generator's loss: the weighted sum of the losses in ``loss``."""
        weights = self.config.training
        parts = [
            getattr(weights, f"lambda_{name}") * loss[f"loss/{name}"]
            for name in ("adversarial", "feature_matching", "mel", "stft", "repetition")
            if f"loss/{name}" in loss
        ]
        return sum(parts[1:], start=parts[0])

    def _update_generator(self, tape: tf.GradientTape, total, scaled) -> dict:
        gradients = tape.gradient(scaled, self._generator_tensors)
        self.generator_optimizer.apply(gradients, self.generator.trainable_variables)
        return {"gradient_norm/generator": tf.linalg.global_norm(gradients) * total / scaled}

    def _update_average(self) -> None:
        # Ramps up the decay so that the average forgets the initial weights.
        steps = tf.cast(self.step.value, tf.float32)
        share = 1.0 - tf.minimum(self.config.training.ema_decay, steps / (steps + 9.0))
        assert self.average is not None
        for average, variable in zip(self.average.variables, self.generator.variables, strict=True):
            average.assign_sub(share * (average - variable))

    def vocode(self, mel: np.ndarray, average: bool = False) -> np.ndarray:
        """Vocodes a whole mel ``[frames, num_mels]`` to ``[frames * hop_size]``, by the moving average if ``average``.

        Memory is that of one chunk of ``WINDOW_FRAMES``, whatever the length.
        """
        return vocode(KerasVocoder(self.average if average else self.generator, WINDOW_FRAMES), mel, check_mel=False)


def make_optimizer(
    training: TrainingConfig,
    epoch_steps: int | Sequence[Pace],
    first_step: int = 0,
    accumulate_steps: int = 1,
    loss_scaling: bool = False,
):
    """The original's AdamW with learning rate decay, updating every ``accumulate_steps`` steps from ``first_step`` on.

    ``epoch_steps`` as in ``Trainer``.
    """
    paces = [Pace(0, epoch_steps)] if isinstance(epoch_steps, int) else epoch_steps
    schedule = SteppedDecay(training.learning_rate, training.lr_decay, paces, first_step)
    optimizer = AdamW(
        learning_rate=schedule,
        beta_1=training.adam_b1,
        beta_2=training.adam_b2,
        epsilon=1e-8,
        decay=training.weight_decay,
        gradient_accumulation_steps=accumulate_steps if accumulate_steps > 1 else None,
    )
    return keras.optimizers.LossScaleOptimizer(optimizer) if loss_scaling else optimizer
