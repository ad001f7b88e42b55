"""Engines: whatever can run an ibis expression over the tables. Expressions are written once and run on each of them.

Tables are unbound ibis tables whose names the engine knows: expressions are compiled to its SQL and run by its own
client, which alone decides how rows come back.
"""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Protocol, runtime_checkable

import ibis
import pyarrow as pa

from shortlist.core.threads import cpu_threads
from shortlist.recipe.sections import Compute


class Engine(Protocol):
    """Reads sources and runs expressions."""

    name: str
    """As in `compute.engine`."""
    hash_function: str
    """Name of the SQL function that hashes any number of columns of any type to an integer."""

    def read(self, source: str, position: bool = False, columns: Sequence[str] = ()) -> ibis.Table:
        """The table of a source; with `position` also `names.SOURCE`. DataError when it cannot be read.

        `columns` names those of text files without a header line.
        """

    def table(self, name: str, data: pa.Table) -> ibis.Table:
        """A table from Arrow; `name` shows in plans, and need not be unique."""

    def cache(self, name: str, expression: ibis.Table) -> ibis.Table:
        """The same rows, computed once and kept until the engine is closed."""

    def to_arrow(self, expression: ibis.Table) -> pa.Table:
        """All rows of a result that fits in memory, in the types that ibis says."""

    def batches(self, expression: ibis.Table, rows: int) -> Iterator[pa.RecordBatch]:
        """The same, in the expression's order, at most `rows` at a time, without holding all of them."""

    def close(self) -> None:
        """Forget all tables."""


@runtime_checkable
class Distributed(Protocol):
    """An engine whose rows need not come to this process: its executors run functions of this package over them."""

    def map_parts(
        self,
        expression: ibis.Table,
        part: str,
        parts: int,
        task: tuple[str, str, str],
        done: Callable[[int], None],
    ) -> pa.Table:
        """Bring the rows of each of `parts` parts together, and run the task over each part.

        `part` is the int32 column that numbers them. The task is a module, its function, and the text that this takes
        before the part's record batches, whose columns have their order but not their names. It yields batches with
        one column `said` of text, and the result is all of them. `done` hears how many parts have been dealt with
        since it last heard of some.
        """


@contextlib.contextmanager
def open_engine(compute: Compute, beside: Path) -> Iterator[Engine]:
    """The engine that the recipe asks for; what does not fit in memory is kept below `beside` until the end."""
    beside.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".tables-", dir=beside) as scratch:
        engine = _engine(compute, Path(scratch))
        with contextlib.closing(engine):
            yield engine


def _engine(compute: Compute, scratch: Path) -> Engine:
    """Each engine's packages are imported only when it is asked for."""
    threads = cpu_threads(compute.threads)
    if compute.engine == "spark":
        from shortlist.tables.spark import Spark

        return Spark(compute.spark_master, threads, scratch)
    from shortlist.tables.duckdb import DuckDB

    return DuckDB(threads, scratch)
