"""Targets: whether the training rows can teach anything."""

from __future__ import annotations

import ibis

from shortlist.core.errors import DataError
from shortlist.recipe.sections import Recipe
from shortlist.schema import Split
from shortlist.tables.engine import Engine
from shortlist.tables.names import SPLIT, target


def check_targets(engine: Engine, events: ibis.Table, recipe: Recipe) -> None:
    """DataError when a target that is to be learned is the same in every training row.

    A target that is always positive is fine where sampled negatives stand against it.
    """
    names = list(recipe.schema_.targets)
    if not names:
        return
    train = events.filter(events[SPLIT] == int(Split.TRAIN))
    ends = {
        f"{end}_{place}": getattr(train[target(place)], end)() for place in range(len(names)) for end in ("min", "max")
    }
    found = engine.to_arrow(train.aggregate(**ends)).to_pylist()[0]
    for place, name in enumerate(names if recipe.ranking else names[:1]):
        low, high = found[f"min_{place}"], found[f"max_{place}"]
        if low == high and (low <= 0 or not _has_other_negatives(recipe)):
            raise DataError(
                f"schema.targets.{name} = {recipe.schema_.targets[name]!r} is {low:g} in every training row: there is "
                "nothing to learn. Expected rows of both kinds; change the expression, or the split."
            )


def _has_other_negatives(recipe: Recipe) -> bool:
    """Retrieval takes the other items of a batch, ranking may sample."""
    return recipe.ranking is None or (recipe.ranking.negatives.sampled > 0 and recipe.schema_.item_id is not None)
