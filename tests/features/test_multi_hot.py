"""Multi-hot: text and lists by hand, and against the naive loop."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shortlist.features.multi_hot import MultiHot
from shortlist.features.statistics import Counts
from shortlist.recipe import features as recipe
from shortlist.schema import Column, Kind, Side


def genres(spec: recipe.MultiHot | None = None) -> MultiHot:
    counts = Counts(pa.array(["Drama", "Comedy", "Sci-Fi", "Épée", "Rare"]), np.array([9, 7, 4, 2, 1]))
    return MultiHot.fit(Side.ITEM, "genres", spec or recipe.MultiHot(), counts)


def lists_of(feature: MultiHot, values: pa.Array) -> list[list[int]]:
    (bag,) = feature.apply(values)
    assert bag.values.dtype == np.int32
    assert bag.offsets_n.dtype == np.int64
    assert len(bag) == len(values)
    return [bag.values[a:b].tolist() for a, b in zip(bag.offsets_n[:-1], bag.offsets_n[1:], strict=True)]


def test_text_by_hand() -> None:
    values = pa.array(
        [
            "Drama|Comedy",
            " Sci-Fi |\tDrama\n",
            "",
            None,
            "unknown",
            "|Drama||x|Épée|",
            "Comedy|Comedy",
            "drama",
        ]
    )
    assert lists_of(genres(), values) == [[1, 2], [3, 1], [], [], [], [1, 4], [2, 2], []]


def test_column_is_a_bag() -> None:
    column = Column(name="item.genres", side=Side.ITEM, kind=Kind.BAG, size=5, hotness=3)
    assert genres(recipe.MultiHot(min_count=2, max_hotness=3)).columns() == (column,)


@pytest.mark.parametrize("kind", [pa.list_(pa.string()), pa.large_list(pa.string()), pa.list_(pa.large_string())])
def test_lists_by_hand(kind: pa.DataType) -> None:
    values = pa.array([["Drama", "Comedy"], [], None, [None, " Drama ", "x", ""], ["Drama|Comedy"]], kind)
    assert lists_of(genres(), values) == [[1, 2], [], [], [1], []]


def test_fixed_size_lists_and_slices() -> None:
    fixed = pa.array([["Drama", "x"], None, ["Comedy", "Drama"]], pa.list_(pa.string(), 2))
    assert lists_of(genres(), fixed) == [[1], [], [2, 1]]
    assert lists_of(genres(), fixed.cast(pa.list_(pa.string()))) == [[1], [], [2, 1]]
    assert lists_of(genres(), fixed.slice(1, 2)) == [[], [2, 1]]
    lists = pa.array([["Comedy"], ["Drama", "Comedy"], None, ["Sci-Fi"], ["Drama"]])
    assert lists_of(genres(), lists.slice(1, 3)) == [[1, 2], [], [3]]
    text = pa.array(["Comedy", "Drama|Comedy", None, "Sci-Fi"])
    assert lists_of(genres(), text.slice(1, 2)) == [[1, 2], []]


@pytest.mark.parametrize("values", [pa.nulls(2), pa.array([[], []]), pa.array([{"a": 1}] * 2), pa.array([[[1]], None])])
def test_what_holds_no_values_is_empty(values: pa.Array) -> None:
    assert lists_of(genres(), values) == [[], []]


def test_no_rows_at_all() -> None:
    assert lists_of(genres(), pa.array([], pa.string())) == []


def test_unknown_values_do_not_use_up_the_hotness() -> None:
    feature = genres(recipe.MultiHot(max_hotness=2))
    assert lists_of(feature, pa.array(["x|Comedy|y|Drama|Sci-Fi", "Drama"])) == [[2, 1], [1]]


def test_separator_is_taken_literally() -> None:
    feature = genres(recipe.MultiHot(separator=".*"))
    assert lists_of(feature, pa.array(["Drama.*Comedy", "Drama|Comedy"])) == [[1, 2], []]


def test_untidy_counts_are_tidied() -> None:
    counts = Counts(pa.array(["", "a ", None, " b", "a", "  "]), np.array([90, 5, 5, 4, 2, 1]))
    feature = MultiHot.fit(Side.ITEM, "tags", recipe.MultiHot(min_count=5), counts)
    assert feature.vocabulary.to_arrow().to_pylist() == [{"value": "a", "row": 1}]


def test_lists_of_integers_and_the_same_as_text() -> None:
    counts = Counts(pa.array([30, 10], pa.int32()), np.array([2, 1]))
    feature = MultiHot.fit(Side.ITEM, "tags", recipe.MultiHot(separator=","), counts)
    assert lists_of(feature, pa.array([[10, 30, 99], None])) == [[2, 1], []]
    assert lists_of(feature, pa.array([["10"], ["x", "30"]])) == [[2], [1]]
    assert lists_of(feature, pa.array(["10, 30,x", "30"])) == [[2, 1], [1]]


words = st.sampled_from(["Drama", "Comedy", "Sci-Fi", "Épée", "Rare", "x", "", "日本", " Drama"])


@given(rows=st.lists(st.none() | st.lists(words, max_size=8), min_size=1, max_size=12), hotness=st.integers(1, 4))
@settings(max_examples=150, deadline=None)
def test_equals_the_naive_loop(rows: list[list[str] | None], hotness: int) -> None:
    feature = genres(recipe.MultiHot(max_hotness=hotness))
    row_of: dict[Any, int] = {"Drama": 1, "Comedy": 2, "Sci-Fi": 3, "Épée": 4, "Rare": 5}
    expected = []
    for row in rows:
        known = [row_of[word.strip()] for word in row or [] if word.strip() in row_of]
        expected.append(known[:hotness])
    assert lists_of(feature, pa.array(rows, pa.list_(pa.string()))) == expected
    text = [None if row is None else "|".join(row) for row in rows]
    assert lists_of(feature, pa.array(text, pa.string())) == expected
