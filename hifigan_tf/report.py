"""One HTML page that shows the progress of a run: figures, curves, and validation clips as pictures and sound."""

import sys
from pathlib import Path

from hifigan_tf import cli, extras
from hifigan_tf.errors import UserError

DESCRIPTION = """Writes one HTML page about a run: its config, the best and the last validation, the curves,
and the validation clips over time, as spectrograms and sound, beside the recordings.
The page needs no other file and no network, so it can be mailed or archived. It can be
written while the training is running."""


def main(argv=None) -> None:
    parser = cli.parser("report", DESCRIPTION)
    parser.add_argument("run", metavar="RUN", help="run folder of a training, for example runs/v1")
    parser.add_argument("--output", type=Path, metavar="F.html", help="the page to write (default: RUN/report.html)")
    args = parser.parse_args(argv)
    extras.require("hifigan-tf report")
    run = cli.existing_run(args.run)
    output = args.output or run / "report.html"
    if output.is_dir():
        raise UserError(f"--output {output} is a folder: give the name of a file, for example {output / 'report.html'}")
    cli.writable_folder(output.parent)

    from hifigan_tf.config import Config
    from hifigan_tf.files import write_bytes
    from hifigan_tf.training.report_page import ShownClip, page
    from hifigan_tf.training.run_folder import RunFolder
    from hifigan_tf.training.tensorboard import Events

    folder = RunFolder(run)
    config, events = Config.load(folder.config), Events(folder.logs)
    if not events.scalars:
        raise UserError(
            f"{folder.logs} holds no curves yet: the training writes the first with its first validation, "
            f"or at step {config.training.summary_interval}"
        )
    clips = ShownClip.all_of(events)
    write_bytes(output, page(run.resolve().name, config, events, clips).encode(errors="backslashreplace"))
    if not clips:
        print(f"nothing has been validated yet in {run}: the page shows the training alone", file=sys.stderr)
    print(f"{output}: step {events.last_step:,}, {len(clips)} clips, {output.stat().st_size / 1e6:.1f} MB")


if __name__ == "__main__":
    cli.run(main)
