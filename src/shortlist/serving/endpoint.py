"""Routes that take a bare request and give a bare response.

FastAPI's typed path validates and copies every answer, which takes longer than making it. The bodies and answers of
these routes are in the OpenAPI page all the same.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

import orjson
from fastapi import Request, Response

from shortlist.funnel.stopwatch import Stopwatch
from shortlist.serving.answers import ItemsAnswer, PredictionsAnswer
from shortlist.serving.exchange import Exchange, deadline
from shortlist.serving.faults import fault, state_failed
from shortlist.serving.live import Live
from shortlist.serving.metrics import Metrics
from shortlist.serving.read import Body, parse, read_bytes
from shortlist.serving.refusal import Refusal
from shortlist.serving.service import Service
from shortlist.serving.settings import ServeSettings
from shortlist.serving.work import WorkQueue
from shortlist.state import StateFault

Endpoint = Callable[[Request], Awaitable[Response]]
Answer = ItemsAnswer | PredictionsAnswer
Ask = Callable[[Service, Any, Stopwatch], Answer]


@dataclass(frozen=True, slots=True)
class Desk:
    """Where requests are handed in: what every route of answers shares."""

    live: Live
    queue: WorkQueue
    metrics: Metrics
    settings: ServeSettings

    def endpoint(self, ask: Ask, body: type[Body]) -> Endpoint:
        """A route that reads `body` and answers what `ask` does."""

        async def content(request: Request) -> bytes:
            exchange = Exchange.of(request)
            exchange.watch.deadline = due = deadline(request, exchange.began, self.settings.budget_ms)
            raw = await read_bytes(request)
            exchange.watch.passed("read")
            return await self.queue.run(lambda: self._answer(ask, body, raw, exchange), request, due)

        return guarded(content)

    def _answer(self, ask: Ask, body: type[Body], raw: bytes, exchange: Exchange) -> bytes:
        watch = exchange.watch
        watch.passed("queue")
        asked = parse(raw, body)
        watch.passed("parse")
        user_id = getattr(asked, "user_id", None)
        lineup = self.live.lineup
        arm = lineup.choose(user_id, exchange.request_id)
        exchange.user_id, exchange.bundle = user_id, arm.service.label
        answer = ask(arm.service, asked, watch)
        if isinstance(answer, ItemsAnswer):
            exchange.items = len(answer.items)
        if lineup.is_experiment:
            of_list = 1.0 if answer.propensity is None else answer.propensity
            answer = dataclasses.replace(answer, variant=arm.name, propensity=arm.propensity * of_list)
        exchange.variant, exchange.propensity = answer.variant, answer.propensity
        content = orjson.dumps(answer)
        if watch.answered is not None and watch.fallback is None:
            self.metrics.drift.count(arm.service, *watch.answered)
        watch.passed("write")
        return content


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
