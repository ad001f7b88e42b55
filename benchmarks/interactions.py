"""A synthetic log of interactions: texts of users, items and categories, times, two numbers and a click."""

from __future__ import annotations

from pathlib import Path

import duckdb

from shortlist.core.files import whole_file

USERS, ITEMS, CATEGORIES = 1_000_000, 100_000, 100
TEXTS = ("user", "item", "category")
NUMBERS = ("price", "dwell")
LABEL = "clicked"
_FIRST, _SECONDS = 1_700_000_000, 90 * 86_400
_ROW_GROUP = 122_880


def write_interactions(path: Path, rows: int, seed: int = 0) -> Path:
    """A Parquet file, unless it is there.

    Nine rows of ten draw their values by Zipf's law with exponent 1; the tenth goes through all of them in turn, so
    that a log of ten times as many rows as users has every user.
    """
    if path.is_file():
        return path
    query = f"""
        SELECT printf('%016x', hash({_drawn(USERS)})) AS user,
               'item-' || hash({_drawn(ITEMS)}) % 1_000_000_000 AS item,
               'category-' || {_drawn(CATEGORIES)} AS category,
               {_FIRST} + floor({_SECONDS} * random())::BIGINT AS time,
               round(exp(6 * random()), 2) AS price,
               floor(1000 * random())::INTEGER AS dwell,
               (random() < 0.2)::TINYINT AS clicked
        FROM range({rows}) AS log(i)"""  # noqa: S608
    with whole_file(path) as draft, duckdb.connect(config={"threads": 1}) as connection:
        connection.execute("SELECT setseed(?)", [seed % 1000 / 1000])
        connection.execute(f"COPY ({query}) TO '{draft}' (FORMAT parquet, ROW_GROUP_SIZE {_ROW_GROUP})")
    return path


def _drawn(values: int) -> str:
    """SQL of a number below `values`."""
    return f"(CASE WHEN i % 10 = 0 THEN i // 10 % {values} ELSE floor(pow({values}.0, random()))::BIGINT - 1 END)"
