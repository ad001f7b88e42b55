"""The routes that say how the server is: health, version, metrics."""

from __future__ import annotations

from fastapi import FastAPI, Response

from shortlist.serving.answers import HealthAnswer, VersionAnswer
from shortlist.serving.live import Live
from shortlist.serving.metrics import CONTENT_TYPE, Metrics


def add_probes(app: FastAPI, live: Live, metrics: Metrics) -> None:
    """Add them to the application."""

    @app.get("/health/live", operation_id="live", summary="Whether the process runs")
    async def alive() -> HealthAnswer:
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
        return live.lineup.first.version()

    @app.get(
        "/metrics",
        operation_id="metrics",
        summary="Counters for Prometheus, of all processes together",
        response_class=Response,
        responses={200: {"content": {"text/plain": {"schema": {"type": "string"}}}}},
    )
    def exposition() -> Response:
        return Response(metrics.exposition(), media_type=CONTENT_TYPE)
