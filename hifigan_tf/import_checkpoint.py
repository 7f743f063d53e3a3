"""``python -m hifigan_tf.import_checkpoint CHECKPOINT --config C --output F.keras``: official PyTorch checkpoints."""

from pathlib import Path

from hifigan_tf import cli, extras
from hifigan_tf.checkpoints.official import (
    discriminator_convolutions,
    fill,
    fitting_config,
    generator_convolutions,
    load_discriminator_state,
    load_generator_state,
    misfit,
    named_convolutions,
)
from hifigan_tf.config import Config
from hifigan_tf.errors import UserError
from hifigan_tf.files import atomic_path

DESCRIPTION = """\
Turns an official PyTorch generator checkpoint (g_02500000, generator_v1, …) into a .keras file.
With --discriminators and --run-dir it also makes a run folder from which training of all networks can continue:
  python -m hifigan_tf.train --initial-checkpoint RUN_DIR …
PyTorch is not needed, and no code in a checkpoint is run."""


def main(argv=None) -> None:
    """The command line."""
    parser = cli.parser("import_checkpoint", DESCRIPTION)
    parser.add_argument("checkpoint", metavar="CHECKPOINT", help="the original's generator checkpoint")
    parser.add_argument("--config", required=True, help="its config, such as configs/v1.json")
    parser.add_argument("--output", required=True, help="the generator to write, a .keras file")
    parser.add_argument("--discriminators", metavar="DO", help="the original's discriminator checkpoint, do_…")
    parser.add_argument("--run-dir", help="a new run folder for all networks, with --discriminators")
    arguments = parser.parse_args(argv)
    extras.require("hifigan-tf import")

    if (arguments.discriminators is None) != (arguments.run_dir is None):
        raise UserError("--discriminators and --run-dir need each other: give both, or neither for vocoding alone")
    checkpoint, output = cli.existing_file(arguments.checkpoint, "checkpoint"), Path(arguments.output)
    if output.suffix != ".keras" or output.is_dir():
        raise UserError(f"--output {output} is not the name of a .keras file: give one, such as generator.keras")
    run_dir = None
    if arguments.discriminators:
        discriminator_checkpoint = cli.existing_file(arguments.discriminators, "checkpoint")
        run_dir = Path(arguments.run_dir)
        if run_dir.is_dir() and any(run_dir.iterdir()):
            raise UserError(f"--run-dir {run_dir} is not empty: give a new folder, so that no run is overwritten")
    config = Config.load(arguments.config)
    if unknown := config.generator.beyond_paper:
        raise UserError(f"{arguments.config} has {unknown}: the original has no such generator, leave it out")
    state = load_generator_state(checkpoint)
    if problem := misfit(generator_convolutions(config), state):
        raise UserError(f"checkpoint {checkpoint} does not fit {arguments.config}: {problem}{fitting_config(state)}")
    if run_dir:
        discriminator_state = load_discriminator_state(discriminator_checkpoint)
        cli.writable_folder(run_dir)
    cli.writable_folder(output.parent)

    # Imported late because it takes seconds: by now everything but the discriminators' shapes has been checked.
    if run_dir:
        from hifigan_tf.training.run_folder import RunFolder
        from hifigan_tf.training.trainer import Trainer

        trainer = Trainer(config, epoch_steps=1)
        generator = trainer.generator
        layers: dict = {}
        for model in trainer.discriminators:
            layers |= named_convolutions(model, model.name)
        if problem := misfit(discriminator_convolutions(layers), discriminator_state):
            raise UserError(f"checkpoint {discriminator_checkpoint} does not fit {arguments.config}: {problem}")
        fill(layers, discriminator_state, discriminator_checkpoint)
    else:
        from hifigan_tf.models.generator import Generator

        generator = Generator.of(config.generator, config.audio)
    fill(named_convolutions(generator), state, checkpoint)
    if run_dir:
        folder = RunFolder(run_dir)
        folder.prepare(config)
        folder.save(trainer)
    with atomic_path(output) as temporary:
        generator.save(temporary)
    where = f"{output} and {run_dir}" if run_dir else output
    print(f"imported a generator of {generator.count_params():,} parameters into {where}")
    print(f"vocode with it: python -m hifigan_tf.vocode --checkpoint {output} --output-dir out INPUT")


if __name__ == "__main__":
    cli.run(main)
