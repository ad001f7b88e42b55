"""Refusals: every answer that is not the one asked for, in one form: what was found, what was expected."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

import orjson
from pydantic import ConfigDict
from starlette.responses import Response

from shortlist.core.errors import RequestError

_LONGEST = 200
"""Characters of a refused value that are sent back."""


@dataclass(frozen=True, slots=True)
class Problem:
    """What is wrong with a request."""

    __pydantic_config__ = ConfigDict(use_attribute_docstrings=True)

    message: str
    """The whole story in one sentence."""
    where: str
    """The part of the request, such as `history[3]`."""
    found: str | int | float | bool | None = None
    """What was there."""
    expected: str | None = None
    """What could have been there."""
    id: str | None = None
    """For an error of the server: the same id stands in its log."""


@dataclass(frozen=True, slots=True)
class ErrorAnswer:
    """The body of every answer that refuses."""

    error: Problem


@dataclass
class Refusal(Exception):
    """Raised while a request is read or answered; becomes its answer."""

    message: str
    where: str = "body"
    found: Any = None
    expected: str | None = None
    status: int = field(default=422, kw_only=True)
    headers: Mapping[str, str] = field(default_factory=dict, kw_only=True)

    def __str__(self) -> str:
        return self.message

    @classmethod
    def of(cls, error: RequestError, part: str = "body") -> Refusal:
        """The same over HTTP; `part` of the request is wrong where the error names none."""
        return cls(str(error), error.where or part, error.found, error.expected)

    def response(self) -> Response:
        """The answer."""
        response = error_response(self.status, Problem(self.message, self.where, shown(self.found), self.expected))
        response.headers.update(self.headers)
        return response


def error_response(status: int, problem: Problem, headers: Mapping[str, str] | None = None) -> Response:
    """An answer with `problem` as its body; an absent id is left out."""
    told = asdict(problem)
    if problem.id is None:
        del told["id"]
    return Response(orjson.dumps({"error": told}), status, headers, media_type="application/json")


def shown(value: Any) -> str | int | float | bool | None:
    """A refused value in a size that can be sent back."""
    if isinstance(value, bool | float) or value is None or (isinstance(value, int) and abs(value) < 2**53):
        return value
    # Not their text: that of a thousand objects within each other is deeper than Python's stack.
    if isinstance(value, list):
        return f"a list of {len(value)}"
    if isinstance(value, dict):
        return f"an object of {len(value)}"
    text = value if isinstance(value, str) else str(value)
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}... ({len(text)} characters)"
