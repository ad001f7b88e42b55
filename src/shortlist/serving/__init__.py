"""The recommender over HTTP: FastAPI on uvicorn, several processes, no torch in any of them."""

from __future__ import annotations

from shortlist.serving.app import create_app
from shortlist.serving.run import run
from shortlist.serving.settings import ServeSettings

__all__ = ["ServeSettings", "create_app", "run"]
