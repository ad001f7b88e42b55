"""Routes that take a bare request and give a bare response.

FastAPI's typed path validates and copies every answer, which takes longer than making it. The bodies and answers of
these routes are in the OpenAPI page all the same.
"""

from __future__ import annotations

import dataclasses
import logging
from collections.abc import Awaitable, Callable, Hashable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import orjson
from fastapi import Request, Response
from pydantic import BaseModel

from shortlist.funnel.stopwatch import Stopwatch
from shortlist.serving.answers import ItemsAnswer, PredictionsAnswer
from shortlist.serving.exchange import Exchange, budget_s
from shortlist.serving.faults import fault, state_failed
from shortlist.serving.lineup import Arm, Lineup
from shortlist.serving.live import Live
from shortlist.serving.metrics import Metrics
from shortlist.serving.read import parse, read_bytes
from shortlist.serving.refusal import Refusal
from shortlist.serving.service import Service
from shortlist.serving.settings import ServeSettings
from shortlist.serving.work import Job, WorkQueue
from shortlist.state import StateFault

_log = logging.getLogger("shortlist.serving")

Endpoint = Callable[[Request], Awaitable[Response]]
Answer = ItemsAnswer | PredictionsAnswer


@dataclass(frozen=True, slots=True)
class Question:
    """What a route asks."""

    body: type[BaseModel]
    ask: Callable[[Service, Sequence[Any], Stopwatch], Sequence[Answer]]
    """Answers bodies that are alike, in one call."""
    alike: Callable[[Any], Hashable | None]
    """What bodies must have in common for that; None for one that is asked by itself."""


@dataclass(frozen=True, slots=True)
class _Asked:
    """One request that has been read."""

    body: Any
    exchange: Exchange
    lineup: Lineup
    arm: Arm


@dataclass(frozen=True, slots=True)
class Desk:
    """Where requests are handed in: what every route of answers shares."""

    live: Live
    queue: WorkQueue
    metrics: Metrics
    settings: ServeSettings

    def endpoint(self, question: Question) -> Endpoint:
        """A route that answers what `question` asks."""
        work = partial(self._answers, question)

        async def content(request: Request) -> bytes:
            exchange = Exchange.of(request)
            budget = budget_s(request, self.settings.budget_ms)
            exchange.watch.deadline = due = exchange.began + budget
            raw = await read_bytes(request)
            exchange.watch.passed("read")
            # Before anything is done for it: what is refused because there is too much to do must cost little.
            self.queue.check_room()
            asked = self._asked(parse(raw, question.body), exchange)
            exchange.watch.passed("parse")
            alike = question.alike(asked.body)
            # Of one budget each: who is in more of a hurry costs nobody beside it the whole funnel.
            key = None if alike is None else (question, asked.arm.service, budget, alike)
            return await self.queue.run(Job(work, asked, key), request, due)

        return guarded(content)

    def _asked(self, body: BaseModel, exchange: Exchange) -> _Asked:
        user_id, lineup = getattr(body, "user_id", None), self.live.lineup
        arm = lineup.choose(user_id, exchange.request_id)
        exchange.user_id, exchange.bundle = user_id, arm.service.label
        return _Asked(body, exchange, lineup, arm)

    def _answers(self, question: Question, asked: Sequence[_Asked]) -> list[bytes | BaseException]:
        """Of each request its answer, or why there is none: what is wrong with one is none of the others' business."""
        for one in asked:
            one.exchange.watch.passed("queue")
        try:
            return [*self._answered(question, asked)]
        except BaseException as error:
            # Whatever it is, such as the panic of a library in Rust: were it lost here, all would wait for ever.
            if len(asked) == 1:
                return [error]
            answers = [answer for one in asked for answer in self._answers(question, [one])]
            if not any(isinstance(answer, BaseException) for answer in answers):
                _log.warning("%d requests could be answered one by one, but not together", len(asked), exc_info=error)
            return answers

    def _answered(self, question: Question, asked: Sequence[_Asked]) -> list[bytes]:
        """The answers to requests that are alike, by one call."""
        service, watch = asked[0].arm.service, Stopwatch(min(one.exchange.watch.deadline for one in asked))
        try:
            answers = question.ask(service, [one.body for one in asked], watch)
            contents = [_content(one, answer) for one, answer in zip(asked, answers, strict=True)]
            if watch.answered is not None and watch.fallback is None:
                self.metrics.drift.count(service, *watch.answered)
            watch.passed("write")
        finally:
            for place, one in enumerate(asked):
                one.exchange.watch.shared(watch, place)
        self.metrics.asked_together(len(asked))
        return contents


def _content(asked: _Asked, answer: Answer) -> bytes:
    """The answer as JSON, with what is to be said of an experiment; its exchange learns of it too."""
    exchange, arm = asked.exchange, asked.arm
    if isinstance(answer, ItemsAnswer):
        exchange.items = len(answer.items)
    if asked.lineup.is_experiment:
        of_list = 1.0 if answer.propensity is None else answer.propensity
        answer = dataclasses.replace(answer, variant=arm.name, propensity=arm.propensity * of_list)
    exchange.variant, exchange.propensity = answer.variant, answer.propensity
    return orjson.dumps(answer)


def guarded(content: Callable[[Request], Awaitable[bytes]]) -> Endpoint:
    """A route that answers with the JSON that `content` makes, or says why it does not."""

    async def endpoint(request: Request) -> Response:
        try:
            answer = await content(request)
        except Refusal as refusal:
            return refusal.response()
        except StateFault as failed:
            return state_failed(request, failed)
        except Exception:
            return fault(request, Exchange.of(request).request_id)
        return Response(answer, media_type="application/json")

    return endpoint
