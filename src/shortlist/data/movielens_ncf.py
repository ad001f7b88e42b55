"""MovieLens-1M as the files of NCF hold it out: each user's last rating, and 99 films that the user never rated.

He et al., Neural Collaborative Filtering, WWW 2017: the folder Data of hexiangnan/neural_collaborative_filtering.
Rendle et al., Neural Collaborative Filtering vs. Matrix Factorization Revisited, RecSys 2020, measure on these files.
"""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from shortlist.core.errors import DataError
from shortlist.data.item_lists import write_table

FILES = ("ml-1m.train.rating", "ml-1m.test.rating", "ml-1m.test.negative")
_COLUMNS = ("user_id", "movie_id", "rating", "timestamp")
_PAIR = re.compile(r"\((\d+),(\d+)\)")


def convert_movielens_ncf(folder: Path) -> list[Path]:
    """Write train, valid and test.parquet (user_id, movie_id, rating, timestamp) and negatives.parquet.

    Validation is each user's last rating of train. DataError for a line of other form.
    """
    train, test = (_ratings(folder / file) for file in FILES[:2])
    return [*write_parts(folder, train, test), write_table(folder / "negatives.parquet", _negatives(folder / FILES[2]))]


def write_parts(folder: Path, train: pa.Table, test: pa.Table) -> list[Path]:
    """Write the three parts of a log, of which validation is each user's last row of `train`, by its timestamp."""
    user, time = train["user_id"].to_numpy(), train["timestamp"].to_numpy()
    order = np.lexsort((np.arange(len(user)), time, user))
    is_last = np.zeros(len(user), bool)
    is_last[order[np.flatnonzero(np.diff(user[order], append=-1))]] = True
    parts = {"train": train.filter(pa.array(~is_last)), "valid": train.filter(pa.array(is_last)), "test": test}
    return [write_table(folder / f"{name}.parquet", table) for name, table in parts.items()]


def _ratings(path: Path) -> pa.Table:
    rows: list[npt.NDArray[np.int64]] = []
    for number, line in enumerate(path.read_text("utf-8").splitlines(), start=1):
        try:
            rows.append(np.array(line.split("\t"), np.int64).reshape(len(_COLUMNS)))
        except ValueError as error:
            raise _other_form(path, number, "user, film, rating and time, parted by tabs") from error
    values_n4 = np.array(rows, np.int64).reshape(len(rows), len(_COLUMNS))
    return pa.table(dict(zip(_COLUMNS, values_n4.T, strict=True)))


def _negatives(path: Path) -> pa.Table:
    """`user_id` and `movie_ids`, those that the user's test film is ranked among."""
    users, films = [], []
    for number, line in enumerate(path.read_text("utf-8").splitlines(), start=1):
        pair, *others = line.split("\t")
        found = _PAIR.fullmatch(pair)
        if found is None or not all(other.isdecimal() for other in others):
            raise _other_form(path, number, "a pair such as (0,25) and films, parted by tabs")
        users.append(int(found[1]))
        films.append([int(other) for other in others])
    return pa.table({"user_id": pa.array(users, pa.int64()), "movie_ids": pa.array(films, pa.list_(pa.int64()))})


def _other_form(path: Path, line: int, expected: str) -> DataError:
    return DataError(f"{path}, line {line}: expected {expected}, found something else. Fetch the file again.")
