"""Features as a recipe has them: the fields that they become, as fitting names them."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest

from shortlist.features.statistics import Counts, Moments, Quantiles, Statistics
from shortlist.features.transforms import fit
from shortlist.recipe.features import Categorical, Feature, Hashed, MultiHot, Numeric, Timestamp, field_names
from shortlist.schema import Kind, Side

COUNTED = Counts(pa.array(["a", "b"]), np.array([2, 1]))


@pytest.mark.parametrize(
    ("feature", "statistics"),
    [
        (Categorical(), COUNTED),
        (Hashed(buckets=4), None),
        (Numeric(), Moments(3, 0, 1.0, 2.0)),
        (Numeric(transform="bucketise"), Quantiles((1.0, 2.0))),
        (MultiHot(), COUNTED),
        (Timestamp(parts=("hour", "month")), None),
    ],
)
def test_the_fields_of_a_feature_are_those_it_is_fitted_as(feature: Feature, statistics: Statistics) -> None:
    columns = fit(Side.USER, "it", feature, statistics).columns()

    fields = [column.name for column in columns if column.kind == Kind.FIELD]
    assert [f"user.{name}" for name in field_names("it", feature)] == fields
