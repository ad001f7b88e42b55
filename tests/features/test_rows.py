"""Encoded rows: ragged bags against loops, and a table through a memory-mapped file."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shortlist.features.rows import (
    FeatureRows,
    FeatureTable,
    HistoryRows,
    PaddedBag,
    RaggedBag,
    matrix_from_arrow,
    side_by_side,
)

Lists = list[list[int]]

bags_and_rows = st.lists(st.lists(st.integers(1, 99), max_size=5), min_size=1, max_size=12).flatmap(
    lambda lists: st.tuples(st.just(lists), st.lists(st.integers(0, len(lists) - 1), max_size=10))
)


@given(drawn=bags_and_rows, hotness=st.none() | st.integers(1, 6))
@settings(max_examples=150, deadline=None)
def test_taken_bag_equals_the_naive_loop(drawn: tuple[Lists, list[int]], hotness: int | None) -> None:
    lists, rows = drawn
    taken = RaggedBag.of(lists).take(np.array(rows, np.int64), hotness)

    width = hotness or max([len(lists[row]) for row in rows] + [1])
    assert taken.values_BH.shape == (len(rows), width)
    assert taken.values_BH.dtype == taken.length_B.dtype == np.int32
    for i, row in enumerate(rows):
        kept = lists[row][:width]
        assert taken.length_B[i] == len(kept)
        assert taken.values_BH[i].tolist() == kept + [0] * (width - len(kept))


@given(drawn=bags_and_rows)
@settings(max_examples=100, deadline=None)
def test_ragged_rows_equal_the_naive_loop(drawn: tuple[Lists, list[int]]) -> None:
    lists, rows = drawn
    bag = RaggedBag.of(lists).rows(np.array(rows, np.int64))

    assert len(bag) == len(rows)
    assert bag.counts().tolist() == [len(lists[row]) for row in rows]
    owner, values = bag.flat()
    assert list(zip(owner.tolist(), values.tolist(), strict=True)) == [
        (i, value) for i, row in enumerate(rows) for value in lists[row]
    ]


def a_table() -> FeatureTable:
    return FeatureTable(
        np.array([[1, 10], [2, 11], [3, 12]], np.int32),
        np.array([[0.5], [-1.5], [2.25]], np.float32),
        {"item.genres": RaggedBag.of([[7, 8], [], [9]])},
    )


def test_taking_rows_keeps_their_order_and_repetitions() -> None:
    rows = a_table().take(np.array([2, 0, 2]))
    assert len(rows) == 3
    assert rows.ids_BF.tolist() == [[3, 12], [1, 10], [3, 12]]
    assert rows.numbers_BN.tolist() == [[2.25], [0.5], [2.25]]
    assert rows.bags["item.genres"].values_BH.tolist() == [[9, 0], [7, 8], [9, 0]]
    assert rows.bags["item.genres"].length_B.tolist() == [1, 2, 1]


def through_a_file(table: FeatureTable, path: Path) -> pa.RecordBatch:
    batch = pa.record_batch(table.to_arrow())
    with pa.ipc.new_file(str(path), batch.schema) as writer:
        writer.write_batch(batch)
    return pa.ipc.open_file(pa.memory_map(str(path))).get_batch(0)


@pytest.mark.parametrize("fields", [0, 2])
@pytest.mark.parametrize("numbers", [0, 3])
@pytest.mark.parametrize("rows", [0, 4])
def test_table_survives_a_memory_mapped_file(tmp_path: Path, rows: int, numbers: int, fields: int) -> None:
    table = FeatureTable(
        np.arange(rows * fields, dtype=np.int32).reshape(rows, fields),
        np.linspace(0, 1, rows * numbers, dtype=np.float32).reshape(rows, numbers),
        {
            "item.tags": RaggedBag.of([[row] * row for row in range(rows)]),
            "item.none": RaggedBag.of([[]] * rows),
        },
    )
    read = FeatureTable.from_arrow(through_a_file(table, tmp_path / "items.arrow"))

    assert len(read) == rows
    np.testing.assert_array_equal(read.ids_nF, table.ids_nF, strict=True)
    np.testing.assert_array_equal(read.numbers_nN, table.numbers_nN, strict=True)
    assert list(read.bags) == ["item.tags", "item.none"]
    for name, bag in table.bags.items():
        np.testing.assert_array_equal(read.bags[name].values, bag.values, strict=True)
        np.testing.assert_array_equal(read.bags[name].offsets_n, bag.offsets_n, strict=True)


def test_reading_a_file_copies_nothing(tmp_path: Path) -> None:
    before = pa.total_allocated_bytes()
    read = FeatureTable.from_arrow(through_a_file(a_table(), tmp_path / "items.arrow"))
    views = [read.ids_nF, read.numbers_nN, read.bags["item.genres"].values]
    assert pa.total_allocated_bytes() == before
    assert not any(view.flags.owndata or view.flags.writeable for view in views)


def test_a_slice_of_a_batch_is_read_as_that_slice() -> None:
    batch = pa.record_batch(a_table().to_arrow()).slice(1, 2)
    read = FeatureTable.from_arrow(batch).take(np.array([0, 1]))
    assert read.ids_BF.tolist() == [[2, 11], [3, 12]]
    assert read.numbers_BN.tolist() == [[-1.5], [2.25]]
    assert read.bags["item.genres"].values_BH.tolist() == [[0], [9]]
    assert read.bags["item.genres"].length_B.tolist() == [0, 1]


def test_other_columns_of_the_file_are_ignored() -> None:
    batch = pa.record_batch({"key": ["a", "b", "c"], **a_table().to_arrow(), "train_count": [3, 2, 1]})
    assert FeatureTable.from_arrow(batch).ids_nF.tolist() == a_table().ids_nF.tolist()


def test_matrix_of_a_transposed_array_keeps_its_rows() -> None:
    column_major = np.asfortranarray(np.arange(6, dtype=np.int32).reshape(3, 2))
    written = FeatureTable(column_major, np.zeros((3, 0), np.float32)).to_arrow()["ids"]
    assert matrix_from_arrow(written).tolist() == [[0, 1], [2, 3], [4, 5]]


def some_rows() -> FeatureRows:
    return FeatureRows(
        np.array([[1], [2]], np.int32),
        np.array([[0.5], [1.5]], np.float32),
        {"user.tags": PaddedBag(np.array([[4, 5], [6, 0]], np.int32), np.array([2, 1], np.int32))},
        HistoryRows.each(np.array([[8, 9], [7, 0]], np.int32), np.array([2, 1], np.int32)),
    )


def test_repeat_puts_each_request_beside_each_of_its_candidates() -> None:
    repeated = some_rows().repeat(3)
    assert repeated.ids_BF[:, 0].tolist() == [1, 1, 1, 2, 2, 2]
    assert repeated.numbers_BN[:, 0].tolist() == [0.5, 0.5, 0.5, 1.5, 1.5, 1.5]
    assert repeated.bags["user.tags"].values_BH.tolist() == [[4, 5]] * 3 + [[6, 0]] * 3
    assert repeated.bags["user.tags"].length_B.tolist() == [2, 2, 2, 1, 1, 1]
    assert repeated.history is not None
    assert repeated.history.of_B.tolist() == [0, 0, 0, 1, 1, 1]
    assert repeated.history.ids_UL.tolist() == [[8, 9], [7, 0]]
    assert repeated.history.length_U.tolist() == [2, 1]


def test_repeat_without_a_history_has_none() -> None:
    assert a_table().take(np.array([0])).repeat(2).history is None


def test_side_by_side_keeps_the_order_of_the_parts() -> None:
    items = a_table().take(np.array([0, 2]))
    users = some_rows()
    joined = side_by_side([users, items])
    assert joined.ids_BF.tolist() == [[1, 1, 10], [2, 3, 12]]
    assert joined.numbers_BN.tolist() == [[0.5, 0.5], [1.5, 2.25]]
    assert list(joined.bags) == ["user.tags", "item.genres"]
    assert joined.history is users.history
    assert side_by_side([items, users]).history is users.history
    assert side_by_side([items, users]).ids_BF.tolist() == [[1, 10, 1], [3, 12, 2]]


def test_feeds_name_only_what_is_there() -> None:
    assert list(some_rows().feeds()) == [
        "ids",
        "numbers",
        "bag.user.tags.values",
        "bag.user.tags.length",
        "history.ids",
        "history.length",
        "history.of",
    ]
    bare = FeatureRows(np.zeros((2, 0), np.int32), np.zeros((2, 1), np.float32))
    assert list(bare.feeds()) == ["numbers"]


def test_the_only_side_with_columns_is_not_copied() -> None:
    ids, numbers = np.ones((3, 2), np.int32), np.ones((3, 1), np.float32)
    none = FeatureRows(np.zeros((3, 0), np.int32), np.zeros((3, 0), np.float32))
    joined = side_by_side([none, FeatureRows(ids, numbers), none])

    assert joined.ids_BF is ids
    assert joined.numbers_BN is numbers
    assert side_by_side([none, none]).ids_BF.shape == (3, 0)
    assert side_by_side([FeatureRows(ids, numbers), FeatureRows(ids, numbers)]).ids_BF.shape == (3, 4)
