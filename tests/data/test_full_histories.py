"""A history is as long in training as on the server: what a row may not see makes room for what came before."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from shortlist.schema import Split
from tests.evaluation import toy

IDS = np.arange(10, dtype=np.int32)


def test_earlier_views_of_the_bought_item_take_no_place_of_other_events(tmp_path: Path) -> None:
    events = [*(toy.Event(1, item, item) for item in (1, 2, 3, 4)), *(toy.Event(1, 9, 10 + n) for n in range(40))]
    (shard,) = toy.prepared(tmp_path, events, users=1, items=9).shards

    history = shard.history(np.array([43, 5]), 3, IDS, own_item=False)

    assert history.ids_UL.tolist() == [[2, 3, 4], [2, 3, 4]]
    assert history.length_U.tolist() == [3, 3]


def test_events_of_a_later_split_take_no_place_of_earlier_ones(tmp_path: Path) -> None:
    events = [toy.Event(1, item, item, Split.TEST if 3 <= item < 9 else Split.TRAIN) for item in range(1, 10)]
    (shard,) = toy.prepared(tmp_path, events, users=1, items=9).shards

    history = shard.history(np.array([8, 7]), 3, IDS)

    assert history.ids_UL.tolist() == [[1, 2, 0], [5, 6, 7]]
    assert history.length_U.tolist() == [2, 3]
