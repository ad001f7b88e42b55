"""Columns that a recipe names, and whether the tables have them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import ibis

from shortlist.core.errors import DataError
from shortlist.core.suggest import did_you_mean


@dataclass(frozen=True, slots=True)
class Wanted:
    """Columns of one table, each with the setting that names it."""

    source: str
    """The table as the recipe names it."""
    table: ibis.Table
    settings: Sequence[tuple[str, str]]
    """Setting and column."""

    @property
    def names(self) -> list[str]:
        """The source's own columns."""
        return [name for name in self.table.columns if not name.startswith("#")]


def check_columns(*wanted: Wanted) -> None:
    """DataError that names every column which is not there, with the nearest one that is."""
    missing = [
        f"{setting} = {column!r}: {part.source} has no column `{column}`.{did_you_mean(column, part.names)}"
        for part in wanted
        for setting, column in part.settings
        if column not in part.table.columns
    ]
    if missing:
        raise DataError("\n".join(missing))
