"""``python -m hifigan_tf.preprocess``: packs a corpus into shards, for training without its audio files."""

import hashlib
import json
import logging
import os
from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import islice
from pathlib import Path
from typing import NamedTuple

import numpy as np

from hifigan_tf import cli, extras
from hifigan_tf.audio.audio_files import AUDIO_KINDS, check_length, level_problems, rate_of, read_resampled
from hifigan_tf.cli import warn_skipped, worker_threads
from hifigan_tf.config import AudioConfig, Config
from hifigan_tf.data.clip_lists import MANIFEST, corpus_files
from hifigan_tf.errors import UserError, describe_os_error, file_guard
from hifigan_tf.resources import CONFIGS

log = logging.getLogger(__name__)

DESCRIPTION = f"""Packs a corpus, for train --data: every recording ({AUDIO_KINDS}) is read, checked, mixed to mono,
brought to the config's sampling rate and stored as 16-bit PCM in shards of TFRecords, beside a {MANIFEST} that
lists where each clip is, and what was skipped and why. Training then begins without reading the corpus first, and
reads no more than the segments it needs.

16-bit mono recordings of the config's rate are stored unchanged, so training on them gives the same bits.

Files that cannot be used (corrupt, empty, truncated, silent, shorter than a frame, …) are left out and named at the
end; if that is more than half of the files, it is an error. If interrupted, the same command resumes with the
unfinished shard. The {MANIFEST} appears when all is done."""

UNFINISHED = f"unfinished-{MANIFEST}"  # the manifest of the shards that are done
BROKEN_SHARE = 0.5  # if more than this cannot be read, it is probably the wrong folder


class Recording(NamedTuple):
    """A file that was read and passed all checks, at the target rate."""

    rate: int  # Hz, of the file
    pcm: np.ndarray  # int16 [samples]
    scale: float
    problems: list[str]  # that do not exclude it: of its level


def parse(argv=None):
    parser = cli.parser("preprocess", DESCRIPTION)
    parser.add_argument("--data", required=True, metavar="DIR", help=f"folder of recordings ({AUDIO_KINDS})")
    parser.add_argument("--output-dir", required=True, metavar="DIR", help="folder or gs:// path for the packed corpus")
    parser.add_argument(
        "--config", metavar="FILE", help="config with audio settings; default: configs/v1.json, for files of its rate"
    )
    parser.add_argument(
        "--shard-size", type=int, default=256, metavar="MB", help="a shard ends with the clip that reaches this size"
    )
    parser.add_argument("--workers", type=int, default=os.cpu_count(), metavar="N", help="files read in parallel")
    return parser.parse_args(argv)


def main(argv=None) -> None:
    args = parse(argv)
    extras.require("hifigan-tf preprocess")
    for option in ("shard_size", "workers"):
        if getattr(args, option) < 1:
            raise UserError(f"--{option.replace('_', '-')} is {getattr(args, option)}: it must be at least 1")
    audio = Config.load(args.config or CONFIGS / "v1.json").audio
    files = corpus_files(cli.existing_folder(args.data, "--data"))
    if not files:
        raise UserError(f"--data {args.data} holds no audio file ({AUDIO_KINDS}): check the path")
    if not args.config:
        check_rates(files.values(), audio.sampling_rate)
    if "://" not in args.output_dir:
        cli.writable_folder(args.output_dir)

    from hifigan_tf.data.packed import storage_errors

    with storage_errors(args.output_dir):
        manifest = pack(files, args.output_dir, audio, args.shard_size * 10**6, args.workers)
    report(manifest, args.output_dir)


def check_rates(paths: Iterable[Path], sampling_rate: int) -> None:
    """Raises ``UserError`` at the first file of another rate than that of the default config."""
    for path in paths:
        try:
            rate = rate_of(path)
        except UserError:
            continue  # named when it is read
        if rate != sampling_rate:
            raise UserError(
                f"{path} is recorded at {rate} Hz, and without --config a corpus is packed at the {sampling_rate} Hz "
                "of configs/v1.json: give the --config to train with"
            )


def pack(files: dict[str, Path], folder: str, audio: AudioConfig, shard_bytes: int, workers: int) -> dict:
    """Packs ``{name: file}`` into the folder and returns the manifest.

    Resumes where an interrupted call for the same files stopped. Raises ``UserError`` when the folder holds
    another packed corpus, or more than half of the files cannot be used.
    """
    import tensorflow as tf
    from tqdm import tqdm

    from hifigan_tf.data.packed import ShardWriter, join, read_manifest, write_json

    fingerprint = _fingerprint(files, audio, shard_bytes)
    finished = read_manifest(folder)
    if finished and finished.get("fingerprint") == fingerprint:
        return finished
    if finished:
        raise UserError(f"{folder} holds another packed corpus: remove it, or choose another --output-dir")
    manifest = _begin(folder, fingerprint, audio.sampling_rate)
    left = dict(islice(files.items(), manifest["files"], None))
    shard: ShardWriter | None = None
    progress = tqdm(total=len(files), initial=manifest["files"], desc="packing", unit="file", leave=False)
    with worker_threads(workers) as pool, progress:
        for name, recording in zip(left, read_ahead(pool, left.values(), audio, 2 * workers), strict=True):
            manifest["files"] += 1
            progress.update()
            if isinstance(recording, UserError):
                manifest["skipped"][name] = str(recording)
            else:
                shard = shard or ShardWriter(folder, f"shard-{len(manifest['shards']):05d}.tfrecord")
                shard.add(name, recording.pcm, recording.scale)
                manifest.setdefault("odd_levels", []).extend(recording.problems[:1])
                rate = str(recording.rate)  # JSON has no other keys
                manifest["source_rates"][rate] = manifest["source_rates"].get(rate, 0) + 1
            if shard and (shard.entry["bytes"] >= shard_bytes or manifest["files"] == len(files)):
                shard.close()
                manifest["shards"].append(shard.entry)
                write_json(join(folder, UNFINISHED), manifest)
                shard = None
    skipped = list(manifest["skipped"].values())
    if len(skipped) > BROKEN_SHARE * len(files):
        warn_skipped(skipped)
        raise UserError(f"{len(skipped)} of {len(files)} files cannot be used, the first because {skipped[0]}")
    write_json(join(folder, MANIFEST), manifest)
    tf.io.gfile.remove(join(folder, UNFINISHED))
    return manifest


def _fingerprint(files: dict[str, Path], audio: AudioConfig, shard_bytes: int) -> str:
    """A hash of everything that determines the shards: files, audio settings, shard size."""

    def state(path: Path) -> tuple[int, int] | None:
        try:
            return path.stat().st_size, path.stat().st_mtime_ns
        except OSError:  # a link to nothing or to itself, which is named when it is read
            return None

    states = [(name, *(state(path) or ())) for name, path in files.items()]
    identity = [audio.sampling_rate, audio.hop_size, shard_bytes, states]
    return hashlib.sha256(json.dumps(identity).encode()).hexdigest()


def _begin(folder: str, fingerprint: str, sampling_rate: int) -> dict:
    """The manifest that an interrupted call has left; otherwise an empty one, after removing the shards of another."""
    import tensorflow as tf

    from hifigan_tf.data.packed import FORMAT, join, read_manifest, remove_shards, write_json

    tf.io.gfile.makedirs(folder)
    begun = read_manifest(folder, UNFINISHED)
    if begun and begun.get("fingerprint") == fingerprint:
        return begun
    if begun:
        remove_shards(folder)
    manifest = {
        "format": FORMAT,
        "fingerprint": fingerprint,
        "sampling_rate": sampling_rate,
        "files": 0,
        "source_rates": {},
        "skipped": {},
        "shards": [],
    }
    write_json(join(folder, UNFINISHED), manifest)
    return manifest


def read_ahead(
    pool: ThreadPoolExecutor, paths: Iterable[Path], audio: AudioConfig, ahead: int
) -> Iterator[Recording | UserError]:
    """The result of ``read`` for each file, in order, with ``ahead`` files read ahead (``map`` would read all)."""
    pending: deque[Future] = deque()
    for path in paths:
        pending.append(pool.submit(read, path, audio))
        if len(pending) > ahead:
            yield pending.popleft().result()
    while pending:
        yield pending.popleft().result()


def read(path: Path, audio: AudioConfig) -> Recording | UserError:
    """A file at the config's rate, or the error that excludes it."""
    from hifigan_tf.data.packed import to_pcm

    try:
        with file_guard(path):
            samples, found = read_resampled(path, audio.sampling_rate)
            check_length(path, len(samples), audio.hop_size)
            return Recording(found.rate, *to_pcm(samples), level_problems(str(path), found.peak, found.dc))
    except UserError as error:
        return error
    except OSError as error:
        return UserError(describe_os_error(error))


def report(manifest: dict, folder: str) -> None:
    """Logs what was packed and what was not."""
    sampling_rate, shards = manifest["sampling_rate"], manifest["shards"]
    clips = [clip for shard in shards for clip in shard["clips"]]
    rates = {int(rate): count for rate, count in manifest["source_rates"].items()}
    warn_skipped(list(manifest["skipped"].values()))
    for rate in sorted(rate for rate in rates if rate < sampling_rate):
        log.warning(
            "warning: recordings at %d Hz (%d of %d) are below %d Hz: their band above %d Hz stays empty",
            *(rate, rates[rate], len(clips), sampling_rate, rate // 2),
        )
    if odd := manifest.get("odd_levels"):
        log.warning("warning: %s (%d of %d files are at such levels)", odd[0], len(odd), len(clips))
    log.info(
        "%d of %d files packed into %s: %.2f hours at %d Hz, %d resampled, %d shard%s of %.1f MB in all",
        *(len(clips), manifest["files"], folder),
        *(sum(clip["samples"] for clip in clips) / sampling_rate / 3600, sampling_rate),
        len(clips) - rates.get(sampling_rate, 0),
        *(len(shards), "s" * (len(shards) > 1), sum(shard["bytes"] for shard in shards) / 1e6),
    )


if __name__ == "__main__":
    cli.run(main)
