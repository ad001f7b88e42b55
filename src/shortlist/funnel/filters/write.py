"""A filter's text, made from a column and a value of it."""

from __future__ import annotations

import re

from shortlist.funnel.filters.syntax import Value
from shortlist.funnel.filters.tokens import KEYWORDS


def equals(column: str, value: Value) -> str:
    """Keeps the items whose value it is."""
    return f"{_name(column)} = {_literal(value)}"


def has(column: str, value: Value) -> str:
    """The same for a column that has several values an item."""
    return f"{_name(column)} has {_literal(value)}"


def _name(column: str) -> str:
    """As it is, or in backquotes; ValueError for a name with a backquote, which nothing can quote."""
    if "`" in column:
        raise ValueError(f"no filter can name the column {column!r}")
    plain = re.fullmatch(r"[^\W\d]\w*", column) and column.lower() not in KEYWORDS
    return column if plain else f"`{column}`"


def _literal(value: Value) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str):
        quoted = value.replace("\\", "\\\\").replace('"', '\\"')
        return f'"{quoted}"'
    return repr(value)
