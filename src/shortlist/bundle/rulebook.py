"""The rules of a bundle at work: its standing filter and pins before the ranker, a stage for each other rule after it.

The order is that of `recipe.rules`: satisfied needs, boosts, caps, diversity, exploration, and pins in their places.

Legend: U requests.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import cached_property

import numpy as np
import pyarrow as pa

from shortlist.bundle.read import Bundle
from shortlist.bundle.rules import BundleRules, numbered, satisfying_types
from shortlist.core.errors import RequestError, UserError
from shortlist.features.rows import Floats
from shortlist.features.values import array_of
from shortlist.funnel.columns import Bools, Candidates, Requests, Source, Stage
from shortlist.funnel.filters.columns import stored
from shortlist.funnel.filters.evaluate import kept
from shortlist.funnel.filters.masks import Masks
from shortlist.funnel.filters.parse import parse
from shortlist.funnel.filters.syntax import Predicate, names
from shortlist.funnel.rules.boost import Boosts
from shortlist.funnel.rules.cap import Caps
from shortlist.funnel.rules.codes import Codes
from shortlist.funnel.rules.diversity import Diversity
from shortlist.funnel.rules.explore import Exploration
from shortlist.funnel.rules.pin import Pinned, Pins
from shortlist.funnel.rules.satisfied import SatisfiedNeeds
from shortlist.funnel.sources.towers import TowerSource


class RuleBook:
    """Rules of one bundle, ready to be applied. UserError where a rule does not fit the bundle."""

    def __init__(
        self, bundle: Bundle, rules: BundleRules, masks: Masks, sources: Callable[[], Sequence[Source]]
    ) -> None:
        """`sources` are opened where diversity asks for vectors."""
        self.settings = rules.settings
        self._sources = sources
        filtered = rules.settings.filter
        self._within_I = None if filtered is None else standing_mask(masks, filtered, "rules.filter")
        self._pins = _pins(bundle, rules)
        self._fixed = _fixed(bundle, rules, masks)
        if rules.settings.diversity > 0:
            self._vectors_checked("rules.diversity")

    @property
    def reorder(self) -> bool:
        """Whether a list is anything else than what the models say."""
        return bool(self._fixed) or self._pins is not None or self.settings.diversity > 0

    def narrowed(self, requests: Requests) -> Requests:
        """The requests with the standing filter beside their own."""
        if self._within_I is None:
            return requests
        own_I = requests.within_I
        return replace(requests, within_I=self._within_I if own_I is None else self._within_I & own_I)

    def with_pins(self, requests: Requests, found: Candidates, source: Source) -> Candidates:
        """The candidates with the pinned items among them."""
        return found if self._pins is None else self._pins.proposed(requests, found, source)

    def stages(self, places: int, diversity: float | None = None, seed: int | None = None) -> list[Stage]:
        """What comes after the ranker for a list of so many places.

        `diversity` takes the place of the rules' own; without a `seed` nothing is left to chance. RequestError where
        diversity is asked for and no source has vectors.
        """
        weight = self.settings.diversity if diversity is None else diversity
        stages = list(self._fixed)
        if weight > 0:
            stages.append(Diversity(self._vectors_checked("diversity"), weight, places))
        if self.settings.explore is not None and seed is not None:
            stages.append(Exploration(self.settings.explore, places, seed))
        return stages if self._pins is None else [*stages, self._pins]

    def _vectors_checked(self, what: str) -> Floats:
        if self._vectors is None:
            raise RequestError(
                f"{what}: no source of this bundle has a candidate tower, whose vectors of items could be compared: "
                'train one, such as retrieval.model = "two_tower"'
            )
        return self._vectors

    @cached_property
    def _vectors(self) -> Floats | None:
        return next((source.vectors_ID for source in self._sources() if isinstance(source, TowerSource)), None)


def _fixed(bundle: Bundle, rules: BundleRules, masks: Masks) -> list[Stage]:
    """The stages that are the same for every request."""
    settings, stages = rules.settings, list[Stage]()
    if settings.satisfied is not None:
        codes = Codes.of(bundle.attributes, settings.satisfied.column, "rules.satisfied.column")
        stages.append(SatisfiedNeeds(codes, rules.waits(codes), satisfying_types(bundle, settings.satisfied)))
    if settings.boost:
        boosts = numbered(settings.boost, "boost")
        stages.append(Boosts([(standing_mask(masks, one.filter, f"{at}.filter"), one.factor) for at, one in boosts]))
    if settings.cap:
        caps = settings.cap.items()
        stages.append(Caps([(Codes.of(bundle.attributes, name, "rules.cap"), most) for name, most in caps]))
    return stages


def _pins(bundle: Bundle, rules: BundleRules) -> Pins | None:
    pins = numbered(rules.settings.pin, "pin")
    if not pins:
        return None
    rows = bundle.item_vocabulary.rows_of([pin.item for _, pin in pins])
    pinned = []
    for (place, pin), row in zip(pins, rows.tolist(), strict=True):
        if not row:
            raise UserError(f"{place}.item: {pin.item!r} is not known to this bundle")
        pinned.append(Pinned(row, pin.place, None if pin.when is None else condition(pin.when, f"{place}.when")))
    return Pins(pinned)


def standing_mask(masks: Masks, text: str, place: str) -> Bools:
    """The items that the filter of a rule keeps. UserError, which names the rule, where it cannot be read."""
    try:
        return masks(text)
    except RequestError as error:
        raise UserError(f"{place}: {error}") from error


def passing(kept_I: Bools) -> str:
    """For a person, how many items the mask of a filter keeps: `0 of 300 items pass`."""
    return f"{int(kept_I.sum()):,} of {len(kept_I) - 1:,} items pass"


def condition(text: str, place: str) -> Callable[[Requests], Bools]:
    """Where a filter holds for what the requests tell; not where they tell nothing, or something else.

    UserError, which names the rule, where it cannot be read.
    """
    try:
        predicate = parse(text)
    except RequestError as error:
        raise UserError(f"{place}: {error}") from error

    def holds(requests: Requests) -> Bools:
        try:
            return kept(predicate, _told(requests, predicate), text)
        except RequestError:
            return np.zeros(len(requests), bool)

    return holds


def _told(requests: Requests, predicate: Predicate) -> pa.RecordBatch:
    missing = pa.nulls(len(requests), pa.float64())
    given = {name: requests.told[name] for name in names(predicate) if name in requests.told}
    columns = {name: stored(array_of(list(given[name]))) if name in given else None for name in names(predicate)}
    return pa.record_batch({name: missing if column is None else column for name, column in columns.items()})
