"""How long training waits for its data."""

import logging
import time
from collections.abc import Iterable, Sequence

from hifigan_tf.data.packed import damage_named

log = logging.getLogger(__name__)

WARNING_SHARE = 0.05  # of the time


class TimedBatches:
    """Iterates over the batches of these clips, and tells the share of the time that went into waiting for them."""

    def __init__(self, batches: Iterable, clips: Sequence):
        self.batches, self.clips = iter(batches), clips
        self.since, self.waited, self.warned = None, 0.0, False

    def __iter__(self):
        return self

    def __next__(self):
        begin = time.perf_counter()
        with damage_named(self.clips):
            batch = next(self.batches)
        end = time.perf_counter()
        if self.since is None:  # the first batch, which waits for the pipeline to fill, tells nothing of its pace
            self.since = end
        else:
            self.waited += end - begin
        return batch

    def waiting_share(self) -> float:
        """From 0 to 1, since the last call or else the first batch. Warns the first time that it is above 5 %."""
        now = time.perf_counter()
        share = self.waited / (now - self.since)
        self.since, self.waited = now, 0.0
        if share > WARNING_SHARE and not self.warned:
            self.warned = True
            log.warning(
                "warning: %.0f %% of the time went into waiting for data: pack the corpus with "
                "python -m hifigan_tf.preprocess, or bring it nearer; TensorBoard has the curve waiting_for_data",
                100 * share,
            )
        return share
