"""Slices: the same metrics for some of the users, or for some of the items.

Legend: U users, I item rows.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from shortlist.data.held_out import HeldOut
from shortlist.evaluation.lists import Bools, Bytes, Lists, Truth
from shortlist.features.rows import Longs

POPULAR, RARE, NEW = 1, 2, 3
"""Kinds of items: the fewest that make up half of the training events; the others; the unseen."""


def kinds_of_items(train_count_I: Longs) -> Bytes:
    """kind_I: POPULAR, RARE or NEW."""
    order_I = np.argsort(-train_count_I, kind="stable")
    before_I = np.cumsum(train_count_I[order_I]) - train_count_I[order_I]
    kind_I = np.full(len(train_count_I), RARE, np.int8)
    kind_I[order_I[before_I < train_count_I.sum() / 2]] = POPULAR
    kind_I[train_count_I == 0] = NEW
    return kind_I


def slices(
    users: HeldOut, truth: Truth, kind_I: Bytes, lists: Mapping[str, Lists], metrics: Sequence[str]
) -> dict[str, dict[str, Any]]:
    """The `slices` of metrics.json: by name what it is, how many requests it has, and each stage's metrics.

    A slice that nobody is in is left out.
    """
    found = {}
    for name, (what, users_U) in _of_users(users).items():
        found[name] = _slice(what, lists, metrics, truth, users_U, None)
    for name, (what, kind) in _of_items(kind_I).items():
        if kind in truth.relevant_by_kind:
            found[name] = _slice(what, lists, metrics, truth, truth.relevant_by_kind[kind] > 0, kind)
    return {name: part for name, part in found.items() if part["requests"]}


def _slice(
    what: str,
    lists: Mapping[str, Lists],
    metrics: Sequence[str],
    truth: Truth,
    users_U: Bools,
    kind: int | None,
) -> dict[str, Any]:
    stages = {
        stage: {name: value.as_dict() for name, value in found.measure(metrics, truth, users_U, kind).items()}
        for stage, found in lists.items()
    }
    return {"what": what, "requests": int(users_U.sum()), "stages": stages}


def _of_users(users: HeldOut) -> dict[str, tuple[str, Bools]]:
    known_U = users.history.counts()
    middle = int(np.median(known_U[known_U > 0])) if (known_U > 0).any() else 0
    return {
        "new users": ("no event is known of them", known_U == 0),
        "users with little history": (
            f"1 to {middle:,} events are known of them",
            (known_U > 0) & (known_U <= middle),
        ),
        "users with much history": (f"more than {middle:,} events are known of them", known_U > middle),
    }


def _of_items(kind_I: Bytes) -> dict[str, tuple[str, int]]:
    number = np.bincount(kind_I[1:], minlength=NEW + 1)
    return {
        "popular items": (
            f"held-out items among the {number[POPULAR]:,} that hold half of all training",
            POPULAR,
        ),
        "rare items": (f"held-out items among the {number[RARE]:,} that hold the other half", RARE),
        "new items": (f"held-out items among the {number[NEW]:,} without a training event", NEW),
    }
