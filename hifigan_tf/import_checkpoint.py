"""``python -m hifigan_tf.import_checkpoint CHECKPOINT --output F.keras``: HiFi-GANs of other libraries."""

import logging
from pathlib import Path

from hifigan_tf import cli, extras
from hifigan_tf.checkpoints.imported import Imported, Source, read_checkpoint
from hifigan_tf.checkpoints.official import (
    discriminator_convolutions,
    fill,
    load_discriminator_state,
    misfit,
    named_convolutions,
)
from hifigan_tf.errors import UserError
from hifigan_tf.files import atomic_path, write_bytes

log = logging.getLogger(__name__)

DESCRIPTION = """\
Turns the HiFi-GAN generator of another library into a .keras file, and writes a config beside it, F.json, with which
training can go on; another config of that name is not replaced. CHECKPOINT is a file, or the folder that holds it with
its config and statistics: of the original (g_02500000, generator_v1), transformers, ParallelWaveGAN and ESPnet, Coqui,
NeMo, SpeechBrain, TensorFlowTTS, or ONNX. None of these libraries is needed, and no code in a file is run.
docs/checkpoints.md says what is exact.
With --discriminators and --run-dir it also makes a run folder from which training of all networks can continue:
  python -m hifigan_tf.train --initial-checkpoint RUN_DIR …"""


def main(argv=None) -> None:
    """The command line."""
    parser = cli.parser("import_checkpoint", DESCRIPTION)
    parser.add_argument("checkpoint", metavar="CHECKPOINT", help="a generator checkpoint, or its folder")
    parser.add_argument("--config", help="its config, ours or its library's, where that is not beside or inside it")
    parser.add_argument("--output", required=True, help="the generator to write, a .keras file")
    parser.add_argument("--mel-stats", metavar="STATS", help="mean and scale of its mels: stats.h5, stats.npy")
    parser.add_argument("--speaker-vector", metavar="NPY", help="the speaker, where a checkpoint is of several")
    parser.add_argument("--sampling-rate", type=int, metavar="HZ", help="where its config does not state it")
    parser.add_argument("--discriminators", metavar="DO", help="the original's discriminator checkpoint, do_…")
    parser.add_argument("--run-dir", help="a new run folder for all networks, with --discriminators")
    arguments = parser.parse_args(argv)
    extras.require("hifigan-tf import-checkpoint")

    if (arguments.discriminators is None) != (arguments.run_dir is None):
        raise UserError("--discriminators and --run-dir need each other: give both, or neither for vocoding alone")
    output = Path(arguments.output)
    if output.suffix != ".keras" or output.is_dir():
        raise UserError(f"--output {output} is not the name of a .keras file: give one, such as generator.keras")
    run_dir = None
    if arguments.discriminators:
        discriminator_checkpoint = cli.existing_file(arguments.discriminators, "checkpoint")
        run_dir = Path(arguments.run_dir)
        if run_dir.is_dir() and any(run_dir.iterdir()):
            raise UserError(f"--run-dir {run_dir} is not empty: give a new folder, so that no run is overwritten")
    source = Source(arguments.config, arguments.mel_stats, arguments.speaker_vector, arguments.sampling_rate)
    imported = read_checkpoint(arguments.checkpoint, source)
    config = imported.config
    beside = output.with_suffix(".json")
    if beside.exists() and beside.read_bytes() != config.dumps().encode():
        raise UserError(f"{beside}, where the config goes, exists and is another: move it, or choose another --output")
    if run_dir:
        discriminator_state = load_discriminator_state(discriminator_checkpoint)
        cli.writable_folder(run_dir)
    print(imported.found)
    for warning in imported.warnings:
        log.warning("%s", warning)

    # Imported late because it takes seconds: by now everything but the discriminators' shapes has been checked.
    if run_dir:
        from hifigan_tf.training.run_folder import RunFolder
        from hifigan_tf.training.trainer import Trainer

        trainer = Trainer(config, epoch_steps=1)
        layers: dict = {}
        for model in trainer.discriminators:
            layers |= named_convolutions(model, model.name)
        where = arguments.config or f"the config of {imported.path}"
        if problem := misfit(discriminator_convolutions(layers), discriminator_state):
            raise UserError(f"checkpoint {discriminator_checkpoint} does not fit {where}: {problem}")
        fill(layers, discriminator_state, discriminator_checkpoint)
        generator = filled(imported, trainer.generator)
    else:
        generator = filled(imported)
    cli.writable_folder(output.parent)
    if run_dir:
        folder = RunFolder(run_dir)
        folder.prepare(config)
        folder.save(trainer)
    with atomic_path(output) as temporary:
        generator.save(temporary)
    write_bytes(beside, config.dumps().encode())
    written = f"{output} and {run_dir}" if run_dir else output
    print(f"imported a generator of {generator.count_params():,} parameters into {written}")
    print(f"vocode with it: python -m hifigan_tf.vocode --checkpoint {output} --output-dir out INPUT")


def filled(imported: Imported, generator=None):
    """A Keras ``Generator`` with the tensors of a checkpoint, by default a new one of its config."""
    from hifigan_tf.models.generator import Generator

    if generator is None:
        generator = Generator.of(imported.config.generator, imported.config.audio)
    fill(named_convolutions(generator), imported.tensors, imported.path)
    return generator


if __name__ == "__main__":
    cli.run(main)
