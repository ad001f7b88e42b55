"""Requests that wait for the worker at the same time: answered in one call, each as if it had asked alone."""

from __future__ import annotations

import math
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
from fastapi import FastAPI

from shortlist.bundle.change_rules import change_rules
from shortlist.bundle.recommender import Recommender
from shortlist.funnel.stopwatch import Stopwatch
from shortlist.recipe.rules import Explore, Rules
from shortlist.serving import ServeSettings, create_app
from shortlist.serving.alike import alike
from shortlist.serving.app import application_of
from shortlist.serving.lineup import Arm, Lineup
from shortlist.serving.service import Service
from shortlist.state.lmdb_state import LmdbState
from tests.serving.test_drift import with_profile
from tests.serving.test_metrics import samples, value

Serve = Callable[[FastAPI], AbstractContextManager[httpx.Client]]
NOW = {"time": 1_700_100_000}
PATH, BUDGET = "/v1/recommend", "X-Time-Budget-Ms"
Asked = dict[str, Any]


class Held:
    """Holds a call of the recommender, so that others wait, and knows of those that come after it."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.calls: list[list[Any]] = []
        """The users of each."""
        self.watches: list[Stopwatch] = []
        self._armed, self._held, self._go = threading.Event(), threading.Event(), threading.Event()
        self._answers: dict[int, httpx.Response] = {}
        self._asking: list[threading.Thread] = []
        recommend = Recommender.recommend

        def held(recommender: Recommender, users: Sequence[Any], *args: Any, **about: Any) -> Any:
            if self._armed.is_set() and not self._held.is_set():
                self._held.set()
                assert self._go.wait(30)
            elif self._held.is_set():
                self.calls.append(list(users))
                self.watches.append(about["watch"])
            return recommend(recommender, users, *args, **about)

        monkeypatch.setattr(Recommender, "recommend", held)

    def ask(self, client: httpx.Client, asked: Sequence[Asked], path: str = PATH, budgets: Sequence[str] = ()) -> None:
        """Send a request that will be held, and when it is, these; each comes when the one before it waits."""
        self._armed.set()
        self._start(-1, client, PATH, {}, None)
        assert self._held.wait(30)
        for place, body in enumerate(asked):
            self._start(place, client, path, body, dict([(BUDGET, budgets[place])] if budgets else []))
            until(client, "shortlist_requests_queued", place + 1)

    def _start(self, place: int, client: httpx.Client, path: str, body: Asked, headers: Any) -> None:
        def ask() -> None:
            self._answers[place] = client.post(path, json=body, headers=headers)

        self._asking.append(threading.Thread(target=ask))
        self._asking[-1].start()

    def let_go(self) -> list[httpx.Response]:
        """The answers to those that waited."""
        self._go.set()
        for thread in self._asking:
            thread.join(30)
        assert self._answers.pop(-1).status_code == 200
        return [self._answers[place] for place in range(len(self._answers))]

    def answers(self, client: httpx.Client, asked: Sequence[Asked], **about: Any) -> list[httpx.Response]:
        """The answers to requests that came, in this order, while another one was being answered."""
        self.ask(client, asked, **about)
        return self.let_go()


def until(client: httpx.Client, name: str, wanted: float) -> None:
    give_up = time.monotonic() + 30
    while metric(client, name) != wanted:
        assert time.monotonic() < give_up
        time.sleep(0.01)


def metric(client: httpx.Client, name: str, **labels: str) -> float:
    return value(samples(client.get("/metrics").text), name, **labels)


def lists(responses: Sequence[httpx.Response]) -> list[list[str]]:
    assert [response.status_code for response in responses] == [200] * len(responses)
    return [[item["item_id"] for item in response.json()["items"]] for response in responses]


@pytest.fixture
def held(monkeypatch: pytest.MonkeyPatch) -> Held:
    return Held(monkeypatch)


def test_what_waits_is_answered_by_one_call_of_at_most_eight(shop: Recommender, serve: Serve, held: Held) -> None:
    asked: list[Asked] = [{"user_id": 100 + user, "context": NOW} for user in range(10)]
    with serve(create_app(shop)) as client:
        found = held.answers(client, asked)
        assert held.calls == [[one["user_id"] for one in part] for part in (asked[:8], asked[8:])]
        assert metric(client, "shortlist_batch_requests_count") == 3
        assert metric(client, "shortlist_batch_requests_sum") == 11
        assert metric(client, "shortlist_batch_requests_bucket", le="7.0") == 2
        alone = [client.post(PATH, json=one) for one in asked]
    assert lists(found) == lists(alone)
    for together, by_itself in zip(found, alone, strict=True):
        assert together.json()["known_user"] == by_itself.json()["known_user"]


def some_bodies(count: int) -> Iterator[Asked]:
    """What clients may ask, of the types that a column may hold and of those that it should not."""
    random = np.random.default_rng(3)

    def one_of(*choices: Any) -> Any:
        return choices[int(random.integers(len(choices)))]

    events = [
        {"item": "good-01", "type": "view", "time": "2023-11-16T01:00:00"},
        {"item": "good-02", "type": 7, "time": 1_700_000_000},
        {"item": "good-04", "type": True, "time": 1_700_000_000.5},
        {"item": "good-05", "type": "purchase"},
        "good-06",
        "no such good",
    ]
    for _ in range(count):
        body: Asked = {"user_id": one_of(None, 100, 117, 139, 5), "context": dict(NOW)}
        if one_of(True, False):
            body["history"] = [one_of(*events) for _ in range(one_of(0, 1, 4))]
        if one_of(True, False):
            body["context"]["device"] = one_of("phone", "laptop", 3, 3.5, True, None, ["phone"], ["phone", 1], [])
        if one_of(True, False, False):
            body["user_features"] = one_of({"city": "Bonn"}, {"city": "Graz"}, {"city": None}, {"city": 5}, {})
        if one_of(True, False, False):
            body["exclude"] = one_of([], ["good-03"], ["good-03", "no such good"])
        if one_of(True, False, False, False):
            body["candidates"] = [f"good-{number:02}" for number in random.integers(30, size=one_of(1, 9))]
        yield body


@pytest.mark.parametrize("common", [{}, {"exclude_seen": False, "filter": "price < 12", "diversity": 0.4, "n": 4}])
def test_everyone_gets_the_answer_it_would_have_got_alone(shop: Recommender, common: Asked) -> None:
    service = Service(shop)
    groups = defaultdict(list)
    for body in (service.recommend_body.model_validate({**given, **common}) for given in some_bodies(160)):
        groups[alike(body)].append(body)
    together = [bodies for bodies in groups.values() if len(bodies) > 1]
    assert sum(map(len, together)) > 80
    for bodies in together:
        for body, answer in zip(bodies, service.recommend(bodies), strict=True):
            (alone,) = service.recommend([body])
            assert [item.item_id for item in answer.items] == [item.item_id for item in alone.items], body
            assert [item.source for item in answer.items] == [item.source for item in alone.items]
            score_K = [item.score for item in answer.items]
            np.testing.assert_allclose(score_K, [item.score for item in alone.items], atol=1e-5)
            assert answer.known_user == alone.known_user


def test_what_is_wrong_with_one_is_none_of_the_others_business(shop: Recommender, serve: Serve, held: Held) -> None:
    devices = [7, 2**63, 8]
    asked: list[Asked] = [{"user_id": 117, "context": {"device": device}} for device in devices]
    with serve(create_app(shop)) as client:
        good, bad, other = held.answers(client, asked)
        assert metric(client, "shortlist_requests_total", route=PATH, status="422") == 1
    assert (good.status_code, bad.status_code, other.status_code) == (200, 422, 200)
    assert bad.json()["error"]["where"] == "context.device"


def test_an_error_that_nobody_foresaw_fails_one_alone(
    shop: Recommender, serve: Serve, held: Held, monkeypatch: pytest.MonkeyPatch
) -> None:
    requests = Recommender.requests

    def broken(self: Recommender, users: Sequence[Any], **about: Any) -> Any:
        if 101 in users:
            raise ZeroDivisionError
        return requests(self, users, **about)

    monkeypatch.setattr(Recommender, "requests", broken)
    with serve(create_app(shop)) as client:
        found = held.answers(client, [{"user_id": user} for user in (100, 101, 102)])
    assert [answer.status_code for answer in found] == [200, 500, 200]
    assert held.calls == [[100, 101, 102], [100], [101], [102]]


@pytest.mark.parametrize("raised", [StopIteration, pytest.fail.Exception], ids=["StopIteration", "no Exception"])
def test_whatever_is_raised_fails_one_alone(
    shop: Recommender, serve: Serve, held: Held, monkeypatch: pytest.MonkeyPatch, raised: type[BaseException]
) -> None:
    requests = Recommender.requests

    def broken(self: Recommender, users: Sequence[Any], **about: Any) -> Any:
        if 101 in users:
            raise raised("now")
        return requests(self, users, **about)

    monkeypatch.setattr(Recommender, "requests", broken)
    with serve(create_app(shop)) as client:
        found = held.answers(client, [{"user_id": user} for user in (100, 101, 102)])
    assert [answer.status_code for answer in found] == [200, 500, 200]


def test_what_only_fails_together_is_answered_and_logged(
    shop: Recommender, serve: Serve, held: Held, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    requests = Recommender.requests

    def broken(self: Recommender, users: Sequence[Any], **about: Any) -> Any:
        if len(users) > 1:
            raise ZeroDivisionError
        return requests(self, users, **about)

    monkeypatch.setattr(Recommender, "requests", broken)
    with serve(create_app(shop)) as client:
        found = held.answers(client, [{"user_id": user} for user in (100, 101, 102)])
    assert [answer.status_code for answer in found] == [200, 200, 200]
    assert "3 requests could be answered one by one, but not together" in caplog.text


def test_who_is_always_wrong_is_asked_apart(shop: Recommender) -> None:
    body = Service(shop).recommend_body.model_validate

    def history(*events: Any) -> Any:
        return body({"user_id": 100, "history": list(events)})

    assert alike(history("good-01")) == alike(history("good-02", {"item": "good-03"}))
    assert alike(history("good-01")) != alike(history({"item": "good-03", "type": "view"}))
    assert alike(body({"context": {"device": 7}})) == alike(body({"context": {"device": 8}}))
    huge = body({"context": {"device": 2**63}})
    assert alike(huge) != alike(huge)


def test_others_keep_their_order_and_are_asked_by_themselves(shop: Recommender, serve: Serve, held: Held) -> None:
    asked: list[Asked] = [
        {"user_id": 100, "n": 3},
        {"user_id": 101, "n": 5},
        {"user_id": 102, "n": 3},
        {"user_id": 103, "n": 3, "explain": True},
        {"user_id": 104, "n": 3, "explain": True},
        {"user_id": 105, "n": 5},
        {"user_id": 106, "n": 3, "seed": 1},
        {"user_id": 107, "n": 3, "filter": "price < 9"},
        {"user_id": 108, "n": 3, "context": {"device": "phone"}},
        {"user_id": 109, "n": 3, "context": {"device": 3}},
    ]
    with serve(create_app(shop)) as client:
        found = held.answers(client, asked)
    assert held.calls == [[100, 102], [101, 105], *([user] for user in (103, 104, 106, 107, 108, 109))]
    assert [len(items) for items in lists(found)] == [one["n"] for one in asked]


def test_orders_of_candidates_are_asked_one_by_one(shop: Recommender, serve: Serve, held: Held) -> None:
    asked = [{"user_id": user, "candidates": ["good-01", "good-02"]} for user in (100, 101)]
    with serve(create_app(shop)) as client:
        assert [len(items) for items in lists(held.answers(client, asked, path="/v1/rank"))] == [2, 2]
        assert metric(client, "shortlist_batch_requests_count") == metric(client, "shortlist_batch_requests_sum") == 3


def test_who_is_in_a_hurry_leaves_nobody_else_with_less(shop: Recommender, serve: Serve, held: Held) -> None:
    asked: list[Asked] = [{"user_id": user} for user in (100, 101, 102, 103)]
    with serve(create_app(shop, ServeSettings(budget_ms=60_000))) as client:
        found = held.answers(client, asked, budgets=["60000", "1", "60000", "30000"])
    assert [answer.status_code for answer in found] == [200, 503, 200, 200]
    assert held.calls == [[100, 102], [103]]
    assert [found[place].json()["fallback"] for place in (0, 2, 3)] == [None, None, None]


def test_a_call_is_due_when_the_first_of_its_requests_is(shop: Recommender, serve: Serve, held: Held) -> None:
    asked: list[Asked] = [{"user_id": user} for user in (100, 101)]
    with serve(create_app(shop, ServeSettings(budget_ms=60_000))) as client:
        held.ask(client, asked[:1])
        before = time.perf_counter()
        held.let_go()
        client.post(PATH, json={})
    first, later = (watch.deadline for watch in held.watches)
    assert first < before + 60 < later


def test_a_full_queue_counts_requests_and_not_calls(shop: Recommender, serve: Serve, held: Held) -> None:
    with serve(create_app(shop, ServeSettings(queue=2))) as client:
        held.ask(client, [{"user_id": 100}, {"user_id": 101}])
        refused = [client.post(PATH, json=body).status_code for body in ({"user_id": 102}, {"n": 0})]
        assert [answer.status_code for answer in held.let_go()] == [200, 200]
        assert metric(client, "shortlist_requests_queued") == 0
    assert refused == [503, 503]
    assert held.calls == [[100, 101]]


def test_who_has_gone_makes_room_and_is_not_worked_for(shop: Recommender, serve: Serve, held: Held) -> None:
    with serve(create_app(shop)) as client:
        held.ask(client, [{"user_id": 100}, {"user_id": 101}])
        with pytest.raises(httpx.TimeoutException):
            client.post(PATH, json={"user_id": 102}, timeout=0.3)
        until(client, "shortlist_requests_queued", 2)
        assert len(held.let_go()) == 2
        assert metric(client, "shortlist_requests_total", route=PATH, status="499") == 1
    assert held.calls == [[100, 101]]


def test_each_is_measured_as_what_it_waited_for(shop: Recommender, serve: Serve, held: Held) -> None:
    with serve(create_app(shop)) as client:
        found = held.answers(client, [{"user_id": user} for user in (100, 101, 102)])
        for stage in ("read", "parse", "queue", "encode", "candidates", "ranking", "present", "write"):
            assert metric(client, "shortlist_stage_seconds_count", stage=stage) == 4
        assert metric(client, "shortlist_candidates_found_count") == 4
        assert metric(client, "shortlist_candidates_asked_sum") == 4 * shop.bundle.settings.candidates
        assert metric(client, "shortlist_candidates_found_bucket", le="1.0") == 0
        assert metric(client, "shortlist_candidates_found_bucket", le="50.0") == 4
        assert metric(client, "shortlist_request_seconds_count", route=PATH) == 4
    timings = [dict(part.split(";dur=") for part in answer.headers["server-timing"].split(", ")) for answer in found]
    for stage in ("encode", "candidates", "ranking", "present", "write"):
        assert len({timing[stage] for timing in timings}) == 1
    waited = [float(timing["queue"]) for timing in timings]
    assert waited == sorted(waited, reverse=True)


def test_drift_counts_every_request(shop: Recommender, serve: Serve, held: Held, tmp_path: Path) -> None:
    with serve(create_app(with_profile(shop, tmp_path / "bundle"))) as client:
        held.answers(client, [{"user_id": user} for user in (100, 101, 102)])
        counts = samples(client.get("/metrics").text)
    name = "shortlist_profile_bin_total"
    bins = [count for (of, labels), count in counts.items() if of == name and ("column", "user.city") in labels]
    assert sum(bins) == 4


def test_everyone_draws_a_list_of_its_own(shop: Recommender, serve: Serve, held: Held, tmp_path: Path) -> None:
    shop.save(tmp_path / "shop")
    change_rules(tmp_path / "shop", Rules(explore=Explore(temperature=2.0)))
    with serve(create_app(Recommender.load(tmp_path / "shop"))) as client:
        found = held.answers(client, [{"user_id": 117, "n": 5}] * 8)
    assert held.calls == [[117] * 8]
    assert len({tuple(items) for items in lists(found)}) > 4
    for answer in (response.json() for response in found):
        chances = [item["propensity"] for item in answer["items"]]
        assert answer["propensity"] == pytest.approx(math.prod(chances))
        assert all(0 < chance < 1 for chance in chances)


def test_variants_are_asked_apart_and_say_who_they_are(shop: Recommender, serve: Serve, held: Held, new: Path) -> None:
    arms = [Arm("old", Service(shop), 0.5), Arm("new", Service(Recommender.load(new)), 0.5)]
    both = Lineup("spring", arms)
    users = list(range(100, 108))
    drawn = [both.choose(user, "").name for user in users]
    with serve(application_of(both, ServeSettings())) as client:
        found = [answer.json() for answer in held.answers(client, [{"user_id": user} for user in users])]
    assert [answer["variant"] for answer in found] == drawn
    labels = {arm.name: arm.service.label.version for arm in arms}
    assert [answer["bundle"]["version"] for answer in found] == [labels[name] for name in drawn]
    assert {answer["propensity"] for answer in found} == {0.5}
    in_calls = [[user for user, name in zip(users, drawn, strict=True) if name == of] for of in dict.fromkeys(drawn)]
    assert held.calls == in_calls
    assert len(in_calls) == 2


def test_events_are_known_to_their_own_user_alone(shop: Recommender, serve: Serve, held: Held, tmp_path: Path) -> None:
    state = LmdbState(tmp_path)
    asked: list[Asked] = [{"user_id": user, "n": 5, "context": NOW} for user in (100, 101, 102, 103)]
    context = {"time": [NOW["time"]] * 2}
    items = [found[0].item_id for found in shop.recommend([100, 102], 1, context=context)]
    plain = [[item.item_id for item in found] for found in shop.recommend([101, 103], 5, context=context)]
    with serve(create_app(Recommender(shop.bundle, state=state))) as client:
        times = [{"time": NOW["time"] - 60}, {"time": NOW["time"] - 90}]
        held.ask(client, asked)
        events = [{"user_id": u, "item": i, **t} for u, i, t in zip((100, 102), items, times, strict=True)]
        assert client.post("/v1/events", json={"events": events}).json()["accepted"] == 2
        found = lists(held.let_go())
        assert held.calls == [[100, 101, 102, 103]]
        assert found == lists([client.post(PATH, json=body) for body in asked])
    state.close()
    assert (items[0] in found[0], items[1] in found[2]) == (False, False)
    assert [found[1], found[3]] == plain
