"""Requests and Candidates: columns for U requests at once.

One HTTP request is a batch of one, evaluation is a batch of thousands, and the code is the same: what is measured is
what is served. Legend: U requests, K candidates of each, best first, L history length.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from shortlist.features.past import Events, past_planes
from shortlist.features.rows import FeatureRows, Floats, HistoryRows, Ints, Longs, RaggedBag
from shortlist.schema import Column

Bools = npt.NDArray[np.bool_]

PROPOSED = "proposed"
"""Column of candidates of several sources: which of them proposed each, a bit for each of `Candidates.sources`."""
PINNED = "rule.pin"
"""Column of candidates with the place that each is pinned to, counted from 1; 0 for none."""


@dataclass(frozen=True, slots=True)
class Requests:
    """What is known of U requests before anything is recommended."""

    user_U: Ints
    """Rows of the user table; 0 for a user never seen."""
    query: FeatureRows
    """User and context features, encoded, side by side."""
    time_U: Longs
    """When each is made, in Unix seconds."""
    history: Events
    """Each user's known events, oldest first."""
    exclude: RaggedBag
    """Item rows that must not be answered, such as those already seen."""
    allowed: RaggedBag | None = None
    """Item rows to choose from; None for the whole catalogue."""
    within_I: Bools | None = None
    """Marks the item rows that all of them may choose from, such as those that a filter keeps; one mask for all, never
    written to. None for the whole catalogue."""
    told: Mapping[str, Sequence[Any]] = field(default_factory=dict)
    """Raw columns of users and context that the requests came with, U values each; rules may ask for them."""

    def __len__(self) -> int:
        return len(self.user_U)

    def latest(self, length: int, id_of_item: Ints, past: Sequence[Column] = ()) -> HistoryRows:
        """The last `length` events of each request."""
        return latest(self.history, self.time_U, length, id_of_item, past)


def latest(history: Events, time_U: Longs, length: int, id_of_item: Ints, past: Sequence[Column] = ()) -> HistoryRows:
    """The last `length` events of each history at `time_U`, as rows of the item id column, oldest first.

    `past` says what to tell of the events beside their items.
    """
    count_U = np.minimum(history.counts(), length)
    inside_UL = np.arange(length) < count_U[:, None]
    length_U = count_U.astype(np.int32)
    if history.items.values.size == 0:
        nothing = np.zeros((*inside_UL.shape, len(past)), np.int32) if past else None
        return HistoryRows.each(np.zeros(inside_UL.shape, np.int32), length_U, nothing)
    place_UL = np.where(inside_UL, (history.items.offsets_n[1:] - count_U)[:, None] + np.arange(length), 0)
    ids_UL = np.where(inside_UL, id_of_item[history.items.values[place_UL]], 0).astype(np.int32)
    if not past:
        return HistoryRows.each(ids_UL, length_U)
    type_UL = None if history.types is None else history.types[place_UL]
    age_UL = time_U[:, None] - history.times[place_UL]
    return HistoryRows.each(ids_UL, length_U, past_planes(past, type_UL, age_UL, inside_UL))


@dataclass(frozen=True, slots=True)
class Candidates:
    """K candidates for each of U requests, best first; stages add columns and never change what they were given."""

    item_UK: Ints
    """Rows of the item table; 0 where not valid."""
    score_UK: Floats
    """Score of the latest stage, higher is better; -inf where not valid."""
    source_UK: Ints
    """Which source proposed it: a position in `sources`."""
    sources: tuple[str, ...]
    columns: Mapping[str, npt.NDArray[Any]] = field(default_factory=dict)
    """What stages leave for those after them and for the explanation, such as `retrieval` and `ranking` scores."""

    @property
    def valid_UK(self) -> Bools:
        """False where a request has fewer than K candidates."""
        return self.item_UK > 0

    @property
    def proposed_UK(self) -> npt.NDArray[np.int64]:
        """All sources that proposed it, a bit for each."""
        if PROPOSED in self.columns:
            return self.columns[PROPOSED]
        return np.left_shift(1, self.source_UK.astype(np.int64))

    def ordered(self, score_UK: Floats, **added: npt.NDArray[Any]) -> Candidates:
        """The same candidates by a new score, best first, with columns added; ties keep their order."""
        score_UK = np.where(self.valid_UK, score_UK, -np.inf).astype(np.float32)
        order_UK = np.argsort(-score_UK, axis=1, kind="stable")
        return replace(self, score_UK=score_UK, columns={**self.columns, **added}).taken(order_UK)

    def taken(self, order_UJ: Longs) -> Candidates:
        """The candidates at these places of each request, in this order."""
        # One flat index for all columns: `take_along_axis` would make an index of its own for each.
        flat_UJ = order_UJ + np.arange(len(order_UJ))[:, None] * self.item_UK.shape[1]

        def take(values_UK: npt.NDArray[Any]) -> npt.NDArray[Any]:
            taken_UJ: npt.NDArray[Any] = values_UK.take(flat_UJ)
            return taken_UJ

        return replace(
            self,
            item_UK=take(self.item_UK),
            score_UK=take(self.score_UK),
            source_UK=take(self.source_UK),
            columns={name: take(values) for name, values in self.columns.items()},
        )

    def only(self, keep_UK: Bools) -> Candidates:
        """Those to keep, in their order; the places they leave are at the end, and are no candidates."""
        item_UK = np.where(keep_UK, self.item_UK, 0)
        score_UK = np.where(item_UK > 0, self.score_UK, np.float32(-np.inf))
        kept = replace(self, item_UK=item_UK, score_UK=score_UK)
        return kept.taken(np.argsort(item_UK == 0, axis=1, kind="stable"))

    def top(self, k: int) -> Candidates:
        """The first `k`."""
        return replace(
            self,
            item_UK=self.item_UK[:, :k],
            score_UK=self.score_UK[:, :k],
            source_UK=self.source_UK[:, :k],
            columns={name: values[:, :k] for name, values in self.columns.items()},
        )


def pinned(candidates: Candidates) -> Bools:
    """pinned_UK: which candidates have a place of their own, whatever other rules say."""
    place_UK = candidates.columns.get(PINNED)
    return np.zeros(candidates.item_UK.shape, bool) if place_UK is None else (place_UK > 0) & candidates.valid_UK


class Stage(Protocol):
    """Every stage after the candidates has this one shape."""

    def __call__(self, requests: Requests, candidates: Candidates) -> Candidates:
        """The candidates, with what this stage makes of them."""


class Source(Protocol):
    """Where candidates come from."""

    @property
    def name(self) -> str:
        """As people are told it."""

    def __call__(self, requests: Requests, k: int) -> Candidates:
        """At most `k` candidates for each request: none excluded, only allowed ones, best first.

        Their column `retrieval` has the scores.
        """

    def scores(self, requests: Requests, item_UK: Ints) -> Floats:
        """score_UK of any items, whoever proposed them."""

    def exact(self) -> Source:
        """The same source without what its index loses; itself where that is nothing."""


def candidates_of_one(name: str, item_UK: Ints, score_UK: Floats) -> Candidates:
    """What one source found, as candidates."""
    return Candidates(item_UK, score_UK, np.zeros(item_UK.shape, np.int32), (name,), {"retrieval": score_UK})
