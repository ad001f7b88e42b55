"""Text where numbers are wanted."""

from __future__ import annotations

import pyarrow as pa
import pytest

from shortlist.core.errors import DataError
from shortlist.tables.audit import Audit
from shortlist.tables.duckdb import DuckDB
from shortlist.tables.unread import audit_numbers

TABLE = pa.table(
    {
        "price": ["1.5", "free", None, "", " ", "free", "on request", "inf", "2e3", " 7 "],
        "kind": ["tea", None, "coffee", "", "tea", "tea", "tea", "tea", "tea", "tea"],
        "nothing": pa.array([None] * 9 + [""], pa.string()),
        "size": [float("nan"), *range(9)],
    }
)


def test_rows_whose_text_is_no_number_are_noted(engine: DuckDB) -> None:
    audit = Audit()
    wanted = {f"features.item.{name}": name for name in ("price", "nothing", "size")}
    audit_numbers(engine, engine.table("items", TABLE), "items.csv", wanted, audit)
    assert audit.lines() == [
        "4 rows of items.csv whose `price` cannot be read as a number: treated as missing ('free'; 'inf'; 'on request')"
    ]


def test_a_column_of_text_without_any_number_is_refused(engine: DuckDB) -> None:
    with pytest.raises(DataError) as raised:
        audit_numbers(engine, engine.table("items", TABLE), "items.csv", {"features.item.sort": "kind"}, Audit())
    assert str(raised.value) == (
        "features.item.sort: expected numbers in the column `kind` of items.csv, found none among the texts of "
        "8 rows ('coffee'; 'tea'). Choose another kind of feature, such as \"categorical\", or another "
        "column."
    )
