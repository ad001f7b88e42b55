"""Tables as they were measured, before anybody says what they mean."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import ibis

from shortlist.core.errors import DataError
from shortlist.tables.engine import Engine
from shortlist.tables.profile import ColumnProfile, profile
from shortlist.tables.propose.words import Part, plays


@dataclass(frozen=True, eq=False)
class Facts:
    """One table."""

    source: str
    """As the person named it."""
    table: ibis.Table
    columns: dict[str, ColumnProfile]

    @cached_property
    def name(self) -> str:
        """For people."""
        return Path(self.source).name

    @cached_property
    def rows(self) -> int:
        """How many rows it has."""
        return next((column.rows for column in self.columns.values()), 0)

    def is_key(self, column: str) -> bool:
        """Whether each row has another value of the column."""
        found = self.columns.get(column)
        return found is not None and found.nulls == 0 and self.rows > 1 and found.distinct >= self.rows

    def may_be_id(self, column: str) -> bool:
        """Ids are integers or text."""
        found = self.columns[column]
        return found.present > 0 and (found.type in ("integer", "text") or (found.type == "float" and found.is_integer))

    def named(self, part: Part) -> list[str]:
        """Columns whose names look like the part, in the table's order."""
        return [column for column in self.columns if plays(column, part)]


def look(engine: Engine, source: str) -> Facts:
    """Measure the table of a source; DataError when it cannot be read or has no rows."""
    table = engine.read(source)
    columns = {column.name: column for column in profile(engine, table)}
    facts = Facts(source, table, columns)
    if facts.rows == 0:
        raise DataError(f"{source}: expected rows, found an empty table with the columns {', '.join(columns)}.")
    return facts
