"""Text where numbers are wanted: what of it cannot be read."""

from __future__ import annotations

from collections.abc import Mapping

import ibis

from shortlist.core.errors import DataError
from shortlist.tables.audit import EXAMPLES, Audit, Finding
from shortlist.tables.counting import count_where
from shortlist.tables.engine import Engine
from shortlist.tables.numbers import as_number


def audit_numbers(engine: Engine, table: ibis.Table, source: str, wanted: Mapping[str, str], audit: Audit) -> None:
    """Note the rows whose text is no finite number. DataError for a column of text without any number.

    `wanted` gives the column for each setting that asks for numbers. Empty text is a missing value, as null is.
    """
    texts = {setting: column for setting, column in wanted.items() if table[column].type().is_string()}
    if not texts:
        return
    numbers = [as_number(table[column]).notnull() for column in texts.values()]
    unread = [_is_unread(table[column]) for column in texts.values()]
    _, counts = count_where(engine, table, [*numbers, *unread])
    for place, (setting, column) in enumerate(texts.items()):
        count = counts[len(texts) + place]
        if count == 0:
            continue
        examples = _examples(engine, table.filter(unread[place]), column)
        if counts[place] == 0:
            raise DataError(
                f"{setting}: expected numbers in the column `{column}` of {source}, found none among "
                f"the texts of {count:,} rows ({'; '.join(examples)}). Choose another kind of feature, such as "
                '"categorical", or another column.'
            )
        what = f"rows of {source} whose `{column}` cannot be read as a number"
        audit.add(Finding(what, count, "treated as missing", examples))


def _is_unread(column: ibis.Value) -> ibis.Value:
    return (column.strip() != "").fill_null(False) & as_number(column).isnull()


def _examples(engine: Engine, rows: ibis.Table, column: str) -> tuple[str, ...]:
    """The first different texts."""
    found = engine.to_arrow(rows.select(column).distinct().order_by(column).limit(EXAMPLES))
    return tuple(repr(text) for text in found[column].to_pylist())
