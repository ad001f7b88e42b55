"""Users never seen and anonymous sessions: answered from what the request says, whatever little that is."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from shortlist.bundle.past_events import Event, parse_events
from shortlist.bundle.recommender import Recommender
from shortlist.core.errors import RequestError
from shortlist.funnel.sources.towers import TowerSource
from shortlist.schema.columns import USER_ID
from tests.bundle.shop import GOODS

NOW = {"at": [20_000]}
NOBODY = "a user never seen"


def scores(recommender: Recommender, **about: Any) -> dict[int | str, float]:
    """Of every item for one stranger."""
    (items,) = recommender.recommend([None], 10, exclude_seen=False, context=NOW, **about)
    assert len({item.item_id for item in items}) == len(items) == len(GOODS["good"])
    assert all(np.isfinite(item.score) for item in items)
    return {item.item_id: item.score for item in items}


def by_popularity(recommender: Recommender) -> list[str]:
    found = recommender.run(recommender.requests([None]), 10, "popularity")
    names: list[str] = recommender.bundle.item_keys.take(pa.array(found.item_UK[0])).to_pylist()
    return names


def test_a_stranger_is_known_by_features_and_by_history(shop: Recommender) -> None:
    nothing = scores(shop)
    asked: list[dict[str, Any]] = [
        {"user_features": {"city": ["Graz"]}},
        {"user_features": {"city": ["Bonn"]}},
        {"history": [["mocha"]]},
        {"history": [["mocha", "tea"]]},
        {"user_features": {"city": ["Graz"]}, "history": [["mocha", "tea"]]},
    ]
    answers = [nothing, *(scores(shop, **about) for about in asked)]

    assert len({tuple(sorted(answer.items())) for answer in answers}) == len(answers)
    assert scores(shop, **asked[-1]) == answers[-1], "the same each time"
    assert any(list(answer) != by_popularity(shop) for answer in answers)


def test_an_id_that_nobody_has_is_nobodys(shop: Recommender) -> None:
    assert shop.recommend([77], 10, context=NOW) == shop.recommend([None], 10, context=NOW)


def test_the_retrieval_model_encodes_strangers(shop: Recommender) -> None:
    (source,) = shop.sources
    assert isinstance(source, TowerSource)
    cities = {"city": ["Graz", "Linz", None, "a city never seen"]}
    vectors_UD = source.encode(shop.requests([None] * 4, user_features=cities))

    assert np.isfinite(vectors_UD).all()
    # Linz is home to nobody who bought anything, so it is as unknown as no city and as a new one.
    assert (vectors_UD[0] != vectors_UD[1]).any()
    assert np.array_equal(vectors_UD[1], vectors_UD[2])
    assert np.array_equal(vectors_UD[2], vectors_UD[3])


@pytest.mark.parametrize("name", ["shop", pytest.param("sessions", marks=pytest.mark.slow)])
def test_the_last_events_reorder_the_list(name: str, request: pytest.FixtureRequest) -> None:
    recommender: Recommender = request.getfixturevalue(name)
    histories = [
        [],
        [Event("tea", "view", 19_000)],
        [Event("tea", "cart", 19_000)],
        [Event("tea", "view", 100)],
        [Event("tea", "view", 10_000), Event("mocha", "view", 19_000)],
        [Event("mocha", "view", 10_000), Event("tea", "view", 19_000)],
    ]
    answers = [scores(recommender, history=[history]) for history in histories]

    assert len({tuple(sorted(answer.items())) for answer in answers}) == len(answers)
    assert len({tuple(answer) for answer in answers}) > len(answers) / 2
    # What no type and no time is said of is of an unknown type, and just now.
    plain, told = (scores(recommender, history=[[given]]) for given in ("tea", Event("tea", "no such type", 20_000)))
    assert plain == told


@pytest.mark.slow
def test_a_session_has_no_id_of_its_own(sessions: Recommender) -> None:
    schema = sessions.bundle.schema
    assert USER_ID not in [column.name for column in schema.columns]
    assert schema.has_users
    assert sessions.bundle.recipe.split.requests == "event"
    assert sessions.requests([1, None]).query.ids_BF.shape == (2, 0)


@pytest.mark.slow
def test_a_session_is_its_events(sessions: Recommender) -> None:
    """One that the log knows goes on where it was; a new one with the same events gets the same."""
    row = sessions.bundle.user_keys.to_pylist().index(3)
    events = sessions.bundle.histories.events.rows(np.array([row]))
    goods = sessions.bundle.item_keys.take(pa.array(events.items.values)).to_pylist()
    offset = sessions.bundle.schema.column("past.type").offset
    assert events.types is not None
    types = [{0: None, 1: "view", 2: "cart"}.get(int(row)) for row in events.types - offset]
    same = [Event(*told) for told in zip(goods, types, events.times.tolist(), strict=True)]
    known, new = sessions.recommend([3, None], 10, history=[[], same], context={"at": [20_000, 20_000]})
    assert [item.item_id for item in known] == [item.item_id for item in new]


@pytest.mark.parametrize("name", ["shop", pytest.param("sessions", marks=pytest.mark.slow)])
@pytest.mark.parametrize("history", [[], ["tea"], ["no such item"], ["tea"] * 40])
def test_a_history_of_any_length_is_answered(name: str, history: list[str], request: pytest.FixtureRequest) -> None:
    assert scores(request.getfixturevalue(name), history=[history])


def test_a_history_may_be_json() -> None:
    text = '[12, "tea", {"item": 17, "type": "cart"}, {"item": "x", "time": "1970-01-01"}]'
    expected = [Event(12), Event("tea"), Event(17, "cart"), Event("x", time="1970-01-01")]
    assert parse_events(text) == expected
    assert parse_events("[]") == []


@pytest.mark.parametrize(
    "text",
    ["12", "tea", "[1.5]", "[null]", "[true]", '[{"type": "cart"}]', '[{"item": 1, "at": 2}]', '[{"item": [1]}]'],
)
def test_what_is_no_history_is_refused(text: str) -> None:
    with pytest.raises(RequestError, match="history: expected JSON such as"):
        parse_events(text)


def test_a_history_of_unknown_items_is_none(shop: Recommender) -> None:
    assert scores(shop, history=[["no such item", Event("neither", "cart")]]) == scores(shop)


def test_more_is_asked_for_than_there_is(shop: Recommender) -> None:
    (items,) = shop.recommend([None], 1000, exclude_seen=False)
    assert len(items) == len(GOODS["good"])
    with pytest.raises(RequestError, match="k: expected an integer of at least 1"):
        shop.recommend([None], 0)


@pytest.mark.parametrize("stages", ["funnel", "retrieval", "popularity"])
@pytest.mark.parametrize(
    "left_out", [{"candidates": [["no such item"]]}, {"candidates": [[]]}, {"exclude": [GOODS["good"]]}]
)
def test_a_filter_that_leaves_nothing_gives_an_empty_list(
    shop: Recommender, stages: str, left_out: dict[str, Any]
) -> None:
    found = shop.run(shop.requests([1], exclude_seen=False, **left_out), 5, stages)
    assert not found.valid_UK.any()
    assert shop.present(found) == [[]]
