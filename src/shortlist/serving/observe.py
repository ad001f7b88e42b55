"""The outermost layer: begins each request's exchange, and tells metrics and the log how it ended."""

from __future__ import annotations

import time

from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from shortlist.serving.exchange import REQUEST_ID, TIMING, Exchange
from shortlist.serving.logs import RequestLog
from shortlist.serving.metrics import Metrics

_QUIET = {"/health/live", "/health/ready", "/metrics"}
"""Routes that machines ask every few seconds: they are neither measured nor logged."""
_ELSEWHERE = "none"
"""The route of a path that is none: each path of its own would fill the memory of whoever scrapes."""


class Observe:
    """ASGI middleware."""

    def __init__(self, app: ASGIApp, metrics: Metrics, log: RequestLog) -> None:
        self.app = app
        self.metrics = metrics
        self.log = log

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request, or hand through what is none."""
        if scope["type"] != "http" or scope["path"] in _QUIET:
            await self.app(scope, receive, send)
            return
        exchange = Exchange.begin(scope)
        status = 500

        async def told(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                headers = MutableHeaders(scope=message)
                headers[REQUEST_ID] = exchange.request_id
                if exchange.watch.took_s:
                    headers[TIMING] = exchange.timing
            await send(message)

        self.metrics.began()
        try:
            await self.app(scope, receive, told)
        finally:
            route = getattr(scope.get("route"), "path", _ELSEWHERE)
            seconds = time.perf_counter() - exchange.began
            self.metrics.answered(route, status, seconds, exchange)
            self.log.answered(route, status, seconds, exchange)
