"""What every state does, whatever holds it."""

from __future__ import annotations

import time
from dataclasses import replace

import pytest

from shortlist.core.errors import RequestError
from shortlist.state import State, StateEvent
from shortlist.state.base import MOST_EVENTS, UserState


def items(state: State, user: int | str) -> list[int | str]:
    known = state.user(user)
    assert known is not None
    return list(known.items)


def test_events_are_kept_in_order_of_time_and_of_arrival_within_a_second(state: State) -> None:
    assert state.append([StateEvent("ann", "b", 20, "view"), StateEvent("ann", "a", 10), StateEvent("bob", 7, 5)])
    assert state.append([StateEvent("ann", "d", 20), StateEvent("ann", "c", 15, "cart")]) == [True, True]

    known = state.user("ann")
    assert known is not None
    assert (known.items, known.types) == (["a", "c", "b", "d"], [None, "cart", "view", None])
    assert known.times_L.tolist() == [10, 15, 20, 20]
    assert items(state, "bob") == [7]
    assert state.user("nobody") is None


def test_an_event_told_twice_counts_once(state: State) -> None:
    view = StateEvent("ann", "a", 10, "view")
    assert state.append([view, view]) == [True, False]
    others = [replace(view, type="cart"), replace(view, time=11), replace(view, user="bob")]
    assert state.append([view, *others]) == [False, True, True, True]
    assert items(state, "ann") == ["a", "a", "a"]
    assert state.counts("a") == {"view": 3, "cart": 1}


def test_the_id_of_an_event_tells_it_from_others(state: State) -> None:
    first = StateEvent("ann", "a", 10, "view", "one")
    assert state.append([first, StateEvent("ann", "a", 10, "view", "two")]) == [True, True]
    assert state.append([StateEvent("ann", "b", 99, None, "one"), StateEvent("ann", "a", 10, "view")]) == [False, True]
    assert items(state, "ann") == ["a", "a", "a"]


def test_integers_and_text_never_meet(state: State) -> None:
    state.append([StateEvent(1, 5, 10), StateEvent("1", "5", 11), StateEvent(-1, -5, 12), StateEvent("", "", 13)])
    assert [items(state, user) for user in (1, "1", -1, "")] == [[5], ["5"], [-5], [""]]
    assert [state.counts(item) for item in (5, "5", -5, "", 6)] == [{None: 1}] * 4 + [{}]


def test_ids_may_be_long_and_of_any_letters(state: State) -> None:
    users: list[int | str] = ["ü" * 1000, "ü" * 999 + "u", "a" * 511, "a" * 500, "a" * 499, "\0", "☃", 2**63 - 1]
    state.append([StateEvent(user, f"{place}" * 999, 10) for place, user in enumerate(users)])
    assert [items(state, user) for user in users] == [[f"{place}" * 999] for place in range(len(users))]
    with state.snapshot() as everyone:
        assert {known.user for known in everyone()} == set(users)


def test_the_latest_events_stay_and_older_items_are_remembered(state: State) -> None:
    state.append([StateEvent("ann", place, 100 + place) for place in range(MOST_EVENTS)])
    late = [StateEvent("ann", "late", 50), StateEvent("ann", 0, 100), StateEvent("ann", "new", 5000)]
    assert state.append(late) == [False, False, True]

    known = state.user("ann")
    assert known is not None
    assert list(known.items) == [*range(1, MOST_EVENTS), "new"]
    assert set(known.older) == {"late", 0}
    assert state.append([StateEvent("ann", 0, 100)]) == [False]
    assert state.counts(0) == {None: 1}
    assert state.counts("late") == {}


def test_features_stand_beside_the_events(state: State) -> None:
    state.set_features("ann", {"city": "Graz", "ages": [1, 2.5], "none": None})
    known = state.user("ann")
    assert known is not None
    assert (known.features, list(known.items)) == ({"city": "Graz", "ages": [1, 2.5], "none": None}, [])
    state.append([StateEvent("ann", "a", 10)])
    state.set_features("ann", {"city": "Bonn"})
    known = state.user("ann")
    assert known is not None
    assert (known.features, list(known.items)) == ({"city": "Bonn"}, ["a"])
    state.set_features("ann", None)
    assert isinstance(state.user("ann"), UserState)
    assert state.user("ann").features is None  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("event", "message"),
    [
        (StateEvent("ann", "a", int(time.time()) + 90_000), r"events\[1\].time: .* at most a day ahead"),
        (StateEvent("ann", "a", 1_700_000_000_000), "another unit"),
        (StateEvent("ann", "a" * 1001, 10), r"events\[1\].item: .* at most 1,000 characters, found 1,001"),
        (StateEvent(2**63, "a", 10), r"events\[1\].user: expected an integer of 64 bits or text"),
        (StateEvent(True, "a", 10), r"events\[1\].user"),
        (StateEvent("ann", "\ud800", 10), "surrogate"),
        (StateEvent("ann", "a", 10, 5), r"events\[1\].type: expected text, found 5"),  # type: ignore[arg-type]
    ],
)
def test_one_bad_event_keeps_the_others_out(state: State, event: StateEvent, message: str) -> None:
    with pytest.raises(RequestError, match=message):
        state.append([StateEvent("ann", "good", 10), event])
    assert state.user("ann") is None


def test_a_clock_may_be_a_little_ahead(state: State) -> None:
    assert state.append([StateEvent("ann", "a", int(time.time()) + 80_000)]) == [True]


def test_a_snapshot_has_everyone_while_others_write(state: State) -> None:
    state.append([StateEvent(user, "a", 10) for user in range(30)])
    state.set_features("only features", {"city": "Graz"})
    state.set_features(3, {"city": "Bonn"})
    with state.snapshot() as everyone:
        found = {known.user: known for known in everyone()}
        assert len(found) == 31
        assert found[3].features == {"city": "Bonn"}
        assert found["only features"].features == {"city": "Graz"}
        state.append([StateEvent(user, "b", 20) for user in range(30)])
        assert sum(1 for _ in everyone()) == 31
    assert items(state, 3) == ["a", "b"]


def test_nothing_to_append(state: State) -> None:
    assert state.append([]) == []
