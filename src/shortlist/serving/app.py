"""The application: its parts put together."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from fastapi import FastAPI
from starlette.exceptions import HTTPException
from starlette.middleware.cors import CORSMiddleware

from shortlist.bundle.recommender import Recommender
from shortlist.serving.endpoint import Desk
from shortlist.serving.exchange import REQUEST_ID, TIME_BUDGET
from shortlist.serving.faults import no_such_route
from shortlist.serving.headers import SafeHeaders
from shortlist.serving.keys import ApiKeys, KeyGuard
from shortlist.serving.lineup import Lineup
from shortlist.serving.live import Live
from shortlist.serving.logs import RequestLog
from shortlist.serving.metrics import Metrics
from shortlist.serving.observe import Observe
from shortlist.serving.pauses import without_pauses
from shortlist.serving.rollout import Rollout
from shortlist.serving.routes_admin import add_admin
from shortlist.serving.routes_answers import add_answers
from shortlist.serving.routes_page import add_page
from shortlist.serving.routes_probes import add_probes
from shortlist.serving.routes_state import add_state
from shortlist.serving.service import Service
from shortlist.serving.settings import ServeSettings
from shortlist.serving.work import WorkQueue

_DEFAULTS = ServeSettings()


def create_app(recommender: Recommender, settings: ServeSettings = _DEFAULTS) -> FastAPI:
    """The HTTP application of one recommender; its lifespan begins with a warm-up, then it is ready."""
    return application_of(Lineup.single(Service(recommender)), settings)


def application_of(
    lineup: Lineup, settings: ServeSettings, make_rollout: Callable[[Live], Rollout] | None = None
) -> FastAPI:
    """The HTTP application of a line-up; its lifespan begins with a warm-up, then it is ready."""
    metrics = Metrics()
    live, queue = Live(lineup, metrics), WorkQueue(settings.queue, metrics.queued)
    rollout = make_rollout(live) if make_rollout is not None else None

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        for arm in live.lineup.arms:
            await queue.aside(arm.service.warm_up)
        following = None if rollout is None else asyncio.create_task(rollout.follow())
        with without_pauses():
            app.state.ready = True
            yield
            app.state.ready = False
        if following is not None:
            following.cancel()
        queue.close()

    app = FastAPI(
        title=f"Shortlist: {lineup.first.label.name}",
        description="Answers from one bundle. Errors say what was found, where, and what was expected.",
        version=lineup.first.label.version,
        lifespan=lifespan,
        redoc_url=None,
        swagger_ui_oauth2_redirect_url=None,
    )
    app.state.ready = False
    app.add_exception_handler(HTTPException, no_such_route)
    add_probes(app, live, metrics)
    add_page(app, live)
    desk = Desk(live, queue, metrics, settings)
    add_answers(app, desk)
    if lineup.first.recommender.bundle.schema.has_items:
        add_state(app, desk)
    keys = ApiKeys.load(settings.api_key_file)
    if keys and rollout is not None:
        add_admin(app, rollout)
    _add_layers(app, settings, metrics, keys)
    return app


def _add_layers(app: FastAPI, settings: ServeSettings, metrics: Metrics, keys: ApiKeys) -> None:
    """What a request passes before it comes to a route; what is added last is outermost."""
    if keys:
        app.add_middleware(KeyGuard, keys=keys)
    if settings.origins:
        # Outside the guard: a browser asks for permission before it sends the key.
        app.add_middleware(
            CORSMiddleware,
            allow_origins=settings.origins,
            allow_methods=["GET", "POST"],
            allow_headers=["Authorization", "Content-Type", REQUEST_ID, TIME_BUDGET],
            expose_headers=[REQUEST_ID, "Retry-After"],
        )
    app.add_middleware(SafeHeaders)
    app.add_middleware(Observe, metrics=metrics, log=RequestLog(settings.log_users))
