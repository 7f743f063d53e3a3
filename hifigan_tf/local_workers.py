"""``python -m hifigan_tf.local_workers N …``: several training processes on this machine, to try a distributed run."""

import argparse
import json
import os
import signal
import socket
import subprocess
import sys
import threading

from hifigan_tf import cli, extras

DESCRIPTION = """Starts N workers of python -m hifigan_tf.train --strategy multiworker on this machine, each with its
TF_CONFIG, and the options that follow. Every line of their output begins with the worker's number. This tries out
a distributed run; on one machine it is no faster than a single process."""


def parse(argv=None):
    parser = cli.parser("local_workers", DESCRIPTION)
    parser.add_argument("count", type=cli.positive, metavar="N", help="workers to start")
    parser.add_argument("options", nargs=argparse.REMAINDER, metavar="...", help="options of hifigan_tf.train")
    return parser.parse_args(argv)


def free_ports(count: int) -> list[int]:
    """Unused ports of this machine."""
    sockets = [socket.socket() for _ in range(count)]
    try:
        for one in sockets:
            one.bind(("localhost", 0))
        return [one.getsockname()[1] for one in sockets]
    finally:
        for one in sockets:
            one.close()


def start(index: int, addresses: list[str], options: list[str]) -> subprocess.Popen:
    """Starts one worker in its own process group, so that Ctrl-C reaches it only through this process."""
    config = {"cluster": {"worker": addresses}, "task": {"type": "worker", "index": index}}
    return subprocess.Popen(
        [sys.executable, "-m", "hifigan_tf.train", "--strategy", "multiworker", *options],
        env={**os.environ, "TF_CONFIG": json.dumps(config)},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )


def main(argv=None) -> int:
    args = parse(argv)
    extras.require("hifigan-tf train")
    addresses = [f"localhost:{port}" for port in free_ports(args.count)]
    workers = [start(index, addresses, args.options) for index in range(args.count)]

    def forward(number, frame):
        for worker in workers:
            worker.send_signal(number)

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, forward)

    def show(index):
        for line in workers[index].stdout:
            print(f"[{index}] {line}", end="", flush=True)

    readers = [threading.Thread(target=show, args=(index,)) for index in range(args.count)]
    for reader in readers:
        reader.start()
    codes = [worker.wait() for worker in workers]
    for reader in readers:
        reader.join()
    return next((code if code > 0 else 128 - code for code in codes if code), 0)


if __name__ == "__main__":
    cli.run(main)
