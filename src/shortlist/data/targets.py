"""Targets of the events: classes as numbers, and whether the training rows can teach anything."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import ibis
import numpy as np
import pyarrow as pa

from shortlist.core.errors import DataError
from shortlist.features.numeric import rounded
from shortlist.recipe.sections import LIST_LOSSES, Recipe
from shortlist.recipe.targets import TargetSetting
from shortlist.schema import Split, Target, TargetKind
from shortlist.tables.audit import Audit, Finding
from shortlist.tables.counting import count_where
from shortlist.tables.engine import Engine
from shortlist.tables.names import SPLIT, target
from shortlist.tables.statistics import counts, moments

MOST_CLASSES = 1_000
_LARGEST = 1e30
"""Far from the end of float32."""
_CLASS, _NUMBER = "#class", "#number"


def resolve_targets(
    engine: Engine, events: ibis.Table, recipe: Recipe, audit: Audit
) -> tuple[ibis.Table, tuple[Target, ...]]:
    """The events with numbers for every target, null where a row does not tell it; and what a ranker predicts of them.

    The classes of a multi-class target are its values in training rows, the most frequent first; other values are null.
    DataError when a target that is to be learned is the same in every training row, or in all those that are learned
    from. One that is always positive is fine where sampled negatives stand against it.
    """
    found = []
    for place, (name, setting) in enumerate(recipe.schema_.targets.items()):
        classes: tuple[str, ...] = ()
        if setting.kind == TargetKind.MULTICLASS:
            classes = _classes(engine, events, name, setting, target(place))
            events = _numbered(engine, events, target(place), classes, name, audit)
        found.append(Target(name=name, kind=setting.kind, classes=classes))
    _check_different(engine, events, recipe)
    return events, _with_moments(engine, events, found)


def _with_moments(engine: Engine, events: ibis.Table, targets: Sequence[Target]) -> tuple[Target, ...]:
    """Regression targets with mean and deviation of their training values."""
    wanted = {
        found.name: (target(place), False) for place, found in enumerate(targets) if found.kind == TargetKind.REGRESSION
    }
    known = moments(engine, _train(events), wanted)
    return tuple(_standardised(found, *known[found.name][2:]) if found.name in known else found for found in targets)


def _standardised(found: Target, mean: float, deviation: float) -> Target:
    if not (abs(mean) < _LARGEST and deviation < _LARGEST):
        raise DataError(
            f"schema.targets.{found.name} has training values so large that their mean or deviation is more than "
            f"{_LARGEST:.1g}. Divide them, or leave out the rows that cannot be right."
        )
    deviation = rounded(deviation, deviation) if deviation else 1.0
    return replace(found, mean=rounded(mean, deviation), deviation=deviation)


def _classes(engine: Engine, events: ibis.Table, name: str, setting: TargetSetting, column: str) -> tuple[str, ...]:
    found = counts(engine, _train(events), column)["value"].to_pylist()
    if 2 <= len(found) <= MOST_CLASSES:
        return tuple(found)
    values = f"1 value ({found[0]!r})" if len(found) == 1 else f"{len(found):,} values"
    advice = "There is nothing to learn; change the expression, or the split."
    if found[1:]:
        advice = 'Put rare ones together, or predict a number with kind = "regression".'
    raise DataError(
        f"schema.targets.{name} = {setting.value!r} has {values} in the training rows: expected 2 to {MOST_CLASSES:,} "
        f"classes. {advice}"
    )


def _numbered(
    engine: Engine, events: ibis.Table, column: str, classes: tuple[str, ...], name: str, audit: Audit
) -> ibis.Table:
    """The events with the number of its class for every row that has one of the classes, else null."""
    numbers = pa.table({_CLASS: pa.array(classes), _NUMBER: np.arange(len(classes), dtype=np.float64)})
    known = engine.table("classes", numbers)
    joined = events.left_join(known, events[column] == known[_CLASS])
    _, (unheard_of,) = count_where(engine, joined, [joined[column].notnull() & joined[_NUMBER].isnull()])
    audit.add(Finding(f"rows of a class of `{name}` that no training row has", unheard_of, "left out of that target"))
    return joined.drop(_CLASS, column).rename({column: _NUMBER})


def _check_different(engine: Engine, events: ibis.Table, recipe: Recipe) -> None:
    targets = recipe.schema_.targets
    if not targets:
        return
    train = _train(events)
    relevant = train[target(0)] > 0
    ends: dict[str, ibis.Value] = {}
    for place in range(len(targets)):
        value = train[target(place)]
        ends |= {f"min_{place}": value.min(), f"max_{place}": value.max()}
        ends |= {f"relevant_min_{place}": value.min(where=relevant), f"relevant_max_{place}": value.max(where=relevant)}
    found = engine.to_arrow(train.aggregate(**ends)).to_pylist()[0]
    for place, name in enumerate(list(targets) if recipe.ranking else list(targets)[:1]):
        _check_all_rows(recipe, name, found[f"min_{place}"], found[f"max_{place}"])
        _check_rows_learned_from(recipe, name, found[f"relevant_min_{place}"], found[f"relevant_max_{place}"])


def _check_all_rows(recipe: Recipe, name: str, low: float | None, high: float) -> None:
    """DataError unless the target differs between these two ends, over all training rows."""
    setting = recipe.schema_.targets[name]
    if low is None:
        raise DataError(
            f"schema.targets.{name} = {setting.value!r} is told by no training row: there is nothing to learn. "
            "Look for missing values in its columns, or change the split."
        )
    binary = setting.kind == TargetKind.BINARY
    if low == high and not (binary and low > 0 and _has_other_negatives(recipe)):
        raise DataError(
            f"schema.targets.{name} = {setting.value!r} is {low:g} in every training row: there is nothing to "
            f"learn. Expected {'rows of both kinds' if binary else 'different values'}; change the expression, "
            "or the split."
        )


def _check_rows_learned_from(recipe: Recipe, name: str, low: float | None, high: float | None) -> None:
    """DataError where a target of the ranker does not differ over the rows that it learns from.

    The two ends are those over rows whose first target is above 0. Binary targets of sampled negatives are 0, and
    nothing is known of their others.
    """
    targets, ranking = recipe.schema_.targets, recipe.ranking
    if ranking is None or ranking.negatives.sampled == 0:
        return
    binary = targets[name].kind == TargetKind.BINARY
    of_lists = binary and ranking.loss in LIST_LOSSES
    if ranking.negatives.with_observed(targets) and not of_lists:
        return
    if (high or 0.0) > 0 if binary else low != high:
        return
    first, value = next(iter(targets)), "told by none" if high is None else f"{high:g} in every one"
    remedy = f'ranking.loss = "log_loss": {ranking.loss} learns from no others'
    if not of_lists:
        remedy = "ranking.negatives.observed = true, and others are learned from as well"
    raise DataError(
        f"schema.targets.{name} = {targets[name].value!r} is {value} of the training rows whose first target, {first}, "
        f"is above 0, and those are the rows that the ranker learns from, with negatives sampled for them: there is "
        f"nothing to learn. Set {remedy}."
    )


def _train(events: ibis.Table) -> ibis.Table:
    return events.filter(events[SPLIT] == int(Split.TRAIN))


def _has_other_negatives(recipe: Recipe) -> bool:
    """Retrieval takes the other items of a batch, ranking may sample."""
    return recipe.ranking is None or (recipe.ranking.negatives.sampled > 0 and recipe.schema_.item_id is not None)
