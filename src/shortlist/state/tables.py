"""A state as Parquet tables, and back: to move it, to keep a copy, and to train on what was told meanwhile.

`events.parquet` has one row for each event: user_id, item_id, type, time, and `identity`, by which a duplicate is told
when the file is imported. `users.parquet` has one row for each user with features, as JSON, or with items met before
the events that are kept. Counters are made anew from the events.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from shortlist.core.errors import DataError
from shortlist.core.files import whole_file
from shortlist.core.progress import Reporter, Silent
from shortlist.state.base import Id, State, StateEvent, UserState

EVENTS, USERS = "events.parquet", "users.parquet"

_ROWS_AT_ONCE = 50_000
_TIME = pa.timestamp("s", "UTC")
_SILENT = Silent()


@dataclass(frozen=True, slots=True)
class Counted:
    """How much was written or read."""

    events: int
    """Rows of events; when read, those that were new."""
    users: int
    """Rows of users."""


def export_state(state: State, folder: Path, reporter: Reporter = _SILENT) -> Counted:
    """Write both tables into `folder`, each whole or not at all. DataError where ids are integers and text."""
    with state.snapshot() as everyone:
        users = [known.user for known in everyone()]
        user_type = _type_of(set(map(type, users)), "user")
        item_type = _type_of({type(item) for known in everyone() for item in (*known.items, *known.older)}, "item")
        of_events, of_users = _schemas(user_type, item_type)
        with reporter.bar("export", 2 * len(users), "users") as advance:
            events = _write(folder / EVENTS, of_events, everyone(), _event_rows, advance)
            told = _write(folder / USERS, of_users, everyone(), _user_rows, advance)
    return Counted(events, told)


def import_state(state: State, source: Path, reporter: Reporter = _SILENT) -> Counted:
    """Read what `export_state` wrote, or a table of events alone, into a state; what is there already stays.

    source: the folder, or one Parquet file with the columns user_id, item_id, time (a timestamp or Unix seconds) and,
        if there are such, type, event_id and identity. DataError for a table that does not fit.
    """
    events, users = (source / EVENTS, source / USERS) if source.is_dir() else (source, None)
    with _opened(events, ("user_id", "item_id", "time")) as file, _bar(reporter, file, "events") as advance:
        new = sum(_append(state, batch, events, advance) for batch in file.iter_batches(_ROWS_AT_ONCE))
    rows = 0
    if users is not None and users.is_file():
        with _opened(users, ("user_id", "features", "older")) as file, _bar(reporter, file, "users") as advance:
            for batch in file.iter_batches(_ROWS_AT_ONCE):
                rows += _set(state, batch)
                advance(batch.num_rows, "")
    return Counted(new, rows)


def _type_of(types: set[type], what: str) -> pa.DataType:
    if types == {int, str}:
        raise DataError(
            f"the {what} ids of this state are integers and text, and a column holds one of them: send the events of "
            "one bundle to one state"
        )
    return pa.int64() if types == {int} else pa.string()


def _schemas(user_type: pa.DataType, item_type: pa.DataType) -> tuple[pa.Schema, pa.Schema]:
    user = ("user_id", user_type)
    columns = [user, ("item_id", item_type), ("type", pa.string()), ("time", _TIME), ("identity", pa.int64())]
    return pa.schema(columns), pa.schema([user, ("features", pa.string()), ("older", pa.list_(item_type))])


def _event_rows(known: UserState) -> list[tuple[Any, ...]]:
    user = [known.user] * len(known.items)
    return list(zip(user, known.items, known.types, known.times_L.tolist(), known.identities_L.tolist(), strict=True))


def _user_rows(known: UserState) -> list[tuple[Any, ...]]:
    if known.features is None and not known.older:
        return []
    features = None if known.features is None else orjson.dumps(known.features).decode()
    return [(known.user, features, list(known.older))]


def _write(
    path: Path,
    schema: pa.Schema,
    everyone: Iterator[UserState],
    rows_of: Callable[[UserState], list[tuple[Any, ...]]],
    advance: Callable[[int, str], None],
) -> int:
    """Write the rows of all users; how many they are."""
    waiting: list[tuple[Any, ...]] = []
    count = 0
    with whole_file(path) as draft, pq.ParquetWriter(draft, schema, compression="zstd") as writer:
        for known in everyone:
            waiting += rows_of(known)
            advance(1, "")
            if len(waiting) >= _ROWS_AT_ONCE:
                count += _flush(writer, waiting)
                waiting = []
        return count + _flush(writer, waiting)


def _flush(writer: pq.ParquetWriter, rows: list[tuple[Any, ...]]) -> int:
    columns = zip(*rows, strict=True) if rows else [() for _ in writer.schema]
    arrays = [pa.array(values, kind) for values, kind in zip(columns, writer.schema.types, strict=True)]
    writer.write_batch(pa.record_batch(arrays, schema=writer.schema))
    return len(rows)


def _opened(path: Path, needed: tuple[str, ...]) -> pq.ParquetFile:
    if not path.is_file():
        raise DataError(f"no file {path}. `shortlist state export` writes {EVENTS} and {USERS} into a folder")
    try:
        file = pq.ParquetFile(path)
    except (pa.ArrowInvalid, OSError) as error:
        raise DataError(f"cannot read {path} as Parquet: {error}") from error
    if missing := [name for name in needed if name not in file.schema_arrow.names]:
        raise DataError(f"{path}: expected the columns {', '.join(needed)}, found no {', '.join(missing)}")
    return file


def _bar(reporter: Reporter, file: pq.ParquetFile, unit: str) -> Any:
    return reporter.bar("import", file.metadata.num_rows, unit)


def _append(state: State, batch: pa.RecordBatch, path: Path, advance: Callable[[int, str], None]) -> int:
    """Append the events of a batch; how many are new."""
    columns = {name: batch.column(name).to_pylist() for name in ("user_id", "item_id")}
    optional = [
        batch.column(name).to_pylist() if name in batch.schema.names else [None] * batch.num_rows
        for name in ("type", "event_id", "identity")
    ]
    rows = zip(columns["user_id"], columns["item_id"], _seconds(batch, path), *optional, strict=True)
    new = sum(state.append([StateEvent(*row) for row in rows]))
    advance(batch.num_rows, "")
    return new


def _seconds(batch: pa.RecordBatch, path: Path) -> list[int]:
    given = batch.column("time")
    try:
        seconds = given.cast(pa.int64()) if pa.types.is_integer(given.type) else _floored(given)
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:
        raise DataError(f"{path}: expected timestamps or Unix seconds in `time`, found {given.type}") from error
    if seconds.null_count:
        raise DataError(f"{path}: {seconds.null_count:,} events have no time: leave them out")
    values: list[int] = seconds.to_pylist()
    return values


def _floored(times: pa.Array) -> pa.Array:
    """Unix seconds; a time between two seconds belongs to the one before it, as in every log."""
    return pc.floor_temporal(times, unit="second").cast(pa.timestamp("s", times.type.tz)).cast(pa.int64())


def _set(state: State, batch: pa.RecordBatch) -> int:
    """Features and older items of the users of a batch; how many users they are."""
    users: list[Id] = batch.column("user_id").to_pylist()
    told = zip(users, batch.column("features").to_pylist(), batch.column("older").to_pylist(), strict=True)
    for user, features, older in told:
        if features is not None:
            state.set_features(user, orjson.loads(features))
        if older:
            state.add_older(user, older)
    return len(users)
