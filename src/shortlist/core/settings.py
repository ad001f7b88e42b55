"""Settings: frozen, keyword-only, strict; each with its default and its doc in one place.

A setting is written once, as a field with its doc string beneath it. From that come the recipe's reading, its errors
with "did you mean", the commented recipe of `shortlist init`, and the search space of tuning.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar, get_args

from pydantic import BaseModel, ConfigDict, ValidationError

from shortlist.core.errors import Problem
from shortlist.core.suggest import did_you_mean


class Settings(BaseModel):
    """Base of every group of settings. Unknown keys are errors; instances cannot be changed."""

    model_config = ConfigDict(
        frozen=True,
        extra="forbid",
        use_attribute_docstrings=True,
        validate_default=True,
        protected_namespaces=(),
    )


S = TypeVar("S", bound=Settings)


def read_settings(cls: type[S], values: Mapping[str, Any], prefix: str = "") -> tuple[S | None, list[Problem]]:
    """Validate `values` as `cls`: the settings, or None with every problem found (dotted paths start at `prefix`)."""
    try:
        return cls.model_validate(dict(values)), []
    except ValidationError as error:
        return None, [_problem(cls, detail, prefix) for detail in error.errors()]


def _problem(cls: type[Settings], detail: Any, prefix: str) -> Problem:
    path = [str(part) for part in detail["loc"]]
    where = ".".join([*([prefix] if prefix else []), *path])
    if detail["type"] == "extra_forbidden":
        return Problem(where, "no such setting." + did_you_mean(path[-1], _known(cls, path[:-1])))
    if detail["type"] == "missing":
        return Problem(where, "is required and is not there")
    given = detail["input"]
    found = "" if detail["type"] == "value_error" or isinstance(given, Mapping) else f", found {given!r}"
    return Problem(where, detail["msg"].removeprefix("Value error, ") + found)


def _known(cls: type[Settings], path: list[str]) -> list[str]:
    """Names of the settings at `path` below `cls`."""
    for part in path:
        field = cls.model_fields.get(part)
        inner = _settings_in(field.annotation) if field else None
        if inner is None:
            return []
        cls = inner
    return list(cls.model_fields)


def _settings_in(annotation: Any) -> type[Settings] | None:
    """The first Settings class inside an annotation such as `Settings | None`."""
    if isinstance(annotation, type) and issubclass(annotation, Settings):
        return annotation
    return next((found for arg in get_args(annotation) if (found := _settings_in(arg))), None)
