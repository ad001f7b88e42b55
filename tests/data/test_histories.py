"""Histories of rows against a naive loop, and in memory that does not grow with their number."""

from __future__ import annotations

import tracemalloc
from pathlib import Path

import numpy as np
import pytest

from shortlist.data.held_out import hold_out
from shortlist.data.histories import EventsBefore, count_before, seen_before
from shortlist.data.prepared import Prepared
from shortlist.schema import Split
from tests.evaluation import toy

LONG = 3000


def log(folder: Path) -> tuple[Prepared, list[toy.Event]]:
    """Of a split that is not by time, with unknown items and users; sorted as the shards are."""
    random = np.random.default_rng(3)
    events = [
        toy.Event(int(random.integers(0, 7)), int(random.integers(0, 6)), n, Split(int(random.choice(list(Split)))))
        for n in range(150)
    ]
    return toy.prepared(folder, events, 6, 5, shards=3), sorted(events, key=lambda event: (event.user, event.time))


def naive(events: list[toy.Event], event: toy.Event) -> list[int]:
    return [
        other.item
        for other in events
        if event.user == other.user > 0 and other.time < event.time and other.split <= event.split and other.item > 0
    ]


def test_events_before_a_row_are_counted_and_looked_through_as_in_a_naive_loop(tmp_path: Path) -> None:
    data, events = log(tmp_path)
    start = 0
    for shard in data.shards:
        rows = np.random.default_rng(4).permutation(len(shard))
        mine = [events[start + row] for row in rows]
        start += len(shard)
        before = [naive(events, event) for event in mine]
        assert count_before(shard, rows).tolist() == [len(items) for items in before]
        seen = [event.item > 0 and event.item in items for event, items in zip(mine, before, strict=True)]
        assert seen_before(shard, rows).tolist() == seen
        assert 0 < sum(seen) < len(seen)
    assert start == len(events)


def test_histories_of_several_shards_come_in_the_order_they_are_asked_for(tmp_path: Path) -> None:
    data, events = log(tmp_path)
    place = [(i, row) for i, shard in enumerate(data.shards) for row in range(len(shard))]
    shard_U, row_U = (np.array(column) for column in zip(*place, strict=True))
    before = EventsBefore(data.shards, shard_U, row_U, np.zeros(len(place), np.int64))
    rows_B = np.random.default_rng(5).permutation(len(place))[:40]
    known = before.rows(rows_B)
    found = [known.rows(np.array([place])).items.values.tolist() for place in range(40)]
    assert found == [naive(events, events[row]) for row in rows_B]
    assert len(before.rows(rows_B[:0])) == 0


@pytest.mark.parametrize("exclude_seen", [True, False])
def test_events_of_a_long_history_are_asked_for_in_memory_of_their_number(tmp_path: Path, exclude_seen: bool) -> None:
    """All histories together would be 4.5 million events: 54 MB of items and times alone."""
    events = [toy.Event(1, 1 + n, n, Split.TEST) for n in range(LONG)]
    data = toy.prepared(tmp_path, events, 1, LONG)
    tracemalloc.start()
    held_out = hold_out(data, Split.TEST, exclude_seen, requests="event")
    known = held_out.history.rows(np.array([LONG - 2]))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert (len(held_out), held_out.history.counts().tolist()) == (LONG - 1, list(range(1, LONG)))
    assert known.items.values.tolist() == list(range(1, LONG))
    assert peak < 5e6
