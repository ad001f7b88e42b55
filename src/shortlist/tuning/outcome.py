"""What a search has found, in words and as JSON."""

from __future__ import annotations

import math
from collections import Counter
from typing import Any

from optuna.trial import FrozenTrial, TrialState

from shortlist.evaluation.paired import Comparison
from shortlist.tracking.figures import named
from shortlist.tuning.found import Found
from shortlist.tuning.search import MESSAGE, SECONDS, scores, tried
from shortlist.tuning.space import overrides

_ENDED = {TrialState.COMPLETE: "finished", TrialState.PRUNED: "pruned", TrialState.FAIL: "failed"}


def state_of(trial: FrozenTrial) -> str:
    """finished, pruned, failed, not run (as one of the same values was), or unfinished."""
    if trial.state == TrialState.FAIL and SECONDS not in trial.user_attrs:
        return "not run"
    return _ENDED.get(trial.state, "unfinished")


def table(found: Found) -> str:
    """The best settings, and what they are worth on the test."""
    counts = Counter(map(state_of, tried(found.trials)))
    ended = ", ".join(f"{count} {state}" for state, count in counts.items())
    metric, own = found.plan.measure.name, _value(found, found.own_score)
    lines = [f"{sum(counts.values())} trials: {ended}"]
    if found.best is None or found.tuned is None:
        return "\n".join([*lines, f"none is better on validation than the recipe as it stands ({metric} {own:.4f})"])
    best = found.best
    lines.append(
        f"valid {metric}: {own:.4f} as it stands, {_value(found, scores([best])[best.number]):.4f} at best, with"
    )
    lines += [f"  {setting}" for setting in overrides(best.params, found.plan.ranges)]
    lines += ["", f"{'test':<20}{'as it stands':>14}{'tuned':>9}{'difference':>12}"]
    lines += [_row(comparison) for comparison in found.tuned.comparisons]
    return "\n".join([*lines, _verdict(found.tuned.comparisons[0])])


def as_json(found: Found) -> dict[str, Any]:
    """For a program: every trial, and the comparison on the test."""
    tuned = found.tuned
    return {
        "metric": found.plan.measure.name,
        "lower_is_better": found.plan.measure.lower_is_better,
        "folder": str(found.plan.folder),
        "ranges": {name: {r.kind: list(r.bounds)} for name, r in found.plan.ranges.items()},
        "as_it_stands": {"valid": _value(found, found.own_score)},
        "trials": [_trial(found, trial) for trial in tried(found.trials)],
        "tuned": None
        if found.best is None or tuned is None
        else {
            "trial": found.best.number,
            "recipe": str(tuned.file),
            "run": str(tuned.run.folder),
            "test": {comparison.measure.name: comparison.as_dict() for comparison in tuned.comparisons},
        },
    }


def figures(found: Found) -> dict[str, float]:
    """What is recorded of a search: the metric of validation and of the test, as it stands and tuned."""
    metric = named(found.plan.measure.name)
    known = {f"valid/as_it_stands/{metric}": _value(found, found.own_score), "trials": len(tried(found.trials))}
    if found.best is not None:
        known[f"valid/tuned/{metric}"] = _value(found, scores([found.best])[found.best.number])
    for comparison in found.tuned.comparisons if found.tuned else ():
        name = named(comparison.measure.name)
        known |= {f"test/as_it_stands/{name}": comparison.first, f"test/tuned/{name}": comparison.second}
    return known


def _trial(found: Found, trial: FrozenTrial) -> dict[str, Any]:
    score = scores([trial]).get(trial.number)
    return {
        "number": trial.number,
        "state": state_of(trial),
        "settings": dict(entry.split("=", 1) for entry in overrides(trial.params, found.plan.ranges)),
        "valid": None if score is None else _value(found, score),
        "epochs": len(trial.intermediate_values),
        "seconds": trial.user_attrs.get(SECONDS),
        "message": trial.user_attrs.get(MESSAGE, ""),
    }


def _value(found: Found, score: float) -> float:
    """A score as the metric it is of."""
    return -score if found.plan.measure.lower_is_better else score


def _row(comparison: Comparison) -> str:
    difference = comparison.difference
    half = (difference.high - difference.low) / 2
    margin = "" if math.isnan(half) else f" ± {half:.4f}"
    figures = f"{comparison.first:>14.4f}{comparison.second:>9.4f}{difference.value:>+12.4f}{margin}"
    return f"{comparison.measure.name:<20}{figures}"


def _verdict(comparison: Comparison) -> str:
    of = f"{comparison.measure.name} of the test"
    if comparison.better:
        return f"tuning has improved {of} by more than its 95 % interval"
    if comparison.worse:
        return f"the best of validation is worse in {of}: keep the recipe as it stands"
    return f"no difference in {of} beyond its 95 % interval: tuning has shown no improvement"
