"""From the bytes of a request to a validated body, or a Refusal that says which part is wrong."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeVar, get_args

import orjson
from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails
from starlette.requests import ClientDisconnect, Request

from shortlist.core.suggest import did_you_mean
from shortlist.serving.bodies import EVENT, ITEM
from shortlist.serving.refusal import Refusal, shown

MOST_BYTES = 1 << 20
"""Largest request body."""

_EXPECTED = {
    "too_long": "at most {max_length} of them",
    "too_short": "at least {min_length}",
    "string_too_long": "text of at most {max_length} characters",
    "greater_than_equal": "at least {ge}",
    "less_than_equal": "at most {le}",
    "int_type": "an integer",
    "string_type": "text",
    "bool_type": "true or false",
    "list_type": "a list",
    "missing": "a value",
    "float_type": "a number",
    "dict_type": "an object",
}
"""By pydantic's type of error."""
_SESSION = " `user_id` names a session, where a log of sessions made the bundle."

Body = TypeVar("Body", bound=BaseModel)


async def read_bytes(request: Request) -> bytes:
    """The body, no more of it than `MOST_BYTES` ever held in memory."""
    declared = request.headers.get("content-length", "")
    if declared.isdigit() and int(declared) > MOST_BYTES:
        raise _too_large(int(declared))
    parts: list[bytes] = []
    size = 0
    try:
        async for part in request.stream():
            size += len(part)
            if size > MOST_BYTES:
                raise _too_large(size)
            parts.append(part)
    except ClientDisconnect as error:
        raise Refusal("the client went away before the body was complete", status=400) from error
    return b"".join(parts)


def parse(raw: bytes, body: type[Body]) -> Body:
    """Validate JSON text as `body`; Refusal, status 400 for what is no JSON object, 422 for a wrong value."""
    example = "a JSON object such as {}"
    try:
        values = orjson.loads(raw)
    except orjson.JSONDecodeError as error:
        found = raw[:80].decode(errors="replace") if raw else "an empty body"
        raise Refusal(f"the body is not JSON: {error}", "body", found, example, status=400) from error
    if not isinstance(values, dict):
        raise Refusal("the body is JSON but not an object", "body", values, example, status=400)
    try:
        return body.model_validate(values)
    except ValidationError as error:
        raise _refusal(body, error.errors(include_url=False)) from error


def path(*parts: str | int) -> str:
    """`path("history", 3)` is `history[3]`; what a client has named is not sent back at any length."""
    named = [shown(part) for part in parts if part not in (ITEM, EVENT)]
    text = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in named)
    return text.removeprefix(".") or "body"


def _refusal(body: type[BaseModel], problems: Sequence[ErrorDetails]) -> Refusal:
    """The first problem; how many others there are is said with it."""
    by_place: dict[tuple[int | str, ...], list[ErrorDetails]] = {}
    for problem in problems:
        by_place.setdefault(_place(body, problem), []).append(problem)
    place, of_first = next(iter(by_place.items()))
    first, where = of_first[0], path(*place)
    more = f" ({len(by_place) - 1} more like it)" if len(by_place) > 1 else ""
    if first["type"] == "extra_forbidden":
        name = str(shown(first["loc"][-1]))
        fields = _model_at(body, first["loc"][:-1]).model_fields
        hint = _SESSION if name == "session_id" and "user_id" in fields else did_you_mean(name, fields)
        expected = ", ".join(fields)
        return Refusal(f"no such field `{name}`.{hint}{more}", where, first["input"], expected)
    expected = " or ".join(dict.fromkeys(map(_expected, of_first)))
    if first["type"] == "missing":
        return Refusal(f"{where} is missing{more}", where, None, expected)
    found = shown(first["input"])
    return Refusal(f"{where}: expected {expected}, found {found!r}{more}", where, first["input"], expected)


def _place(body: type[BaseModel], problem: ErrorDetails) -> tuple[int | str, ...]:
    """Where the problem is; of a value that may be of several types pydantic names each as if it were a field."""
    *outer, last = problem["loc"] or ("",)
    if isinstance(last, int) or problem["type"] == "extra_forbidden" or last in _model_at(body, outer).model_fields:
        return problem["loc"]
    return tuple(outer)


def _model_at(body: type[BaseModel], place: Sequence[int | str]) -> type[BaseModel]:
    """The model that a place of the body holds."""
    for part in place:
        field = body.model_fields.get(str(part))
        body = body if field is None else _model_in(field.annotation) or body
    return body


def _model_in(annotation: Any) -> type[BaseModel] | None:
    """The first model that a type names."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    return next((model for part in get_args(annotation) if (model := _model_in(part))), None)


def _expected(problem: ErrorDetails) -> str:
    """What would have been right; where this table has no words of its own, pydantic's message says it."""
    words = _EXPECTED.get(problem["type"])
    if words is None:
        return problem["msg"].removeprefix("Input should be ").removeprefix("Value error, ")
    return words.format_map(problem.get("ctx", {}))


def _too_large(size: int) -> Refusal:
    return Refusal(
        f"the body has {size:,} bytes or more; at most {MOST_BYTES:,} are read",
        "body",
        size,
        f"at most {MOST_BYTES} bytes",
        status=413,
    )
