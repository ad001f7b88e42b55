"""Events over HTTP: the next answer knows them, in every worker."""

from __future__ import annotations

import re
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import httpx
import pytest
from fastapi import FastAPI

from shortlist.bundle.recommender import Recommender
from shortlist.serving import create_app
from shortlist.state import StateFault
from shortlist.state.lmdb_state import LmdbState

KNOWN, STRANGER = 117, 5
CLOCK = {"time": 1_700_100_000}


@pytest.fixture(scope="module")
def recommender(shop: Recommender, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Recommender]:
    state = LmdbState(tmp_path_factory.mktemp("state"))
    yield Recommender(shop.bundle, state=state)
    state.close()


@pytest.fixture(scope="module")
def told(
    recommender: Recommender, serve: Callable[[FastAPI], AbstractContextManager[httpx.Client]]
) -> Iterator[httpx.Client]:
    with serve(create_app(recommender)) as client:
        yield client


def items(client: httpx.Client, **body: Any) -> list[str]:
    answer = client.post("/v1/recommend", json={"context": CLOCK, **body})
    assert answer.status_code == 200, answer.text
    return [item["item_id"] for item in answer.json()["items"]]


def test_an_event_changes_the_next_answer(told: httpx.Client, recommender: Recommender) -> None:
    before = after = items(told, user_id=KNOWN, n=5)
    event = {"user_id": KNOWN, "item": before[0], "type": "view", "time": CLOCK["time"] - 60}
    for accepted, duplicates in ((1, 0), (0, 1)):
        answer = told.post("/v1/events", json={"events": [event]})
        assert answer.json() == {"accepted": accepted, "duplicates": duplicates, "unknown_items": 0}
        after = items(told, user_id=KNOWN, n=5)
        assert before[0] not in after
    context = {"time": [CLOCK["time"]]}
    assert after == [item.item_id for item in recommender.recommend([KNOWN], 5, context=context)[0]]
    # The same as if the request had told it.
    plain = Recommender(recommender.bundle).recommend(
        [KNOWN], 5, context=context, history=[[recommender_event(event)]]
    )[0]
    assert after == [item.item_id for item in plain]


def recommender_event(given: dict[str, Any]) -> Any:
    from shortlist.bundle.past_events import Event

    return Event(given["item"], given["type"], given["time"])


def test_a_stranger_with_three_clicks_gets_a_list_from_them(told: httpx.Client, recommender: Recommender) -> None:
    clicks = ["good-02", "good-04", "good-06"]
    nobody = items(told, n=27, exclude=clicks)
    events = [{"user_id": STRANGER, "item": item, "time": "2023-11-15T00:00:00Z"} for item in clicks]
    assert told.post("/v1/events", json={"events": events}).json()["accepted"] == 3
    found = items(told, user_id=STRANGER, n=30)
    assert found == items(told, history=[{"item": item, "time": "2023-11-15T00:00:00Z"} for item in clicks], n=30)
    assert not set(clicks) & set(found)
    assert found != nobody


def test_what_is_known_of_a_user(told: httpx.Client) -> None:
    event = {"user_id": 120, "item": "good-09", "type": "purchase", "time": "2024-01-01T12:00:00+01:00"}
    assert told.post("/v1/events", json={"events": [event]}).status_code == 200
    about = told.get("/v1/users/120?n=2").json()
    assert (about["user_id"], about["known_by_bundle"], about["known_by_state"]) == (120, True, True)
    assert about["features"] == {"city": "Bonn"}
    assert about["events"] == 13
    first, last = about["history"]
    assert last == {
        "item_id": "good-09",
        "title": "Good no. 9",
        "type": "purchase",
        "time": "2024-01-01T11:00:00+00:00",
        "known_by": "state",
    }
    assert first["known_by"] == "bundle"
    assert first["type"] in {"view", "purchase"}
    nobody = told.get("/v1/users/-1").json()
    assert (nobody["known_by_bundle"], nobody["known_by_state"], nobody["history"]) == (False, False, [])


def test_features_of_the_state_take_the_place_of_the_bundles(told: httpx.Client, recommender: Recommender) -> None:
    assert recommender.state is not None
    recommender.state.set_features(121, {"city": "Bonn", "nothing": [1]})
    assert told.get("/v1/users/121").json()["features"] == {"city": "Bonn"}
    context = {"time": [CLOCK["time"]] * 2}
    found = recommender.recommend([121, 122], 5, context=context)
    plain = Recommender(recommender.bundle)
    for user, answer in zip((121, 122), found, strict=True):
        alone: dict[str, Any] = {"context": {"time": [CLOCK["time"]]}, "user_features": {"city": ["Bonn"]}}
        expected = plain.recommend([user], 5, **alone)[0]
        assert [item.item_id for item in answer] == [item.item_id for item in expected]
        assert [item.score for item in answer] == pytest.approx([item.score for item in expected], abs=1e-5)
    unchanged = plain.recommend([121], 5, context={"time": [CLOCK["time"]]})[0]
    assert found[0][0].score != pytest.approx(unchanged[0].score, abs=1e-5)


def test_similar_items(told: httpx.Client, recommender: Recommender) -> None:
    answer = told.get("/v1/items/good-03/similar?n=3").json()
    assert [item["item_id"] for item in answer["items"]] == [
        item.item_id for item in recommender.similar(["good-03"], 3)[0]
    ]
    assert told.get("/v1/items/no/such/item/similar").status_code == 404


def test_items_that_the_bundle_does_not_know_are_kept(told: httpx.Client) -> None:
    events = [{"user_id": 77, "item": "of tomorrow", "type": 5}, {"user_id": 77, "item": "good-01", "event_id": "x"}]
    assert told.post("/v1/events", json={"events": events}).json() == {
        "accepted": 2,
        "duplicates": 0,
        "unknown_items": 1,
    }
    assert [event["item_id"] for event in told.get("/v1/users/77").json()["history"]] == ["good-01"]


GOOD = {"user_id": 88, "item": "good-01"}


@pytest.mark.parametrize(
    ("body", "where"),
    [
        ({}, "events"),
        ({"events": []}, "events"),
        ({"events": [GOOD] * 1001}, "events"),
        ({"events": {}}, "events"),
        ({"events": [GOOD, {"user_id": 88}]}, "events[1].item"),
        ({"events": [GOOD, {**GOOD, "user_id": "88"}]}, "events[1].user_id"),
        ({"events": [GOOD, {**GOOD, "user_id": None}]}, "events[1].user_id"),
        ({"events": [GOOD, {**GOOD, "user_id": 2**63}]}, "events[1].user_id"),
        ({"events": [GOOD, {**GOOD, "item": "x" * 1001}]}, "events[1].item"),
        ({"events": [GOOD, {**GOOD, "time": "soon"}]}, "events[1].time"),
        ({"events": [GOOD, {**GOOD, "time": 1e300}]}, "events[1].time"),
        ({"events": [GOOD, {**GOOD, "time": 1_700_000_000_000}]}, "events[1].time"),
        ({"events": [GOOD, {**GOOD, "time": int(time.time()) + 10**6}]}, "events[1].time"),
        ({"events": [GOOD, {**GOOD, "tipe": "view"}]}, "events[1].tipe"),
        ({"events": [GOOD], "event": 1}, "event"),
    ],
)
def test_one_bad_event_refuses_all(told: httpx.Client, body: Any, where: str) -> None:
    answer = told.post("/v1/events", json=body)
    assert answer.status_code == 422, answer.text
    assert answer.json()["error"]["where"] == where
    assert told.get("/v1/users/88").json()["known_by_state"] is False


@pytest.mark.parametrize(
    "path", ["users/x", "users/99999999999999999999", "users/1?n=0", "users/1?n=1e9", "users/1?m=1"]
)
def test_bad_parameters(told: httpx.Client, path: str) -> None:
    assert told.get(f"/v1/{path}").status_code == 422


def test_the_documented_example_works(told: httpx.Client) -> None:
    page = told.get("/openapi.json").json()
    content = page["paths"]["/v1/events"]["post"]["requestBody"]["content"]["application/json"]
    assert all(
        "description" in field for field in content["schema"]["properties"]["events"]["items"]["properties"].values()
    )
    for example in content["examples"].values():
        assert told.post("/v1/events", json=example["value"]).status_code == 200


def test_a_state_that_fails_is_not_the_requests_fault(told: httpx.Client, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise StateFault("the disk is gone")

    monkeypatch.setattr(LmdbState, "user", fail)
    answer = told.post("/v1/recommend", json={"user_id": KNOWN})
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "1")
    assert answer.json()["error"]["message"] == "the disk is gone"
    assert told.post("/v1/recommend", json={}).status_code == 200


def test_without_a_state_events_are_refused(client: httpx.Client) -> None:
    answer = client.post("/v1/events", json={"events": [GOOD]})
    assert answer.status_code == 404
    assert "--state none" in answer.json()["error"]["message"]


SERVE = """
import sys
from shortlist.serving import ServeSettings, run
if __name__ == "__main__":
    run(sys.argv[1], port=0, workers=2, settings=ServeSettings(state=sys.argv[2]))
"""


def test_an_event_reaches_the_other_worker(tmp_path: Path, shop_bundle: Path) -> None:
    script = tmp_path / "serve.py"
    script.write_text(SERVE)
    command = [sys.executable, str(script), str(shop_bundle), str(tmp_path / "state")]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
        try:
            assert process.stderr is not None
            url = re.search(r"http://127\.0\.0\.1:\d+", process.stderr.readline())
            assert url is not None
            for number in range(8):
                # Each connection is some worker's: in eight rounds both write, and both read what the other wrote.
                event = {"user_id": KNOWN, "item": f"good-{number:02}", "time": CLOCK["time"] + number}
                asked = httpx.post(f"{url[0]}/v1/events", json={"events": [event]}, timeout=60, trust_env=False)
                assert asked.json()["accepted"] == 1
                for _ in range(4):
                    about = httpx.get(f"{url[0]}/v1/users/{KNOWN}", timeout=60, trust_env=False).json()
                    assert about["history"][-1]["item_id"] == event["item"]
        finally:
            process.terminate()


def test_the_page_says_when_there_is_no_such_item(told: httpx.Client) -> None:
    page = told.get("/openapi.json").json()
    assert told.get("/v1/items/999999/similar").status_code == 404
    assert page["paths"]["/v1/items/{id}/similar"]["get"]["responses"]["404"]["description"]
