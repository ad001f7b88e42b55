"""The page at `/`, on which a person tries the recommender, and the route that tells it what can be asked."""

from __future__ import annotations

from pathlib import Path

from fastapi import FastAPI, Response
from starlette.exceptions import HTTPException

from shortlist.serving.about import AboutAnswer
from shortlist.serving.live import Live
from shortlist.serving.openapi import errors

FOLDER = Path(__file__).with_name("page")
_TYPES = {".html": "text/html", ".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml"}
_INDEX = "index.html"
# The files change with the package: a browser asks each time, so that it never mixes those of two versions.
_FRESH = {"Cache-Control": "no-cache"}


def add_page(app: FastAPI, live: Live) -> None:
    """Add them to the application."""
    files = {path.name: (path.read_bytes(), _TYPES[path.suffix]) for path in FOLDER.iterdir() if path.suffix in _TYPES}

    @app.get("/", include_in_schema=False)
    async def page() -> Response:
        return part(_INDEX)

    @app.get("/page/{name}", include_in_schema=False)
    async def part_of_page(name: str) -> Response:
        return part(name)

    @app.get("/v1/about", operation_id="about", summary="What can be asked of this bundle", responses=errors(401))
    def about() -> AboutAnswer:
        return live.lineup.first.about

    def part(name: str) -> Response:
        if name not in files:
            raise HTTPException(404)
        content, media_type = files[name]
        return Response(content, media_type=media_type, headers=_FRESH)
