"""The section [tune]: which settings are tried in which range, and how long."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import Any

from pydantic import Field, model_validator

from shortlist.core.errors import Problem
from shortlist.core.settings import Contradictions, Settings, read_settings
from shortlist.core.suggest import did_you_mean


class Range(Settings):
    """The values that a setting may take: one of these, each a list."""

    choice: tuple[Any, ...] | None = Field(None, min_length=1)
    """Any of these values, whatever they are."""
    log: tuple[float, float] | None = None
    """A number from the first to the second, each factor as likely as another: for rates and penalties."""
    linear: tuple[float, float] | None = None
    """A number from the first to the second."""
    int_: tuple[int, int] | None = Field(None, alias="int")
    """A whole number from the first to the second."""
    log_int: tuple[int, int] | None = None
    """A whole number from the first to the second, each factor as likely as another: for dims and widths."""

    @property
    def kind(self) -> str:
        """Which of the forms it is."""
        return next(iter(self.model_dump(by_alias=True, exclude_none=True)))

    @property
    def bounds(self) -> tuple[Any, ...]:
        """The values of a choice; the lowest and the highest of a range."""
        found: tuple[Any, ...] = next(iter(self.model_dump(exclude_none=True).values()))
        return found

    @model_validator(mode="after")
    def _one_form(self) -> Range:
        forms = self.model_dump(by_alias=True, exclude_none=True)
        if len(forms) != 1:
            raise ValueError(
                f"expected one of {', '.join(FORMS)}, found {', '.join(forms) or 'none'}: such as log = [1e-4, 1e-2]"
            )
        if self.choice is None:
            low, high = self.bounds
            if not (math.isfinite(low) and math.isfinite(high) and low < high):
                raise ValueError(f"the first is to be below the second, found {low} and {high}")
            if low <= 0 and self.kind.startswith("log"):
                raise ValueError(f"by factors, nothing comes from {low} to {high}: begin above 0, or say linear")
        return self


FORMS = tuple(field.alias or name for name, field in Range.model_fields.items())


class Tune(Settings):
    """Settings of the search; beside them, by their dotted name, the settings that are searched.

    `"ranking.dense.lr" = {log = [1e-4, 1e-2]}`: the name in quotes, or without them, which TOML reads as tables within
    tables and means the same here.
    """

    metric: str | None = None
    """What is to be best on the validation split, as `STAGE.METRIC` of metrics.json; default: funnel.ndcg@10, and
    the first metric of the ranker where there are no lists."""
    trials: int = Field(30, ge=1)
    """Most trials, beside the recipe as it stands."""
    minutes: float | None = Field(None, gt=0)
    """No trial begins later than this; default: no limit."""
    patience: int | None = Field(None, ge=1)
    """Stop after this many trials without a better one; default: never."""
    workers: int = Field(1, ge=1)
    """Trials at a time, each in a process of its own with its part of the cores."""
    spark: str | None = None
    """Master of the Spark application whose executors run the trials, such as spark://host:7077; default: processes of
    this machine. The executors see the folders of this machine by the same names, and have shortlist[tune]."""
    prune: bool = True
    """End a trial whose validation metric after an epoch is below the median of the trials before it."""
    ranges: Mapping[str, Range] = {}
    """The ranges by dotted name, gathered from what stands beside the settings."""

    @model_validator(mode="before")
    @classmethod
    def _gather(cls, values: Any) -> Any:
        if not isinstance(values, Mapping):
            return values
        own = {name: value for name, value in values.items() if name in cls.model_fields}
        found, problems = own.get("ranges", {}), []
        if not isinstance(found, Mapping):
            raise Contradictions(Problem("ranges", "no such setting: ranges stand beside the settings, by dotted name"))
        found = dict(found)
        for setting, value in _dotted({name: value for name, value in values.items() if name not in own}):
            if "." not in setting:
                problems.append(Problem(setting, "no such setting." + did_you_mean(setting, list(cls.model_fields))))
            elif isinstance(value, Mapping):
                found[setting], wrong = read_settings(Range, value)
                problems += [Problem(setting, problem.message) for problem in wrong]
            else:
                expected = "expected a range such as {log = [1e-4, 1e-2]} or {choice = [16, 32]}"
                problems.append(Problem(setting, f"{expected}, found {value!r}"))
        if problems:
            raise Contradictions(*problems)
        return {**own, "ranges": found}


def _dotted(values: Mapping[str, Any], above: str = "") -> Iterator[tuple[str, Any]]:
    """Each range with its dotted name, from tables within tables."""
    for name, value in values.items():
        path = f"{above}{name}"
        if isinstance(value, Mapping) and value and not set(value) & set(FORMS):
            yield from _dotted(value, f"{path}.")
        else:
            yield path, value
