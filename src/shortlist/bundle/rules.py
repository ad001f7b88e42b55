"""The rules of a bundle, `rules.json`: those of the recipe or others put in their place, and what was learned for them.

Legend: V values of a column.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from shortlist.bundle.past_events import type_rows
from shortlist.bundle.read import Bundle
from shortlist.core.errors import RecipeError, UserError
from shortlist.core.files import read_json, write_json
from shortlist.core.settings import read_settings
from shortlist.features.rows import Ints
from shortlist.funnel.columns import Bools
from shortlist.funnel.rules.codes import Codes
from shortlist.funnel.rules.intervals import Interval, learn_intervals
from shortlist.recipe.rules import Rules, Satisfied
from shortlist.schema import Split

RULES = "rules.json"
"""Of a bundle that was exported with rules, or given some since."""


@dataclass(frozen=True)
class BundleRules:
    """Rules, and the repurchase intervals of the column that `satisfied` names."""

    settings: Rules
    intervals: tuple[Interval, ...] = ()

    @classmethod
    def read(cls, folder: Path) -> BundleRules:
        """Those of the bundle at `folder`; none in one that has none."""
        if not (folder / RULES).is_file():
            return cls(Rules())
        values = read_json(folder / RULES)
        intervals = tuple(Interval(**interval) for interval in values["intervals"])
        return cls(Rules.model_validate(values["settings"]), intervals)

    def write(self, folder: Path) -> None:
        """Leave them in `folder`."""
        write_json(folder / RULES, self.to_json())

    def to_json(self) -> dict[str, Any]:
        """As JSON values."""
        settings = self.settings.model_dump(mode="json")
        return {"settings": settings, "intervals": [interval.to_json() for interval in self.intervals]}

    @classmethod
    def learned(cls, bundle: Bundle, settings: Rules) -> BundleRules:
        """With what the training events of the bundle say of repurchases. UserError for a column or type it lacks."""
        if settings.satisfied is None:
            return cls(settings)
        codes = Codes.of(bundle.attributes, settings.satisfied.column, "rules.satisfied.column")
        events = bundle.histories.events
        is_bought_P: Bools = bundle.histories.split == int(Split.TRAIN)
        types = satisfying_types(bundle, settings.satisfied)
        if types is not None and events.types is not None:
            is_bought_P = is_bought_P & np.isin(events.types, types)
        return cls(settings, tuple(learn_intervals(events, is_bought_P, codes)))

    def waits(self, codes: Codes) -> np.ndarray[Any, np.dtype[np.float64]]:
        """wait_V in seconds: how long each value is left out after a purchase; 0 never, infinite for good."""
        needs = self.settings.satisfied
        assert needs is not None
        seconds = {interval.value: _wait(interval, needs) for interval in self.intervals}
        return np.array([seconds.get(value, 0.0) for value in codes.values], np.float64)


def satisfying_types(bundle: Bundle, needs: Satisfied) -> Ints | None:
    """Rows of the types of event that satisfy; None where all do. UserError for a type that the log never had."""
    if needs.events is None:
        return None
    rows = None if bundle.recipe.schema_.event is None else type_rows(bundle, [*needs.events, None])
    if rows is None:
        raise UserError("rules.satisfied.events: this bundle's recipe names no schema.event: leave the types out")
    for kind, row in zip(needs.events, rows[:-1].tolist(), strict=True):
        if row == rows[-1]:
            raise UserError(f"rules.satisfied.events: the log has no events of the type {kind!r}")
    return rows[:-1]


def read_rules(file: Path) -> Rules:
    """The [rules] of a TOML file such as a recipe. RecipeError says what is wrong with them."""
    try:
        values = tomllib.loads(file.read_text(encoding="utf-8")).get("rules")
    except OSError as error:
        raise UserError(f"cannot read {file}: {error.strerror}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise UserError(f"{file} is no TOML: {error}") from error
    if not isinstance(values, Mapping):
        raise UserError(f'{file}: expected a section [rules], such as [rules] with filter = "in_stock"')
    settings, problems = read_settings(Rules, values, "rules")
    if settings is None:
        raise RecipeError(problems, str(file))
    return settings


def _wait(interval: Interval, needs: Satisfied) -> float:
    if interval.users < needs.least_users:
        return 0.0
    if interval.seconds is None or interval.again < needs.again:
        return np.inf if needs.days is None else needs.days * 86_400
    return interval.seconds


def numbered(rules: Sequence[Any], name: str) -> list[tuple[str, Any]]:
    """Each with the place that an error names, such as `rules.pin[0]`."""
    return [(f"rules.{name}[{place}]", rule) for place, rule in enumerate(rules)]
