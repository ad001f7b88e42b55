"""Slices of users and items, and the popularity of what is recommended."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from shortlist.data.held_out import hold_out
from shortlist.evaluation.lists import Lists, Truth
from shortlist.evaluation.popularity import by_popularity
from shortlist.evaluation.slices import NEW, POPULAR, RARE, kinds_of_items, slices
from shortlist.schema import Split
from tests.evaluation import toy


def test_popular_items_are_the_fewest_that_make_up_half_of_training() -> None:
    count_I = np.array([0, 10, 30, 0, 40, 20], np.int64)
    assert kinds_of_items(count_I)[1:].tolist() == [RARE, POPULAR, NEW, POPULAR, RARE]
    assert kinds_of_items(np.array([0, 60, 40], np.int64))[1:].tolist() == [POPULAR, RARE]


def test_slices_measure_their_users_and_their_items_alone(tmp_path: Path) -> None:
    events = [
        *(toy.Event(1, 1, t) for t in (1, 2, 3, 4)),
        toy.Event(2, 2, 1),
        toy.Event(1, 2, 201, Split.TEST),
        toy.Event(2, 1, 202, Split.TEST),
        toy.Event(2, 3, 203, Split.TEST),
        toy.Event(3, 1, 204, Split.TEST),
    ]
    data = toy.prepared(tmp_path, events, users=3, items=3)
    users = hold_out(data, Split.TEST, exclude_seen=True)
    kind_I = kinds_of_items(data.item_train_count)
    assert kind_I[1:].tolist() == [POPULAR, RARE, NEW]
    answer_UK = np.array([[3, 2], [1, 2], [2, 1]], np.int32)
    lists = Lists.of(answer_UK, users.truth, kind_I, 2)
    found = slices(users, Truth.of(users.truth, kind_I), kind_I, {"funnel": lists}, ["recall@1"])
    got = {name: (entry["requests"], entry["stages"]["funnel"]["recall@1"]["value"]) for name, entry in found.items()}
    assert got == {
        "new users": (1, 0.0),
        "users with little history": (1, 0.5),
        "users with much history": (1, 0.0),
        "popular items": (2, 0.5),
        "rare items": (1, 0.0),
        "new items": (1, 0.0),
    }
    assert found["users with little history"]["what"] == "1 to 2 events are known of them"


def test_slices_without_anybody_are_left_out(tmp_path: Path) -> None:
    events = [toy.Event(1, 1, 1), toy.Event(1, 2, 2), toy.Event(1, 3, 201, Split.TEST)]
    data = toy.prepared(tmp_path, events, users=1, items=3)
    users = hold_out(data, Split.TEST, exclude_seen=True)
    kind_I = kinds_of_items(data.item_train_count)
    lists = Lists.of(np.array([[3]], np.int32), users.truth, kind_I, 1)
    found = slices(users, Truth.of(users.truth, kind_I), kind_I, {"funnel": lists}, ["recall@1"])
    assert sorted(found) == ["new items", "users with little history"]


def test_ten_parts_of_the_catalogue_most_popular_first() -> None:
    count_I = np.array([0, *range(20, 0, -1), 99], np.int64)
    shown_I = np.zeros(22, np.int64)
    shown_I[[1, 2, 20]] = 3, 1, 4
    catalogue_I = np.array([False] + [True] * 20 + [False])
    parts = by_popularity(count_I, catalogue_I, {"funnel": shown_I})
    assert [part["items"] for part in parts] == [2] * 10
    assert parts[0]["train"] == pytest.approx((20 + 19) / 210)
    assert [part["funnel"] for part in parts] == [0.5, *[0.0] * 8, 0.5]
    assert sum(part["train"] for part in parts) == pytest.approx(1)
