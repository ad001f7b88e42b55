"""Pins: items at places of their own. They become candidates before the ranker, and take their places after all rules.

A pin never overrides what a request leaves out: its filter, its exclusions, items already seen.

Legend: U requests, K candidates, P pins.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from shortlist.features.rows import RaggedBag
from shortlist.funnel.columns import PINNED, Bools, Candidates, Requests, Source
from shortlist.funnel.sources.filled import extended


@dataclass(frozen=True, slots=True)
class Pinned:
    """One item at one place."""

    item: int
    """Its item row."""
    place: int
    """Counted from 1."""
    when: Callable[[Requests], Bools] | None = None
    """Of which requests; None for all."""


class Pins:
    """The stage that puts them in their places."""

    def __init__(self, pinned: Sequence[Pinned]) -> None:
        self.pinned = pinned

    def proposed(self, requests: Requests, found: Candidates, source: Source) -> Candidates:
        """The candidates with all pinned items among them, and a column of the places they are to have."""
        holds_UP = np.stack([_holds(requests, pin) for pin in self.pinned], axis=1)
        item_UP = np.where(holds_UP, np.array([pin.item for pin in self.pinned], np.int32), np.int32(0))
        found = extended(found, requests, source, item_UP, "pin")
        place_UK = np.zeros(found.item_UK.shape, np.int32)
        for place, pin in enumerate(self.pinned):
            place_UK[(found.item_UK == pin.item) & holds_UP[:, place, None]] = pin.place
        return replace(found, columns={**found.columns, PINNED: place_UK})

    def __call__(self, requests: Requests, candidates: Candidates) -> Candidates:
        """Pinned items at their places, or at the end of a shorter list; the others keep their order."""
        place_UK = np.where(candidates.valid_UK, candidates.columns[PINNED], 0)
        order_UK = np.tile(np.arange(place_UK.shape[1]), (len(place_UK), 1))
        for u in np.flatnonzero(place_UK.any(axis=1)):
            pinned = np.flatnonzero(place_UK[u])
            order = np.flatnonzero(candidates.valid_UK[u] & (place_UK[u] == 0)).tolist()
            for i in pinned[np.argsort(place_UK[u, pinned], kind="stable")].tolist():
                order.insert(int(place_UK[u, i]) - 1, i)
            order_UK[u] = [*order, *np.flatnonzero(~candidates.valid_UK[u]).tolist()]
        return candidates.taken(order_UK)


def _holds(requests: Requests, pin: Pinned) -> Bools:
    """Whether each request wants it, and permits it."""
    holds_U = np.ones(len(requests), bool) if pin.when is None else pin.when(requests).copy()
    if requests.within_I is not None:
        holds_U &= requests.within_I[pin.item]
    if requests.allowed is not None:
        holds_U &= _having(requests.allowed, pin.item)
    return holds_U & ~_having(requests.exclude, pin.item)


def _having(bag: RaggedBag, item: int) -> Bools:
    having_U = np.zeros(len(bag), bool)
    row_P, item_P = bag.flat()
    having_U[row_P[item_P == item]] = True
    return having_U
