"""Where the data sets of `accuracy` are, and Frappe as the arrays that the peers read."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow.parquet as pq

from benchmarks.harness import Options
from shortlist.core.errors import UserError
from shortlist.core.files import fingerprint, sha256, whole_folder

VARIABLE = "SHORTLIST_DATA"
RECIPES = Path(__file__).parents[1] / "recipes"
PARTS = ("train", "valid", "test")
FRAPPE_FIELDS = (
    "user",
    "item",
    "daytime",
    "weekday",
    "isweekend",
    "homework",
    "cost",
    "weather",
    "country",
    "city",
)
Files = Mapping[str, Path]


def frappe_files(options: Options) -> Files:
    """Train, valid and test of Frappe as NFM has split it."""
    patterns = {"train": "train*.parquet", "valid": "valid.parquet", "test": "test.parquet"}
    return _files(options, "accuracy frappe", ("frappe/nfm", "frappe"), patterns)


def adult_files(options: Options) -> Files:
    """The people of Adult census."""
    return _files(options, "accuracy adult", ("adult", "adult-census"), {"people": "people.parquet"})


def movielens_files(options: Options) -> Files:
    """Ratings, users and movies of MovieLens-1M."""
    patterns = {name: f"{name}.parquet" for name in ("ratings", "users", "movies")}
    return _files(options, "accuracy movielens", ("movielens-1m", "ml-1m"), patterns)


def _files(options: Options, command: str, folders: tuple[str, ...], patterns: Mapping[str, str]) -> Files:
    """The file of each pattern in the first of `folders` that there is; UserError with what was looked for."""
    given = options.data or (Path(os.environ[VARIABLE]) if os.environ.get(VARIABLE) else None)
    expected = f"{', '.join(patterns.values())} in DATA/{' or DATA/'.join(folders)}"
    if given is None:
        raise UserError(f"{command} reads {expected}. Say where DATA is: --data DATA, or {VARIABLE}=DATA.")
    base = given.expanduser().absolute()
    there = [base / name for name in folders if (base / name).is_dir()]
    if not there:
        raise UserError(f"{command} reads {expected}, and {base} has no such folder.")
    found: dict[str, Path] = {}
    for name, pattern in patterns.items():
        matching = sorted(there[0].glob(pattern))
        if len(matching) != 1:
            names = ", ".join(path.name for path in matching) or "none"
            raise UserError(f"{command} reads {expected}: expected one file {there[0] / pattern}, found {names}.")
        found[name] = matching[0]
    return found


def contents(files: Files) -> str:
    """A hash of what the files hold."""
    return fingerprint({name: sha256(path) for name, path in files.items()})


def frappe_arrays(files: Files, folder: Path) -> list[int]:
    """Write `PART_ids.npy` and `PART_label.npy` of the parts to `folder`; the rows that each field's table needs.

    Ids count from 1 in the order of the values; a value that train lacks is 0. That is what our own models know too.
    """
    tables = {part: pq.read_table(files[part], columns=["label", *FRAPPE_FIELDS]) for part in PARTS}
    known = [np.unique(tables["train"][name].to_numpy()) for name in FRAPPE_FIELDS]
    with whole_folder(folder) as draft:
        for part, table in tables.items():
            ids = [_ids(table[name].to_numpy(), values) for name, values in zip(FRAPPE_FIELDS, known, strict=True)]
            np.save(draft / f"{part}_ids.npy", np.stack(ids, axis=1))
            np.save(draft / f"{part}_label.npy", table["label"].to_numpy().astype(np.float32))
    return [len(values) + 1 for values in known]


def _ids(values_n: npt.NDArray[np.integer], known: npt.NDArray[np.integer]) -> npt.NDArray[np.int64]:
    place_n = np.searchsorted(known, values_n).clip(max=len(known) - 1)
    ids_n: npt.NDArray[np.int64] = np.where(known[place_n] == values_n, place_n + 1, 0)
    return ids_n
