"""Logs as JSON, one object a line: what the server says, what uvicorn says, and one line a request.

A request's line says nothing of a person; the user id only where the server is told to.
"""

from __future__ import annotations

import datetime
import logging
from typing import Any

import orjson

from shortlist.serving.exchange import Exchange

REQUESTS = "shortlist.requests"
"""Name of the logger of requests; its level is `info`."""
LEVELS = ("debug", "info", "warning", "error", "critical")

_requests = logging.getLogger(REQUESTS)


class JsonLines(logging.Formatter):
    """A record as one line of JSON, a traceback included."""

    def format(self, record: logging.LogRecord) -> str:
        """The line."""
        line: dict[str, Any] = {
            "time": datetime.datetime.fromtimestamp(record.created, datetime.UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "process": record.process,
            "logger": record.name,
        }
        facts = getattr(record, "facts", None)
        line |= facts if facts is not None else {"message": record.getMessage()}
        if record.exc_info:
            line["traceback"] = self.formatException(record.exc_info)
        return orjson.dumps(line, default=str).decode()


class RequestLog:
    """Writes the line of each request."""

    def __init__(self, with_users: bool = False) -> None:
        self.with_users = with_users

    def answered(self, route: str, status: int, seconds: float, exchange: Exchange) -> None:
        """Log one request."""
        if not _requests.isEnabledFor(logging.INFO):
            return
        watch, bundle = exchange.watch, exchange.bundle
        facts: dict[str, Any] = {
            "request_id": exchange.request_id,
            "route": route,
            "status": status,
            "ms": _ms(seconds),
            "stages_ms": {stage: _ms(took) for stage, took in watch.took_s.items()} or None,
            "items": exchange.items,
            "fallback": watch.fallback,
            "bundle": bundle.version if bundle else None,
            "variant": exchange.variant,
            "propensity": exchange.propensity,
            "user_id": exchange.user_id if self.with_users else None,
        }
        said = {name: value for name, value in facts.items() if value is not None}
        _requests.info("request", extra={"facts": said})


def log_config(level: str) -> dict[str, Any]:
    """Configuration of Python's logging for `level` and above, on standard error."""
    loggers = {
        name: {"handlers": ["stderr"], "level": level.upper(), "propagate": False} for name in ("shortlist", "uvicorn")
    }
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": {"json": {"()": "shortlist.serving.logs.JsonLines"}},
        "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": "json"}},
        "loggers": loggers,
    }


def _ms(seconds: float) -> float:
    return round(1000 * seconds, 3)
