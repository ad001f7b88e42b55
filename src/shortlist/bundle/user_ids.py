"""Which users to answer: all that a bundle knows, or the ids of a file."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
from pyarrow import csv

from shortlist.bundle.read import Bundle
from shortlist.core.errors import DataError, RequestError
from shortlist.core.suggest import did_you_mean


def known_users(bundle: Bundle) -> pa.Array:
    """Ids of all users of the bundle; RequestError when it has none."""
    ids = bundle.user_keys[1:]
    if len(ids) == 0:
        raise RequestError("this bundle knows no users: it was made from a log without them")
    return ids


def as_user_ids(bundle: Bundle, ids: pa.Array) -> pa.Array:
    """Ids as the bundle's own type; RequestError for one that cannot be such."""
    return _as(bundle.user_keys.type, ids, "users")


def as_item_ids(bundle: Bundle, ids: pa.Array) -> pa.Array:
    """The same for ids of items."""
    return _as(bundle.item_keys.type, ids, "items")


def _as(kind: pa.DataType, ids: pa.Array, what: str) -> pa.Array:
    try:
        return ids.cast(kind)
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:
        named = "integers" if pa.types.is_integer(kind) else "text"
        found = f"not all that were asked for are: {error}"
        raise RequestError(f"{what} of this bundle are {named}, and {found}") from error


def read_user_ids(path: Path, column: str) -> pa.Array:
    """Ids of a file: the column of a Parquet, CSV or TSV table, or the lines of any other text.

    DataError when the file is not there, cannot be read, or has no such column.
    """
    if not path.is_file():
        raise DataError(f"--users: no file {path}")
    try:
        if path.suffix not in (".parquet", ".csv", ".tsv"):
            lines = [line.strip() for line in path.read_text("utf-8").splitlines()]
            return pa.array([line for line in lines if line], pa.string())
        options = csv.ParseOptions(delimiter="\t" if path.suffix == ".tsv" else ",")
        table = pq.read_table(path) if path.suffix == ".parquet" else csv.read_csv(path, parse_options=options)
    except (pa.ArrowInvalid, UnicodeDecodeError) as error:
        raise DataError(f"--users: cannot read {path}: {error}") from error
    if column not in table.column_names:
        raise DataError(f"--users: {path} has no column `{column}`.{did_you_mean(column, table.column_names)}")
    return table[column].combine_chunks().drop_null()
