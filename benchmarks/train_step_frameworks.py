"""The training step in each framework, for the benchmark: each runs in its own process, one step per request."""

import time
from functools import cache
from pathlib import Path

import numpy as np

from hifigan_tf.config import Config

PARTS = ("data", "generator", "discriminators_learning", "discriminators_judging", "optimisers")
DATA_BATCHES = 50


class Ours:
    """Our step as ``hifigan_tf.train`` runs it, and its parts as functions compiled on their own."""

    def __init__(self, config: Config, threads: int):
        import tensorflow as tf

        from hifigan_tf.audio.mel import MelSpectrogram
        from hifigan_tf.train import set_up_tensorflow
        from hifigan_tf.training.trainer import Trainer

        tf.config.threading.set_intra_op_parallelism_threads(threads)
        tf.config.threading.set_inter_op_parallelism_threads(threads)
        set_up_tensorflow()
        self.config = config
        self.trainer = Trainer(config, epoch_steps=1000)
        self.audio = tf.constant(noise(config))
        self.mel = MelSpectrogram.of(config.audio)(self.audio)

    def step(self) -> None:
        wait_for(self.trainer.train_step(self.mel, self.audio))

    def parts(self, rounds: int, data: Path) -> dict[str, float]:
        """Seconds of each part, medians over the rounds."""
        import tensorflow as tf

        from hifigan_tf.training.losses import adversarial_loss, discriminator_loss, feature_matching_loss, mel_loss

        trainer, audio = self.trainer, self.audio
        generator_variables = trainer.generator.trainable_variables
        discriminator_variables = trainer.discriminator_variables

        @tf.function(autograph=False)
        def generate(mel, gradient):
            values = [variable.value for variable in generator_variables]
            with tf.GradientTape(watch_accessed_variables=False) as tape:
                tape.watch(values)
                generated = trainer.generator(mel, training=True)
            return tape.gradient(generated, values, gradient)

        @tf.function(autograph=False)
        def learn(audio, generated):
            values = [variable.value for variable in discriminator_variables]
            with tf.GradientTape(watch_accessed_variables=False) as tape:
                tape.watch(values)
                logits, _ = trainer.judge(tf.concat([audio[..., None], generated], axis=0), batches=2)
                loss = discriminator_loss(*zip(*[tf.split(one, 2) for one in logits], strict=True))
            return tape.gradient(loss, values)

        @tf.function(autograph=False)
        def judge(audio, generated):
            _, real_features = trainer.judge(audio[..., None])
            with tf.GradientTape(watch_accessed_variables=False) as tape:
                tape.watch(generated)
                logits, features = trainer.judge(generated)
                mels = trainer.loss_front_end(audio), trainer.loss_front_end(generated[..., 0])
                loss = adversarial_loss(logits) + feature_matching_loss(real_features, features) + mel_loss(*mels)
            return tape.gradient(loss, generated)

        @tf.function(autograph=False)
        def optimise(of_generator, of_discriminators):
            trainer.discriminator_optimizer.apply(of_discriminators, discriminator_variables)
            trainer.generator_optimizer.apply(of_generator, generator_variables)
            return tf.identity(trainer.generator_optimizer.iterations.value)

        generated = trainer.generator(self.mel)
        gradients = generate(self.mel, generated), learn(audio, generated)
        calls = {
            "generator": lambda: wait_for(generate(self.mel, generated)),
            "discriminators_learning": lambda: wait_for(learn(audio, generated)),
            "discriminators_judging": lambda: wait_for(judge(audio, generated)),
            "optimisers": lambda: wait_for(optimise(*gradients)),
        }
        seconds = {"data": self.data_seconds(data)}
        for part, call in calls.items():
            call()
            seconds[part] = float(np.median([timed(call)[0] for _ in range(rounds)]))
        return seconds

    def data_seconds(self, data: Path) -> float:
        """Seconds that the pipeline takes per batch."""
        from hifigan_tf.audio.audio_files import find_audio
        from hifigan_tf.data.pipeline import check_clips, training_batches

        batches = iter(training_batches(check_clips(find_audio(data), self.config), self.config))

        def take():
            for _ in range(DATA_BATCHES):
                next(batches)

        take()  # untimed: the batches made in advance
        return timed(take)[0] / DATA_BATCHES


class Torch:
    """The original's step in PyTorch; its parts are sections of the step."""

    def __init__(self, config: Config, threads: int):
        import torch

        from benchmarks.torch_model import LogMel, TorchTrainer

        torch.set_num_threads(threads)
        self.trainer = TorchTrainer(config)
        self.audio = torch.from_numpy(noise(config))
        self.mel = LogMel(config.audio, config.audio.fmax)(self.audio)
        self.measured = []

    def step(self) -> None:
        seconds, before = dict.fromkeys(PARTS[1:], 0.0), time.perf_counter()

        def mark(part):
            nonlocal before
            now = time.perf_counter()
            seconds[part] += now - before
            before = now

        self.trainer.train_step(self.mel, self.audio, mark)
        self.measured.append(seconds)

    def parts(self, rounds: int, data: Path) -> dict[str, float]:
        """Seconds of each part, medians over the rounds that have been run."""
        return {part: float(np.median([step[part] for step in self.measured[-rounds:]])) for part in PARTS[1:]}


@cache
def subject(side: str, config: Config, threads: int) -> Ours | Torch:
    """The networks of one framework, made at the first call in its process."""
    return {"ours": Ours, "torch": Torch}[side](config, threads)


def noise(config: Config) -> np.ndarray:
    """Audio ``[batch, segment_size]``, the same for both frameworks; speed does not depend on the values."""
    shape = config.training.batch_size, config.training.segment_size
    return np.random.default_rng(0).normal(0, 0.1, shape).astype(np.float32)


def wait_for(tensors) -> None:
    """Waits until tensors have been computed."""
    import tensorflow as tf

    tf.nest.flatten(tensors)[-1].numpy()


def timed(call) -> tuple[float, float]:
    """Wall-clock seconds of a call, and CPU seconds of all threads of this process."""
    begin, cpu = time.perf_counter(), time.process_time()
    call()
    return time.perf_counter() - begin, time.process_time() - cpu


def step(*which) -> tuple[float, float]:
    return timed(subject(*which).step)


def parts(*which, rounds: int, data: Path) -> dict[str, float]:
    return subject(*which).parts(rounds, data)
