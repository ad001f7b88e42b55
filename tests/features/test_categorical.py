"""Categorical: vocabulary rows, joined or looked up."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pytest

from shortlist.core.errors import DataError
from shortlist.features.categorical import Categorical
from shortlist.features.statistics import Counts
from shortlist.recipe import features as recipe
from shortlist.schema import Column, Kind, Side


def brand(spec: recipe.Categorical | None = None) -> Categorical:
    counts = Counts(pa.array(["acme", "", "Zoë", "rare"]), np.array([9, 4, 4, 1]))
    return Categorical.fit(Side.ITEM, "brand", spec or recipe.Categorical(), counts)


def encoded(batch: pa.RecordBatch) -> list[npt.NDArray[Any]]:
    return [np.asarray(part) for part in brand().encode(batch)]


def test_rows_by_hand() -> None:
    values = pa.array(["Zoë", "acme", "", None, "ACME", "rare"])
    (row_n,) = brand().apply(values)
    assert row_n.tolist() == [3, 1, 2, 0, 0, 4]
    assert row_n.dtype == np.int32
    assert brand().columns() == (Column(name="item.brand", side=Side.ITEM, kind=Kind.FIELD, size=5),)


def test_the_recipe_limits_the_vocabulary() -> None:
    assert brand(recipe.Categorical(min_count=2)).vocabulary.size == 4
    assert brand(recipe.Categorical(max_size=1)).vocabulary.values.to_pylist() == ["acme"]


def test_joined_rows_are_taken_before_the_values() -> None:
    batch = pa.record_batch({"brand": ["acme", "acme"], "item.brand#row": pa.array([3, None], pa.int32())})
    assert [part.tolist() for part in encoded(batch)] == [[3, 0]]


def test_absent_column_is_out_of_vocabulary() -> None:
    batch = pa.record_batch({"other": [1, 2]})
    assert [part.tolist() for part in encoded(batch)] == [[0, 0]]


def test_column_without_values_leaves_only_the_oov_row() -> None:
    empty = Categorical.fit(Side.ITEM, "brand", recipe.Categorical(), Counts(pa.nulls(0), np.array([], np.int64)))
    assert empty.columns()[0].size == 1
    assert empty.apply(pa.array(["acme"]))[0].tolist() == [0]


def test_lists_are_refused_with_the_kind_to_use() -> None:
    lists = Counts(pa.array([["a"], ["b"]]), np.array([2, 1]))
    with pytest.raises(DataError, match=r'features\.item\.tags.*column `labels`.*kind = "multi_hot"'):
        Categorical.fit(Side.ITEM, "tags", recipe.Categorical(column="labels"), lists)
