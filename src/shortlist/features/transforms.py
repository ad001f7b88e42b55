"""From a feature of the recipe, or from saved state, to its transform."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from shortlist.core.errors import BundleError
from shortlist.features.base import FeatureTransform, Transform, VocabularyTransform
from shortlist.features.categorical import Categorical
from shortlist.features.entity_id import EntityId
from shortlist.features.hashed import Hashed
from shortlist.features.hashed_bag import HashedBag
from shortlist.features.multi_hot import MultiHot
from shortlist.features.numeric import Numeric
from shortlist.features.statistics import Need, Statistics
from shortlist.features.timestamp import Timestamp
from shortlist.features.vocabulary import Vocabulary
from shortlist.recipe import features as recipe
from shortlist.recipe.features import Feature
from shortlist.schema import Side

_FEATURES: dict[str, type[FeatureTransform]] = {
    transform.kind: transform for transform in (Categorical, Hashed, Numeric, MultiHot, Timestamp)
}
_ALL: dict[str, type[Transform]] = {**_FEATURES, HashedBag.kind: HashedBag, EntityId.kind: EntityId}


def need(spec: Feature) -> Need:
    """Which statistics of the training rows the feature is fitted from."""
    return _transform(spec).need(spec)


def fit(side: Side, name: str, spec: Feature, statistics: Statistics) -> Transform:
    """The transform of feature `name` of a side, fitted from the statistics that `need(spec)` asked for.

    Raises DataError when the column cannot be such a feature, TypeError for statistics of another sort.
    """
    return _transform(spec).fit(side, name, spec, statistics)


def _transform(spec: Feature) -> type[FeatureTransform]:
    return HashedBag if isinstance(spec, recipe.MultiHot) and spec.buckets is not None else _FEATURES[spec.kind]


def from_state(state: Mapping[str, Any], vocabulary: Callable[[str], Vocabulary]) -> Transform:
    """The transform whose `state()` this is; `vocabulary` reads the one of the transform of that name."""
    kind = state["kind"]
    if kind not in _ALL:
        raise BundleError(
            f"the feature {state['name']!r} is of the kind {kind!r}; this version of Shortlist reads "
            f"{', '.join(sorted(_ALL))}. Prepare and export again with this version."
        )
    transform = _ALL[kind]
    if issubclass(transform, VocabularyTransform):
        return transform.from_state(state, vocabulary=vocabulary(state["name"]))
    return transform.from_state(state)
