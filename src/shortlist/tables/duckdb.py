"""DuckDB: the default engine, inside this process."""

from __future__ import annotations

import contextlib
import itertools
from collections.abc import Iterator, Sequence
from pathlib import Path

import duckdb
import ibis
import pyarrow as pa

from shortlist.core.errors import DataError, EnvironmentFault
from shortlist.core.memory import machine_memory
from shortlist.tables.names import SOURCE
from shortlist.tables.results import arrow_schema
from shortlist.tables.sources import Source, find_source

_OUR_MISTAKES = (
    duckdb.BinderException,
    duckdb.CatalogException,
    duckdb.InternalException,
    duckdb.ParserException,
)


class DuckDB:
    """An in-memory database that spills to `scratch` beyond half of the machine's memory."""

    name = "duckdb"
    hash_function = "hash"

    def __init__(self, threads: int, scratch: Path) -> None:
        self._connection = duckdb.connect(
            config={
                "threads": threads,
                "memory_limit": f"{machine_memory() // 2 // 2**20}MiB",
                "temp_directory": str(scratch),
                "preserve_insertion_order": True,
            }
        )
        self._connection.execute("SET TimeZone = 'UTC'")
        self._connection.execute("SET enable_progress_bar = false")
        self._ibis = ibis.duckdb.from_connection(self._connection)
        self._numbers = itertools.count()
        self._read: list[str] = []

    def read(self, source: str, position: bool = False, columns: Sequence[str] = ()) -> ibis.Table:
        """Parquet stays where it is and is read by column; text is parsed once."""
        found = find_source(source, columns)
        self._read.append(found.files[0].name if len(found.files) == 1 else source)
        if found.format == "parquet":
            with _told(source):
                name = self._view(self._parquet(found))
        else:
            name = self._parsed(found)
        return self._named(self._with_position(name) if position else name)

    def _parquet(self, source: Source) -> duckdb.DuckDBPyRelation:
        """Writers leave NaN out of a column's minimum and maximum, and DuckDB takes these for the whole truth.

        Without `can_have_nan` it drops every test for NaN: https://github.com/duckdb/duckdb/issues/25521.
        """
        files = [str(file) for file in source.files]
        return self._connection.sql("FROM read_parquet(?, can_have_nan = true)", params=[files])

    def _parsed(self, source: Source) -> str:
        """Types are those of a sample of rows; where a later row is of another type, those of all rows."""
        name = self._new("read")
        try:
            self._text_relation(source, sample_size=20_480).create(name)
        except (duckdb.ConversionException, duckdb.InvalidInputException):
            with _told(source.given):
                self._text_relation(source, sample_size=-1).create(name)
        return name

    def _text_relation(self, source: Source, sample_size: int) -> duckdb.DuckDBPyRelation:
        files = [str(file) for file in source.files]
        if source.format == "json":
            return _without_json(
                self._connection.read_json(
                    files,  # type: ignore[arg-type]  # a list is taken, the stub does not say so
                    format="newline_delimited",
                    sample_size=sample_size,
                )
            )
        return self._connection.read_csv(
            files,  # type: ignore[arg-type]
            header=not source.columns,
            names=list(source.columns) or None,
            sep=source.delimiter,
            quotechar='"',
            escapechar='"',
            sample_size=sample_size,
        )

    def _with_position(self, name: str) -> str:
        numbered = self._connection.table(name).project(f'row_number() OVER () - 1 AS "{SOURCE}", *')
        return self._view(numbered)

    def table(self, name: str, data: pa.Table) -> ibis.Table:
        """Copied into the database, so that joins read it in parallel."""
        new = self._new(name)
        self._connection.from_arrow(data).create(new)
        return self._named(new)

    def cache(self, name: str, expression: ibis.Table) -> ibis.Table:
        """As a table of the database."""
        new = self._new(name)
        with _told(self._sources):
            self._run(expression).create(new)
        return self._named(new)

    def to_arrow(self, expression: ibis.Table) -> pa.Table:
        """The whole result."""
        with _told(self._sources):
            return self._run(expression).to_arrow_table().cast(arrow_schema(expression))

    def batches(self, expression: ibis.Table, rows: int) -> Iterator[pa.RecordBatch]:
        """A streaming result."""
        with _told(self._sources):
            for batch in self._run(expression).to_arrow_reader(rows):
                yield batch.cast(arrow_schema(expression))

    def close(self) -> None:
        """Close the database."""
        self._connection.close()

    @property
    def _sources(self) -> str:
        return " or ".join(self._read) or "the tables"

    def _run(self, expression: ibis.Table) -> duckdb.DuckDBPyRelation:
        return self._connection.sql(self._ibis.compile(expression))

    def _view(self, relation: duckdb.DuckDBPyRelation) -> str:
        name = self._new("view")
        relation.create_view(name)
        return name

    def _new(self, name: str) -> str:
        return f"{name}_{next(self._numbers)}"

    def _named(self, name: str) -> ibis.Table:
        schema = self._connection.table(name).limit(0).to_arrow_table().schema
        return ibis.table(ibis.Schema.from_pyarrow(schema), name=name)


def _without_json(relation: duckdb.DuckDBPyRelation) -> duckdb.DuckDBPyRelation:
    """Where values of one name are numbers here and text there, their text without JSON's quotes."""
    column = duckdb.ColumnExpression
    text = duckdb.ConstantExpression("$")
    parts = [
        duckdb.FunctionExpression("json_extract_string", column(name), text).alias(name)
        if str(kind) == "JSON"
        else column(name)
        for name, kind in zip(relation.columns, relation.types, strict=True)
    ]
    return relation.select(*parts)


@contextlib.contextmanager
def _told(source: str) -> Iterator[None]:
    """DuckDB's errors about data and memory in our words, and Ctrl-C as what it is; other errors stay as they are."""
    try:
        yield
    except duckdb.OutOfMemoryException as error:
        raise EnvironmentFault(
            f"out of memory in {source}: {_first_line(error)} Half of this machine's memory is used at most; "
            "free some disk for what does not fit, or choose fewer threads with --set compute.threads=1."
        ) from error
    except _OUR_MISTAKES:
        raise
    except duckdb.Error as error:
        raise DataError(
            f"cannot read {source}: {_first_line(error)} The file may be damaged, or not what its name says."
        ) from error
    except RuntimeError as error:
        if str(error) == "Query interrupted":
            raise KeyboardInterrupt from error
        raise


def _first_line(error: Exception) -> str:
    """DuckDB goes on with advice about its own functions."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    useful = itertools.takewhile(lambda line: not line.startswith(("Column ", "Possible ")), lines)
    return " ".join(useful)
