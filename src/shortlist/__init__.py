"""Shortlist turns tables of interactions, users and items into a recommender: trained, measured, packaged, served."""

from __future__ import annotations

import os
from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from shortlist.bundle.past_events import Event
    from shortlist.bundle.recommender import Recommendation, Recommender
    from shortlist.core.version import __version__
    from shortlist.pipeline.api import evaluate, fit, load_recipe, prepare
    from shortlist.pipeline.run import Run
    from shortlist.recipe.sections import Recipe
    from shortlist.tracking.watch import MlflowWatch

# Read when torch is imported. By default OpenMP's threads spin while they wait for one another; beside one other busy
# process that made training on two cores thirty times slower (592 rows/s against 17,813 with waiting threads asleep).
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

__all__ = [
    "Event",
    "MlflowWatch",
    "Recipe",
    "Recommendation",
    "Recommender",
    "Run",
    "__version__",
    "evaluate",
    "fit",
    "load",
    "load_recipe",
    "prepare",
]

# Found when first asked for: a server that loads a bundle must not import torch, and `--help` nothing at all.
_HOMES = {
    "Event": "shortlist.bundle.past_events",
    "MlflowWatch": "shortlist.tracking.watch",
    "Recipe": "shortlist.recipe.sections",
    "Recommendation": "shortlist.bundle.recommender",
    "Recommender": "shortlist.bundle.recommender",
    "Run": "shortlist.pipeline.run",
    "__version__": "shortlist.core.version",
    "evaluate": "shortlist.pipeline.api",
    "fit": "shortlist.pipeline.api",
    "load_recipe": "shortlist.pipeline.api",
    "prepare": "shortlist.pipeline.api",
}


def load(path: str, threads: int = 1) -> Recommender:
    """The recommender in the bundle at `path`; BundleError if it is incomplete or altered."""
    recommender: type[Recommender] = import_module("shortlist.bundle.recommender").Recommender
    return recommender.load(path, threads)


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        return getattr(import_module(_HOMES[name]), name)
    raise AttributeError(f"module 'shortlist' has no attribute {name!r}")
