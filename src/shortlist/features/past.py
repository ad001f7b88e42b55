"""What a history tells of its events beside their items: of which type each one was, and how long ago.

Rows of the log and requests go through the same functions, so that a ranker is served what it was trained on.

Legend: U users or requests, L history length, P past columns.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
import numpy.typing as npt

from shortlist.features.rows import Ints, Longs, RaggedBag
from shortlist.schema import Column, Kind, Side
from shortlist.schema.columns import PAST_AGE, PAST_TYPE

AGE_ROWS = 33
"""Rows of the age column: the unknown age, and 32 ages, each about twice the one before."""


def age_column(offset: int) -> Column:
    """How long ago an event was; it needs no fitting."""
    return Column(name=PAST_AGE, side=Side.PAST, kind=Kind.FIELD, size=AGE_ROWS, offset=offset)


def age_rows(seconds: npt.NDArray[np.integer]) -> Ints:
    """Row of the age column of ages in seconds: 1 + k from 2^k - 1 up to 2^(k+1) - 2, and 32 from 2^31 - 1 on.

    So 0 s is row 1, a minute row 6, a day row 17 and a year row 25. What is not yet was just now.
    """
    exponent: Ints = np.frexp(np.maximum(seconds, 0) + 1)[1]
    return np.minimum(exponent, np.int32(AGE_ROWS - 1))


def past_planes(
    columns: Sequence[Column],
    type_UL: Ints | None,
    age_UL: Longs,
    inside_UL: npt.NDArray[np.bool_],
    width: int | None = None,
) -> Ints:
    """past_ULP: rows of the past columns, in their order, for the events that are `inside`; then 0.

    `type_UL` are rows of the column of types, None where there is no such column; `age_UL` are seconds. `width` makes
    the histories longer than L.
    """
    users, length = inside_UL.shape
    past_ULP = np.zeros((users, width or length, len(columns)), np.int32)
    for place, column in enumerate(columns):
        rows_UL = type_UL if column.name == PAST_TYPE else age_rows(age_UL) + np.int32(column.offset)
        assert rows_UL is not None
        np.copyto(past_ULP[:, :length, place], rows_UL, where=inside_UL)
    return past_ULP


@dataclass(frozen=True, slots=True)
class Events:
    """The events of U users, each user's oldest first."""

    items: RaggedBag
    """Item rows of each user."""
    times: Longs
    """Unix seconds of each of the items' values."""
    types: Ints | None = None
    """Row of the column of types for each of the items' values; None where the log has no types."""

    def __len__(self) -> int:
        return len(self.items)

    def counts(self) -> Longs:
        """Number of events of each user."""
        return self.items.counts()

    def rows(self, rows_B: npt.NDArray[np.integer]) -> Events:
        """The events of the users at `rows_B`."""
        if len(rows_B) == 1:
            # One user's events lie together: nothing is copied.
            start, stop = self.items.offsets_n[rows_B[0]], self.items.offsets_n[rows_B[0] + 1]
            items = RaggedBag(self.items.values[start:stop], np.array([0, stop - start]))
            types = None if self.types is None else self.types[start:stop]
            return Events(items, self.times[start:stop], types)
        place, offsets_n = self.items.places(rows_B)
        types = None if self.types is None else self.types[place]
        return Events(RaggedBag(self.items.values[place], offsets_n), self.times[place], types)

    @classmethod
    def joined(cls, parts: Sequence[Events]) -> Self:
        """The events of the users of every part, one part after another; at least one."""
        types = [part.types for part in parts if part.types is not None]
        counts = np.concatenate([part.counts() for part in parts])
        return cls(
            RaggedBag(
                np.concatenate([part.items.values for part in parts]),
                np.concatenate([np.zeros(1, np.int64), np.cumsum(counts)]),
            ),
            np.concatenate([part.times for part in parts]),
            np.concatenate(types) if len(types) == len(parts) else None,
        )

    def below(self, items: int) -> Events:
        """Those with the item rows below `items`."""
        bag = self.items.below(items)
        if bag is self.items:
            return self
        kept = self.items.values < items
        return Events(bag, self.times[kept], None if self.types is None else self.types[kept])

    def then(self, later: Events) -> Events:
        """Each user's events, followed by the later ones of the same users."""
        user = np.concatenate([self.items.flat()[0], later.items.flat()[0]])
        order = np.argsort(user, kind="stable")
        both = Events.joined([self, later])
        return Events(
            RaggedBag(both.items.values[order], self.items.offsets_n + later.items.offsets_n),
            both.times[order],
            None if both.types is None else both.types[order],
        )
