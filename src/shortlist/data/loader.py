"""Batches of events: features gathered by index, histories as slices, negatives drawn.

What a batch holds follows from the seed, the epoch and the batch's number alone, so an epoch can begin with any batch.
Of several processes that train together each has a part of every batch, draws for its own rows and gathers their
features: what they learn from does not depend on how many they are.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Generic, TypeVar, overload

import numpy as np

from shortlist.core.seeding import stream, uniform_rows
from shortlist.data.event_rows import EventRows
from shortlist.data.event_shard import EventShard
from shortlist.data.negatives import NegativeSampler, Uniform
from shortlist.data.order import ALONE, Share
from shortlist.data.prepared import Prepared
from shortlist.features.rows import FeatureRows, Floats, HistoryRows, Ints, Longs, Part, collect
from shortlist.schema import Side, TargetKind
from shortlist.schema.columns import ANY_EVENT

Rows = TypeVar("Rows")
"""FeatureRows, or what stands for them elsewhere, as on a device."""
Collect = Callable[[Sequence[Part], HistoryRows | None], Rows]
"""Gathers the rows of several sides, side by side."""


@dataclass(frozen=True, slots=True)
class RankingRows(Generic[Rows]):
    """Rows for a ranker: B of them with features and what they should score."""

    features: Rows
    targets_BT: Floats
    """Not a number where a row does not tell."""
    weight_B: Floats
    observed: int
    """How many rows of the log the whole batch stands for, other ranks' included: those that come first in it, before
    sampled negatives, and those that were thinned out."""
    list_B: Ints | None = None
    """The place of the observed row that each row was drawn for, or is; None where no negatives are sampled."""


@dataclass(frozen=True, slots=True)
class RetrievalPairs(Generic[Rows]):
    """Events for retrieval: the request, and the item that followed it. G of the whole batch, B of this rank's."""

    number: int
    """Of the batch in its epoch."""
    query: Rows
    """Of the B."""
    item_G: Ints
    user_G: Ints
    mine_B: Longs
    """Which of the G they are."""
    target_B: Floats
    """The first target; 1 in a log without targets."""
    weight_B: Floats


class Gather(Generic[Rows]):
    """Feature rows of events: what a request would have shown at that moment, and the item."""

    @overload
    def __init__(
        self: Gather[FeatureRows],
        prepared: Prepared,
        history_length: int,
        *,
        own_item: bool = True,
        past: bool = False,
    ) -> None: ...

    @overload
    def __init__(
        self,
        prepared: Prepared,
        history_length: int,
        *,
        own_item: bool = True,
        past: bool = False,
        trim: bool = False,
        collect: Collect[Rows],
    ) -> None: ...

    def __init__(
        self,
        prepared: Prepared,
        history_length: int,
        *,
        own_item: bool = True,
        past: bool = False,
        trim: bool = False,
        collect: Collect[Rows] | Collect[FeatureRows] = collect,
    ) -> None:
        """`own_item` false: earlier events with the row's own item are no part of its history.

        `past`: histories tell of their events what the schema has of them beside their items.
        `trim`: histories are as wide as the longest of the batch, rounded up, and not as wide as they may be at most.
        `collect` gathers the rows; by default as arrays.
        """
        self.prepared = prepared
        self.own_item = own_item
        self.past = prepared.schema.side(Side.PAST) if past else ()
        self.trim = trim
        self._collect = collect
        has_history = prepared.schema.has_users and prepared.schema.has_items
        self.history_length = history_length if has_history else 0

    def history(self, shard: EventShard, rows_B: Longs) -> HistoryRows | None:
        """The events strictly before each row, or in a log without times all others; None where there is no history."""
        if self.history_length == 0:
            return None
        return shard.history(
            rows_B,
            self.history_length,
            self.prepared.id_of_item,
            own_item=self.own_item,
            trim=self.trim,
            past=self.past,
            others=not self.prepared.schema.has_time,
        )

    def query(self, shard: EventShard, rows_B: Longs) -> Rows:
        """User and context features side by side, with the history."""
        return self.request(shard, rows_B, self.history(shard, rows_B))

    def request(self, shard: EventShard, rows_B: Longs, history: HistoryRows | None) -> Rows:
        """As `query`, with histories from elsewhere."""
        return self._gathered(self._request(shard, rows_B), history)

    def item(self, item_B: Longs | Ints) -> Rows:
        """Item features."""
        return self._gathered([Part("items", self.prepared.items, item_B)], None)

    def row(self, shard: EventShard, rows_B: Longs, item_N: Longs | Ints, place_N: Longs | None = None) -> Rows:
        """User, context and item features side by side, with the history; `item_N` may differ from the event's.

        `place_N` says which of `rows_B` each of N rows belongs to; each event's history is there once.
        """
        history = self.history(shard, rows_B)
        if place_N is not None:
            rows_B, history = rows_B[place_N], history and history.of(place_N)
        parts = self._request(shard, rows_B)
        if self.prepared.schema.has_items:
            parts.append(Part("items", self.prepared.items, item_N))
        return self._gathered(parts, history)

    def _request(self, shard: EventShard, rows_B: Longs) -> list[Part]:
        context = Part(shard.name, shard.context, rows_B)
        if not self.prepared.schema.has_users:
            return [context]
        return [Part("users", self.prepared.users, shard.user.take(rows_B)), context]

    def _gathered(self, parts: Sequence[Part], history: HistoryRows | None) -> Rows:
        return self._collect(parts, history)  # type: ignore[return-value]  # the default only where Rows = FeatureRows


def retrieval_pairs(
    events: EventRows,
    gather: Gather[Rows],
    size: int,
    seed: int,
    epoch: int,
    *,
    start: int = 0,
    share: Share = ALONE,
    buckets: bool = False,
) -> Iterator[RetrievalPairs[Rows]]:
    """This rank's part of batches for retrieval, from number `start` on."""
    length = gather.history_length if buckets else 0
    for batch in events.batches(size, seed, epoch, start=start, bucket_length=length):
        shard, rows_G = batch.shard, batch.rows_B
        places, counts = share.of(len(rows_G))
        rows_B = rows_G[places]
        yield RetrievalPairs(
            number=batch.number,
            query=gather.query(shard, rows_B),
            item_G=shard.item.take(rows_G),
            user_G=shard.user.take(rows_G),
            mine_B=np.arange(places.start, places.stop),
            target_B=_targets(shard, rows_B)[:, 0],
            weight_B=_weights(shard, rows_B) * np.float32(counts),
        )


def ranking_rows(
    events: EventRows,
    gather: Gather[Rows],
    size: int,
    seed: int,
    epoch: int,
    *,
    sampler: NegativeSampler | None = None,
    sampled: int = 0,
    keep: float = 1.0,
    start: int = 0,
    shuffle: bool = True,
    share: Share = ALONE,
    buckets: bool = False,
) -> Iterator[RankingRows[Rows]]:
    """This rank's part of batches of `size` rows, each relevant one followed by its `sampled` negatives.

    For a negative the targets of the kind binary are 0, and nothing is known of others. Of the rows whose first target
    is 0 only a share `keep` is left, drawn anew in each epoch.
    """
    length = gather.history_length if buckets else 0
    of_negative_T = _targets_of_negatives(gather.prepared)
    for batch in events.batches(size, seed, epoch, start=start, shuffle=shuffle, bucket_length=length):
        shard, rows_G, weight_G = batch.shard, batch.rows_B, _weights(batch.shard, batch.rows_B)
        if keep < 1:
            # The last key is that of one process since ever: published figures are of its draws.
            rows_G, weight_G = _thinned(shard, rows_G, weight_G, keep, stream(seed, "kept", epoch, batch.number, 0))
        mine, counts = share.of(len(rows_G))
        rows_B, weight_N = rows_G[mine], weight_G[mine] * np.float32(counts)
        item_N, targets_NT, place_N = shard.item.take(rows_B), _targets(shard, rows_B), None
        if sampler is not None and sampled:
            uniform = partial(uniform_rows, mine.start, len(rows_B), sampled, seed, "negatives", epoch, batch.number)
            of_negative, drawn = _negatives(sampler, sampled, shard, rows_B, uniform)
            # A negative is asked for in its positive's place: the same user, moment and history, encoded once.
            place_N = np.concatenate([np.arange(len(rows_B)), of_negative])
            item_N = np.concatenate([item_N, drawn])
            targets_NT = np.concatenate([targets_NT, np.tile(of_negative_T, (len(of_negative), 1))])
            weight_N = weight_N[place_N]
        list_N = None if place_N is None else place_N.astype(np.int32)
        features = gather.row(shard, rows_B, item_N, place_N)
        yield RankingRows(features, targets_NT, weight_N, len(batch.rows_B), list_N)


def _negatives(
    sampler: NegativeSampler, sampled: int, shard: EventShard, rows_B: Longs, uniform: Uniform
) -> tuple[Longs, Ints]:
    """Sampled items of relevant rows, and for each of them the place of its row among `rows_B`."""
    relevant = np.flatnonzero(shard.relevant(rows_B))
    user_B = shard.user[rows_B[relevant]]
    drawn = sampler.sample(user_B, sampled, lambda number: uniform(number)[relevant]).ravel()
    found = drawn > 0
    return np.repeat(relevant, sampled)[found], drawn[found]


def _targets_of_negatives(prepared: Prepared) -> Floats:
    """targets_T of what never happened: no positive, and otherwise untold."""
    kinds = [target.kind for target in prepared.schema.targets or (ANY_EVENT,)]
    return np.array([0.0 if kind == TargetKind.BINARY else np.nan for kind in kinds], np.float32)


def _thinned(
    shard: EventShard, rows_B: Longs, weight_B: Floats, keep: float, random: np.random.Generator
) -> tuple[Longs, Floats]:
    """The rows whose first target is not 0, and of the others each with probability `keep`; with their weights.

    Two rows stay at least, without weight if they should not be there: layers that normalise over a batch need them.
    """
    kept_B = (shard.targets_nT[rows_B, 0] != 0) | (random.random(len(rows_B)) < keep)
    kept_first = np.argsort(~kept_B, kind="stable")
    left = np.sort(kept_first[: max(np.count_nonzero(kept_B), 2)])
    return rows_B[left], np.where(kept_B, weight_B, np.float32(0))[left]


def _weights(shard: EventShard, rows_B: Longs) -> Floats:
    """weight_B; 1 each in a log without weights."""
    return np.ones(len(rows_B), np.float32) if shard.weight is None else shard.weight.take(rows_B)


def _targets(shard: EventShard, rows_B: Longs) -> Floats:
    """targets_BT; of a log without targets every event is relevant."""
    targets_nT = shard.targets_nT
    return targets_nT.take(rows_B, axis=0) if targets_nT.shape[1] else np.ones((len(rows_B), 1), np.float32)
