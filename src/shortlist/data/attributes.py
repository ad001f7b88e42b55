"""The raw columns of the item table, which filters and rules read: one row for each item row, row 0 all missing."""

from __future__ import annotations

import ibis
import pyarrow as pa

from shortlist.data.encoding import BATCH_ROWS
from shortlist.tables.engine import Engine
from shortlist.tables.entities import Entities
from shortlist.tables.names import KEY, ROW

FILE = "attributes.arrow"
"""In a prepared folder and, of those columns that filters know, in a bundle."""
_TABLE_KEY = "#table_key"


def attribute_batch(engine: Engine, items: Entities, table: ibis.Table, id_column: str) -> pa.RecordBatch:
    """All columns of the item table but its id, as they are, by item row. An item that is not there has none."""
    names = [name for name in table.columns if name not in (KEY, id_column)]
    rows = engine.table("items", items.to_arrow())
    own = table.select(**{_TABLE_KEY: table[KEY]}, **{name: table[name] for name in names})
    found = rows.left_join(own, rows[KEY] == own[_TABLE_KEY])
    batches = list(engine.batches(found.select(ROW, *names).order_by(ROW), BATCH_ROWS))
    columns = {}
    for name in (ROW, *names):
        values = pa.concat_arrays([batch.column(name) for batch in batches])
        columns[name] = pa.concat_arrays([pa.nulls(1, values.type), values])
    return pa.record_batch(columns)
