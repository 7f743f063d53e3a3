"""Where the step runs: on one device, on all GPUs of this machine, or on many machines (``tf.distribute``)."""

import json
import os
from dataclasses import dataclass

from hifigan_tf.errors import UserError

STRATEGIES = ("one", "mirrored", "multiworker")
EXAMPLE = '{"cluster": {"worker": ["host1:12345", "host2:12345"]}, "task": {"type": "worker", "index": 0}}'


@dataclass(frozen=True)
class Workers:
    """The processes that train together, and which of them this is. Number 0 is the chief: it alone writes."""

    index: int = 0
    count: int = 1

    @property
    def is_chief(self) -> bool:
        return self.index == 0


ALONE = Workers()


def workers_of(strategy: str) -> Workers:
    """The workers of ``TF_CONFIG`` for "multiworker", else this process alone. Raises ``UserError`` if malformed."""
    if strategy != "multiworker":
        return ALONE
    text = os.environ.get("TF_CONFIG")
    if not text:
        raise UserError(f"TF_CONFIG is not set: --strategy multiworker needs it, for example {EXAMPLE}")

    def malformed(what: str) -> UserError:
        return UserError(f"TF_CONFIG {what}: it is {text!r} and must be as in {EXAMPLE}")

    try:
        config = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise malformed(f"is no JSON ({error})") from None
    try:
        cluster, task = config["cluster"], config["task"]
        addresses, kind, index = cluster["worker"], task["type"], task["index"]
    except (KeyError, TypeError) as error:
        raise malformed(f"lacks {error}") from None
    if set(cluster) != {"worker"} or kind != "worker":
        raise malformed('must have tasks of type "worker" alone, of which number 0 is the chief')
    if not isinstance(addresses, list) or not all(isinstance(one, str) and ":" in one for one in addresses):
        raise malformed("must list every worker as host:port")
    if len(set(addresses)) != len(addresses):
        raise malformed("lists a worker twice")
    if not isinstance(index, int) or not 0 <= index < len(addresses):
        raise malformed(f"has index {index!r}, and the workers are numbered 0 to {len(addresses) - 1}")
    return Workers(index, len(addresses))


def make_strategy(name: str):
    """The strategy; must be made before TensorFlow runs anything. Waits until all workers are connected."""
    import tensorflow as tf

    if name == "mirrored":
        return tf.distribute.MirroredStrategy()
    if name == "multiworker":
        return tf.distribute.MultiWorkerMirroredStrategy()
    return tf.distribute.get_strategy()


def total(value: int) -> int:
    """Sums ``value`` over all replicas of the current strategy; collective, every worker must call it."""
    import tensorflow as tf

    strategy = tf.distribute.get_strategy()
    if strategy.num_replicas_in_sync == 1:
        return int(value)
    values = strategy.run(lambda: tf.constant(value, tf.int64))
    return int(strategy.reduce(tf.distribute.ReduceOp.SUM, values, axis=None))


def check_batch(batch_size: int, replicas: int) -> None:
    """Raises ``UserError`` when the replicas cannot share the batch evenly."""
    if batch_size % replicas:
        raise UserError(
            f"batch_size {batch_size} cannot be split over {replicas} replicas: "
            f"give --batch-size {max(1, round(batch_size / replicas)) * replicas}"
        )
