"""The routes that change what is served. They are there only on a server that asks for a key."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import orjson
from fastapi import FastAPI, Request, Response
from pydantic import BaseModel, ConfigDict, Field

from shortlist.serving.answers import RolloutAnswer
from shortlist.serving.exchange import Exchange
from shortlist.serving.faults import fault
from shortlist.serving.openapi import Responses, described, errors
from shortlist.serving.read import parse, read_bytes
from shortlist.serving.refusal import ErrorAnswer, Refusal
from shortlist.serving.rollout import Rollout


class ReloadBody(BaseModel):
    """Which bundle to serve from now on."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, use_attribute_docstrings=True)

    bundle: str | None = Field(None, min_length=1, max_length=4096)
    """Its folder on the server, or `models:/NAME@ALIAS` for what MLflow's registry has under that alias. Left out:
    where the bundle that serves now lay, for one that has been put there since."""
    variant: str | None = Field(None, max_length=100)
    """Of an experiment, the variant that is to answer from it."""


_CONFLICT: Responses = {
    409: {"model": ErrorAnswer, "description": "That bundle cannot serve; the one that does goes on."},
    503: {"model": ErrorAnswer, "description": "Some worker processes still answer from the bundle before."},
}


def add_admin(app: FastAPI, rollout: Rollout) -> None:
    """Add them to the application."""

    async def reload(request: Request) -> Response:
        async def work() -> RolloutAnswer:
            body = parse(await read_bytes(request), ReloadBody)
            return await rollout.reload(body.bundle, body.variant)

        return await _answered(request, work)

    async def back(request: Request) -> Response:
        return await _answered(request, rollout.back)

    app.add_api_route(
        "/v1/admin/reload",
        reload,
        methods=["POST"],
        operation_id="reload",
        summary="Serve another bundle, once every worker has loaded and checked it",
        responses={200: {"model": RolloutAnswer}, **errors(400, 401, 413, 422, 500), **_CONFLICT},
        openapi_extra=described(ReloadBody, {"what has been put in the same place": {}}, headers=False),
    )
    app.add_api_route(
        "/v1/admin/rollback",
        back,
        methods=["POST"],
        operation_id="rollback",
        summary="Serve the bundle before again",
        responses={200: {"model": RolloutAnswer}, **errors(401, 500), **_CONFLICT},
    )


async def _answered(request: Request, work: Callable[[], Awaitable[RolloutAnswer]]) -> Response:
    try:
        return Response(orjson.dumps(await work()), media_type="application/json")
    except Refusal as refusal:
        return refusal.response()
    except Exception:
        return fault(request, Exchange.of(request).request_id)
