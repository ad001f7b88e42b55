"""What a ranker's data must be like for its settings to make sense, and what is said where it is not."""

from __future__ import annotations

from collections.abc import Sequence

from shortlist.core.errors import DataError, UserError
from shortlist.core.progress import Reporter
from shortlist.data.learned import check_learned
from shortlist.data.prepared import Prepared
from shortlist.data.selection import Selection
from shortlist.models.base import RankingModel
from shortlist.nn.heads.esmm import ESMM
from shortlist.recipe.ranking import Ranking
from shortlist.schema import Split, Target, TargetKind

MOST_OUT_OF_TURN = 1e-3
"""Share of the training rows that may contradict targets which follow one another: logs lose an event now and then."""


def check_values(prepared: Prepared, settings: Ranking) -> None:
    """DataError for values of targets that the ranker's loss would take amiss."""
    for facts in prepared.facts:
        for target, low, high in zip(prepared.schema.targets, facts.lowest_T, facts.highest_T, strict=True):
            if target.kind == TargetKind.BINARY and (low < 0 or high > 1):
                name = target.name
                raise DataError(
                    f"schema.targets.{name} is {low if low < 0 else high:g} in some row, and a ranker learns "
                    f"probabilities: expected true or false, or a number from 0 to 1. Write a comparison, such as "
                    f'{name} = "rating >= 4", or {name} = {{value = ..., kind = "regression"}} to learn the number.'
                )
    shares, keep = sum(facts.shares for facts in prepared.facts), settings.negatives.keep
    if shares and keep < 1:
        name = prepared.schema.targets[0].name
        raise DataError(
            f"schema.targets.{name} is between 0 and 1 in {shares:,} training rows, and ranking.negatives.keep = "
            f"{keep:g} corrects probabilities only where every row is 0 or 1. Write a comparison, such as "
            f'{name} = "rating >= 4", or leave keep out.'
        )


def check_rows(prepared: Prepared, settings: Ranking, targets: Sequence[Target]) -> None:
    """DataError for one of these targets of which the rows that are learned from tell nothing.

    Preparation looks as well, but a recipe may change after it.
    """
    kinds = {target.name: target.kind for target in prepared.schema.targets}
    for place, name in enumerate(kinds):
        lows = [low for facts in prepared.facts if (low := facts.relevant_lowest_T[place]) is not None]
        highs = [high for facts in prepared.facts if (high := facts.relevant_highest_T[place]) is not None]
        if any(target.name == name for target in targets):
            check_learned(kinds, settings, name, min(lows, default=None), max(highs, default=None))


def check_history(model: RankingModel, prepared: Prepared) -> None:
    """UserError where the recipe says how to read histories, and the model is given none."""
    field = type(model.config).model_fields.get("history")
    chosen = getattr(model.config, "history", None)
    if field is None or chosen == field.default or model.inputs.history is not None:
        return
    schema = prepared.schema
    parts = {"user_id": schema.has_users, "item_id": schema.has_items}
    missing = [name for name, is_there in parts.items() if not is_there]
    cause = "ranking.history = 0. Set it to how many events to read"
    if missing:
        cause = f"the recipe's [schema] names no {' and no '.join(missing)}. Name what is missing"
    raise UserError(
        f"ranking.model.history = {str(chosen)!r} reads what a user did before, and there is no history to read: "
        f"{cause}, or leave ranking.model.history out."
    )


def check_turns(model: RankingModel, prepared: Prepared, reporter: Reporter) -> None:
    """DataError where esmm's targets do not follow one another; where hardly any row says so, a line about it."""
    targets = model.inputs.targets
    if len(targets) < 2 or not any(isinstance(module, ESMM) for module in model.modules()):
        return
    rows = sum(facts.rows(Selection(Split.TRAIN)) for facts in prepared.facts)
    for place, target in enumerate(targets):
        found = sum(facts.out_of_turn_T[place] for facts in prepared.facts)
        what = f"{found:,} of {rows:,} training rows have `{target.name}` without a target before it"
        if found > MOST_OUT_OF_TURN * rows:
            first = targets[0].name
            raise DataError(
                f'{what}: ranking.model.tasks = "esmm" is for targets of which each happens only after the one '
                f"before. Name them in [schema] in that order and let each hold for what comes after it too, such as "
                f"{first} = \"event in ('{first}', '{target.name}')\", or set tasks = \"mmoe\"."
            )
        if found:
            reporter.say("ranking", f"{what}; esmm takes them as they are")


def without_metric(target: Target, metric: str, prepared: Prepared, settings: Ranking) -> DataError:
    """What to say where the metric of the first target has no value on validation rows."""
    if target.kind == TargetKind.MULTICLASS:
        return DataError(
            f"no validation row of the ranker tells the target {target.name}, so its {metric} has no value. "
            "Choose another target or split."
        )
    has_both = prepared.schema.has_users and prepared.schema.has_items
    advice = "Choose another target or split."
    if target.kind == TargetKind.BINARY and has_both and settings.negatives.sampled == 0:
        advice = "Sample negatives (ranking.negatives.sampled = 4), or choose another target or split."
    return DataError(
        f"the validation rows of the ranker do not differ in the target {target.name}, so its {metric} has no value: "
        f"there is no order to learn from. {advice}"
    )
