"""What a recipe says of scoring candidates by several targets: whether the expression can be computed."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from shortlist.core.errors import Problem
from shortlist.core.suggest import did_you_mean
from shortlist.recipe.targets import TargetSetting
from shortlist.schema import TargetKind
from shortlist.schema.expression import Expression, ExpressionError


def score_problems(targets: Mapping[str, TargetSetting], score: str | None) -> list[Problem]:
    """Why the expression gives no number from the targets' predictions."""
    if score is None:
        return []
    try:
        expression = Expression.parse(score)
    except ExpressionError as error:
        return [Problem("ranking.score", str(error))]
    names = expression.columns()
    numbers = [name for name, setting in targets.items() if setting.kind != TargetKind.MULTICLASS]
    wrong = [
        f"the target `{name}` is multiclass, and its prediction is no number. Name binary or regression targets"
        if name in targets
        else f"no target is called `{name}`.{did_you_mean(name, numbers)}"
        for name in names
        if name not in numbers
    ]
    if not names:
        wrong = [f"{score!r} names no target, and all candidates would score alike.{did_you_mean(score, numbers)}"]
    elif not wrong:
        wrong = _on_a_sample(expression)
    return [Problem("ranking.score", "; ".join(wrong))] if wrong else []


def _on_a_sample(expression: Expression) -> list[str]:
    """What goes wrong when it is computed."""
    sample = {name: np.full(1, 0.5, np.float32) for name in expression.columns()}
    try:
        with np.errstate(all="ignore"):
            expression.evaluate(sample)
    except (TypeError, ValueError, ArithmeticError) as error:
        return [f"cannot compute {expression.text!r}: {error}. Write for instance: 0.2 * click + purchase"]
    return []
