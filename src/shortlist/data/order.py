"""The order of an epoch: which batch comes when, and of which rows it is made; a pure function of seed and epoch.

Prepared events are sorted by user, the busiest first, so neighbours are alike, and so are the users of a shard. Rows
are taken in runs of neighbours, drawn at random over the shard; the rows of some runs make a block and are shuffled. A
batch therefore mixes users from many places of its shard, and yet what is read at a time fits a processor's cache.
Four shards are read together, their blocks in random turns, so that no long stretch of an epoch has like users alone.
Every block has a random stream of its own, so that any batch can be the first.

Legend: S shards, T turns, n rows of a block.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from shortlist.core.seeding import stream
from shortlist.features.rows import Longs

RUN = 4_096
"""Neighbouring rows read together."""
BLOCK = 65_536
"""Rows shuffled together, or the largest multiple of the batch size up to it."""
TOGETHER = 4
"""Shards whose blocks take turns."""


class Place(NamedTuple):
    """A batch: the rows from `start` to `stop` of the shard's order."""

    shard: int
    start: int
    stop: int


@dataclass(frozen=True, slots=True)
class Share:
    """Which part of every batch is this process's, the rank's, of `world` processes that train one model."""

    rank: int = 0
    world: int = 1

    def of(self, rows: int) -> tuple[slice, bool]:
        """This rank's rows of a batch of so many, at least one, and whether they count.

        Over all ranks every row counts once. Where there are fewer rows than ranks, some have one that must not count.
        """
        start, stop = (rows * rank // self.world for rank in (self.rank, self.rank + 1))
        return slice(start, max(stop, start + 1)), start < stop

    def evenly(self, rows: int) -> Longs:
        """This rank's of so many rows, at least one: for every rank as many, at the end the last row again."""
        each = -(-rows // self.world)
        return np.minimum(np.arange(self.rank * each, (self.rank + 1) * each), rows - 1)


ALONE = Share()
"""All of every batch."""


def count_batches(rows_S: Sequence[int], size: int) -> int:
    """Batches of at most `size` rows, each of one shard."""
    return sum(-(-rows // size) for rows in rows_S)


def plan_epoch(rows_S: Sequence[int], size: int, seed: int, epoch: int, shuffle: bool = True) -> list[Place]:
    """All batches of an epoch in their order; not shuffled, in the order of the files."""
    length = block_size(size)
    count_S = np.array([-(-rows // length) for rows in rows_S], np.int64)
    shard_T = _turns(count_S, seed, epoch) if shuffle else np.repeat(np.arange(len(count_S)), count_S)
    next_S = [0] * len(rows_S)
    plan = []
    for shard in shard_T.tolist():
        first = next_S[shard]
        last = next_S[shard] = min(first + length, rows_S[shard])
        plan += [Place(shard, start, min(start + size, last)) for start in range(first, last, size)]
    return plan


def _turns(count_S: Longs, seed: int, epoch: int) -> Longs:
    """shard_T: whose turn it is; each shard as often as it has blocks."""
    random = stream(seed, "order", epoch)
    shards = random.permutation(len(count_S))
    groups = [shards[first : first + TOGETHER] for first in range(0, len(shards), TOGETHER)]
    turns = [random.permutation(np.repeat(group, count_S[group])) for group in groups]
    return np.concatenate(turns) if turns else np.zeros(0, np.int64)


def block_size(size: int) -> int:
    """Rows of a block: whole batches."""
    return max(BLOCK // size, 1) * size


@dataclass(frozen=True, slots=True)
class ShardOrder:
    """The order of `rows` rows of one shard in one epoch, cut into blocks for batches of `size`."""

    shard: int
    rows: int
    size: int
    seed: int
    epoch: int

    def block(self, number: int) -> Longs:
        """place_n: the rows of a block in random order, each a place from 0 to `rows` - 1."""
        first = number * block_size(self.size)
        last = min(first + block_size(self.size), self.rows)
        random = stream(self.seed, "order", self.epoch, self.shard, number)
        return self._in_runs(first, last).take(random.permutation(last - first))

    def _in_runs(self, first: int, last: int) -> Longs:
        """The places `first` to `last` of the order by runs; the run that is cut short comes last."""
        random = stream(self.seed, "runs", self.epoch, self.shard)
        rotated = random.integers(self.rows)
        run = np.append(random.permutation(self.rows // RUN), self.rows // RUN)[first // RUN : -(-last // RUN)]
        place_n = (run[:, None] * RUN + np.arange(RUN)).ravel()[first % RUN :][: last - first] + rotated
        place_n[place_n >= self.rows] -= self.rows
        return place_n

    def bucketed(self, number: int, place_n: Longs, length_n: Longs) -> Longs:
        """The places of a block again, in batches of like history lengths; the batches come in random order.

        The longest histories are in the batch that is cut short, which comes last.
        """
        place_n = place_n[np.argsort(length_n, kind="stable")]
        whole = len(place_n) // self.size * self.size
        random = stream(self.seed, "buckets", self.epoch, self.shard, number)
        batches = random.permutation(place_n[:whole].reshape(-1, self.size))
        return np.concatenate([batches.ravel(), place_n[whole:]])
