"""The histories of requests that are rows of the log: made where they are asked for, some at a time.

A user's every event has all those before it as its history: held at once they would take the square of their number.

Legend: U requests, B some of them, n rows of a shard.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from shortlist.data.event_shard import EventShard
from shortlist.features.past import Events
from shortlist.features.rows import Longs, RaggedBag


@dataclass(frozen=True, eq=False)
class EventsBefore:
    """Of each request the events before it, as `EventShard.before` gives them."""

    shards: Sequence[EventShard]
    shard_U: Longs
    """Which shard holds the request's row."""
    row_U: Longs
    """The row of that shard."""
    count_U: Longs
    """How many events each request has before it."""

    def counts(self) -> Longs:
        """Number of events of each request."""
        return self.count_U

    def rows(self, rows_B: npt.NDArray[np.integer]) -> Events:
        """The events of the requests at `rows_B`, oldest first."""
        shard_B, row_B = self.shard_U[rows_B], self.row_U[rows_B]
        wanted = np.unique(shard_B).tolist()
        if not wanted:
            return Events(RaggedBag.of([]), np.zeros(0, np.int64))
        parts = [self.shards[number].before(row_B[shard_B == number]) for number in wanted]
        place_B = np.argsort(np.argsort(shard_B, kind="stable"))
        return Events.joined(parts).rows(place_B) if len(parts) > 1 else parts[0]


@dataclass(frozen=True, eq=False)
class ItemsBefore:
    """Of each request the items of the events before it."""

    events: EventsBefore

    def rows(self, rows_B: npt.NDArray[np.integer]) -> RaggedBag:
        """The items of the requests at `rows_B`."""
        return self.events.rows(rows_B).items


def count_before(shard: EventShard, rows_B: npt.NDArray[Any]) -> Longs:
    """How many events `EventShard.before` gives for each of these rows, in one pass over the shard."""
    count_B, split_B = np.zeros(len(rows_B), np.int64), shard.split.take(rows_B)
    for split in np.unique(split_B):
        visible_n = _visible(shard, split)
        earlier_n: Longs = np.cumsum(visible_n) - visible_n
        mine_B = split_B == split
        count_B[mine_B] = earlier_n[rows_B[mine_B]] - earlier_n[shard.start.take(rows_B[mine_B])]
    return np.where(shard.user.take(rows_B) > 0, count_B, 0)


def seen_before(shard: EventShard, rows_B: npt.NDArray[Any]) -> npt.NDArray[np.bool_]:
    """Whether the row's own item is among the events before it, in one pass over the shard."""
    seen_B, split_B = np.zeros(len(rows_B), bool), shard.split.take(rows_B)
    width = np.int64(shard.item.max(initial=0)) + 1
    key_n = shard.user.astype(np.int64) * width + shard.item
    for split in np.unique(split_B):
        row_V = np.flatnonzero(_visible(shard, split))
        key_V, first_V = np.unique(key_n[row_V], return_index=True)
        mine_B = split_B == split
        # The row itself is among the visible ones, unless nobody knows its item.
        place_B = np.minimum(np.searchsorted(key_V, key_n[rows_B[mine_B]]), len(key_V) - 1)
        seen_B[mine_B] = row_V[first_V[place_B]] < rows_B[mine_B] if len(key_V) else False
    return seen_B & (shard.item.take(rows_B) > 0) & (shard.user.take(rows_B) > 0)


def _visible(shard: EventShard, split: np.int8) -> npt.NDArray[np.bool_]:
    """Rows that a row of `split` may know: of known items, and of no later split."""
    return (shard.split <= split) & (shard.item > 0)
