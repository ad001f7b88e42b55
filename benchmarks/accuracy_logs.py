"""The logs of the tables of retrieval, as `shortlist data convert` leaves them, or made of lists of the same items."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from benchmarks.accuracy_data import VARIABLE, contents
from benchmarks.harness import Options
from shortlist.core.errors import UserError
from shortlist.core.files import read_json, whole_folder, write_json
from shortlist.data.diginetica import sessions_of_prefixes, write_sessions
from shortlist.data.item_lists import in_order, write_table
from shortlist.data.movielens_ncf import write_parts

QUICK_USERS = 300
"""How many users of each table are left to see whether a comparison runs."""


@dataclass(frozen=True, kw_only=True)
class Log:
    """Where a data set's tables are."""

    name: str
    """As `shortlist data convert` has it, and the folder of its tables."""
    tables: tuple[str, ...]
    owner: str
    """Column with the user or the session."""
    lists: tuple[str, ...] = ()
    """Files with the same in lists, below DATA."""
    unfold: Callable[[Mapping[str, Path], Path], None] | None = None
    """Writes the tables that the lists hold into a folder."""


def log_folder(log: Log, options: Options) -> Path:
    """The folder with the log's tables; UserError with what was looked for."""
    given = options.data or (Path(os.environ[VARIABLE]) if os.environ.get(VARIABLE) else None)
    lists = f", or {' and '.join(f'DATA/{path}' for path in log.lists)}" if log.lists else ""
    expected = f"{', '.join(log.tables)} in DATA/{log.name}{lists}"
    if given is None:
        raise UserError(f"this comparison reads {expected}. Say where DATA is: --data DATA, or {VARIABLE}=DATA.")
    base = given.expanduser().absolute()
    found = {path: base / path for path in log.lists}
    if log.unfold is not None and all(path.is_file() for path in found.values()):
        folder = made_of(options, f"accuracy/tables/{log.name}", found, log.unfold)
    else:
        folder = base / log.name
    if missing := [name for name in log.tables if not (folder / name).is_file()]:
        raise UserError(
            f"this comparison reads {expected}; {', '.join(missing)} is not there. Make it of the published files: "
            f"shortlist data convert {log.name} {base / log.name}"
        )
    return _few_users(log, folder, options) if options.quick else folder


def contents_of(folder: Path) -> str:
    """A hash of all tables in a folder."""
    return contents({path.name: path for path in folder.glob("*.parquet")})


def _few_users(log: Log, folder: Path, options: Options) -> Path:
    """The same tables with the first users of each alone."""

    def cut(tables: Mapping[str, Path], into: Path) -> None:
        for name, path in tables.items():
            rows = pq.read_table(path)
            first = np.unique(rows[log.owner].to_numpy())[:QUICK_USERS]
            pq.write_table(rows.filter(pc.is_in(rows[log.owner], pa.array(first))), into / name)

    return made_of(options, f"accuracy/tables/{log.name}-quick", {name: folder / name for name in log.tables}, cut)


def made_of(
    options: Options, name: str, files: Mapping[str, Path], make: Callable[[Mapping[str, Path], Path], None]
) -> Path:
    """A folder of tables made of `files`, once: a run goes on where its tables are the same files."""
    folder, mark = options.folder(name), contents(files)
    kept = folder / "made.json"
    if not (kept.is_file() and read_json(kept) == {"of": mark}):
        with whole_folder(folder) as draft:
            make(files, draft)
            write_json(draft / kept.name, {"of": mark})
    return folder


def _beauty(files: Mapping[str, Path], into: Path) -> None:
    (path,) = files.values()
    table = pq.read_table(path)
    write_table(into / "interactions.parquet", _flat(table["user"], table["items"]))


def _movielens(files: Mapping[str, Path], into: Path) -> None:
    (path,) = files.values()
    table = pq.read_table(path)
    write_table(into / "interactions.parquet", _flat(table["sasrec_user"], table["sasrec_items"]))


def _flat(users: pa.ChunkedArray, lists: pa.ChunkedArray) -> pa.Table:
    owners = np.repeat(users.to_numpy(), pc.list_value_length(lists).to_numpy())
    return in_order(owners.astype(np.int64), pc.list_flatten(lists).to_numpy().astype(np.int64))


def _sessions(files: Mapping[str, Path], into: Path) -> None:
    train, test = (pq.read_table(path) for path in files.values())
    sessions = sessions_of_prefixes(test["prefix"].to_pylist(), test["target"].to_pylist())
    write_sessions(into, train["items"].to_pylist(), sessions)


def _ncf(files: Mapping[str, Path], into: Path) -> None:
    ratings, held_out = (pq.read_table(path) for path in files.values())
    ratings = ratings.sort_by([("user_id", "ascending"), ("timestamp", "ascending"), ("sasrec_position", "ascending")])
    ratings = ratings.select(["user_id", "movie_id", "rating", "timestamp"])
    key_n = ratings["user_id"].to_numpy().astype(np.int64) << 32 | ratings["movie_id"].to_numpy()
    wanted = held_out["user_id"].to_numpy().astype(np.int64) << 32 | held_out["test_movie_id"].to_numpy()
    is_test = pa.array(np.isin(key_n, wanted))
    write_parts(into, ratings.filter(pc.invert(is_test)), ratings.filter(is_test))
    negatives = held_out.select(["user_id", "negative_movie_ids"]).rename_columns(["user_id", "movie_ids"])
    write_table(into / "negatives.parquet", negatives)


GOWALLA = Log(name="gowalla", tables=("train.parquet", "test.parquet"), owner="user")
BEAUTY = Log(
    name="amazon-beauty",
    tables=("interactions.parquet",),
    owner="user",
    lists=("amazon-beauty/sequences.parquet",),
    unfold=_beauty,
)
SASREC = Log(
    name="movielens-1m-sequences",
    tables=("interactions.parquet",),
    owner="user",
    lists=("ml-1m/sasrec_sequences.parquet",),
    unfold=_movielens,
)
NCF = Log(
    name="movielens-1m-ncf",
    tables=("train.parquet", "valid.parquet", "test.parquet", "negatives.parquet"),
    owner="user_id",
    lists=("ml-1m/ratings.parquet", "ml-1m/ncf_leave_one_out.parquet"),
    unfold=_ncf,
)
DIGINETICA = Log(
    name="diginetica",
    tables=("train.parquet", "valid.parquet", "test.parquet"),
    owner="session",
    lists=("diginetica/train_sessions.parquet", "diginetica/test.parquet"),
    unfold=_sessions,
)
