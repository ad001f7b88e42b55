"""Whether a ranker has anything to learn of a target from the rows that it learns from."""

from __future__ import annotations

from collections.abc import Mapping

from shortlist.core.errors import DataError
from shortlist.recipe.ranking import LIST_LOSSES, Ranking
from shortlist.schema import TargetKind


def learns_relevant_rows_alone(kind: TargetKind, targets: int, ranking: Ranking) -> bool:
    """Whether a target of that kind, of so many, is learned from rows whose first target is above 0, and negatives."""
    if ranking.negatives.sampled == 0:
        return False
    of_lists = kind == TargetKind.BINARY and ranking.loss in LIST_LOSSES
    return of_lists or not ranking.negatives.with_observed(range(targets))


def check_learned(
    kinds: Mapping[str, TargetKind], ranking: Ranking, name: str, low: float | None, high: float | None
) -> None:
    """DataError where the target `name` of these does not differ over the rows that the ranker learns from.

    The two ends are those over training rows whose first target is above 0, None where no such row tells it. Binary
    targets of sampled negatives are 0, and nothing is known of their others.
    """
    binary = kinds[name] == TargetKind.BINARY
    differs = (high or 0.0) > 0 if binary else low != high
    if differs or not learns_relevant_rows_alone(kinds[name], len(kinds), ranking):
        return
    first, value = next(iter(kinds)), "told by none" if high is None else f"{high:g} in every one"
    remedy = "ranking.negatives.observed = true, and others are learned from as well"
    if binary and ranking.loss in LIST_LOSSES:
        remedy = f'ranking.loss = "log_loss": {ranking.loss} learns from no others'
    raise DataError(
        f"schema.targets.{name} is {value} of the training rows whose first target, {first}, is above 0, and those are "
        f"the rows that the ranker learns it from, with negatives sampled for them: there is nothing to learn. "
        f"Set {remedy}."
    )
