"""What the routes answer. The same classes are serialised and describe the answers in the OpenAPI page."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

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
    fallback: Literal["popularity", "retrieval"] | None = None
    """What answered because the time budget was spent; null where the whole funnel did."""
    variant: str | None = None
    """Of an experiment, the variant that answered."""
    propensity: float | None = None
    """How likely this answer was: of an experiment, that this user meets this variant; where rules explore, the product
    of the items' propensities; where both, the product of both. Of a long list it may be too small for a number, and is
    0: the items' own are not."""


@dataclass(frozen=True, slots=True)
class SimilarAnswer:
    """Items in order, most like the given one first."""

    __pydantic_config__ = _DOCUMENTED

    items: list[Recommendation]
    """Their scores are cosines."""
    bundle: BundleLabel


@dataclass(frozen=True, slots=True)
class PredictionsAnswer:
    """What is predicted of each row."""

    __pydantic_config__ = _DOCUMENTED

    predictions: dict[str, list[float] | list[dict[str, float]]]
    """By target, in the order of the rows: the probability of a binary target, the value of a regression, and for a
    multi-class target the probability of each class."""
    bundle: BundleLabel
    variant: str | None = None
    """Of an experiment, the variant that answered."""
    propensity: float | None = None
    """Of an experiment, the probability that this request meets this variant."""


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
class RolloutAnswer:
    """What every worker process answers from now."""

    __pydantic_config__ = _DOCUMENTED

    generation: int
    """How often another bundle has been ordered since the server started."""
    workers: int
    """Processes that have loaded it."""
    bundles: dict[str, BundleLabel]
    """By variant; a server that compares none has one, called `main`."""


@dataclass(frozen=True, slots=True)
class HealthAnswer:
    """One word."""

    status: str
