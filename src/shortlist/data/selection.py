"""Which rows of a log are read, and how many they are: counted once, so that an epoch is planned without reading it.

Legend: T targets.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from shortlist.data.event_shard import EventShard
from shortlist.features.rows import Longs
from shortlist.schema import Split


class Selection(NamedTuple):
    """The rows of one split; without those whose first target is 0, or whose item is unknown, where it says so."""

    split: Split
    relevant_only: bool = False
    with_item: bool = False

    def rows(self, shard: EventShard) -> Longs:
        """The rows of a shard that are selected, in their order."""
        keep = shard.split == self.split
        if self.relevant_only:
            keep &= shard.relevant()
        if self.with_item:
            keep &= shard.item > 0
        return np.flatnonzero(keep)


@dataclass(frozen=True, slots=True)
class ShardFacts:
    """What is known of a shard without opening it."""

    counts: tuple[int, ...]
    """Rows by split, by relevance and by whether the item is known: the flattened [3, 2, 2] table."""
    lowest_T: tuple[float, ...]
    """The least value of each target, or 0."""
    highest_T: tuple[float, ...]
    """The largest value of each target, or 0."""

    def rows(self, selection: Selection) -> int:
        """How many rows are selected."""
        table = np.array(self.counts).reshape(len(Split), 2, 2)
        return int(table[selection.split, int(selection.relevant_only) :, int(selection.with_item) :].sum())

    @classmethod
    def of(cls, shard: EventShard) -> ShardFacts:
        """Look through a shard."""
        kind = shard.split * np.int8(4) + shard.relevant() * np.int8(2) + (shard.item > 0)
        return cls(
            counts=tuple(np.bincount(kind, minlength=4 * len(Split)).tolist()),
            lowest_T=tuple(np.fmin.reduce(shard.targets_nT, axis=0, initial=0).tolist()),
            highest_T=tuple(np.fmax.reduce(shard.targets_nT, axis=0, initial=0).tolist()),
        )

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> ShardFacts:
        """From the fields as JSON values."""
        return cls(*(tuple(values[name]) for name in ("counts", "lowest_T", "highest_T")))
