"""Settings: frozen, keyword-only, strict; each with its default and its doc in one place.

A setting is written once, as a field with its doc string beneath it. From that come the recipe's reading, its errors
with "did you mean", the commented recipe of `shortlist init`, and the search space of tuning.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, TypeVar, get_args, get_origin

from pydantic import BaseModel, ConfigDict, ValidationError
from pydantic.fields import FieldInfo

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


class Contradictions(ValueError):
    """Settings that do not fit together, for validators to raise; places are counted from the validator's settings."""

    def __init__(self, *problems: Problem) -> None:
        self.problems = problems
        super().__init__("; ".join(f"{problem.where}: {problem.message}" for problem in problems))


S = TypeVar("S", bound=Settings)


def read_settings(cls: type[S], values: Mapping[str, Any], prefix: str = "") -> tuple[S | None, list[Problem]]:
    """Validate `values` as `cls`: the settings, or None with every problem found (dotted paths start at `prefix`)."""
    try:
        return cls.model_validate(dict(values)), []
    except ValidationError as error:
        return None, _one_each([found for detail in error.errors() for found in _problems(cls, detail, prefix)])


def _one_each(problems: Sequence[Problem]) -> list[Problem]:
    """One problem for each setting: a value that fits no branch of a union is one mistake."""
    found: dict[str, Problem] = {}
    for problem in problems:
        before = found.get(problem.where)
        message = f"{before.message}, or {problem.message}" if before else problem.message
        found[problem.where] = Problem(problem.where, message)
    return list(found.values())


def _problems(cls: type[Settings], detail: Any, prefix: str) -> list[Problem]:
    path, inside = _place(cls, detail["loc"])
    path = [*([prefix] if prefix else []), *path]
    raised = detail.get("ctx", {}).get("error")
    if isinstance(raised, Contradictions):
        return [replace(problem, where=".".join([*path, problem.where])) for problem in raised.problems]
    return [_problem(path, inside, detail)]


def _problem(path: Sequence[str], inside: Sequence[type[Settings]], detail: Any) -> Problem:
    where = ".".join(path)
    if detail["type"] == "extra_forbidden":
        return Problem(where, "no such setting." + did_you_mean(path[-1], _names(inside)))
    if detail["type"] == "missing":
        return Problem(where, "is required and is not there")
    if detail["type"] in {"union_tag_invalid", "union_tag_not_found"}:
        return _unknown_branch(where, detail, inside)
    given = detail["input"]
    found = "" if detail["type"] == "value_error" or isinstance(given, Mapping) else f", found {given!r}"
    return Problem(where, detail["msg"].removeprefix("Value error, ") + found)


def _unknown_branch(where: str, detail: Any, inside: Sequence[type[Settings]]) -> Problem:
    """One of several groups of settings was to be chosen by a `kind` that is missing, or that none of them has."""
    key = detail["ctx"]["discriminator"].strip("'")
    known = [tag for branch in inside for tag in _tags(branch)]
    if detail["type"] == "union_tag_not_found":
        return Problem(where, f"says no `{key}`, one of {', '.join(known)}")
    tag = detail["ctx"]["tag"]
    return Problem(where, f"no {key} is called {tag!r}.{did_you_mean(tag, known)}")


def _place(cls: type[Settings], location: Sequence[str | int]) -> tuple[list[str], list[type[Settings]]]:
    """The dotted path of an error and the Settings classes it ends in, without pydantic's labels of union branches."""
    path: list[str] = []
    inside, leaf = [cls], False
    for part in location:
        field = _fields(inside[0]).get(str(part)) if len(inside) == 1 else None
        chosen = [branch for branch in inside if len(inside) > 1 and part in _tags(branch)]
        if chosen:
            inside = chosen
        elif not leaf:
            path.append(str(part))
        if field is not None:
            inside = _settings_in(field.annotation)
            leaf = not inside and not _holds_several(field.annotation)
    return path, inside


def _fields(cls: type[Settings]) -> dict[str, FieldInfo]:
    """Fields by the name that a file gives them."""
    return {field.alias or name: field for name, field in cls.model_fields.items()}


def _names(inside: Sequence[type[Settings]]) -> list[str]:
    return [name for cls in inside for name in _fields(cls)]


def _tags(cls: type[Settings]) -> tuple[Any, ...]:
    """The values of `kind` by which a class is chosen from several."""
    kind = cls.model_fields.get("kind")
    return get_args(kind.annotation) if kind else ()


def _settings_in(annotation: Any) -> list[type[Settings]]:
    """The Settings classes inside an annotation such as `Settings | None` or `dict[str, A | B]`."""
    if isinstance(annotation, type) and issubclass(annotation, Settings):
        return [annotation]
    return [found for argument in get_args(annotation) for found in _settings_in(argument)]


def _holds_several(annotation: Any) -> bool:
    """Whether values lie below keys or positions, as in a dict, a tuple or a list."""
    return get_origin(annotation) in {dict, list, tuple} or any(map(_holds_several, get_args(annotation)))
