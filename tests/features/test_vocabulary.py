"""Vocabulary: rows by frequency, both ways of looking up against a dictionary, and its file."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shortlist.core.files import sha256
from shortlist.features import vocabulary as module
from shortlist.features.statistics import Counts
from shortlist.features.vocabulary import Vocabulary


def counts(*pairs: tuple[Any, int]) -> Counts:
    return Counts(pa.array([value for value, _ in pairs]), np.array([count for _, count in pairs]))


def test_rows_follow_the_counts_and_values_are_sorted() -> None:
    vocabulary = Vocabulary.from_counts(counts(("pear", 9), ("apple", 5), ("fig", 5), ("kiwi", 1)))
    assert vocabulary.values.to_pylist() == ["apple", "fig", "kiwi", "pear"]
    assert vocabulary.rows.tolist() == [2, 3, 4, 1]
    assert vocabulary.size == 5
    assert vocabulary.id_type == "text"


@pytest.mark.parametrize(
    ("min_count", "max_size", "kept"),
    [(1, None, 4), (2, None, 3), (5, None, 3), (6, None, 1), (10, None, 0), (1, 2, 2), (6, 2, 1), (1, 99, 4)],
)
def test_rare_values_and_those_beyond_the_size_are_left_out(min_count: int, max_size: int | None, kept: int) -> None:
    fruit = counts(("pear", 9), ("apple", 5), ("fig", 5), ("kiwi", 1))
    vocabulary = Vocabulary.from_counts(fruit, min_count, max_size)
    assert vocabulary.size == 1 + kept
    expected = [i + 1 if i < kept else 0 for i in range(4)]
    assert vocabulary.lookup(pa.array(["pear", "apple", "fig", "kiwi"])).tolist() == expected


def test_text_is_sorted_by_its_bytes() -> None:
    words = ["é", "z", "Z", "", "日本", "a\0", "a", "𝄞", "�"]
    vocabulary = Vocabulary.from_rows(pa.array(words), np.arange(1, 10))
    assert vocabulary.values.to_pylist() == sorted(words, key=str.encode)
    assert vocabulary.lookup(pa.array(words)).tolist() == list(range(1, 10))


@pytest.mark.parametrize("few", [True, False])
@given(
    known=st.lists(st.text(max_size=4), unique=True, max_size=30),
    asked=st.lists(st.none() | st.text(max_size=4), max_size=30),
)
@settings(max_examples=80, deadline=None)
def test_both_ways_of_looking_text_up_equal_a_dictionary(few: bool, known: list[str], asked: list[str | None]) -> None:
    row_of = {value: row for row, value in enumerate(known, start=1)}
    vocabulary = Vocabulary.from_rows(pa.array(known, pa.string()), np.arange(1, len(known) + 1))
    sought = asked + known
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "_few", lambda keys, values: few)
        found = vocabulary.lookup(pa.array(sought, pa.string()))
    assert found.dtype == np.int32
    assert found.tolist() == [row_of.get(value, 0) if value is not None else 0 for value in sought]


@pytest.mark.parametrize("few", [True, False])
@given(
    known=st.lists(st.integers(-(2**63), 2**63 - 1), unique=True, max_size=30),
    asked=st.lists(st.none() | st.integers(-(2**63), 2**63 - 1), max_size=30),
)
@settings(max_examples=80, deadline=None)
def test_both_ways_of_looking_integers_up_equal_a_dictionary(
    few: bool, known: list[int], asked: list[int | None]
) -> None:
    row_of = {value: row for row, value in enumerate(known, start=1)}
    vocabulary = Vocabulary.from_rows(pa.array(known, pa.int64()), np.arange(1, len(known) + 1))
    sought = asked + known
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "_few", lambda keys, values: few)
        found = vocabulary.lookup(pa.array(sought, pa.int64()))
    assert found.tolist() == [row_of.get(value, 0) if value is not None else 0 for value in sought]


def test_small_batches_search_and_large_ones_hash() -> None:
    assert module._few(1, 10)
    assert module._few(1, 10**7)
    assert module._few(100, 10**6)
    assert not module._few(65536, 1000)
    assert not module._few(10**6, 10**6)


def test_slices_are_looked_up_and_searched_as_slices() -> None:
    whole = pa.array(["x", "a", "b", "c", "y"])
    vocabulary = Vocabulary(whole.slice(1, 3), np.array([3, 1, 2], np.int32))
    assert vocabulary.lookup(pa.array(["y", "c", "x", "a"]).slice(1, 3)).tolist() == [2, 0, 3]


@pytest.mark.parametrize(
    ("values", "rows"),
    [
        (pa.array([10, 25, None]), [0, 1, 0]),
        (pa.array([25.0, 25.5, float("nan")]), [1, 0, 0]),
        (pa.array([25], pa.uint8()), [1]),
        (pa.array(["25", "025", " 25"]), [1, 0, 0]),
        (pa.array(["25"], pa.large_string()), [1]),
        (pa.array([True, False]), [2, 0]),
        (pa.array([["25"]]), [0]),
        (pa.nulls(2), [0, 0]),
        (pa.array([], pa.string()), []),
    ],
)
def test_text_vocabulary_takes_other_types_by_their_text(values: pa.Array, rows: list[int]) -> None:
    vocabulary = Vocabulary.from_counts(counts(("25", 3), ("true", 2), ("x", 1)))
    assert vocabulary.lookup(values).tolist() == rows


@pytest.mark.parametrize(
    ("values", "rows"),
    [
        (pa.array(["25", " 25 ", "025", "x", "", None]), [1, 1, 1, 0, 0, 0]),
        (pa.array([25.0, 25.5]), [1, 0]),
        (pa.array([25], pa.int8()), [1]),
        (pa.array([True]), [0]),
        (pa.array(["99999999999999999999"]), [0]),
        (pa.nulls(1), [0]),
    ],
)
def test_integer_vocabulary_takes_text_that_writes_an_integer(values: pa.Array, rows: list[int]) -> None:
    vocabulary = Vocabulary.from_counts(counts((25, 3), (1, 2)))
    assert vocabulary.id_type == "int"
    assert vocabulary.lookup(values).tolist() == rows


def test_counts_of_other_types_become_integers_or_text() -> None:
    small = Vocabulary.from_counts(Counts(pa.array([7, 8], pa.int16()), np.array([2, 1])))
    assert small.values.type == pa.int64()
    floats = Vocabulary.from_counts(Counts(pa.array([0.5, None, 25.0]), np.array([3, 2, 1])))
    assert floats.values.to_pylist() == ["0.5", "25"]
    assert floats.rows.tolist() == [1, 2]
    assert floats.lookup(pa.array([25, 0])).tolist() == [2, 0]
    flags = Vocabulary.from_counts(Counts(pa.array([False, True]), np.array([2, 1])))
    assert flags.lookup(pa.array([True, False, None])).tolist() == [2, 1, 0]


def test_values_of_rows_are_the_inverse_of_the_look_up() -> None:
    vocabulary = Vocabulary.from_rows(pa.chunked_array([["b"], ["a", "c"]]), [1, 5, 2])
    assert vocabulary.value_of_rows([1, 2, 5]).to_pylist() == ["b", "c", "a"]
    assert vocabulary.value_of_rows(np.array([0, 3, -1, 6])).to_pylist() == [None] * 4
    assert vocabulary.lookup(vocabulary.value_of_rows([5, 1])).tolist() == [5, 1]


@pytest.mark.parametrize("values", [pa.array([30, 10, 20]), pa.array(["é", "", "a"]), pa.array([], pa.string())])
def test_file_gives_the_same_look_ups_and_the_same_bytes(tmp_path: Path, values: pa.Array) -> None:
    vocabulary = Vocabulary.from_rows(values, np.arange(1, len(values) + 1))
    vocabulary.save(tmp_path / "first.arrow")
    loaded = Vocabulary.load(tmp_path / "first.arrow")
    loaded.save(tmp_path / "second.arrow")

    assert loaded.values.type == values.type
    assert loaded.size == vocabulary.size
    assert loaded.lookup(values).tolist() == list(range(1, len(values) + 1))
    assert loaded.lookup(pa.concat_arrays([values] * 40)).tolist() == list(range(1, len(values) + 1)) * 40
    assert sha256(tmp_path / "first.arrow") == sha256(tmp_path / "second.arrow")


def test_loading_maps_the_file_and_allocates_nothing(tmp_path: Path) -> None:
    Vocabulary.from_rows(pa.array(range(10_000)), np.arange(1, 10_001)).save(tmp_path / "v.arrow")
    before = pa.total_allocated_bytes()
    loaded = Vocabulary.load(tmp_path / "v.arrow")
    assert loaded.lookup(pa.array(["9999"])).tolist() == [10_000]
    assert pa.total_allocated_bytes() - before < 10_000


def test_table_for_the_engine_has_value_and_row() -> None:
    table = Vocabulary.from_counts(counts(("b", 2), ("a", 1))).to_arrow()
    assert table.schema == pa.schema([("value", pa.string()), ("row", pa.int32())])
    assert table.to_pylist() == [{"value": "a", "row": 2}, {"value": "b", "row": 1}]
