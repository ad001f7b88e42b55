"""What /v1/recommend and /v1/rank answer for known users, strangers, histories and candidates."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
from pydantic import TypeAdapter

from shortlist.bundle.recommender import Recommender
from shortlist.funnel.sources.towers import TowerSource
from shortlist.serving.answers import ItemsAnswer
from shortlist.serving.service import Service
from tests.evaluation.test_several_targets import world

KNOWN = 117
STRANGER = 5


def recommend(client: httpx.Client, **body: Any) -> Any:
    response = client.post("/v1/recommend", json=body)
    assert response.status_code == 200, response.text
    return response.json()


def ids(answer: Any) -> list[str]:
    return [item["item_id"] for item in answer["items"]]


def seen_by(shop: Recommender, user: int) -> set[str]:
    row = shop.bundle.user_keys.to_pylist().index(user)
    history = shop.bundle.histories.events.items
    items = history.values[history.offsets_n[row] : history.offsets_n[row + 1]]
    return {shop.bundle.item_keys[int(item)].as_py() for item in items}


def test_a_known_user_gets_what_the_python_api_gives(client: httpx.Client, shop: Recommender) -> None:
    clock = {"time": 1_700_100_000}
    answer = recommend(client, user_id=KNOWN, n=5, context=clock)
    expected = shop.recommend([KNOWN], 5, context={"time": [clock["time"]]})[0]
    assert ids(answer) == [item.item_id for item in expected]
    assert [item["score"] for item in answer["items"]] == pytest.approx([item.score for item in expected])
    assert answer["known_user"] is True
    assert answer["items"][0]["title"] == f"Good no. {int(ids(answer)[0].removeprefix('good-'))}"
    assert answer["items"][0]["source"] == "two_tower"


def test_an_answer_is_what_the_documentation_says(client: httpx.Client) -> None:
    answer = recommend(client, user_id=KNOWN)
    assert answer.keys() == {"items", "known_user", "bundle", "fallback", "variant", "propensity"}
    TypeAdapter(ItemsAnswer).validate_python(answer, strict=False)
    assert len(answer["items"]) == 10
    assert answer["bundle"]["name"] == "corner-shop"


@pytest.mark.parametrize("body", [{}, {"user_id": STRANGER}, {"user_id": None, "context": {"device": "phone"}}])
def test_an_unknown_user_gets_a_full_answer(client: httpx.Client, body: dict[str, Any]) -> None:
    answer = recommend(client, **body)
    assert answer["known_user"] is False
    assert len(set(ids(answer))) == 10


def test_a_history_is_left_out_and_changes_the_answer(client: httpx.Client) -> None:
    clock = {"time": 1_700_100_000}
    plain = ids(recommend(client, n=30, context=clock))
    history = plain[:3]
    told = recommend(client, history=[*history, "never heard of"], n=30, context=clock)
    assert not set(history) & set(ids(told))
    assert ids(told) != [item for item in plain if item not in history]
    assert told["known_user"] is False


def test_the_last_events_change_the_answer(client: httpx.Client) -> None:
    """The same two goods, looked at or bought, one or the other last, just now or long ago."""
    now = 1_700_100_000
    histories: list[list[Any]] = [
        [{"item": first, "type": kind, "time": now - 9000}, {"item": last, "type": kind, "time": now - age}]
        for first, last in (("good-03", "good-04"), ("good-04", "good-03"))
        for kind in ("view", "purchase")
        for age in (10, 8000)
    ]
    answers = [recommend(client, history=history, n=30, context={"time": now})["items"] for history in histories]
    scores = [tuple(sorted((item["item_id"], item["score"]) for item in items)) for items in answers]

    assert len(set(scores)) == len(histories)
    plain = recommend(client, history=["good-03"], n=30, context={"time": now})
    assert ids(plain) == ids(recommend(client, history=[{"item": "good-03", "time": now}], n=30, context={"time": now}))


def test_the_ranker_is_told_of_types_and_times_and_retrieval_is_not(shop: Recommender) -> None:
    requests = shop.requests([KNOWN], context={"time": [1_700_100_000]})
    events, item_UK = requests.history, np.array([[1, 2, 3]], np.int32)
    assert events.types is not None
    assert len(np.unique(events.types)) == 2
    assert shop.ranker is not None
    (towers,) = shop.sources
    assert isinstance(towers, TowerSource)
    others = (
        replace(requests, history=replace(events, types=events.types[::-1])),
        replace(requests, history=replace(events, times=events.times - 10**7)),
        replace(requests, time_U=requests.time_U + 10**7),
    )
    for other in others:
        assert (shop.ranker.outputs(other, item_UK) != shop.ranker.outputs(requests, item_UK)).any()
        assert (towers.encode(other) == towers.encode(requests)).all()


def test_seen_items_are_left_out_unless_asked_for(client: httpx.Client, shop: Recommender) -> None:
    seen = seen_by(shop, KNOWN)
    assert seen
    assert not seen & set(ids(recommend(client, user_id=KNOWN, n=1000)))
    assert seen <= set(ids(recommend(client, user_id=KNOWN, n=1000, exclude_seen=False)))


def test_candidates_and_exclude(client: httpx.Client) -> None:
    given = ["good-03", "good-04", "good-05", "no such good"]
    answer = recommend(client, user_id=KNOWN, candidates=given, exclude=["good-04"], exclude_seen=False)
    assert set(ids(answer)) == {"good-03", "good-05"}


def test_user_features_stand_in_for_the_user_table(client: httpx.Client, shop: Recommender) -> None:
    clock = {"time": 1_700_100_000}
    answer = recommend(client, user_features={"city": "Graz"}, context=clock, n=5)
    expected = shop.recommend([None], 5, user_features={"city": ["Graz"]}, context={"time": [clock["time"]]})
    assert [item["score"] for item in answer["items"]] == pytest.approx([item.score for item in expected[0]])
    other = recommend(client, user_features={"city": "Bonn"}, context=clock, n=5)
    assert [item["score"] for item in other["items"]] != [item["score"] for item in answer["items"]]


def test_more_than_the_catalogue_gives_the_catalogue(client: httpx.Client) -> None:
    assert len(recommend(client, n=1000, exclude_seen=False)["items"]) == 30


def test_rank_orders_the_candidates(client: httpx.Client, shop: Recommender) -> None:
    given = ["good-07", "good-01", "good-20", "no such good"]
    body = {"user_id": KNOWN, "candidates": given, "context": {"time": 1_700_100_000}, "history": ["good-02"]}
    answer = client.post("/v1/rank", json=body).json()
    expected = shop.rank(KNOWN, given, history=["good-02"], context={"time": [1_700_100_000]})
    assert ids(answer) == [item.item_id for item in expected]
    assert sorted(ids(answer)) == ["good-01", "good-07", "good-20"]
    assert answer["known_user"] is True


def test_of_several_targets_each_item_has_its_predictions(tmp_path: Path) -> None:
    recommender, _ = world(tmp_path)
    service = Service(recommender)
    body = service.rank_body.model_validate({"user_id": "u1", "candidates": ["i2", "i5"]})
    answer = service.rank(body)
    assert isinstance(answer, ItemsAnswer)
    assert {item.item_id: (item.predictions or {})["stars"] for item in answer.items} == {"i2": 2.0, "i5": 5.0}
