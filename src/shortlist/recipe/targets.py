"""What a recipe says of targets: expressions, what their values are, and what must go with them."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from typing import Annotated, Any

from pydantic import AfterValidator, BeforeValidator

from shortlist.core.errors import Problem
from shortlist.core.settings import Contradictions, Settings
from shortlist.core.suggest import did_you_mean
from shortlist.schema import TargetKind


class TargetSetting(Settings):
    """What to predict of a row."""

    value: str
    """Expression over the columns of the log, such as `rating >= 4`."""
    kind: TargetKind = TargetKind.BINARY
    """binary: true or false, or a number from 0 to 1. regression: any number. multiclass: one of the values
    that the expression has in the training rows."""


def _short_form(value: Any) -> Any:
    """`liked = "rating >= 4"` is short for `liked = {value = "rating >= 4"}`."""
    if isinstance(value, str):
        return {"value": value}
    if isinstance(value, dict | TargetSetting):
        return value
    raise ValueError(
        'expected an expression such as "rating >= 4", or its kind beside it: '
        f'{{value = "rating / 5", kind = "regression"}}, found {value!r}'
    )


TargetForm = Annotated[TargetSetting, BeforeValidator(_short_form)]


_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_-]*")


def is_target_name(name: str) -> bool:
    """Whether a target can be called so: folders are, and `ranking.score` names those that are Python identifiers."""
    return _NAME.fullmatch(name) is not None


def _have_names(targets: dict[str, TargetSetting]) -> dict[str, TargetSetting]:
    wanted = "expected a name that begins with a letter and has only letters, digits, _ and - in it"
    wrong = [name for name in targets if not is_target_name(name)]
    if wrong:
        raise Contradictions(*(Problem(name, f"{wanted}, found {name!r}") for name in wrong))
    return targets


TargetForms = Annotated[dict[str, TargetForm], AfterValidator(_have_names)]


def is_weight(value: Any) -> bool:
    """Whether it can be the weight of a target's loss."""
    return isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value < math.inf


def relevance_problems(targets: Mapping[str, TargetSetting], uses: Sequence[str]) -> list[Problem]:
    """What is relevant must be told by a first target that is true or false, where the settings `uses` go by it."""
    if not targets:
        nothing = (
            "thins out rows whose first target is 0, and there is no target: name one in [schema], or leave keep out"
        )
        return [Problem(setting, nothing) for setting in uses if setting == "ranking.negatives.keep"]
    name, first = next(iter(targets.items()))
    if first.kind == TargetKind.BINARY or not uses:
        return []
    message = (
        f"{uses[0]} goes by the first target, which says what is relevant, and this one is {first.kind}. Put a binary "
        "target before it, or name [ranking] alone, with negatives.sampled = 0, to predict the rows of a log"
    )
    return [Problem(f"schema.targets.{name}", message)]


def observed_problems(targets: Mapping[str, TargetSetting], loss: str) -> list[Problem]:
    """Rows whose first target is 0, asked for where a `loss` over lists gives them nothing to teach."""
    if len(targets) > 1:
        return []
    message = (
        f"{loss} compares a positive with the negatives sampled for it, and learns nothing from observed rows whose "
        'target is 0. Leave observed out, or set ranking.loss = "log_loss"'
    )
    return [Problem("ranking.negatives.observed", message)]


def weight_problems(targets: Mapping[str, TargetSetting], weights: Mapping[str, float] | str) -> list[Problem]:
    """Weights of targets that there are not, or of none at all."""
    if isinstance(weights, str):
        return []
    unknown = [name for name in weights if name not in targets]
    if unknown or not targets:
        return [
            Problem(f"ranking.loss_weights.{name}", "no target is called so." + did_you_mean(name, targets))
            for name in unknown
        ]
    if any(weights.get(name, 1.0) for name in targets):
        return []
    return [Problem("ranking.loss_weights", "every target has weight 0: there is nothing to learn")]
