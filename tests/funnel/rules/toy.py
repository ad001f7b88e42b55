"""Requests and candidates to try rules on."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from shortlist.features.past import Events
from shortlist.features.rows import FeatureRows, RaggedBag
from shortlist.funnel.columns import PINNED, Candidates, Requests

DAY = 86_400
NOW = 1000 * DAY


def requests(
    users: int,
    history: Sequence[Sequence[tuple[int, int, int]]] | None = None,
    exclude: Sequence[Sequence[int]] | None = None,
    **more: Any,
) -> Requests:
    """`history` has (item, days ago, type) of each user."""
    events = [event for user in history or [] for event in user]
    return Requests(
        user_U=np.ones(users, np.int32),
        query=FeatureRows(np.zeros((users, 0), np.int32), np.zeros((users, 0), np.float32)),
        time_U=np.full(users, NOW, np.int64),
        history=Events(
            RaggedBag.of([[item for item, _, _ in user] for user in history or [[]] * users]),
            np.array([NOW - days * DAY for _, days, _ in events], np.int64),
            np.array([kind for _, _, kind in events], np.int32),
        ),
        exclude=RaggedBag.of(exclude or [[]] * users),
        **more,
    )


def candidates(
    items: Sequence[Sequence[int]], scores: Sequence[Sequence[float]] | None = None, places: Any = None
) -> Candidates:
    """By default scores fall by one from item to item; `places` are those that items are pinned to."""
    item_UK = np.array(items, np.int32)
    given = np.tile(-np.arange(item_UK.shape[1], dtype=np.float32), (len(items), 1)) if scores is None else scores
    score_UK = np.where(item_UK > 0, np.array(given, np.float32), np.float32(-np.inf))
    columns = {"retrieval": score_UK} | ({} if places is None else {PINNED: np.array(places, np.int32)})
    return Candidates(item_UK, score_UK, np.zeros(item_UK.shape, np.int32), ("toy",), columns)


def lists(found: Candidates) -> list[list[int]]:
    """The valid items of each request."""
    return [row[row > 0].tolist() for row in found.item_UK]
