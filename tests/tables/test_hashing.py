"""The pseudo-random numbers that both engines agree on."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from shortlist.tables.duckdb import DuckDB
from shortlist.tables.hashing import PRIME, one_in, pseudo_random, row_hash


def _draw(engine: DuckDB, users: npt.ArrayLike, items: npt.ArrayLike) -> npt.NDArray[np.int64]:
    table = engine.table("pairs", pa.table({"row": range(len(np.asarray(users))), "u": users, "i": items}))
    drawn = table.mutate(r=pseudo_random(table["u"], table["i"], seed=0)).order_by("row")
    return np.asarray(engine.to_arrow(drawn)["r"].to_numpy())


def test_numbers_are_spread_evenly(engine: DuckDB) -> None:
    drawn = _draw(engine, np.zeros(20_000, np.int64), np.arange(20_000))
    counts, _ = np.histogram(drawn, bins=20, range=(0, PRIME))
    assert counts.min() > 850
    assert counts.max() < 1_150
    assert len(np.unique(drawn)) > 19_990


def test_users_orders_of_the_same_items_have_nothing_in_common(engine: DuckDB) -> None:
    items = np.arange(500)
    drawn = _draw(engine, np.repeat(np.arange(1, 41), 500), np.tile(items, 40)).reshape(40, 500)
    ranks = drawn.argsort(axis=1).argsort(axis=1)
    between = np.corrcoef(np.vstack([items, ranks]))[np.triu_indices(41, k=1)]
    assert np.abs(between).max() < 0.2
    assert np.abs(between).mean() < 0.05


def test_the_largest_values_do_not_overflow(engine: DuckDB) -> None:
    drawn = _draw(engine, [2**62, 2**31 - 1, 2**31 - 2], [2**62, 2**31 - 2, 0])
    assert ((drawn >= 0) & (drawn < PRIME)).all()


def test_equal_rows_share_a_hash_and_others_do_not(engine: DuckDB) -> None:
    columns = {
        "text": ["a", "a", None, None, "Å", "Å", "a"],
        "number": [1.0, 1.0, math.nan, math.nan, None, None, 2.0],
        "lists": [[1], [1], [], [], None, None, [1]],
    }
    table = engine.table("rows", pa.table({"row": range(7), **columns}))
    hashed = table.mutate(h=row_hash(table, list(columns), engine.hash_function)).order_by("row").select("h")
    found = engine.to_arrow(engine.cache("hashed", hashed))["h"].to_pylist()
    assert found[0:6:2] == found[1:6:2]
    assert len(set(found)) == 4
    assert None not in found


def test_one_row_in_so_many_whatever_repeats_in_the_log(engine: DuckDB) -> None:
    table = engine.table("rows", pa.table({"row": range(100_000)}))
    drawn = engine.to_arrow(table.filter(one_in(20, table["row"])))["row"].to_numpy()
    assert 4_500 < len(drawn) < 5_500
    for period in (2, 10, 20, 64):
        counts = np.bincount(drawn % period, minlength=period) * period / len(drawn)
        assert counts.min() > 0.75
        assert counts.max() < 1.25
    assert len(engine.to_arrow(table.filter(one_in(1, table["row"])))) == 100_000
