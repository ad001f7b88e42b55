"""What a filter is made of, once it is read. Every name and value knows where in the text it stands."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from shortlist.core.errors import RequestError

Value = str | int | float | bool


@dataclass(frozen=True, slots=True)
class Name:
    """A column."""

    text: str
    at: int
    """Its first character, counted from 0."""


@dataclass(frozen=True, slots=True)
class Literal:
    """A value."""

    value: Value
    at: int


@dataclass(frozen=True, slots=True)
class Compare:
    """`price < 20`."""

    column: Name
    sign: str
    literal: Literal


@dataclass(frozen=True, slots=True)
class Among:
    """`category in ("tea", "coffee")`."""

    column: Name
    literals: tuple[Literal, ...]


@dataclass(frozen=True, slots=True)
class Has:
    """`genres has "Comedy"`."""

    column: Name
    literal: Literal


@dataclass(frozen=True, slots=True)
class IsMissing:
    """`price is missing`."""

    column: Name


@dataclass(frozen=True, slots=True)
class IsTrue:
    """`in_stock`."""

    column: Name


@dataclass(frozen=True, slots=True)
class Not:
    """`not in_stock`."""

    inner: Predicate


@dataclass(frozen=True, slots=True)
class And:
    """Parts joined by `and`."""

    parts: tuple[Predicate, ...]


@dataclass(frozen=True, slots=True)
class Or:
    """Parts joined by `or`."""

    parts: tuple[Predicate, ...]


Predicate = Compare | Among | Has | IsMissing | IsTrue | Not | And | Or


def names(predicate: Predicate) -> Iterator[str]:
    """The columns it names, in their order."""
    match predicate:
        case And(parts) | Or(parts):
            for part in parts:
                yield from names(part)
        case Not(inner):
            yield from names(inner)
        case _:
            yield predicate.column.text


def refused(text: str, at: int, why: str) -> RequestError:
    """An error that points at a place of the filter."""
    around = f"{text[max(at - 40, 0) : at]} >>> {text[at : at + 40]}".strip()
    return RequestError(f"filter, character {at + 1}: {why}   {around}", "filter", text)
