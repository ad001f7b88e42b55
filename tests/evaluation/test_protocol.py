"""The protocol against naive loops over the log, for every kind of split."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from shortlist.core.errors import BundleError
from shortlist.data.held_out import hold_out
from shortlist.evaluation.protocol import Lengths, check_same_data, described, questions
from shortlist.features.rows import RaggedBag
from shortlist.schema import Split
from tests.evaluation import toy

USERS, ITEMS = 14, 25


def raw_log() -> list[toy.Event]:
    """Events of all users, times distinct, items repeated, a few without target, user or item."""
    random = np.random.default_rng(5)
    events = []
    for i, time in enumerate(random.permutation(300)):
        user, item = int(random.integers(0, USERS + 1)), int(random.integers(0, ITEMS + 1))
        events.append(toy.Event(user, item, int(time) + 1, target=float(i % 3 > 0)))
    return events


def by_time(events: list[toy.Event]) -> list[toy.Event]:
    return [e._replace(split=Split((e.time > 240) + (e.time > 270))) for e in events]


def leave_one_out(events: list[toy.Event]) -> list[toy.Event]:
    split = []
    for event in events:
        later = sum(e.user == event.user and e.time > event.time for e in events)
        split.append(event._replace(split=Split(max(0, 2 - later))))
    return split


def at_random(events: list[toy.Event]) -> list[toy.Event]:
    random = np.random.default_rng(6)
    return [e._replace(split=Split(int(random.choice(3, p=[0.6, 0.2, 0.2])))) for e in events]


def by_column(events: list[toy.Event]) -> list[toy.Event]:
    return [e._replace(split=Split((e.item + e.time) % 3)) for e in events]


KINDS = [by_time, leave_one_out, at_random, by_column]


def naive(events: list[toy.Event], split: Split, exclude_seen: bool) -> dict[int, dict[str, Any]]:
    """For each user: truth, history, seen and the time of the request; and how many relevant events were seen."""
    found: dict[int, dict[str, Any]] = {}
    for user in range(1, USERS + 1):
        mine = sorted((e for e in events if e.user == user), key=lambda e: e.time)
        history = [e.item for e in mine if e.split < split and e.item > 0]
        times = [e.time for e in mine if e.split < split and e.item > 0]
        here = [e for e in mine if e.split == split]
        chosen = [e.item for e in here if e.target > 0 and e.item > 0]
        again = [item for item in chosen if exclude_seen and item in history]
        truth = set(chosen) - set(again)
        entry = {"truth": truth, "history": history, "times": times, "seen": set(history) if exclude_seen else set()}
        found[user] = {**entry, "again": len(again), "time": here[0].time if here else None}
    return found


def rows(bag: RaggedBag) -> list[list[int]]:
    return [bag.values[a:b].tolist() for a, b in zip(bag.offsets_n, bag.offsets_n[1:], strict=False)]


@pytest.mark.parametrize("exclude_seen", [True, False])
@pytest.mark.parametrize("split", [Split.VALID, Split.TEST])
@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_questions_are_those_of_a_naive_loop(
    tmp_path: Path,
    kind: Callable[[list[toy.Event]], list[toy.Event]],
    split: Split,
    exclude_seen: bool,
) -> None:
    events = kind(raw_log())
    data = toy.prepared(tmp_path, events, USERS, ITEMS, shards=3)
    expected = naive(events, split, exclude_seen)
    users = hold_out(data, split, exclude_seen)
    assert users.user_U.tolist() == [user for user, entry in expected.items() if entry["truth"]]
    assert len(users) >= 3
    assert users.repeats == sum(entry["again"] for entry in expected.values())
    asked: list[int] = []
    for batch in questions(data, users, size=4):
        requests = batch.requests
        assert batch.place_U.tolist() == list(range(len(asked), len(asked) + len(requests)))
        asked += requests.user_U.tolist()
        for u, user in enumerate(requests.user_U.tolist()):
            wanted = expected[user]
            assert rows(requests.history.items)[u] == wanted["history"]
            times = RaggedBag(requests.history.times.astype(np.int32), requests.history.items.offsets_n)
            assert rows(times)[u] == wanted["times"]
            assert set(rows(requests.exclude)[u]) == wanted["seen"]
            assert rows(batch.truth)[u] == sorted(wanted["truth"])
            assert requests.query.numbers_BN[u].tolist() == [wanted["time"]]
            assert requests.time_U[u] == wanted["time"]
            assert requests.query.ids_BF[u].tolist() == data.users.ids_nF[user].tolist()
    assert asked == users.user_U.tolist()


def test_a_sample_of_users_is_fixed_by_the_seed(tmp_path: Path) -> None:
    data = toy.prepared(tmp_path, by_time(raw_log()), USERS, ITEMS)
    everyone = hold_out(data, Split.TEST, exclude_seen=False)
    some = hold_out(data, Split.TEST, exclude_seen=False, max_users=4, seed=1)
    again = hold_out(data, Split.TEST, exclude_seen=False, max_users=4, seed=1)
    others = {tuple(hold_out(data, Split.TEST, exclude_seen=False, max_users=4, seed=seed).user_U) for seed in range(5)}
    assert len(some) == 4
    assert some.user_U.tolist() == again.user_U.tolist()
    assert set(some.user_U) <= set(everyone.user_U)
    assert len(others) > 1
    whole = dict(zip(everyone.user_U.tolist(), rows(everyone.truth), strict=True))
    assert rows(some.truth) == [whole[user] for user in some.user_U.tolist()]


def test_the_protocol_in_words_and_numbers(tmp_path: Path) -> None:
    events = [
        toy.Event(1, 1, 10),
        toy.Event(1, 2, 110, Split.VALID),
        toy.Event(1, 1, 210, Split.TEST),
        toy.Event(1, 3, 211, Split.TEST),
        toy.Event(2, 3, 212, Split.TEST),
        toy.Event(2, 2, 213, Split.TEST, 0.0),
    ]
    data = toy.prepared(tmp_path, events, users=2, items=3)
    rec = toy.recommender(tmp_path / "bundle", data, toy.recipe())
    users = hold_out(data, Split.TEST, exclude_seen=True)
    words = described(rec, data, users, Split.TEST, Lengths.of(rec, "funnel", []))
    assert words["users"] == 2
    assert words["new_users"] == 1
    assert words["truth_items"] == 2
    assert words["truth_seen_before"] == 1
    assert words["catalogue"] == 3
    assert words["positions"] == 3
    assert words["candidates_from"] == "popularity"
    assert words["truth"] == "every item with target liked > 0 in the user's test events, unless it was seen before"
    assert words["history"] == "the user's events of train and valid"


@pytest.mark.parametrize(("whose", "are"), [("user_id", "users"), ("session_id", "sessions")])
def test_requests_of_events_are_counted_beside_their_users(tmp_path: Path, whose: str, are: str) -> None:
    events = [toy.Event(user, 1 + n % 3, 200 + n, Split.TEST) for user, n in [(1, 0), (1, 1), (1, 2), (2, 3), (2, 4)]]
    data = toy.prepared(tmp_path, events, users=2, items=3)
    recipe = toy.recipe(schema={whose: "user", "item_id": "item", "timestamp": "time"}, split={"requests": "event"})
    rec = toy.recommender(tmp_path / "bundle", data, recipe)
    users = hold_out(data, Split.TEST, exclude_seen=False, requests="event")
    words = described(rec, data, users, Split.TEST, Lengths.of(rec, "funnel", []))
    assert (words["requests"], words["users"], words["users_are"]) == (3, 2, are)
    assert words["requests_for_each"] == "event"
    assert "the requests of each taken together" in words["intervals"]


def test_a_bundle_of_other_data_is_refused(tmp_path: Path) -> None:
    events = [toy.Event(1, 1, 10), toy.Event(1, 2, 210, Split.TEST)]
    rec = toy.recommender(tmp_path / "bundle", toy.prepared(tmp_path, events, 1, 2), toy.recipe())
    check_same_data(rec, toy.prepared(tmp_path, events, users=1, items=2))
    with pytest.raises(BundleError, match=r"made from other data .* shortlist run"):
        check_same_data(rec, toy.prepared(tmp_path, events, users=1, items=3))
