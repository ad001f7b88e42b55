"""Which rows of a log are read, and how many they are: counted once, so that an epoch is planned without reading it.

Legend: T targets.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from shortlist.data.event_shard import EventShard
from shortlist.features.rows import Floats, Longs
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
    shares: int
    """Training rows whose first target is between 0 and 1."""
    relevant_lowest_T: tuple[float | None, ...]
    """The least value of each target over training rows whose first target is above 0; None where none tells it."""
    relevant_highest_T: tuple[float | None, ...]
    """The largest one."""
    out_of_turn_T: tuple[int, ...]
    """Training rows where the target is above one of those before it; 0 of the first."""

    def rows(self, selection: Selection) -> int:
        """How many rows are selected."""
        table = np.array(self.counts).reshape(len(Split), 2, 2)
        return int(table[selection.split, int(selection.relevant_only) :, int(selection.with_item) :].sum())

    @classmethod
    def of(cls, shard: EventShard) -> ShardFacts:
        """Look through a shard."""
        train_nT = shard.targets_nT[shard.split == Split.TRAIN]
        first_n = train_nT[:, :1]
        kind = shard.split * np.int8(4) + shard.relevant() * np.int8(2) + (shard.item > 0)
        return cls(
            counts=tuple(np.bincount(kind, minlength=4 * len(Split)).tolist()),
            lowest_T=tuple(np.fmin.reduce(shard.targets_nT, axis=0, initial=0).tolist()),
            highest_T=tuple(np.fmax.reduce(shard.targets_nT, axis=0, initial=0).tolist()),
            shares=int(np.count_nonzero((first_n > 0) & (first_n < 1))),
            relevant_lowest_T=_ends(train_nT, np.fmin),
            relevant_highest_T=_ends(train_nT, np.fmax),
            out_of_turn_T=_out_of_turn(train_nT),
        )

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> ShardFacts:
        """From the fields as JSON values."""
        fields: dict[str, Any] = {name: tuple(v) if isinstance(v, list) else v for name, v in values.items()}
        return cls(**fields)


def _ends(targets_nT: Floats, end: np.ufunc) -> tuple[float | None, ...]:
    """Of each target the least or the largest value over rows whose first target is above 0."""
    ends_T = end.reduce(targets_nT[(targets_nT[:, :1] > 0).all(axis=1)], axis=0, initial=np.nan)
    return tuple(None if np.isnan(value) else value for value in ends_T.tolist())


def _out_of_turn(targets_nT: Floats) -> tuple[int, ...]:
    """Of each target how many rows have more of it than of one before it; what is not told is compared with nothing."""
    found = np.zeros(targets_nT.shape[1], np.int64)
    if targets_nT.shape[1] > 1:
        least_nT = np.fmin.accumulate(targets_nT, axis=1)
        found[1:] = np.count_nonzero(targets_nT[:, 1:] > least_nT[:, :-1], axis=0)
    return tuple(found.tolist())
