"""Statistics: the order of counts, and what each kind of feature asks for."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest

from shortlist.features.statistics import Counts, Moments, Need, Quantiles, expect
from shortlist.features.transforms import fit, need
from shortlist.recipe import features as recipe
from shortlist.schema import Side


def test_merged_counts_add_equal_values_and_order_by_count_then_value() -> None:
    values = pa.array(["b", "a", None, "c", "b", "é", "Z"])
    counts = Counts.merged(values, np.array([1, 2, 9, 5, 1, 2, 2]))
    assert counts.values.to_pylist() == ["c", "Z", "a", "b", "é"]
    assert counts.counts.tolist() == [5, 2, 2, 2, 2]


def test_merged_counts_of_nothing() -> None:
    counts = Counts.merged(pa.array([], pa.string()), np.array([], np.int64))
    assert len(counts.values) == len(counts.counts) == 0


def test_counts_in_the_wrong_order_are_refused() -> None:
    with pytest.raises(ValueError, match="must not ascend"):
        Counts(pa.array(["a", "b"]), np.array([1, 2]))


def test_counts_of_another_length_are_refused() -> None:
    with pytest.raises(ValueError, match="2 values have 1 counts"):
        Counts(pa.array(["a", "b"]), np.array([1]))


def test_expect_refuses_statistics_of_another_sort() -> None:
    moments = Moments(1, 0, 2.0, 0.0)
    assert expect(moments, Moments) is moments
    with pytest.raises(TypeError, match="expected Quantiles, found Moments"):
        expect(moments, Quantiles)


@pytest.mark.parametrize(
    ("spec", "asked"),
    [
        (recipe.Categorical(), Need("counts")),
        (recipe.Hashed(), Need("nothing")),
        (recipe.Numeric(), Need("moments")),
        (recipe.Numeric(transform="none"), Need("moments")),
        (recipe.Numeric(transform="log"), Need("moments", log=True)),
        (recipe.Numeric(transform="bucketise", buckets=8), Need("quantiles", buckets=8)),
        (recipe.MultiHot(separator=", "), Need("counts", separator=", ")),
        (recipe.Timestamp(), Need("nothing")),
    ],
)
def test_each_kind_asks_for_what_it_is_fitted_from(spec: recipe.Feature, asked: Need) -> None:
    assert need(spec) == asked


def test_fit_names_the_feature_by_its_side_and_reads_the_column_of_the_recipe() -> None:
    plain = fit(Side.USER, "zip", recipe.Hashed(buckets=5), None)
    renamed = fit(Side.ITEM, "zip", recipe.Hashed(column="postcode"), None)
    assert (plain.name, plain.column, plain.side) == ("user.zip", "zip", Side.USER)
    assert (renamed.name, renamed.column, renamed.side) == ("item.zip", "postcode", Side.ITEM)


def test_fit_refuses_what_the_feature_did_not_ask_for() -> None:
    with pytest.raises(TypeError, match="expected Counts, found NoneType"):
        fit(Side.USER, "city", recipe.Categorical(), None)
