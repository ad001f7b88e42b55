"""Held-out rows of every kind of split, by hand."""

from __future__ import annotations

from collections import Counter
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from shortlist.core.errors import DataError
from shortlist.recipe.split import Split
from shortlist.tables.duckdb import DuckDB
from shortlist.tables.names import LABEL, SOURCE, SPLIT, TIME, USER
from shortlist.tables.splits import Held, check_split, hold_out


def _hold(
    engine: DuckDB, columns: dict[str, Any], seed: int = 0, has_time: bool = True, **settings: Any
) -> tuple[list[int], Held]:
    rows = len(next(iter(columns.values())))
    events = engine.table("events", pa.table({SOURCE: np.arange(rows), **columns}))
    held = hold_out(engine, events, Split(**settings), seed, has_time=has_time)
    return list(engine.to_arrow(held.events.order_by(SOURCE))[SPLIT].to_pylist()), held


def test_by_time_shares_are_those_of_the_rows(engine: DuckDB) -> None:
    parts, held = _hold(engine, {TIME: [7, 1, 5, 3, 9, 2, 8, 4, 6, 0]}, valid=0.2, test=0.1)
    assert parts == [1, 0, 0, 0, 2, 0, 1, 0, 0, 0]
    assert held.rows == {"train": 7, "valid": 2, "test": 1}
    assert (held.valid_from, held.test_from) == (7, 9)
    assert held.lines() == ["split: train 7, valid 2 from 1970-01-01 00:00:07, test 1 from 1970-01-01 00:00:09"]


def test_by_time_equal_times_stay_together_in_the_later_part(engine: DuckDB) -> None:
    parts, held = _hold(engine, {TIME: [0, 1, 2, 3, 4, 5, 5, 5, 5, 6]}, valid=0.2, test=0.2)
    assert (held.valid_from, held.test_from) == (5, 5)
    assert parts == [0] * 5 + [2] * 5
    assert held.lines()[1:] == ["no row is held out for validation: models cannot tell their best epoch"]


def test_boundaries_are_order_statistics_of_any_times(engine: DuckDB) -> None:
    """More distinct times than one pass has bins for, far apart, before and after 1970."""
    random = np.random.default_rng(3)
    times = np.concatenate([random.integers(-(10**9), 10**9, 3_000), random.integers(0, 50, 2_000)])
    _, held = _hold(engine, {TIME: times}, valid=0.15, test=0.05)
    ordered = np.sort(times)
    assert held.valid_from == ordered[5_000 - 1_000]
    assert held.test_from == ordered[5_000 - 250]


def test_leave_one_out_takes_each_users_last_two(engine: DuckDB) -> None:
    columns = {USER: [1, 1, 1, 1, 2, 2, 3, 3, 3], TIME: [4, 2, 3, 1, 1, 2, 1, 1, 9]}
    parts, held = _hold(engine, columns, kind="leave_one_out")
    assert parts[:6] == [2, 0, 1, 0, 0, 0]
    assert parts[8] == 2
    assert sorted(parts[6:8]) == [0, 1]
    assert held.rows == {"train": 5, "valid": 2, "test": 2}


def test_leave_one_out_draws_among_equal_times_alike_each_time(engine: DuckDB) -> None:
    columns = {USER: np.repeat(np.arange(200), 5), TIME: np.zeros(1_000, np.int64)}
    parts, _ = _hold(engine, columns, kind="leave_one_out")
    assert parts == _hold(engine, columns, kind="leave_one_out")[0]
    assert parts != _hold(engine, columns, kind="leave_one_out", seed=1)[0]
    place_of_test = Counter(row % 5 for row, part in enumerate(parts) if part == 2)
    assert place_of_test.total() == 200
    assert min(place_of_test.values()) > 20


def test_by_column_in_any_spelling(engine: DuckDB) -> None:
    labels = ["train", "valid", "validation", "dev", "test"]
    assert _hold(engine, {LABEL: labels}, kind="column")[0] == [0, 1, 1, 1, 2]


def test_validation_that_nobody_named_is_the_last_of_train(engine: DuckDB) -> None:
    columns = {LABEL: ["train"] * 5 + ["test"] * 2, TIME: [5, 1, 4, 2, 3, 9, 0]}
    parts, held = _hold(engine, columns, kind="column", valid=0.4)
    assert parts == [1, 0, 1, 0, 0, 2, 2]
    assert held.valid_from == 4
    assert held.lines()[0].startswith("split: train 3, valid 2 from 1970-01-01 00:00:04, test 2")
    assert "cut from train" in held.lines()[1]


def test_without_times_it_is_drawn_from_train(engine: DuckDB) -> None:
    labels = {LABEL: ["train"] * 9_000 + ["test"] * 1_000, TIME: np.zeros(10_000, np.int64)}
    parts, held = _hold(engine, labels, has_time=False, kind="column", valid=0.2)
    assert held.rows["valid"] == pytest.approx(1_800, rel=0.07)
    assert held.rows["test"] == 1_000
    assert held.valid_from is None
    assert set(parts[9_000:]) == {2}
    assert parts == _hold(engine, labels, has_time=False, kind="column", valid=0.2)[0]


def test_without_validation_its_rows_are_learned_from(engine: DuckDB) -> None:
    times = {TIME: [7, 1, 5, 3, 9, 2, 8, 4, 6, 0]}
    labels = {LABEL: ["train", "valid", "test"], TIME: [3, 1, 2]}
    users = {USER: [1, 1, 1, 1, 2, 2], TIME: [4, 2, 3, 1, 1, 2]}
    cases: list[tuple[dict[str, Any], dict[str, Any], list[int]]] = [
        (times, {"test": 0.2}, [0, 0, 0, 0, 2, 0, 2, 0, 0, 0]),
        (labels, {"kind": "column"}, [0, 0, 2]),
        ({LABEL: ["train", "train", "test"], TIME: [3, 1, 2]}, {"kind": "column"}, [0, 0, 2]),
        (users, {"kind": "leave_one_out"}, [2, 0, 0, 0, 0, 0]),
    ]
    for columns, settings, expected in cases:
        parts, held = _hold(engine, columns, valid=0, **settings)
        assert parts == expected
        assert (held.valid_from, held.cut, held.rows["valid"]) == (None, False, 0)
    parts, held = _hold(engine, {TIME: np.zeros(2_000, np.int64)}, kind="random", valid=0, test=0.1)
    assert set(parts) == {0, 2}


def test_by_column_lists_what_it_does_not_know(engine: DuckDB) -> None:
    with pytest.raises(
        DataError, match=r"split\.column = 'fold': expected train, .* found 'holdout' in 2 rows, None in 1"
    ):
        _hold(engine, {LABEL: ["train", "test", "holdout", "holdout", None]}, kind="column", column="fold")


def test_at_random_by_seed(engine: DuckDB) -> None:
    columns = {TIME: np.zeros(20_000, np.int64)}
    parts, held = _hold(engine, columns, kind="random", valid=0.2, test=0.1)
    assert held.rows["valid"] == pytest.approx(4_000, rel=0.06)
    assert held.rows["test"] == pytest.approx(2_000, rel=0.08)
    assert parts == _hold(engine, columns, kind="random", valid=0.2, test=0.1)[0]
    other, _ = _hold(engine, columns, kind="random", valid=0.2, test=0.1, seed=1)
    assert np.mean(np.array(other) == np.array(parts)) == pytest.approx(0.7**2 + 0.2**2 + 0.1**2, abs=0.02)


@pytest.mark.parametrize(
    ("columns", "settings", "message"),
    [
        ({TIME: [5] * 10}, {}, r"no row for train: train 0, valid 0, test 10\. Change split\.valid"),
        (
            {USER: [1, 1, 2, 2], TIME: [1, 2, 1, 2]},
            {"kind": "leave_one_out"},
            "no row for test: train 4, .*three events",
        ),
        ({LABEL: ["train", "valid"]}, {"kind": "column"}, "no row for test: train 1, valid 1, test 0"),
        ({LABEL: ["test", "test"]}, {"kind": "column"}, "no row for train"),
        ({TIME: [1]}, {"kind": "random"}, r"Change split\.valid and split\.test"),
    ],
)
def test_an_empty_part_gives_the_counts(
    engine: DuckDB, columns: dict[str, Any], settings: dict[str, Any], message: str
) -> None:
    with pytest.raises(DataError, match=message):
        _hold(engine, columns, **settings)


def test_a_split_needs_what_it_goes_by() -> None:
    check_split(Split(kind="random"), has_users=False, has_time=False)
    with pytest.raises(DataError, match=r'"column" .* or "random"'):
        check_split(Split(), has_users=True, has_time=False)
    with pytest.raises(DataError, match="needs users"):
        check_split(Split(kind="leave_one_out"), has_users=False, has_time=True)
