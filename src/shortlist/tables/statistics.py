"""Statistics of columns, computed in an engine: what features are fitted from, as plain numbers and Arrow tables."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import ibis
import pyarrow as pa

from shortlist.tables.engine import Engine
from shortlist.tables.numbers import as_number

_MARK = "\x01"
"""Takes a separator's place: to Spark, what parts a text is a regular expression, and this is an ordinary one."""


def moments(
    engine: Engine, table: ibis.Table, wanted: Mapping[str, tuple[str, bool]]
) -> dict[str, tuple[int, int, float, float]]:
    """Count, missing, mean and population deviation of the finite values of columns, all in one pass.

    `wanted` gives the column for each name, and whether sign(x) log(1 + |x|) takes the place of x. Mean and deviation
    are 0 where there is no finite value.
    """
    if not wanted:
        return {}
    parts: dict[str, ibis.Value] = {"rows": table.count()}
    for place, (column, log) in enumerate(wanted.values()):
        x = as_number(table[column])
        x = x.sign() * (x.abs() + 1).ln() if log else x
        parts |= {f"count_{place}": x.count(), f"mean_{place}": x.mean(), f"deviation_{place}": x.std(how="pop")}
    found = engine.to_arrow(table.aggregate(**parts)).to_pylist()[0]
    return {
        name: (
            found[f"count_{place}"],
            found["rows"] - found[f"count_{place}"],
            found[f"mean_{place}"] or 0.0,
            found[f"deviation_{place}"] or 0.0,
        )
        for place, name in enumerate(wanted)
    }


def quantiles(engine: Engine, table: ibis.Table, column: str, levels: Sequence[float]) -> tuple[float, ...]:
    """Quantiles of the finite values, interpolated between neighbours; none where there is no finite value."""
    found = engine.to_arrow(table.aggregate(q=as_number(table[column]).quantile(list(levels))))["q"][0].as_py()
    return tuple(found or ())


def counts(engine: Engine, table: ibis.Table, column: str, separator: str | None = None) -> pa.Table:
    """Distinct values that are not null, with their rows: `value` and `count`, most frequent first, then ascending.

    With a separator the single values of text parted by it, or of a list column. Integers are int64.
    """
    values = table.select(value=table[column])
    if separator is not None:
        values = values.select(value=_single(values["value"], separator).unnest())
    if values["value"].type().is_integer() and not values["value"].type().is_uint64():
        values = values.mutate(value=values["value"].cast("int64"))
    counted = values.filter(values["value"].notnull()).group_by("value").aggregate(count=ibis._.count().cast("int64"))
    return engine.to_arrow(counted.order_by(ibis.desc("count"), "value"))


def _single(column: ibis.Value, separator: str) -> ibis.Value:
    if column.type().is_array():
        return column
    return column.cast("string").replace(separator, _MARK).split(_MARK)
