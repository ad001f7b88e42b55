"""The rows of a split, batch by batch, in the order of an epoch."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from itertools import islice
from typing import NamedTuple

import numpy as np

from shortlist.data.event_shard import EventShard
from shortlist.data.order import TOGETHER, Place, ShardOrder, block_size, count_batches, plan_epoch
from shortlist.data.prepared import Prepared
from shortlist.data.selection import Selection
from shortlist.features.rows import Longs
from shortlist.schema import Split


class BatchRows(NamedTuple):
    """Which rows of a shard make a batch."""

    number: int
    """Of the batch in its epoch."""
    shard: EventShard
    rows_B: Longs


class EventRows:
    """The selected rows of prepared events. Only their number is kept."""

    def __init__(
        self, prepared: Prepared, split: Split, *, relevant_only: bool = False, with_item: bool = False
    ) -> None:
        """`relevant_only` leaves out rows whose first target is 0, `with_item` those whose item is unknown."""
        self.prepared = prepared
        self.selection = Selection(split, relevant_only, with_item)
        self.rows_S = [facts.rows(self.selection) for facts in prepared.facts]

    def __len__(self) -> int:
        return sum(self.rows_S)

    def count_batches(self, size: int) -> int:
        """How many batches an epoch has."""
        return count_batches(self.rows_S, size)

    def batches(
        self,
        size: int,
        seed: int,
        epoch: int,
        *,
        start: int = 0,
        shuffle: bool = True,
        bucket_length: int = 0,
    ) -> Iterator[BatchRows]:
        """Batches of at most `size` rows of one shard, from number `start` on.

        `bucket_length`, the most events of a history, puts rows of like history lengths into one batch.
        """
        plan = plan_epoch(self.rows_S, size, seed, epoch, shuffle)[start:]
        reading = _Reading(self, size, seed, epoch, shuffle, bucket_length)
        for number, place in enumerate(in_plan_order(self.prepared, plan), start):
            yield BatchRows(number, self.prepared.shards[place.shard], reading.rows(place))


def in_plan_order(prepared: Prepared, plan: Sequence[Place]) -> Iterator[Place]:
    """The places of a plan; before a shard's first one it is said which shards come next."""
    coming = deque(dict.fromkeys(place.shard for place in plan))
    for place in plan:
        if coming and place.shard == coming[0]:
            coming.popleft()
            for shard in islice(coming, TOGETHER):
                prepared.soon(shard)
        yield place


class _Reading:
    """The selected rows of the shards whose blocks take turns, and the block that is being read."""

    def __init__(self, events: EventRows, size: int, seed: int, epoch: int, shuffle: bool, bucket_length: int) -> None:
        self.events = events
        self.size = size
        self.seed = seed
        self.epoch = epoch
        self.shuffle = shuffle
        self.bucket_length = bucket_length
        self._selected: dict[int, Longs] = {}
        self._block_of: tuple[int, int] | None = None
        self._block_n: Longs = np.zeros(0, np.int64)

    def rows(self, place: Place) -> Longs:
        """Rows of the shard."""
        if not self.shuffle:
            return self._rows_of(place.shard)[place.start : place.stop]
        length = block_size(self.size)
        number, first = divmod(place.start, length)
        # A batch is never cut by the end of a block.
        return self._block(place.shard, number)[first : first + place.stop - place.start]

    def _block(self, shard: int, number: int) -> Longs:
        if self._block_of == (shard, number):
            return self._block_n
        order = ShardOrder(shard, self.events.rows_S[shard], self.size, self.seed, self.epoch)
        block_n = self._rows_of(shard).take(order.block(number))
        if self.bucket_length:
            others = not self.events.prepared.schema.has_time
            length_n = self.events.prepared.shards[shard].history_length(block_n, self.bucket_length, others=others)
            block_n = order.bucketed(number, block_n, length_n)
        self._block_of, self._block_n = (shard, number), block_n
        return block_n

    def _rows_of(self, shard: int) -> Longs:
        if shard not in self._selected:
            while len(self._selected) >= TOGETHER:
                self._selected.pop(next(iter(self._selected)))
            self._selected[shard] = self.events.selection.rows(self.events.prepared.shards[shard])
        return self._selected[shard]
