"""Requests and Candidates: columns for U requests at once.

One HTTP request is a batch of one, evaluation is a batch of thousands, and the code is the same: what is measured is
what is served. Legend: U requests, K candidates of each, best first.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from shortlist.features.rows import FeatureRows, Floats, HistoryRows, Ints, RaggedBag

Bools = npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Requests:
    """What is known of U requests before anything is recommended."""

    user_U: Ints
    """Rows of the user table; 0 for a user never seen."""
    query: FeatureRows
    """User and context features, encoded, side by side."""
    history: RaggedBag
    """Item rows of each user's known events, oldest first."""
    exclude: RaggedBag
    """Item rows that must not be answered, such as those already seen."""
    allowed: RaggedBag | None = None
    """Item rows to choose from; None for the whole catalogue."""

    def __len__(self) -> int:
        return len(self.user_U)

    def latest(self, length: int, id_of_item: Ints) -> HistoryRows:
        """The last `length` events of each request."""
        return latest(self.history, length, id_of_item)


def latest(history: RaggedBag, length: int, id_of_item: Ints) -> HistoryRows:
    """The last `length` events of each history of item rows, as rows of the item id column, oldest first."""
    end_U = history.offsets_n[1:]
    count_U = np.minimum(history.counts(), length)
    place_UL = (end_U - count_U)[:, None] + np.arange(length)
    inside_UL = np.arange(length) < count_U[:, None]
    if history.values.size == 0:
        return HistoryRows.each(np.zeros(place_UL.shape, np.int32), count_U.astype(np.int32))
    item_UL = history.values[np.where(inside_UL, place_UL, 0)]
    return HistoryRows.each(np.where(inside_UL, id_of_item[item_UL], 0).astype(np.int32), count_U.astype(np.int32))


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

    def ordered(self, score_UK: Floats, **added: npt.NDArray[Any]) -> Candidates:
        """The same candidates by a new score, best first, with columns added; ties keep their order."""
        score_UK = np.where(self.valid_UK, score_UK, -np.inf).astype(np.float32)
        order_UK = np.argsort(-score_UK, axis=1, kind="stable")

        def sort(values_UK: npt.NDArray[Any]) -> npt.NDArray[Any]:
            return np.take_along_axis(values_UK, order_UK, axis=1)

        return replace(
            self,
            item_UK=sort(self.item_UK),
            score_UK=sort(score_UK),
            source_UK=sort(self.source_UK),
            columns={name: sort(values) for name, values in {**self.columns, **added}.items()},
        )

    def top(self, k: int) -> Candidates:
        """The first `k`."""
        return replace(
            self,
            item_UK=self.item_UK[:, :k],
            score_UK=self.score_UK[:, :k],
            source_UK=self.source_UK[:, :k],
            columns={name: values[:, :k] for name, values in self.columns.items()},
        )


class Stage(Protocol):
    """Every stage after the candidates has this one shape."""

    def __call__(self, requests: Requests, candidates: Candidates) -> Candidates:
        """The candidates, with what this stage makes of them."""


class Source(Protocol):
    """Where candidates come from."""

    name: str

    def __call__(self, requests: Requests, k: int) -> Candidates:
        """At most `k` candidates for each request: none excluded, only allowed ones, best first."""
