"""The routes of users, their events, and the items like one."""

from __future__ import annotations

import dataclasses
from typing import Any

import orjson
from fastapi import FastAPI, Request
from pydantic import TypeAdapter, ValidationError

from shortlist.bundle.about_user import AboutUser
from shortlist.serving.answers import SimilarAnswer
from shortlist.serving.bodies import ID_TYPES, MOST_ITEMS
from shortlist.serving.endpoint import Desk, guarded
from shortlist.serving.events import EventsAnswer
from shortlist.serving.exchange import Exchange
from shortlist.serving.openapi import described, errors
from shortlist.serving.read import parse, read_bytes
from shortlist.serving.refusal import Refusal
from shortlist.serving.service import Service
from shortlist.serving.work import Job, WorkQueue

_MOST_SHOWN = 100
"""Events of a history that are shown unless the request says how many."""


def add_state(app: FastAPI, desk: Desk) -> None:
    """Add them to the application.

    Writing has a thread and a queue of its own: an event waits for the disk, and no recommendation waits for it.
    """
    service, writing = desk.live.lineup.first, WorkQueue(desk.settings.queue, desk.metrics.queued)

    async def events(request: Request) -> bytes:
        raw = await read_bytes(request)
        answer = await writing.run(Job.by_itself(lambda: _events(desk.live.lineup.first, raw)), request)
        desk.metrics.took_in(dataclasses.asdict(answer))
        return orjson.dumps(answer)

    async def user(request: Request) -> bytes:
        user_id, n = _id(request, service, "user"), _count(request, _MOST_SHOWN)
        arm = desk.live.lineup.choose(user_id, Exchange.of(request).request_id)
        return await desk.queue.run(Job.by_itself(lambda: orjson.dumps(arm.service.user(user_id, n))), request)

    async def similar(request: Request) -> bytes:
        item_id, n = _id(request, service, "item"), _count(request, 10)
        first = desk.live.lineup.first
        return await desk.queue.run(Job.by_itself(lambda: orjson.dumps(first.similar(item_id, n))), request)

    app.add_api_route(
        "/v1/events",
        guarded(events),
        methods=["POST"],
        operation_id="events",
        summary="What users did: the next answer for them knows it",
        responses={200: {"model": EventsAnswer}, **errors(missing="The server keeps no events.")},
        openapi_extra=described(service.events_body, service.examples.events, headers=False),
    )
    app.add_api_route(
        "/v1/users/{id:path}",
        guarded(user),
        methods=["GET"],
        operation_id="user",
        summary="What is known of a user: history and features, as the models see them",
        responses={200: {"model": AboutUser}, **errors(missing="The path has no id.")},
        openapi_extra=_parameters(service, "user", "How many of the latest events to show.", _MOST_SHOWN),
    )
    app.add_api_route(
        "/v1/items/{id:path}/similar",
        guarded(similar),
        methods=["GET"],
        operation_id="similar",
        summary="The items most like one, as the retrieval model has it",
        responses={200: {"model": SimilarAnswer}, **errors(missing="The bundle knows no such item.")},
        openapi_extra=_parameters(service, "item", "How many items.", 10),
    )


def _events(service: Service, raw: bytes) -> EventsAnswer:
    return service.events(parse(raw, service.events_body))


def _parameters(service: Service, side: str, count: str, default: int) -> dict[str, Any]:
    """What the OpenAPI page says of the parameters of a route with one id."""
    id_schema = TypeAdapter(_id_type(service, side)).json_schema()
    counts = {"type": "integer", "minimum": 1, "maximum": MOST_ITEMS, "default": default}
    return {
        "parameters": [
            {"name": "id", "in": "path", "required": True, "schema": id_schema, "description": f"The {side}'s id."},
            {"name": "n", "in": "query", "required": False, "schema": counts, "description": count},
        ]
    }


def _id_type(service: Service, side: str) -> Any:
    return ID_TYPES[service.recommender.bundle.schema.id_types.get(side, "text")]


def _id(request: Request, service: Service, side: str) -> int | str:
    given = request.path_params["id"]
    try:
        read: int | str = TypeAdapter(_id_type(service, side)).validate_python(given)
    except ValidationError as error:
        expected = "an integer" if _id_type(service, side) is ID_TYPES["int"] else "text of at most 1000 characters"
        raise Refusal(f"id: expected {expected}, found {given[:80]!r}", "id", given, expected) from error
    return read


def _count(request: Request, default: int) -> int:
    """The parameter `n`."""
    for name in request.query_params:
        if name != "n":
            raise Refusal(f"no such parameter `{name}`.", name, request.query_params[name], "n")
    given = request.query_params.get("n", str(default))
    if not (given.isascii() and given.isdigit() and len(given) < 5 and 1 <= int(given) <= MOST_ITEMS):
        expected = f"an integer from 1 to {MOST_ITEMS}"
        raise Refusal(f"n: expected {expected}, found {given[:80]!r}", "n", given, expected)
    return int(given)
