"""What the routes answer. The same classes are serialised and describe the answers in the OpenAPI page."""

from __future__ import annotations

from dataclasses import dataclass

from pydantic import ConfigDict

from shortlist.bundle.recommender import Recommendation

_DOCUMENTED = ConfigDict(use_attribute_docstrings=True)


@dataclass(frozen=True, slots=True)
class BundleLabel:
    """Which bundle answered."""

    __pydantic_config__ = _DOCUMENTED

    name: str
    """Name of the recipe."""
    version: str
    """Changes with any byte of the bundle's files."""


@dataclass(frozen=True, slots=True)
class ItemsAnswer:
    """Items in order, best first."""

    __pydantic_config__ = _DOCUMENTED

    items: list[Recommendation]
    """Best first."""
    known_user: bool
    """Whether the bundle knows the user; if not, the answer rests on what the state knows and the request says."""
    bundle: BundleLabel


@dataclass(frozen=True, slots=True)
class SimilarAnswer:
    """Items in order, most like the given one first."""

    __pydantic_config__ = _DOCUMENTED

    items: list[Recommendation]
    """Their scores are cosines."""
    bundle: BundleLabel
    propensity: float | None = None
    """Where rules explore, how likely this list was: the product of its items' propensities."""


@dataclass(frozen=True, slots=True)
class PredictionsAnswer:
    """What is predicted of each row."""

    __pydantic_config__ = _DOCUMENTED

    predictions: dict[str, list[float] | list[dict[str, float]]]
    """By target, in the order of the rows: the probability of a binary target, the value of a regression, and for a
    multi-class target the probability of each class."""
    bundle: BundleLabel


@dataclass(frozen=True, slots=True)
class VersionAnswer:
    """What runs here."""

    __pydantic_config__ = _DOCUMENTED

    shortlist: str
    """Version of the package that answers."""
    bundle: BundleLabel
    created: str
    """When the bundle was made, in UTC."""
    items: int
    """Items in the bundle."""
    users: int
    """Users in the bundle."""
    retrieval: str | None
    """The retrieval model, if there is one."""
    ranking: str | None
    """The ranking model, if there is one."""


@dataclass(frozen=True, slots=True)
class HealthAnswer:
    """One word."""

    status: str
