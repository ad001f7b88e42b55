"""Targets of the events: classes as numbers, and whether the training rows can teach anything."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import ibis
import numpy as np
import pyarrow as pa

from shortlist.core.errors import DataError
from shortlist.data.learned import check_learned
from shortlist.features.numeric import rounded
from shortlist.recipe.sections import Recipe
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
_LEAST_SPREAD = 1e-5
"""Least deviation of a regression target, as a share of its mean, of which float32 keeps more than 100 steps."""
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
    _check_range(engine, events, {name: column for name, (column, _) in wanted.items()})
    known = moments(engine, _train(events), wanted)
    return tuple(_standardised(found, *known[found.name][2:]) if found.name in known else found for found in targets)


def _check_range(engine: Engine, events: ibis.Table, columns: Mapping[str, str]) -> None:
    """DataError where a value in any split is out of all proportion; `columns` are the targets' by their names."""
    if not columns:
        return
    largest = events.aggregate(**{column: events[column].abs().max() for column in columns.values()})
    found = engine.to_arrow(largest).to_pylist()[0]
    for name, column in columns.items():
        if (found[column] or 0.0) >= _LARGEST:
            raise DataError(
                f"schema.targets.{name} has values as large as {found[column]:.2g}: expected less than {_LARGEST:.1g}, "
                "far from the end of float32. Divide them, or leave out the rows that cannot be right."
            )


def _standardised(found: Target, mean: float, deviation: float) -> Target:
    if 0 < deviation < _LEAST_SPREAD * abs(mean):
        raise DataError(
            f"schema.targets.{found.name} has training values about {mean:.10g} with a standard deviation of "
            f"{deviation:.2g}: float32, which holds 7 digits, would blur what makes them differ. Subtract an origin in "
            f"its expression, such as {rounded(mean, 1e5 * deviation):.15g}."
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
    kinds = {name: setting.kind for name, setting in targets.items()}
    for place, name in enumerate(list(targets) if recipe.ranking else list(targets)[:1]):
        _check_all_rows(recipe, name, found[f"min_{place}"], found[f"max_{place}"])
        if recipe.ranking is not None:
            low, high = found[f"relevant_min_{place}"], found[f"relevant_max_{place}"]
            check_learned(kinds, recipe.ranking, name, low, high)


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


def _train(events: ibis.Table) -> ibis.Table:
    return events.filter(events[SPLIT] == int(Split.TRAIN))


def _has_other_negatives(recipe: Recipe) -> bool:
    """Retrieval takes the other items of a batch, ranking may sample."""
    return recipe.ranking is None or (recipe.ranking.negatives.sampled > 0 and recipe.schema_.item_id is not None)
