"""Polars by hand: lazily, streaming into the file, or one column after the other in memory."""

from __future__ import annotations

import polars as pl

from benchmarks.encoding_by_hand import LABEL, NUMBERS, TEXTS, serve_encoding


def _by_frequency(counted, name):
    ordered = counted.sort(["n", name], descending=[True, False]).with_row_index("#id", 1)
    return ordered.select(name, pl.col("#id").cast(pl.Int32))


def _plain():
    scaled = [((pl.col(x) - pl.col(x).mean()) / pl.col(x).std(ddof=0)).cast(pl.Float32) for x in NUMBERS]
    return [*scaled, pl.col(LABEL).cast(pl.Float32)]


def _lazily(log):
    found = pl.scan_parquet(log).select(*TEXTS, *NUMBERS, LABEL)
    for name in TEXTS:
        vocabulary = _by_frequency(pl.scan_parquet(log).group_by(name).agg(n=pl.len()), name)
        found = found.join(vocabulary, on=name, how="left").drop(name).rename({"#id": name})
    return found.with_columns(*_plain())


def _eagerly(log):
    found = pl.read_parquet(log, columns=[*TEXTS, *NUMBERS, LABEL])
    for name in TEXTS:
        vocabulary = _by_frequency(found.group_by(name).agg(n=pl.len()), name)
        found = found.join(vocabulary, on=name, how="left", maintain_order="left").drop(name).rename({"#id": name})
    return found.with_columns(*_plain())


def lazy(log, target):
    """Streaming."""
    _lazily(log).sink_ipc(target, compression="uncompressed")


def lazy_random(log, target):
    """Sorted by a hash of the row's position."""
    drawn = _lazily(log).with_row_index("#row").with_columns(pl.col("#row").hash()).sort("#row").drop("#row")
    drawn.sink_ipc(target, compression="uncompressed")


def eager(log, target):
    """A column at a time."""
    _eagerly(log).write_ipc(target, compression="uncompressed")


def eager_random(log, target):
    """Taken in the order of a permutation."""
    _eagerly(log).sample(fraction=1.0, shuffle=True, seed=0).write_ipc(target, compression="uncompressed")


def ways():
    """They write uncompressed Arrow files."""
    return {"lazy": lazy, "eager": eager, "lazy_random": lazy_random, "eager_random": eager_random}


if __name__ == "__main__":
    serve_encoding(ways, "polars")
