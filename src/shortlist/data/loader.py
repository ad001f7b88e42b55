"""Batches from shards: a fixed order for each seed and epoch, features gathered by index, histories as slices.

Rows are shuffled shard by shard, within a shard in blocks, and within a block by row, so that a batch touches few pages
of the files however large they are.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from shortlist.core.seeding import stream
from shortlist.data.negatives import NegativeSampler
from shortlist.data.prepared import EventShard, Prepared
from shortlist.features.rows import FeatureRows, Floats, HistoryRows, Ints, Longs, side_by_side
from shortlist.schema import Split

BLOCK = 65_536
"""Rows shuffled together."""


@dataclass(frozen=True, slots=True)
class RankingRows:
    """Rows for a ranker: B of them with features and what they should score."""

    features: FeatureRows
    targets_BT: Floats
    weight_B: Floats


@dataclass(frozen=True, slots=True)
class PositivePairs:
    """Relevant events for retrieval: the request beside the item that followed it."""

    query: FeatureRows
    candidate: FeatureRows
    item_B: Ints
    user_B: Ints
    weight_B: Floats


def shuffled(rows: Longs, random: np.random.Generator) -> Longs:
    """`rows` in a random order of blocks, and each block in a random order."""
    blocks = [rows[start : start + BLOCK] for start in range(0, len(rows), BLOCK)]
    order = random.permutation(len(blocks))
    return np.concatenate([random.permutation(blocks[i]) for i in order]) if blocks else rows


class EventRows:
    """The rows of one split, batch by batch."""

    def __init__(
        self, prepared: Prepared, split: Split, *, relevant_only: bool = False, with_item: bool = False
    ) -> None:
        """`relevant_only` leaves out rows whose first target is 0, `with_item` those whose item is unknown."""
        self.prepared = prepared
        self._rows: list[tuple[EventShard, Longs]] = []
        for shard, rows in prepared.rows_of(split):
            keep: npt.NDArray[np.bool_] = shard.relevant()[rows] if relevant_only else np.ones(len(rows), bool)
            if with_item:
                keep = keep & (shard.item[rows] > 0)
            self._rows.append((shard, rows[keep]))

    def __len__(self) -> int:
        return sum(len(rows) for _, rows in self._rows)

    def batches(self, size: int, seed: int, epoch: int, shuffle: bool = True) -> Iterator[tuple[EventShard, Longs]]:
        """Batches of at most `size` rows of one shard; each row once."""
        random = stream(seed, "order", epoch)
        shards = random.permutation(len(self._rows)) if shuffle else range(len(self._rows))
        for i in shards:
            shard, rows = self._rows[i]
            order = shuffled(rows, random) if shuffle else rows
            for start in range(0, len(order), size):
                yield shard, order[start : start + size]

    def count_batches(self, size: int) -> int:
        """How many batches an epoch has."""
        return sum(-(-len(rows) // size) for _, rows in self._rows)


class Gather:
    """Feature rows of events: what a request would have shown at that moment, and the item."""

    def __init__(self, prepared: Prepared, history_length: int, *, own_item: bool = True) -> None:
        """`own_item` false: earlier events with the row's own item are no part of its history."""
        self.prepared = prepared
        self.own_item = own_item
        has_history = prepared.schema.has_users and prepared.schema.has_time and prepared.schema.has_items
        self.history_length = history_length if has_history else 0

    def history(self, shard: EventShard, rows_B: Longs) -> HistoryRows | None:
        """The events strictly before each row; None when the model sees no history."""
        if self.history_length == 0:
            return None
        return shard.history(rows_B, self.history_length, self.prepared.id_of_item, own_item=self.own_item)

    def query(self, shard: EventShard, rows_B: Longs) -> FeatureRows:
        """User and context features side by side, with the history."""
        rows = side_by_side([self.prepared.users.take(shard.user[rows_B]), shard.context.take(rows_B)])
        return FeatureRows(rows.ids_BF, rows.numbers_BN, rows.bags, self.history(shard, rows_B))

    def row(self, shard: EventShard, rows_B: Longs, item_B: Ints) -> FeatureRows:
        """User, context and item features side by side, with the history; `item_B` may differ from the event's."""
        return side_by_side([self.query(shard, rows_B), self.prepared.items.take(item_B)])


def positive_pairs(events: EventRows, gather: Gather, size: int, seed: int, epoch: int) -> Iterator[PositivePairs]:
    """Batches for retrieval. A rest too small to hold negatives for one another is left out of this epoch."""
    for shard, rows_B in events.batches(size, seed, epoch):
        if len(rows_B) >= 2:
            item_B = shard.item[rows_B]
            candidate = gather.prepared.items.take(item_B)
            yield PositivePairs(
                gather.query(shard, rows_B), candidate, item_B, shard.user[rows_B], _weights(shard, rows_B)
            )


def ranking_rows(
    events: EventRows,
    gather: Gather,
    size: int,
    seed: int,
    epoch: int,
    *,
    sampler: NegativeSampler | None = None,
    sampled: int = 0,
    observed: bool = True,
    shuffle: bool = True,
) -> Iterator[RankingRows]:
    """Batches of `size` observed rows, each relevant one followed by its `sampled` negatives, whose targets are 0."""
    random = stream(seed, "negatives", epoch)
    for shard, rows_B in events.batches(size, seed, epoch, shuffle):
        relevant = np.flatnonzero(shard.relevant()[rows_B])
        place = np.arange(len(rows_B)) if observed else relevant
        item = shard.item[rows_B[place]]
        targets = _targets(shard, rows_B[place])
        if sampler is not None and sampled:
            drawn = sampler.sample(shard.user[rows_B[relevant]], sampled, random).ravel()
            found = drawn > 0
            place = np.concatenate([place, np.repeat(relevant, sampled)[found]])
            item = np.concatenate([item, drawn[found]])
            targets = np.concatenate([targets, np.zeros((int(found.sum()), targets.shape[1]), np.float32)])
        if len(place) == 0:
            continue
        # A negative is asked for in its positive's place: the same user, moment and history, encoded once.
        query = gather.query(shard, rows_B).take(place)
        features = side_by_side([query, gather.prepared.items.take(item)])
        yield RankingRows(features, targets, _weights(shard, rows_B[place]))


def _weights(shard: EventShard, rows_B: Longs) -> Floats:
    """weight_B; 1 each in a log without weights."""
    return np.ones(len(rows_B), np.float32) if shard.weight is None else shard.weight[rows_B]


def _targets(shard: EventShard, rows_B: Longs) -> Floats:
    """targets_BT; of a log without targets every event is relevant."""
    return shard.targets_nT[rows_B] if shard.targets_nT.shape[1] else np.ones((len(rows_B), 1), np.float32)
