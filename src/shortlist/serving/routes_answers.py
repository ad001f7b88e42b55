"""The routes that answer from the bundle: recommend and rank."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from fastapi import FastAPI

from shortlist.funnel.stopwatch import Stopwatch
from shortlist.serving.alike import alike
from shortlist.serving.answers import ItemsAnswer, PredictionsAnswer
from shortlist.serving.endpoint import Desk, Question
from shortlist.serving.openapi import described, errors
from shortlist.serving.service import Service


def add_answers(app: FastAPI, desk: Desk) -> None:
    """Add them to the application."""
    first = desk.live.lineup.first
    app.add_api_route(
        "/v1/recommend",
        desk.endpoint(Question(first.recommend_body, Service.recommend, alike)),
        methods=["POST"],
        operation_id="recommend",
        summary="The best items for a user, or for a history",
        responses={200: {"model": ItemsAnswer}, **errors()},
        openapi_extra=described(first.recommend_body, first.examples.recommend),
    )
    app.add_api_route(
        "/v1/rank",
        desk.endpoint(Question(first.rank_body, _rank, lambda _: None)),
        methods=["POST"],
        operation_id="rank",
        summary="Given items in order, or predictions of given rows",
        responses={200: {"model": ItemsAnswer | PredictionsAnswer}, **errors()},
        openapi_extra=described(first.rank_body, first.examples.rank),
    )


def _rank(service: Service, bodies: Sequence[Any], watch: Stopwatch) -> list[ItemsAnswer | PredictionsAnswer]:
    return [service.rank(body, watch) for body in bodies]
