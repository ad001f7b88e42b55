"""What is searched: the ranges of [tune] as Optuna's distributions, and a trial's values as overrides of the recipe."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
)

from shortlist.core.errors import Problem, RecipeError
from shortlist.core.settings import Settings
from shortlist.models.catalogue import all_settings, config_of, is_fitted
from shortlist.recipe.ranking import Ranking
from shortlist.recipe.retrieval import Retrieval
from shortlist.recipe.sections import Recipe
from shortlist.recipe.tune import Range

Ranges = Mapping[str, Range]
Values = Mapping[str, Any]
"""A value for each range, as Optuna keeps it: of a choice the value's text in TOML."""
Read = Callable[[list[str]], Recipe]
"""The recipe with further overrides; RecipeError where they do not fit it."""

_FACTOR = 10
"""A learning rate is tried from a tenth of the recipe's to ten times it."""
_USUAL: Mapping[str, Range] = {
    "embedding_dim": Range(choice=(8, 16, 32, 64)),
    "dim": Range(choice=(32, 64, 128)),
    "dropout": Range(choice=(0.0, 0.1, 0.2, 0.5)),
    "hidden": Range(choice=([64], [128, 64], [256, 128], [512, 256, 128])),
}
"""What is tried of a model's settings where the recipe has no [tune]."""


def usual_ranges(recipe: Recipe, read: Read) -> dict[str, Range]:
    """What is searched where the recipe does not say it: rates, widths and dropout of the stages that train in epochs.

    A setting that the recipe would not take by itself, such as a dim that must equal another, is left as it is.
    """
    found: dict[str, Range] = {}
    if recipe.retrieval is not None and not is_fitted(recipe.retrieval.model):
        found |= _of_stage("retrieval", recipe.retrieval, config_of(recipe.retrieval))
    if recipe.ranking is not None:
        found |= _of_stage("ranking", recipe.ranking, config_of(recipe.ranking))
    return {setting: range_ for setting, range_ in found.items() if not _problems({setting: range_}, read)}


def distributions(ranges: Ranges) -> dict[str, BaseDistribution]:
    """Optuna's distribution of each range."""
    return {setting: _distribution(range_) for setting, range_ in ranges.items()}


def overrides(values: Values, ranges: Ranges) -> list[str]:
    """A trial's values as `section.setting=value` texts, the value in TOML; a float to four digits, to be read."""
    return [f"{setting}={_text(values[setting], range_)}" for setting, range_ in ranges.items() if setting in values]


def values_of(recipe: Recipe, ranges: Ranges) -> dict[str, Any] | None:
    """The recipe's own values, as a trial's; None where one of them lies in no range."""
    found: dict[str, Any] = {}
    settings = all_settings(recipe)
    for setting, range_ in ranges.items():
        value = _at(settings, setting)
        if not _holds(range_, value):
            return None
        found[setting] = toml(value) if range_.choice else value
    return found


def check(ranges: Ranges, read: Read, file: str) -> None:
    """RecipeError if the recipe would not take the values of a choice, or the ends of a range, each by itself."""
    if problems := _problems(ranges, read):
        raise RecipeError(problems, file)


def toml(value: Any) -> str:
    """A value as TOML, in one line."""
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{json.dumps(name)} = {toml(inner)}" for name, inner in value.items()) + "}"
    if isinstance(value, (list, tuple)):
        return "[" + ", ".join(map(toml, value)) + "]"
    return json.dumps(value)


def _distribution(range_: Range) -> BaseDistribution:
    if range_.choice is not None:
        return CategoricalDistribution([toml(value) for value in range_.choice])
    low, high = range_.bounds
    by_factors = range_.kind.startswith("log")
    whole = range_.kind.endswith("int")
    return IntDistribution(low, high, log=by_factors) if whole else FloatDistribution(low, high, log=by_factors)


def _text(value: Any, range_: Range) -> str:
    if range_.choice is not None:
        return str(value)
    return repr(float(f"{value:.4g}") if isinstance(value, float) else value)


def _of_stage(stage: str, section: Retrieval | Ranking, model: Settings) -> dict[str, Range]:
    """The usual ranges of a stage that trains in epochs."""
    groups = {group: getattr(section, group).lr for group in ("embedding", "dense")}
    return {
        **{f"{stage}.model.{name}": range_ for name, range_ in _USUAL.items() if hasattr(model, name)},
        **{f"{stage}.{group}.lr": Range(log=(rate / _FACTOR, rate * _FACTOR)) for group, rate in groups.items()},
    }


def _problems(ranges: Ranges, read: Read) -> list[Problem]:
    """What is wrong with the values of each choice and the ends of each range."""
    problems = []
    for setting, range_ in ranges.items():
        for value in range_.bounds:
            try:
                read([f"{setting}={toml(value)}"])
            except RecipeError as error:
                wrong = "; ".join(f"{p.where}: {p.message.removesuffix(' (from --set)')}" for p in error.problems)
                problems.append(Problem(f"tune.{setting}", f"with {toml(value)} the recipe has an error: {wrong}"))
    return problems


def _at(settings: Mapping[str, Any], path: str) -> Any:
    """The value at a dotted path; None where there is none."""
    found: Any = settings
    for part in path.split("."):
        found = found.get(part) if isinstance(found, Mapping) else None
    return found


def _holds(range_: Range, value: Any) -> bool:
    """Whether the value is one of the range's."""
    if range_.choice is not None:
        return toml(value) in map(toml, range_.choice)
    low, high = range_.bounds
    return isinstance(value, (int, float)) and not isinstance(value, bool) and low <= value <= high
