"""More requests than one process can answer, and requests whose time is up."""

from __future__ import annotations

import asyncio
import math
import threading
import time
from collections.abc import Callable
from contextlib import AbstractContextManager

import httpx
import numpy as np
import pytest
from fastapi import FastAPI, Request

from shortlist.bundle.recommender import Recommender
from shortlist.funnel.stopwatch import Stopwatch
from shortlist.serving import ServeSettings, create_app
from shortlist.serving.refusal import Refusal
from shortlist.serving.work import Job, WorkQueue

Serve = Callable[[FastAPI], AbstractContextManager[httpx.Client]]


def request(connected: bool = True) -> Request:
    async def receive() -> dict[str, object]:
        if connected:
            await asyncio.sleep(60)
        return {"type": "http.disconnect"}

    return Request({"type": "http", "headers": []}, receive)


def outcomes(queue: WorkQueue, jobs: list[tuple[Callable[[], object], Request, float]]) -> list[object]:
    async def ask() -> list[object]:
        tasks = [queue.run(Job.by_itself(job), of, due) for job, of, due in jobs]
        return await asyncio.gather(*tasks, return_exceptions=True)

    return asyncio.run(ask())


def test_what_does_not_fit_is_refused_at_once() -> None:
    finish = threading.Event()
    threading.Timer(0.2, finish.set).start()
    found = outcomes(WorkQueue(2), [(lambda: finish.wait(30), request(), math.inf)] * 5)
    assert found[:3] == [True] * 3
    for refusal in found[3:]:
        assert isinstance(refusal, Refusal)
        assert (refusal.status, dict(refusal.headers)) == (503, {"Retry-After": "1"})


def test_who_wants_to_know_is_told_how_many_wait() -> None:
    told: list[int] = []
    finish = threading.Event()
    threading.Timer(0.1, finish.set).start()
    outcomes(WorkQueue(2, told.append), [(lambda: finish.wait(30), request(), math.inf)] * 5)

    assert told == [1, 1, -1, -1]


def test_no_work_for_a_client_that_has_gone_nor_after_its_time() -> None:
    worked: list[str] = []
    slow = (lambda: time.sleep(0.1), request(), math.inf)
    found = outcomes(
        WorkQueue(10),
        [
            slow,
            slow,
            (lambda: worked.append("late"), request(), time.perf_counter() + 0.05),
            (lambda: worked.append("gone"), request(connected=False), math.inf),
            (lambda: worked.append("waits"), request(), math.inf),
        ],
    )
    assert worked == ["waits"]
    assert [error.status for error in found if isinstance(error, Refusal)] == [503, 499]


def test_a_job_that_ends_its_thread_ends_neither_the_others_nor_the_queue() -> None:
    class Panic(BaseException):
        """As libraries in Rust raise it."""

    def panic() -> object:
        raise Panic

    found = outcomes(WorkQueue(10), [(panic, request(), math.inf), (lambda: "next", request(), math.inf)])
    assert isinstance(found[0], Panic)
    assert found[1] == "next"


def test_a_full_server_says_when_to_come_back(shop: Recommender, serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    begun, finish = threading.Event(), threading.Event()
    recommend = Recommender.recommend

    def slow(self: Recommender, *args: object, **about: object) -> object:
        begun.set()
        assert finish.wait(30)
        return recommend(self, *args, **about)  # type: ignore[arg-type]

    with serve(create_app(shop, ServeSettings(queue=0))) as client:
        monkeypatch.setattr(Recommender, "recommend", slow)
        answers: list[int] = []
        asking = threading.Thread(target=lambda: answers.append(client.post("/v1/recommend", json={}).status_code))
        asking.start()
        assert begun.wait(30)
        refused = client.post("/v1/recommend", json={})
        finish.set()
        asking.join(30)
    assert answers == [200]
    assert (refused.status_code, refused.headers["retry-after"]) == (503, "1")
    assert "busy" in refused.json()["error"]["message"]


def test_a_spent_budget_before_retrieval_leaves_popularity(shop: Recommender) -> None:
    watch = Stopwatch(deadline=0.0)
    requests = shop.requests([117, None], exclude=[["good-01"], []])
    found = shop.run(requests, 5, watch=watch)
    assert watch.fallback == "popularity"
    np.testing.assert_array_equal(found.item_UK, shop.run(requests, 5, "popularity").item_UK)


def test_a_budget_spent_by_retrieval_leaves_its_order(shop: Recommender) -> None:
    class LateAfterOneLook(Stopwatch):
        looks = iter([False, True])

        @property
        def is_late(self) -> bool:
            return next(self.looks)

    watch = LateAfterOneLook()
    requests = shop.requests([117])
    found = shop.run(requests, 5, watch=watch)
    assert watch.fallback == "retrieval"
    assert watch.asked >= watch.found_U[0] > 0
    np.testing.assert_array_equal(found.item_UK, shop.run(requests, 5, "retrieval").item_UK)


def test_an_answer_says_what_it_fell_back_to(shop: Recommender, serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    with serve(create_app(shop, ServeSettings(budget_ms=10_000))) as client:
        assert client.post("/v1/recommend", json={}).json()["fallback"] is None
        monkeypatch.setattr(Stopwatch, "is_late", property(lambda _: True))
        answer = client.post("/v1/recommend", json={"n": 3}, headers={"X-Time-Budget-Ms": "9000"}).json()
        wrong = client.post("/v1/recommend", json={}, headers={"X-Time-Budget-Ms": "soon"})
        metrics = client.get("/metrics").text
    assert (answer["fallback"], len(answer["items"])) == ("popularity", 3)
    assert wrong.status_code == 422
    assert 'shortlist_fallbacks_total{source="popularity"} 1.0' in metrics
