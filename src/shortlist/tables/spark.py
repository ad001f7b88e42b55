"""Spark: the distributed engine. It gives the rows that DuckDB gives, in the same order."""

from __future__ import annotations

import contextlib
import itertools
import re
import shutil
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar
from urllib.parse import unquote, urlparse

import ibis
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from shortlist.cluster.executors import on_executors
from shortlist.cluster.faults import spark_errors, spark_exceptions
from shortlist.cluster.jobs import watched
from shortlist.cluster.session import open_session, stop, without_pandas_warning
from shortlist.core.errors import DataError, EnvironmentFault, UserError
from shortlist.recipe.sources import table_name
from shortlist.tables.names import SOURCE
from shortlist.tables.results import arrow_schema
from shortlist.tables.sources import Source, find_source

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

Result = TypeVar("Result")

_FILE, _BLOCK, _PLACE = "#file", "#block", "#place"
_OF_THE_CLUSTER = re.compile(
    "no space left|executor.*(lost|exited)|cannot run program|python worker (exited|failed)|connection re(fused|set)|"
    "trying to connect|answer from java|sparkcontext was|outofmemory|java heap|maxresultsize",
    re.IGNORECASE,
)
"""In what Spark says of a fault that lies with its hosts, and not with what was to be read."""


class Spark:
    """A session of its own on the running Spark application, or on a new one at `master`.

    `scratch` must be a folder that the executors see too: sorted results that need not fit in memory go through it.
    """

    name = "spark"
    hash_function = "xxhash64"

    def __init__(self, master: str, threads: int, scratch: Path) -> None:
        with without_pandas_warning():
            self._started, self._session = _session(master, threads)
            self._ibis = ibis.pyspark.connect(self._session)
        self._scratch = scratch
        self._numbers = itertools.count()
        self._cached: list[DataFrame] = []

    def read(self, source: str, position: bool = False, columns: Sequence[str] = ()) -> ibis.Table:
        """Types of text files are inferred from all rows."""
        name = table_name(source)
        if name is not None:
            with _told(name):
                frame = self._session.table(name)
                return self._view("read", self._table_with_position(frame) if position else frame)
        found = find_source(source, columns)
        with _told(source):
            # The types of text files are inferred at once, which is a job.
            frame = self._watched(lambda: self._frame(found))
            return self._view("read", self._with_position(_placed(frame), found.files) if position else frame)

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

    def _table_with_position(self, frame: DataFrame) -> DataFrame:
        """In the order of the table's files. Of one that does not say where its rows lie, a copy that does is read."""
        from pyspark.errors import AnalysisException

        try:
            return self._with_position(_placed(frame))
        except AnalysisException:
            folder = self._folder("table")
            self._write(frame, folder)
            return self._with_position(_placed(self._session.read.parquet(str(folder))))

    def _with_position(self, placed: DataFrame, files: Sequence[Path] = ()) -> DataFrame:
        """Rows of one block of a file are read in succession: a row's position is its block's and its place there.

        Files come in their given order, or else in that of their addresses.
        """
        from pyspark.sql import functions as f

        blocks = placed.groupBy(_FILE, _BLOCK).agg(f.min(_PLACE).alias("#first"), f.count("*").alias("#rows"))
        starts = self._session.createDataFrame(_block_starts(self._watched(blocks.toArrow), files))
        # A row of a block that was not there before must not vanish: of an inner join it would.
        found = placed.join(f.broadcast(starts), [_FILE, _BLOCK], "left")
        changed = f.raise_error(f.lit("its files are not those that were there before: run the same command again"))
        shift = f.when(f.col("#shift").isNull(), changed.cast("bigint")).otherwise(f.col("#shift"))
        return found.withColumn(SOURCE, f.col(_PLACE) + shift).drop(_FILE, _BLOCK, _PLACE, "#shift")

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
        with _told("the tables"), without_pandas_warning():
            return self._watched(self._run(expression).toArrow).cast(arrow_schema(expression))

    def batches(self, expression: ibis.Table, rows: int) -> Iterator[pa.RecordBatch]:
        """Through Parquet files, one a partition: the driver never holds more than a batch."""
        folder = self._folder("sorted")
        with _told("the tables"):
            self._write(self._run(expression), folder)
        for file in sorted(folder.glob("part-*.parquet")):
            with pq.ParquetFile(file) as parquet:
                for batch in parquet.iter_batches(rows):
                    yield batch.cast(arrow_schema(expression))
        shutil.rmtree(folder)

    def map_parts(
        self,
        expression: ibis.Table,
        part: str,
        parts: int,
        task: tuple[str, str, str],
        done: Callable[[int], None],
    ) -> pa.Table:
        """Shuffled once, by the part alone; a part is one task."""
        together = self._run(expression).repartitionById(parts, part)
        # Spark reads a name with a dot in it as a field of a column.
        numbered = together.toDF(*(f"column_{place}" for place in range(len(together.columns))))
        frame = numbered.mapInArrow(on_executors(*task), "said string")
        with _told("the tables"), without_pandas_warning():
            return watched(self._session, frame.toArrow, parts, done)

    def close(self) -> None:
        """Give memory back; stop Spark if it was started here."""
        # What a JVM that is gone kept went with it.
        with contextlib.suppress(*spark_exceptions()):
            for frame in self._cached:
                frame.unpersist()
        if self._started:
            stop(self._session)

    def _run(self, expression: ibis.Table) -> DataFrame:
        return self._session.sql(self._ibis.compile(expression))

    def _watched(self, action: Callable[[], Result]) -> Result:
        """What `action` gives, which may ask the cluster for work."""
        return watched(self._session, action)

    def _write(self, frame: DataFrame, folder: Path) -> None:
        """As Parquet files; EnvironmentFault where the driver does not see all rows that the executors wrote."""
        from pyspark.sql import Observation
        from pyspark.sql import functions as f

        written = Observation()
        counted = frame.observe(written, f.count(f.lit(1)).alias("rows"))
        self._watched(lambda: counted.write.parquet(str(folder)))
        rows = written.get["rows"]
        seen = sum(pq.read_metadata(file).num_rows for file in folder.glob("part-*.parquet"))
        if seen != rows:
            raise EnvironmentFault(
                f"the executors wrote {rows:,} rows into {folder}, and the driver sees {seen:,} of them. Expected a "
                "folder that every host has mounted at the same path; name one with --runs DIR."
            )

    def _folder(self, name: str) -> Path:
        return self._scratch / f"{name}_{next(self._numbers)}"

    def _view(self, name: str, frame: DataFrame) -> ibis.Table:
        new = f"{name}_{next(self._numbers)}"
        frame.createOrReplaceTempView(new)
        with without_pandas_warning():
            schema = frame.limit(0).toArrow().schema
        return ibis.table(ibis.Schema.from_pyarrow(schema), name=new)


def _session(master: str, threads: int) -> tuple[bool, SparkSession]:
    started, session = open_session(master, "compute.spark_master")
    session.conf.set("spark.sql.session.timeZone", "UTC")
    session.conf.set("spark.sql.ansi.enabled", "true")
    # By default the number of cores that are there now, and as it changes files are cut into other blocks.
    session.conf.set("spark.sql.files.minPartitionNum", str(max(2, session.sparkContext.defaultParallelism)))
    if str(session.sparkContext.master).startswith("local"):
        session.conf.set("spark.sql.shuffle.partitions", str(2 * threads))
    return started, session


def _placed(frame: DataFrame) -> DataFrame:
    """The rows with where they were read; AnalysisException for those that come from no files."""
    from pyspark.sql import functions as f

    return frame.select(
        "*",
        f.col("_metadata.file_path").alias(_FILE),
        f.col("_metadata.file_block_start").alias(_BLOCK),
        f.monotonically_increasing_id().alias(_PLACE),
    )


def _block_starts(blocks: pa.Table, files: Sequence[Path]) -> pa.Table:
    """For each of n blocks what to add to a place in it to get the position in the source (`#shift`)."""
    uris = blocks[_FILE].to_pylist()
    order = {str(file.absolute()): number for number, file in enumerate(files)}
    if order:
        keys = [order[unquote(urlparse(uri).path)] for uri in uris]
    else:
        keys = np.unique(np.array(uris, str), return_inverse=True)[1].tolist()
    file_n = np.array(keys, np.int64)
    block_n, first_n, rows_n = (blocks[name].to_numpy() for name in (_BLOCK, "#first", "#rows"))
    in_order = np.lexsort((block_n, file_n))
    start_n = np.empty(len(in_order), np.int64)
    start_n[in_order] = np.cumsum(rows_n[in_order]) - rows_n[in_order]
    return pa.table({_FILE: blocks[_FILE], _BLOCK: blocks[_BLOCK], "#shift": start_n - first_n})


def _told(source: str) -> contextlib.AbstractContextManager[None]:
    return spark_errors(lambda why: _fault(source, why))


def _fault(source: str, why: str) -> UserError:
    if _OF_THE_CLUSTER.search(why) is None:
        return DataError(f"cannot read {source}: {why}")
    return EnvironmentFault(
        f"Spark could not work on {source}: {why}. Look at its hosts: their disks (spark.local.dir holds what is "
        "shuffled), their memory (spark.executor.memory, spark.driver.memory, spark.driver.maxResultSize) and their "
        "Python (PYSPARK_PYTHON). Then run the same command again."
    )
