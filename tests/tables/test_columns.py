"""Columns that a recipe names and the tables lack."""

from __future__ import annotations

import ibis
import pytest

from shortlist.core.errors import DataError
from shortlist.tables.columns import Wanted, check_columns

LOG = ibis.table({"user_id": "int64", "rating": "int64"}, name="log")


def test_columns_that_are_there() -> None:
    check_columns(Wanted("log.csv", LOG, [("schema.user_id", "user_id")]))


def test_all_that_are_missing_are_named_at_once_with_the_nearest() -> None:
    items = ibis.table({"item_id": "int64"}, name="items")
    with pytest.raises(DataError) as raised:
        check_columns(
            Wanted("log.csv", LOG, [("schema.user_id", "userid"), ("schema.timestamp", "ts")]),
            Wanted("items.csv", items, [("features.item.year", "year")]),
        )
    assert str(raised.value).splitlines() == [
        "schema.user_id = 'userid': log.csv has no column `userid`. Did you mean `user_id`?",
        "schema.timestamp = 'ts': log.csv has no column `ts`. There is: rating, user_id.",
        "features.item.year = 'year': items.csv has no column `year`. There is: item_id.",
    ]
