"""The application: routes, documentation, and what happens when something goes wrong.

The POST routes take a bare request and give a bare response: FastAPI's typed path validates and copies every
answer, which takes longer than making it. Their bodies and answers are in the OpenAPI page all the same.
"""

from __future__ import annotations

import asyncio
import logging
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from typing import Any

import orjson
from fastapi import FastAPI, Request, Response
from pydantic import BaseModel
from starlette.exceptions import HTTPException

from shortlist.bundle.recommender import Recommender
from shortlist.core.suggest import did_you_mean
from shortlist.serving.answers import HealthAnswer, ItemsAnswer, PredictionsAnswer, VersionAnswer
from shortlist.serving.examples import Bodies
from shortlist.serving.read import Body, parse, read_bytes
from shortlist.serving.refusal import ErrorAnswer, Problem, Refusal, error_response
from shortlist.serving.routes_state import add_state_routes
from shortlist.serving.service import Service
from shortlist.state import StateFault

THREADS = 1
"""Requests that one process works on at once: more cores are used by more processes, not by more threads."""

_ERRORS: dict[int | str, dict[str, Any]] = {
    400: {"model": ErrorAnswer, "description": "The body is not a JSON object."},
    413: {"model": ErrorAnswer, "description": "The body is too large."},
    422: {"model": ErrorAnswer, "description": "A value is not what it should be."},
    500: {"model": ErrorAnswer, "description": "A fault of the server; the id is in its log."},
    503: {"model": ErrorAnswer, "description": "The state cannot be read or written now."},
}

_log = logging.getLogger("shortlist.serving")

Endpoint = Callable[[Request], Awaitable[Response]]


def create_app(recommender: Recommender) -> FastAPI:
    """The HTTP application of one recommender; its lifespan begins with a warm-up, then it is ready."""
    service = Service(recommender)
    workers = ThreadPoolExecutor(THREADS, "recommender")

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        await asyncio.get_running_loop().run_in_executor(workers, service.warm_up)
        app.state.ready = True
        yield
        app.state.ready = False
        workers.shutdown()

    app = FastAPI(
        title=f"Shortlist: {service.label.name}",
        description="Answers from one bundle. Errors say what was found, where, and what was expected.",
        version=service.label.version,
        lifespan=lifespan,
        redoc_url=None,
        swagger_ui_oauth2_redirect_url=None,
    )
    app.state.ready = False
    app.add_exception_handler(HTTPException, _no_such_route)
    _add_probes(app, service)
    app.add_api_route(
        "/v1/recommend",
        _endpoint(service.recommend, service.recommend_body, workers),
        methods=["POST"],
        operation_id="recommend",
        summary="The best items for a user, or for a history",
        responses={200: {"model": ItemsAnswer}, **_ERRORS},
        openapi_extra=_described(service.recommend_body, service.examples.recommend),
    )
    app.add_api_route(
        "/v1/rank",
        _endpoint(service.rank, service.rank_body, workers),
        methods=["POST"],
        operation_id="rank",
        summary="Given items in order, or predictions of given rows",
        responses={200: {"model": ItemsAnswer | PredictionsAnswer}, **_ERRORS},
        openapi_extra=_described(service.rank_body, service.examples.rank),
    )
    if service.recommender.bundle.schema.has_items:
        add_state_routes(app, lambda: service, workers, _guarded, _ERRORS, _described)
    return app


def _add_probes(app: FastAPI, service: Service) -> None:
    @app.get("/health/live", operation_id="live", summary="Whether the process runs")
    async def live() -> HealthAnswer:
        return HealthAnswer("live")

    @app.get(
        "/health/ready",
        operation_id="ready",
        summary="Whether requests are answered",
        responses={503: {"model": HealthAnswer, "description": "Not yet, or no longer."}},
    )
    async def ready(response: Response) -> HealthAnswer:
        if not app.state.ready:
            response.status_code = 503
        return HealthAnswer("ready" if app.state.ready else "not ready")

    @app.get("/version", operation_id="version", summary="What runs here")
    async def version() -> VersionAnswer:
        return service.version()


def _endpoint(answer: Callable[[Any], object], body: type[Body], workers: ThreadPoolExecutor) -> Endpoint:
    def work(raw: bytes) -> bytes:
        return orjson.dumps(answer(parse(raw, body)))

    async def content(request: Request) -> bytes:
        raw = await read_bytes(request)
        return await asyncio.get_running_loop().run_in_executor(workers, work, raw)

    return _guarded(content)


def _guarded(content: Callable[[Request], Awaitable[bytes]]) -> Endpoint:
    """An endpoint that answers with the JSON that `content` makes, or says why it does not."""

    async def endpoint(request: Request) -> Response:
        try:
            answer = await content(request)
        except Refusal as refusal:
            return refusal.response()
        except StateFault as fault:
            _log.error("%s", fault)
            return error_response(503, Problem(str(fault), request.url.path), {"Retry-After": "1"})
        except Exception:
            return _fault(request)
        return Response(answer, media_type="application/json")

    return endpoint


def _fault(request: Request) -> Response:
    """The answer to an error that nobody foresaw: its id leads to the traceback in the log."""
    mark = uuid.uuid4().hex
    _log.exception("error %s in %s %s", mark, request.method, request.url.path)
    message = f"the server failed to answer; its log has the details under the id {mark}"
    return error_response(500, Problem(message, request.url.path, id=mark))


async def _no_such_route(request: Request, error: Exception) -> Response:
    """404 and 405 in the form of every other error."""
    assert isinstance(error, HTTPException)
    known = [route.path for route in request.app.routes]
    asked = request.url.path
    hint = did_you_mean(asked, known) if error.status_code == 404 else f" {request.method} is not what it takes."
    problem = Problem(f"{error.detail}: {asked}.{hint}", "path", f"{request.method} {asked}", ", ".join(known))
    response = error_response(error.status_code, problem)
    response.headers.update(error.headers or {})
    return response


def _described(body: type[BaseModel], examples: Bodies) -> dict[str, Any]:
    """The body's part of the OpenAPI page."""
    shown = {name: {"value": values} for name, values in examples.items()}
    schema = body.model_json_schema()
    content = {"schema": _inlined(schema, schema.pop("$defs", {})), **({"examples": shown} if shown else {})}
    return {"requestBody": {"required": True, "content": {"application/json": content}}}


def _inlined(schema: Any, definitions: Mapping[str, Any]) -> Any:
    """A JSON schema with its references replaced by what they mean: on the page they would lead nowhere."""
    if isinstance(schema, list):
        return [_inlined(part, definitions) for part in schema]
    if not isinstance(schema, Mapping):
        return schema
    if "$ref" in schema:
        return _inlined(definitions[schema["$ref"].removeprefix("#/$defs/")], definitions)
    return {name: _inlined(part, definitions) for name, part in schema.items()}
