"""Held-out users against a naive loop: who is asked for, what is known of them, and what they went on to do."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import numpy as np
import pyarrow as pa
import pytest

from shortlist.data.event_shard import EventShard
from shortlist.data.held_out import HeldOut, hold_out, seen_note
from shortlist.data.prepared import Prepared
from shortlist.features.past import Events
from shortlist.features.rows import RaggedBag
from shortlist.schema import Split
from tests.data.shards import log_folder
from tests.evaluation import toy

USERS, ITEMS = 12, 8


@pytest.fixture(scope="module")
def events() -> list[toy.Event]:
    random = np.random.default_rng(1)
    bounds = {Split.TRAIN: (0, 100), Split.VALID: (100, 200), Split.TEST: (200, 300)}
    return [
        toy.Event(
            int(random.integers(1, USERS + 1)),
            int(random.integers(1, ITEMS + 1)),
            int(random.integers(*bounds[split])),
            split,
            target,
        )
        for split in Split
        for target in (0.0, 1.0, 1.0)
        for _ in range(14)
    ]


@pytest.fixture(scope="module")
def data(events: list[toy.Event], tmp_path_factory: pytest.TempPathFactory) -> Prepared:
    return toy.prepared(tmp_path_factory.mktemp("data"), events, USERS, ITEMS, shards=3)


@pytest.mark.parametrize("exclude_seen", [True, False])
@pytest.mark.parametrize("split", [Split.VALID, Split.TEST])
def test_equals_the_naive_loop(data: Prepared, events: list[toy.Event], split: Split, exclude_seen: bool) -> None:
    held_out = hold_out(data, split, exclude_seen)
    users = {int(user): place for place, user in enumerate(held_out.user_U)}
    repeats = 0

    for user in range(1, USERS + 1):
        mine = sorted((e for e in events if e.user == user), key=lambda e: e.time)
        known = [e.item for e in mine if e.split < split]
        liked = [e.item for e in mine if e.split == split and e.target > 0]
        truth = {item for item in liked if not (exclude_seen and item in known)}
        repeats += sum(item in known for item in liked) if exclude_seen else 0
        assert (user in users) == bool(truth)
        if truth:
            place = users[user]
            assert set(values(held_out, "truth", place)) == truth
            assert len(values(held_out, "truth", place)) == len(truth)
            assert held_out.history.rows(np.array([place])).items.values.tolist() == known
            assert held_out.history.rows(np.array([place])).times.tolist() == [e.time for e in mine if e.split < split]
            assert values(held_out, "seen", place) == (known if exclude_seen else [])
            shard = held_out.shards[held_out.shard_U[place]]
            first = min(e.time for e in mine if e.split == split)
            assert (shard.user[held_out.row_U[place]], shard.time[held_out.row_U[place]]) == (user, first)
    assert held_out.repeats == repeats


def values(held_out: HeldOut, name: str, place: int) -> list[int]:
    return list(getattr(held_out, name).rows(np.array([place])).values)


def test_a_sample_of_users_is_fixed_by_the_seed(data: Prepared) -> None:
    everyone = hold_out(data, Split.TEST, True)
    some, again, other = (hold_out(data, Split.TEST, True, max_users=4, seed=seed) for seed in (0, 0, 1))

    assert len(some) == 4
    assert set(some.user_U.tolist()) < set(everyone.user_U.tolist())
    assert some.user_U.tolist() == again.user_U.tolist() != other.user_U.tolist()


def test_hits_are_relevant_items_of_the_same_user(data: Prepared) -> None:
    held_out = hold_out(data, Split.TEST, True)
    item_UK = np.tile(np.arange(ITEMS + 2, dtype=np.int32), (len(held_out), 1))
    hits_UK = held_out.hits(item_UK)

    for place in range(len(held_out)):
        assert np.flatnonzero(hits_UK[place]).tolist() == sorted(values(held_out, "truth", place))


def test_requests_follow_the_order_of_the_users(data: Prepared) -> None:
    held_out = hold_out(data, Split.TEST, True)
    users = [int(shard.user[row]) for shard, rows, _ in held_out.requests(2) for row in rows]

    assert users == held_out.user_U.tolist()
    assert max(len(rows) for _, rows, _ in held_out.requests(2)) == 2


def test_requests_open_only_the_shards_that_have_some(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shards = Prepared.open(log_folder(tmp_path / "prepared", 4, 10)).shards
    none = RaggedBag(np.zeros(0, np.int32), np.zeros(3, np.int64))
    users = np.array([1, 2], np.int32)
    known = Events(none, np.zeros(0, np.int64))
    held_out = HeldOut(shards, np.array([1, 3]), np.array([0, 0]), users, none, known, none, 0)
    opened: list[str] = []
    of = EventShard.of

    def counted(name: str, batch: pa.RecordBatch) -> EventShard:
        opened.append(name)
        return of(name, batch)

    monkeypatch.setattr(EventShard, "of", counted)
    assert [int(shard.time[rows[0]]) for shard, rows, _ in held_out.requests(2)] == [1, 3]
    assert opened == ["events-00001.arrow", "events-00003.arrow"]


@pytest.mark.parametrize("exclude_seen", [True, False])
def test_each_event_is_asked_for_after_those_before_it(
    data: Prepared, events: list[toy.Event], exclude_seen: bool
) -> None:
    held_out = hold_out(data, Split.TEST, exclude_seen, requests="event")
    found, expected, repeats = [], [], 0
    for place in range(len(held_out)):
        shard = held_out.shards[held_out.shard_U[place]]
        history = held_out.history.rows(np.array([place])).items.values.tolist()
        row = (int(held_out.user_U[place]), int(shard.time[held_out.row_U[place]]), values(held_out, "truth", place))
        found.append((*row, history))
        assert values(held_out, "seen", place) == (history if exclude_seen else [])
    for user in range(1, USERS + 1):
        mine = sorted((e for e in events if e.user == user), key=lambda e: e.time)
        for place, event in enumerate(mine):
            before = [e.item for e in mine[:place]]
            if event.split == Split.TEST and event.target > 0 and before:
                seen = exclude_seen and event.item in before
                repeats += seen
                expected += [] if seen else [(user, event.time, [event.item], before)]
    assert sorted(found, key=str) == sorted(expected, key=str)
    assert len(found) > len({user for user, *_ in found})
    assert held_out.repeats == repeats


def test_a_sample_of_events_is_fixed_by_the_seed(data: Prepared) -> None:
    some, again = (hold_out(data, Split.TEST, False, max_users=5, seed=3, requests="event") for _ in range(2))
    assert len(some) == 5
    assert some.row_U.tolist() == again.row_U.tolist()
    assert len(hold_out(data, Split.TEST, False, max_users=5, seed=4, requests="event").history.counts()) == 5


@pytest.mark.parametrize("requests", ["user", "event"])
def test_it_is_said_where_most_of_what_is_wanted_was_seen(requests: Literal["user", "event"], tmp_path: Path) -> None:
    """Two users have the item 1 again, one of them twice; nobody had the item 2; the rest is not relevant."""
    bought = [toy.Event(user, item, 10 * user + item, Split.TRAIN) for user in (1, 2, 3) for item in (1, 3)]
    again = [toy.Event(user, 1, at, Split.TEST) for user, at in ((1, 100), (1, 101), (2, 102))]
    other = [toy.Event(1, 2, 103, Split.TEST), *(toy.Event(3, 1, at, Split.TEST, 0.0) for at in (104, 105))]
    fresh = [toy.Event(user, 2, 110, Split.TEST) for user in (2, 3)]
    asked = {"retrieval": {}, "split": {"requests": requests}}
    recipe = toy.recipe(**asked)
    most = toy.prepared(tmp_path / "most", bought + again + other, 3, 3)
    half = toy.prepared(tmp_path / "half", bought + again + other + fresh, 3, 3)

    assert (seen_note(most, recipe) or "").startswith("3 of 4 relevant test events are of items that the same user")
    assert seen_note(half, recipe) is None
    assert seen_note(most, toy.recipe(**asked, funnel={"exclude_seen": False})) is None
    assert seen_note(most, toy.recipe(ranking={})) is None, "rows are ranked, and no list leaves out any"


def test_first_events_of_all_leave_nothing_to_ask(tmp_path: Path) -> None:
    once = [toy.Event(1, 1, 5, Split.TEST), toy.Event(2, 1, 5, Split.TEST)]
    held_out = hold_out(toy.prepared(tmp_path, once, 2, 1), Split.TEST, False, requests="event")
    assert (len(held_out), held_out.repeats) == (0, 0)
