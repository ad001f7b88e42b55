"""Histories of the bundle, of the state and of the request, put together."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from shortlist.bundle.past_events import Event
from shortlist.bundle.recommender import Recommender
from shortlist.state import StateEvent
from shortlist.state.lmdb_state import LmdbState
from tests.bundle.test_past import BUY, CART, UNKNOWN, VIEW, Shop, shop

__all__ = ["shop"]

KNOWN_1, KNOWN_TIMES = ["a", "b", "b", "c"], [1000, 1003, 1063, 4663]


@pytest.fixture
def state(tmp_path: Path) -> Iterator[LmdbState]:
    state = LmdbState(tmp_path / "state")
    yield state
    state.close()


@pytest.fixture
def recommender(shop: Shop, state: LmdbState) -> Recommender:
    return Recommender(shop.recommender.bundle, state=state)


def history(recommender: Recommender, users: list[int | None], **about: object) -> list[list[tuple[str, int, int]]]:
    """Item, time and type of every event of each user."""
    bundle = recommender.bundle
    events = recommender.requests(users, **about).history  # type: ignore[arg-type]
    assert events.types is not None
    offset = bundle.schema.column("past.type").offset
    items = bundle.item_keys.take(pa.array(events.items.values)).to_pylist()
    told = list(zip(items, events.times.tolist(), (events.types - offset).tolist(), strict=True))
    ends = events.items.offsets_n.tolist()
    return [told[start:end] for start, end in pairwise(ends)]


def test_events_of_the_state_come_after_those_of_the_bundle(recommender: Recommender, state: LmdbState) -> None:
    before = history(recommender, [1])[0]
    assert [(item, time) for item, time, _ in before] == list(zip(KNOWN_1, KNOWN_TIMES, strict=True))
    state.append(
        [
            StateEvent(1, "a", 9000, "buy"),
            StateEvent(1, "no such item", 9001, "buy"),
            StateEvent(1, "b", 8000, "cart"),
            StateEvent(4, "c", 50, "gift"),
        ]
    )
    found = history(recommender, [1, None, 4], history=[[Event("c", "view", 9500)], ["a"], []])
    assert found[0] == [*before, ("b", 8000, CART), ("a", 9000, BUY), ("c", 9500, VIEW)]
    assert [item for item, _, _ in found[1]] == ["a"]
    assert found[2] == [("c", 50, UNKNOWN)]


def test_what_the_bundle_holds_is_not_doubled_and_late_events_find_their_place(
    recommender: Recommender, state: LmdbState
) -> None:
    before = history(recommender, [1])[0]
    state.append(
        [
            StateEvent(1, "a", 1000, "view"),
            StateEvent(1, "b", 1063),
            StateEvent(1, "c", 1003, "cart"),
            StateEvent(2, "c", 500, "view"),
        ]
    )
    found = history(recommender, [1, 2, 3])
    assert found[0] == [*before[:2], ("c", 1003, CART), *before[2:]]
    assert found[1:] == history(Recommender(recommender.bundle), [2, 3])


def test_ids_that_anybody_can_make_up_are_not_kept(recommender: Recommender, state: LmdbState) -> None:
    state.append([StateEvent(1, item, 9000) for item in ("a", *(f"{n}" * 900 for n in range(5)))])
    lately = recommender.asking.lately
    assert lately is not None
    assert [item for item, time, _ in history(recommender, [1])[0] if time == 9000] == ["a"]
    assert lately._item_rows._rows.keys() == {"a"}


def test_seen_items_of_the_state_are_excluded(recommender: Recommender, state: LmdbState) -> None:
    state.append([StateEvent(3, "b", 9000)])
    state.add_older(3, ["c", "no such item"])

    def left_out(user: int, seen: bool) -> set[str]:
        rows = recommender.requests([user], exclude_seen=seen).exclude.values
        return set(recommender.bundle.item_keys.take(pa.array(rows)).to_pylist())

    assert left_out(3, True) == {"a", "b", "c"}
    assert left_out(3, False) == set()


def test_nothing_in_the_state_changes_nothing(recommender: Recommender, state: LmdbState) -> None:
    plain = Recommender(recommender.bundle)
    assert history(recommender, [1, 2, None]) == history(plain, [1, 2, None])
    state.set_features(1, {"nothing reads this": 5})
    one, other = recommender.requests([1, 2]).query, plain.requests([1, 2]).query
    assert np.array_equal(one.ids_BF, other.ids_BF)
    assert np.array_equal(one.numbers_BN, other.numbers_BN)


def test_a_user_is_found_by_an_id_of_another_type(recommender: Recommender, state: LmdbState) -> None:
    """The bundle finds the user 4 by "4", too."""
    state.append([StateEvent(4, "c", 50)])
    assert history(recommender, ["4", "nobody"]) == [[("c", 50, UNKNOWN)], []]  # type: ignore[list-item]


def test_what_the_state_tells_of_a_user_means_what_it_means_alone(recommender: Recommender, state: LmdbState) -> None:
    cities: list[object] = ["Graz", 5, ["Graz"], "Bonn", None, True]
    for user, city in enumerate(cities, 1):
        state.set_features(user, {"city": city})
    users = [7, *range(len(cities), 0, -1), None, 2]
    ids_UF = recommender.requests(users).query.ids_BF
    alone_UF = [recommender.requests([user]).query.ids_BF[0] for user in users]
    np.testing.assert_array_equal(ids_UF, alone_UF)
    assert len(np.unique(ids_UF[1:7], axis=0)) > 2
