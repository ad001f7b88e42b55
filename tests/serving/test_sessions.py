"""A log of anonymous sessions, from its table to the answers over HTTP."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from typing import Any

import httpx
import numpy as np
import pytest
from fastapi import FastAPI

from shortlist.bundle.recommender import Recommender
from shortlist.serving import create_app
from tests.serving.conftest import make_bundle, write_csv

SESSIONS, LENGTH, ITEMS = 100, 6, 12
STEP = {"view": 1, "cart": 5}
"""How far along a ring of goods the next event is, after one of each type."""
NOW = 1_700_000_000

RECIPE = """
name = "passers-by"
[data]
interactions = "clicks.csv"
[schema]
session_id = "visit"
item_id = "good"
timestamp = "time"
event = "what"
[features.context]
[retrieval]
epochs = 20
patience = 20
batch_size = 16
history = 6
negatives = "catalogue"
model = { name = "gru4rec", embedding_dim = 16 }
embedding = { name = "adam", lr = 0.02 }
dense = { name = "adam", lr = 0.02 }
[funnel]
exclude_seen = false
[compute]
threads = 1
"""


def good(place: int) -> str:
    return f"good-{place % ITEMS:02}"


@pytest.fixture(scope="module")
def visitors(
    tmp_path_factory: pytest.TempPathFactory, serve: Callable[[FastAPI], AbstractContextManager[httpx.Client]]
) -> Iterator[httpx.Client]:
    """Asks the application of a bundle that the whole pipeline made: what comes next goes by good and type alone."""
    folder = tmp_path_factory.mktemp("sessions")
    random = np.random.default_rng(7)
    rows = []
    for visit in range(SESSIONS):
        place = int(random.integers(ITEMS))
        for step in range(LENGTH):
            what = ("view", "cart")[int(random.integers(2))]
            rows.append({"visit": f"v{visit}", "good": good(place), "what": what, "time": NOW + 60 * visit + step})
            place += STEP[what]
    write_csv(folder / "clicks.csv", rows)
    with serve(create_app(Recommender.load(make_bundle(folder, RECIPE)))) as client:
        yield client


def answered(client: httpx.Client, *history: Any, n: int = 5) -> list[str]:
    response = client.post("/v1/recommend", json={"history": history, "n": n})
    assert response.status_code == 200, response.text
    assert response.json()["known_user"] is False
    return [item["item_id"] for item in response.json()["items"]]


def test_a_session_that_nobody_knows_is_answered_by_its_events(visitors: httpx.Client) -> None:
    found = answered(visitors, good(1), {"item": good(2), "type": "view", "time": NOW}, n=7)

    assert len(set(found)) == 7
    assert set(found) <= {good(place) for place in range(ITEMS)}


def test_another_last_event_puts_the_same_goods_into_another_order(visitors: httpx.Client) -> None:
    first = {"item": good(1), "type": "view"}
    by_view, by_cart, by_good = (
        answered(visitors, first, {"item": good(place), "type": what}, n=ITEMS)
        for place, what in ((2, "view"), (2, "cart"), (6, "view"))
    )

    assert set(by_view) == set(by_cart) == set(by_good) == {good(place) for place in range(ITEMS)}
    assert by_view != by_cart != by_good != by_view


@pytest.mark.parametrize("what", STEP)
def test_the_last_event_and_its_type_say_what_comes_next(visitors: httpx.Client, what: str) -> None:
    for place in range(ITEMS):
        last = {"item": good(place), "type": what}
        assert answered(visitors, last)[0] == good(place + STEP[what])
        assert answered(visitors, {"item": good(place - 1), "type": "view"}, last)[0] == good(place + STEP[what])


def test_the_first_example_is_a_session_that_nobody_knows(visitors: httpx.Client) -> None:
    page = visitors.get("/openapi.json").json()["paths"]["/v1/recommend"]["post"]["requestBody"]
    examples = [example["value"] for example in page["content"]["application/json"]["examples"].values()]

    assert [("history" in example, "user_id" in example) for example in examples[:2]] == [(True, False), (False, True)]


@pytest.mark.parametrize(
    ("route", "body"),
    [("recommend", {"session_id": "v1"}), ("events", {"events": [{"session_id": "v1", "user_id": "v1", "item": "a"}]})],
)
def test_who_names_a_session_is_told_by_what(visitors: httpx.Client, route: str, body: dict[str, Any]) -> None:
    error = visitors.post(f"/v1/{route}", json=body).json()["error"]

    assert error["message"].startswith("no such field `session_id`. `user_id` names a session")


def test_a_session_without_events_and_one_of_unknown_types_are_answered(visitors: httpx.Client) -> None:
    whole = {good(place) for place in range(ITEMS)}

    assert set(answered(visitors, n=ITEMS)) == whole
    assert set(answered(visitors, {"item": good(3), "type": "gift"}, "never heard of", n=ITEMS)) == whole
