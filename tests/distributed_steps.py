"""A worker for test_distribution.py: the gradients of Adam's first step, and the weights after ten steps of SGD.

python tests/distributed_steps.py STRATEGY CONFIG CORPUS OUTPUT.npz
"""

import sys
from pathlib import Path

import numpy as np

from hifigan_tf.config import Config
from hifigan_tf.training.distribution import make_strategy

LEARNING_RATE = 0.01


def main(strategy_name, config_path, corpus, output):
    strategy = make_strategy(strategy_name)
    import keras

    from hifigan_tf.data.pipeline import check_clips, training_batches
    from hifigan_tf.training.trainer import Trainer

    config = Config.load(config_path)
    clips = check_clips(sorted(Path(corpus).glob("*.wav")), config)

    def batches():
        return iter(
            strategy.distribute_datasets_from_function(
                lambda context: training_batches(
                    clips,
                    config,
                    part=context.input_pipeline_id,
                    parts=context.num_input_pipelines,
                    replicas=strategy.num_replicas_in_sync,
                )
            )
        )

    results = {}
    with strategy.scope():
        trainer = Trainer(config, epoch_steps=2)
        scalars = trainer.train_step(*next(batches()))
        results |= {name: float(value) for name, value in scalars.items()}
        for side in ("generator", "discriminator"):
            optimizer = getattr(trainer, f"{side}_optimizer")
            moments = [variable.numpy().ravel() for variable in optimizer.variables if "momentum" in variable.path]
            results[f"{side}_gradient"] = np.concatenate(moments) / (1 - config.training.adam_b1)

        trainer = Trainer(config, epoch_steps=2)
        variables = {
            "generator": trainer.generator.trainable_variables,
            "discriminator": trainer.discriminator_variables,
        }
        for side, of_side in variables.items():
            optimizer = keras.optimizers.SGD(LEARNING_RATE)
            optimizer.build(of_side)
            setattr(trainer, f"{side}_optimizer", optimizer)
        steps = batches()
        for _ in range(10):
            trainer.train_step(*next(steps))
        for side, of_side in variables.items():
            results[f"{side}_weights"] = np.concatenate([variable.numpy().ravel() for variable in of_side])
    np.savez(output, **results)


if __name__ == "__main__":
    main(*sys.argv[1:])
