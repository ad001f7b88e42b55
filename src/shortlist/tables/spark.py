"""Spark: the distributed engine. It gives the rows that DuckDB gives, in the same order."""

from __future__ import annotations

import contextlib
import itertools
import shutil
import warnings
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote, urlparse

import ibis
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from shortlist.core.errors import DataError, EnvironmentFault
from shortlist.core.extras import need
from shortlist.tables.names import SOURCE
from shortlist.tables.results import arrow_schema
from shortlist.tables.sources import Source, find_source

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

_PURPOSE = 'compute.engine = "spark"'
_FILE, _BLOCK, _PLACE = "#file", "#block", "#place"


class Spark:
    """A session of its own on the running Spark application, or on a new one at `master`.

    `scratch` must be a folder that the executors see too: sorted results that need not fit in memory go through it.
    """

    name = "spark"
    hash_function = "xxhash64"

    def __init__(self, master: str, threads: int, scratch: Path) -> None:
        need("pyspark", "spark", _PURPOSE)
        with _without_pandas_warning():
            self._started, self._session = _session(master, threads)
            self._ibis = ibis.pyspark.connect(self._session)
        self._scratch = scratch
        self._numbers = itertools.count()
        self._cached: list[DataFrame] = []

    def read(self, source: str, position: bool = False, columns: Sequence[str] = ()) -> ibis.Table:
        """Types of text files are inferred from all rows."""
        found = find_source(source, columns)
        with _told(source):
            frame = self._frame(found)
            return self._view("read", self._with_position(frame, found) if position else frame)

    def _frame(self, source: Source) -> DataFrame:
        reader = self._session.read
        files = [str(file.absolute()) for file in source.files]
        if source.format == "parquet":
            return reader.parquet(*files)
        if source.format == "json":
            return reader.json(files, mode="FAILFAST")
        frame = reader.csv(
            files,
            sep=source.delimiter,
            header=not source.columns,
            inferSchema=True,
            quote='"',
            escape='"',
            multiLine=True,
            mode="FAILFAST",
        )
        return frame.toDF(*source.columns) if source.columns else frame

    def _with_position(self, frame: DataFrame, source: Source) -> DataFrame:
        """Rows of one block of a file are read in succession: a row's position is its block's and its place there."""
        from pyspark.sql import functions as f

        placed = frame.select(
            "*",
            f.col("_metadata.file_path").alias(_FILE),
            f.col("_metadata.file_block_start").alias(_BLOCK),
            f.monotonically_increasing_id().alias(_PLACE),
        )
        blocks = placed.groupBy(_FILE, _BLOCK).agg(f.min(_PLACE).alias("#first"), f.count("*").alias("#rows"))
        starts = self._session.createDataFrame(_block_starts(blocks.toArrow(), source))
        found = placed.join(f.broadcast(starts), [_FILE, _BLOCK])
        return found.withColumn(SOURCE, f.col(_PLACE) + f.col("#shift")).drop(_FILE, _BLOCK, _PLACE, "#shift")

    def table(self, name: str, data: pa.Table) -> ibis.Table:
        """Sent to the executors."""
        return self._view(name, self._session.createDataFrame(data))

    def cache(self, name: str, expression: ibis.Table) -> ibis.Table:
        """Kept in the executors' memory, and on their disks beyond it."""
        frame = self._run(expression).persist()
        self._cached.append(frame)
        return self._view(name, frame)

    def to_arrow(self, expression: ibis.Table) -> pa.Table:
        """The whole result, on the driver."""
        with _told("the tables"), _without_pandas_warning():
            return self._run(expression).toArrow().cast(arrow_schema(expression))

    def batches(self, expression: ibis.Table, rows: int) -> Iterator[pa.RecordBatch]:
        """Through Parquet files, one a partition: the driver never holds more than a batch."""
        folder = self._scratch / f"sorted_{next(self._numbers)}"
        with _told("the tables"):
            self._run(expression).write.parquet(str(folder))
        for file in sorted(folder.glob("part-*.parquet")):
            with pq.ParquetFile(file) as parquet:
                for batch in parquet.iter_batches(rows):
                    yield batch.cast(arrow_schema(expression))
        shutil.rmtree(folder)

    def close(self) -> None:
        """Give memory back; stop Spark if it was started here."""
        for frame in self._cached:
            frame.unpersist()
        if self._started:
            self._session.stop()

    def _run(self, expression: ibis.Table) -> DataFrame:
        return self._session.sql(self._ibis.compile(expression))

    def _view(self, name: str, frame: DataFrame) -> ibis.Table:
        new = f"{name}_{next(self._numbers)}"
        frame.createOrReplaceTempView(new)
        with _without_pandas_warning():
            schema = frame.limit(0).toArrow().schema
        return ibis.table(ibis.Schema.from_pyarrow(schema), name=new)


def _session(master: str, threads: int) -> tuple[bool, SparkSession]:
    """Whether Spark was started here, and a session whose settings are ours alone."""
    from pyspark.errors import PySparkException, PySparkRuntimeError
    from pyspark.sql import SparkSession

    running = SparkSession.getActiveSession()
    try:
        application = running or (
            SparkSession.builder.master(master)
            .appName("shortlist")
            .config("spark.ui.enabled", "false")
            .config("spark.ui.showConsoleProgress", "false")
            .getOrCreate()
        )
    except (PySparkException, PySparkRuntimeError, OSError) as error:
        raise EnvironmentFault(
            f"cannot start Spark at {master!r}: {error}. Spark needs Java 17 or newer; see compute.spark_master."
        ) from error
    session = application.newSession()
    session.conf.set("spark.sql.session.timeZone", "UTC")
    session.conf.set("spark.sql.ansi.enabled", "true")
    if str(application.sparkContext.master).startswith("local"):
        session.conf.set("spark.sql.shuffle.partitions", str(2 * threads))
    return running is None, session


def _block_starts(blocks: pa.Table, source: Source) -> pa.Table:
    """For each of n blocks what to add to a place in it to get the position in the source (`#shift`)."""
    order = {str(file.absolute()): number for number, file in enumerate(source.files)}
    paths = [unquote(urlparse(uri).path) for uri in blocks[_FILE].to_pylist()]
    file_n = np.array([order[path] for path in paths], np.int64)
    block_n, first_n, rows_n = (blocks[name].to_numpy() for name in (_BLOCK, "#first", "#rows"))
    in_order = np.lexsort((block_n, file_n))
    start_n = np.empty(len(in_order), np.int64)
    start_n[in_order] = np.cumsum(rows_n[in_order]) - rows_n[in_order]
    return pa.table({_FILE: blocks[_FILE], _BLOCK: blocks[_BLOCK], "#shift": start_n - first_n})


@contextlib.contextmanager
def _without_pandas_warning() -> Iterator[None]:
    """PySpark warns of pandas 3 whenever it sees it; rows go between Spark and Arrow here, never through pandas."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="PySpark does not yet fully support pandas")
        yield


@contextlib.contextmanager
def _told(source: str) -> Iterator[None]:
    """Spark's errors in our words: the line that says what went wrong, not the stack of the JVM."""
    ours, jvms = need("pyspark.errors", "spark", _PURPOSE), need("py4j.protocol", "spark", _PURPOSE)
    try:
        yield
    except (ours.PySparkException, jvms.Py4JJavaError) as error:
        raise DataError(f"cannot read {source}: {_reason(error)}") from error


def _reason(error: Any) -> str:
    """The innermost message: a failed task's is wrapped in that of its stage."""
    java = getattr(error, "java_exception", None)
    text = str(java.getMessage() if java is not None else error).strip()
    return text.partition("\n")[0].rpartition("Exception: ")[2]
