"""Items beside requests: what belongs to which, in whole and in part."""

from __future__ import annotations

import numpy as np

from shortlist.features.pairs import Pairs
from shortlist.features.rows import FeatureRows, FeatureTable, HistoryRows, PaddedBag, RaggedBag

TAGS = PaddedBag(np.array([[7, 0], [8, 9], [7, 8]], np.int32), np.array([1, 2, 2], np.int32))
GENRES = PaddedBag(np.array([[5], [6], [5], [0]], np.int32), np.array([1, 1, 1, 0], np.int32))
HISTORY = HistoryRows.each(np.array([[1, 2], [3, 0], [0, 0]], np.int32), np.array([2, 1, 0], np.int32))
PAIRS = Pairs(
    FeatureRows(np.array([[10], [20], [30]], np.int32), np.zeros((3, 0), np.float32), {"user.tags": TAGS}, HISTORY),
    FeatureRows(np.array([[1], [2], [3], [4]], np.int32), np.ones((4, 1), np.float32), {"item.genres": GENRES}),
    np.array([0, 2, 2, 0], np.int32),
)
ITEMS = FeatureTable(np.zeros((0, 1), np.int32), np.zeros((0, 1), np.float32), {"item.genres": RaggedBag.of([])})


def test_feeds_have_each_request_once() -> None:
    assert {name: array.tolist() for name, array in PAIRS.feeds().items()} == {
        "ids": [[10], [20], [30]],
        "bag.user.tags.values": [[7, 0], [8, 9], [7, 8]],
        "bag.user.tags.length": [1, 2, 2],
        "history.ids": [[1, 2], [3, 0], [0, 0]],
        "history.length": [2, 1, 0],
        "history.of": [0, 1, 2],
        "item.ids": [[1], [2], [3], [4]],
        "item.numbers": [[1.0], [1.0], [1.0], [1.0]],
        "item.bag.item.genres.values": [[5], [6], [5], [0]],
        "item.bag.item.genres.length": [1, 1, 1, 0],
        "request": [0, 2, 2, 0],
    }


def test_whole_rows_have_the_request_first() -> None:
    rows = PAIRS.rows()

    assert rows.ids_BF.tolist() == [[10, 1], [30, 2], [30, 3], [10, 4]]
    assert rows.bags["user.tags"].values_BH.tolist() == [[7, 0], [7, 8], [7, 8], [7, 0]]
    assert rows.bags["item.genres"].values_BH.tolist() == [[5], [6], [5], [0]]
    assert rows.history is not None
    assert rows.history.of_B.tolist() == [0, 2, 2, 0]


def test_a_part_has_only_its_own_requests() -> None:
    part = PAIRS.part(1, 3)

    assert len(part) == 2
    assert part.request_M.tolist() == [0, 0]
    assert part.requests.ids_BF.tolist() == [[30]]
    assert part.requests.history is not None
    assert part.requests.history.length_U.tolist() == [0]
    assert part.items.ids_BF.tolist() == [[2], [3]]
    assert len(PAIRS.part(3, 9)) == 1


def test_whole_rows_come_apart_into_requests_of_their_own() -> None:
    rows = PAIRS.rows()
    apart = Pairs.of_rows(rows, ITEMS)

    assert apart.request_M.tolist() == [0, 1, 2, 3]
    assert apart.requests.ids_BF.tolist() == [[10], [30], [30], [10]]
    assert apart.items.ids_BF.tolist() == [[1], [2], [3], [4]]
    assert list(apart.requests.bags) == ["user.tags"]
    assert list(apart.items.bags) == ["item.genres"]
    assert {name: array.tolist() for name, array in apart.rows().feeds().items()} == {
        name: array.tolist() for name, array in rows.feeds().items()
    }


def test_rows_without_items_are_requests_alone() -> None:
    nothing = FeatureTable(np.zeros((0, 0), np.int32), np.zeros((0, 0), np.float32))
    apart = Pairs.of_rows(PAIRS.requests, nothing)

    assert list(apart.feeds()) == [*PAIRS.requests.feeds(), "request"]
    assert len(apart.items) == len(apart) == 3
