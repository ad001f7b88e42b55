"""What the OpenAPI page says of routes whose requests and answers FastAPI does not see."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel

from shortlist.serving.examples import Bodies
from shortlist.serving.exchange import REQUEST_ID, TIME_BUDGET
from shortlist.serving.refusal import ErrorAnswer

Responses = dict[int | str, dict[str, Any]]

_RETRY_AFTER = {"description": "Seconds after which to ask again.", "schema": {"type": "integer"}}
_ERRORS: Mapping[int, str] = {
    400: "The body is not a JSON object.",
    401: "No API key, or one that is not known.",
    413: "The body is too large.",
    422: "A value is not what it should be.",
    500: "A fault of the server; the id is in its log.",
    503: "The server is busy: its queue is full, or the time budget was spent before the request's turn came.",
}
_HEADERS: list[dict[str, Any]] = [
    {
        "name": TIME_BUDGET,
        "in": "header",
        "required": False,
        "description": "Milliseconds that the answer may take, at most what the server allows. Where they are over "
        "before the items are ranked, they come in the order of retrieval; where they are over before that, the most "
        "popular ones come. `fallback` says so.",
        "schema": {"type": "number", "exclusiveMinimum": 0},
    },
    {
        "name": REQUEST_ID,
        "in": "header",
        "required": False,
        "description": "Id under which the server logs the request; the answer has it too. Left out: the server "
        "makes one.",
        "schema": {"type": "string", "maxLength": 128},
    },
]


def errors(*statuses: int, missing: str | None = None) -> Responses:
    """The answers that refuse; by default all that a route which works has. `missing` says what 404 means."""
    said = {status: _ERRORS[status] for status in statuses or _ERRORS} | ({404: missing} if missing else {})
    described: Responses = {
        status: {"model": ErrorAnswer, "description": text} for status, text in sorted(said.items())
    }
    if 503 in described:
        described[503]["headers"] = {"Retry-After": _RETRY_AFTER}
    return described


def described(body: type[BaseModel], examples: Bodies, *, headers: bool = True) -> dict[str, Any]:
    """The body's part of the OpenAPI page, and that of the headers that the routes of answers read."""
    shown = {name: {"value": values} for name, values in examples.items()}
    schema = body.model_json_schema()
    content = {"schema": _inlined(schema, schema.pop("$defs", {})), **({"examples": shown} if shown else {})}
    parameters = {"parameters": _HEADERS} if headers else {}
    return {"requestBody": {"required": True, "content": {"application/json": content}}, **parameters}


def _inlined(schema: Any, definitions: Mapping[str, Any]) -> Any:
    """A JSON schema with its references replaced by what they mean: on the page they would lead nowhere."""
    if isinstance(schema, list):
        return [_inlined(part, definitions) for part in schema]
    if not isinstance(schema, Mapping):
        return schema
    if "$ref" in schema:
        return _inlined(definitions[schema["$ref"].removeprefix("#/$defs/")], definitions)
    return {name: _inlined(part, definitions) for name, part in schema.items()}
