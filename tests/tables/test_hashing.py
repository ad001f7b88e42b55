"""The pseudo-random numbers that both engines agree on."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from shortlist.tables.duckdb import DuckDB
from shortlist.tables.hashing import PRIME, pseudo_random


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
