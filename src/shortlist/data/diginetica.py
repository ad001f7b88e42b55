"""Diginetica, the sessions of CIKM Cup 2016, as the files of SR-GNN and GCE-GNN have them.

Wu et al., Session-based Recommendation with Graph Neural Networks, AAAI 2019; Wang et al., Global Context Enhanced
Graph Neural Networks for Session-based Recommendation, SIGIR 2020: the folder datasets/diginetica of CCIIPLab/GCE-GNN.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from shortlist.core.errors import DataError
from shortlist.data.item_lists import in_order, write_table
from shortlist.data.plain_pickle import lists_of

FILES = ("all_train_seq.txt", "test.txt")
VALID = 0.1
"""Share of the training sessions, the last ones of the file, that is for validation. They are in the order of time."""


def convert_diginetica(folder: Path) -> list[Path]:
    """Write train, valid and test.parquet: `session`, `item` and `position`, from 1 on.

    The published test has a row for each click that others came before: the clicks before it, and that click. Here it
    is the sessions that those were made from. DataError where a file holds something else.
    """
    train, test = (_read(folder / file) for file in FILES)
    if not _is_lists(train):
        raise _other_form(folder / FILES[0], "a list of sessions, each a list of items")
    if not (isinstance(test, (list, tuple)) and len(test) == 2 and _is_lists(test[0])):
        raise _other_form(folder / FILES[1], "two lists, of the clicks before and of the click")
    return write_sessions(folder, train, sessions_of_prefixes(*test))


def write_sessions(folder: Path, train: Sequence[Sequence[int]], test: Sequence[Sequence[int]]) -> list[Path]:
    """Write the three tables of these sessions, numbered through."""
    first_valid = len(train) - round(len(train) * VALID)
    parts = {"train": train[:first_valid], "valid": train[first_valid:], "test": test}
    written, number = [], 0
    for name, sessions in parts.items():
        written.append(write_table(folder / f"{name}.parquet", table_of_sessions(sessions, number)))
        number += len(sessions)
    return written


def table_of_sessions(sessions: Sequence[Sequence[int]], first: int = 0) -> pa.Table:
    """`session`, counted from `first` on, `item` and `position`."""
    counts = [len(session) for session in sessions]
    items = np.array([item for session in sessions for item in session], np.int64)
    return in_order(np.repeat(np.arange(first, first + len(sessions)), counts), items, "session")


def sessions_of_prefixes(prefixes: Sequence[Sequence[int]], targets: Sequence[int]) -> list[list[int]]:
    """The sessions whose every prefix is there with the item that followed, a session's longest first.

    DataError where a prefix is missing.
    """
    sessions: list[list[int]] = []
    left: list[int] = []
    for number, (prefix, target) in enumerate(zip(prefixes, targets, strict=True)):
        whole = [*prefix, target]
        if len(left) < 2:
            sessions.append(whole)
        elif whole != left:
            raise _incomplete(number)
        left = list(prefix)
    if len(left) > 1:
        raise _incomplete(len(targets))
    return sessions


def _incomplete(number: int) -> DataError:
    return DataError(f"test row {number}: expected a session's prefixes, each shorter by one than the last.")


def _read(path: Path) -> Any:
    try:
        return lists_of(path.read_bytes())
    except DataError as error:
        raise DataError(f"{path}: {error}. Fetch the file again.") from error


def _is_lists(value: Any) -> bool:
    return isinstance(value, list) and all(
        isinstance(entry, list) and all(isinstance(item, int) for item in entry) for entry in value
    )


def _other_form(path: Path, expected: str) -> DataError:
    return DataError(f"{path}: expected {expected}, found something else. Fetch the file again.")
