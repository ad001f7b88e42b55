"""Probes, documentation, and many requests at once."""

from __future__ import annotations

import asyncio
import threading

import httpx
import pytest

from shortlist.bundle.recommender import Recommender
from shortlist.core.version import __version__
from shortlist.serving import create_app


def test_ready_only_after_the_warm_up(shop: Recommender) -> None:
    app = create_app(shop)

    async def status(probe: str) -> int:
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://server") as client:
            return (await client.get(f"/health/{probe}")).status_code

    async def life() -> list[int]:
        before = [await status("live"), await status("ready")]
        async with app.router.lifespan_context(app):
            during = await status("ready")
        return [*before, during, await status("ready")]

    assert asyncio.run(life()) == [200, 503, 200, 503]


def test_a_bundle_that_fails_its_warm_up_does_not_start(shop: Recommender, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object, **__: object) -> None:
        raise ZeroDivisionError

    async def life() -> None:
        app = create_app(shop)
        async with app.router.lifespan_context(app):
            pass

    monkeypatch.setattr(Recommender, "recommend", fail)
    with pytest.raises(ZeroDivisionError):
        asyncio.run(life())


def test_version(client: httpx.Client) -> None:
    answer = client.get("/version").json()
    assert answer["shortlist"] == __version__
    assert (answer["items"], answer["users"]) == (30, 40)
    assert (answer["retrieval"], answer["ranking"]) == ("two_tower", "wide_deep")
    assert answer["bundle"] == client.post("/v1/recommend", json={}).json()["bundle"]


def test_the_documentation_describes_requests_and_answers(client: httpx.Client) -> None:
    page = client.get("/openapi.json").json()
    assert client.get("/docs").status_code == 200
    for route in ("/v1/recommend", "/v1/rank"):
        post = page["paths"][route]["post"]
        fields = post["requestBody"]["content"]["application/json"]["schema"]["properties"]
        assert {"user_id", "history", "context", "candidates"} <= fields.keys()
        assert fields["user_id"]["anyOf"][0]["type"] == "integer"
        assert all("description" in field for field in fields.values())
        assert "$ref" not in str(post["requestBody"])
        one, other = fields["history"]["anyOf"][0]["items"]["oneOf"]
        assert (one["type"], other["properties"].keys()) == ("string", {"item", "type", "time"})
        assert {"200", "400", "401", "413", "422", "500", "503"} == post["responses"].keys()
    items = page["components"]["schemas"]["Recommendation"]["properties"]
    assert items.keys() == {"item_id", "score", "source", "title", "predictions", "reasons", "propensity"}


def test_every_example_of_the_documentation_works(client: httpx.Client) -> None:
    paths = client.get("/openapi.json").json()["paths"]
    count = 0
    for route in ("/v1/recommend", "/v1/rank"):
        content = paths[route]["post"]["requestBody"]["content"]["application/json"]
        for example in content["examples"].values():
            answer = client.post(route, json=example["value"])
            assert answer.status_code == 200
            assert answer.json()["items"]
            count += 1
    assert count == 5


def test_a_long_request_keeps_no_probe_waiting(client: httpx.Client, monkeypatch: pytest.MonkeyPatch) -> None:
    begun, finish = threading.Event(), threading.Event()
    recommend = Recommender.recommend

    def slow(self: Recommender, *args: object, **about: object) -> object:
        begun.set()
        assert finish.wait(30)
        return recommend(self, *args, **about)  # type: ignore[arg-type]

    monkeypatch.setattr(Recommender, "recommend", slow)
    answers: list[int] = []
    asking = threading.Thread(target=lambda: answers.append(client.post("/v1/recommend", json={}).status_code))
    asking.start()
    assert begun.wait(30)
    assert client.get("/health/live").status_code == 200
    assert answers == []
    finish.set()
    asking.join(30)
    assert answers == [200]


def test_many_at_once_get_their_own_answers(client: httpx.Client, shop: Recommender) -> None:
    users = list(range(100, 140))
    context = {"time": 1_700_100_000}
    found: dict[int, list[str]] = {}

    def ask(user: int) -> None:
        answer = client.post("/v1/recommend", json={"user_id": user, "n": 3, "context": context}).json()
        found[user] = [item["item_id"] for item in answer["items"]]

    threads = [threading.Thread(target=ask, args=(user,)) for user in users]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    times = [context["time"]] * len(users)
    expected = shop.recommend(users, 3, context={"time": times})
    assert found == {user: [item.item_id for item in items] for user, items in zip(users, expected, strict=True)}
