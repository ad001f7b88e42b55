"""DuckDB by hand: three counts, three joins, and how little of that can be left out.

Names of columns and files are the benchmark's own, so that they may stand in SQL as they are.
"""

from __future__ import annotations

import duckdb

from benchmarks.encoding_by_hand import LABEL, NUMBERS, TEXTS, Encode, serve_encoding


def _count(connection: duckdb.DuckDBPyConnection, log: str) -> None:
    for name in TEXTS:
        counted = f"""SELECT "{name}" AS value, count(*) AS n FROM '{log}' GROUP BY ALL"""  # noqa: S608
        numbered = f"SELECT value, row_number() OVER (ORDER BY n DESC, value)::INTEGER AS id FROM ({counted})"  # noqa: S608
        connection.execute(f'CREATE TABLE "{name}s" AS {numbered}')


def _joined(columns: str, log: str) -> str:
    joins = " ".join(f'JOIN "{name}s" ON log."{name}" = "{name}s".value' for name in TEXTS)
    return f"SELECT {columns} FROM read_parquet('{log}', file_row_number = true) AS log {joins}"  # noqa: S608


def _encode(log: str, target: str, order: str) -> None:
    with duckdb.connect(config={"threads": 1}) as connection:
        _count(connection, log)
        moments = ", ".join(f"avg({name}), stddev_pop({name})" for name in NUMBERS)
        found = connection.execute(f"SELECT {moments} FROM '{log}'").fetchone()  # noqa: S608
        assert found is not None
        scaled = [
            f"(({name} - {found[2 * place]!r}) / {found[2 * place + 1]!r})::FLOAT AS {name}"
            for place, name in enumerate(NUMBERS)
        ]
        ids = [f'"{name}s".id AS "{name}"' for name in TEXTS]
        columns = ", ".join([*ids, *scaled, f"{LABEL}::FLOAT AS {LABEL}"])
        connection.execute(f"COPY ({_joined(columns, log)} {order}) TO '{target}' (FORMAT parquet)")


def to_parquet(log: str, target: str) -> None:
    """Numbers are normalised in the same pass as ids are joined."""
    _encode(log, target, "")


def in_random_order(log: str, target: str) -> None:
    """The same, sorted by a hash of the row's position."""
    _encode(log, target, "ORDER BY hash(file_row_number)")


def floor(log: str, target: str) -> None:
    """Counting and joining alone: nothing is normalised, and of the ids only their sums are kept."""
    with duckdb.connect(config={"threads": 1}) as connection:
        _count(connection, log)
        connection.execute(_joined(", ".join(f'sum("{name}s".id)' for name in TEXTS), log)).fetchall()


def ways() -> dict[str, Encode]:
    """By name."""
    return {"parquet": to_parquet, "random": in_random_order, "floor": floor}


if __name__ == "__main__":
    serve_encoding(ways, "duckdb")
