"""Features inferred from what a column looks like."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from shortlist.recipe.features import Categorical, Feature, Hashed, MultiHot, Numeric, Timestamp
from shortlist.tables.duckdb import DuckDB
from shortlist.tables.infer import Inferred, infer_features, time_feature
from shortlist.tables.profile import profile

ROWS = 600
RANDOM = np.random.default_rng(5)


def _infer(engine: DuckDB, values: Any) -> Inferred:
    return infer_features(profile(engine, engine.table("t", pa.table({"x": values}))))["x"]


@pytest.mark.parametrize(
    ("values", "feature"),
    [
        (["f", "m", None] * 200, Categorical()),
        ([1, 18, 25] * 200, Categorical()),
        ([1.0, None, 3.0] * 200, Categorical()),
        ([True, False] * 300, Categorical()),
        ([f"brand {n % 60}" for n in range(ROWS)], Categorical()),
        ([f"{n % 300:05d}" for n in range(ROWS)], Hashed(buckets=512)),
        (["Drama|War", "War|Comedy", "Comedy"] * 200, MultiHot()),
        (["Drama; War", "War; Comedy", "Comedy"] * 200, MultiHot(separator=";")),
        ([["a", "b"], ["b"], []] * 200, MultiHot()),
        ([1900 + n % 100 for n in range(ROWS)], Numeric()),
        (RANDOM.normal(size=ROWS), Numeric()),
        (RANDOM.lognormal(sigma=2, size=ROWS), Numeric(transform="log")),
        (RANDOM.permutation(10**6)[:ROWS], Numeric()),
    ],
)
def test_what_a_column_is_taken_for(engine: DuckDB, values: Any, feature: Feature) -> None:
    inferred = _infer(engine, values)
    assert inferred.feature == feature
    assert inferred.reason


@pytest.mark.parametrize(
    ("values", "reason"),
    [
        (pa.array([None] * 9, pa.string()), "empty"),
        ([7] * 9, "one value only"),
        (list(range(1, ROWS + 1)), "numbers the rows"),
        ([f"Film {n}" for n in range(ROWS)], "another text in almost every row"),
        ([f"a long text about {n % 300} and more" for n in range(ROWS)], "prose"),
        ([f"https://example.org/{n % 300}" for n in range(ROWS)], "addresses"),
        ([[0.1, 0.2], [0.3, 0.4]] * 9, "embeddings"),
        (pa.array(range(9), pa.timestamp("s")), "a time"),
        (pa.array([{"a": 1}, {"a": 2}]), "no feature is made of its type"),
    ],
)
def test_what_is_left_out_and_why(engine: DuckDB, values: Any, reason: str) -> None:
    inferred = _infer(engine, values)
    assert inferred.feature is None
    assert reason in inferred.reason


def test_lines_say_what_and_why(engine: DuckDB) -> None:
    assert _infer(engine, ["f", "m"]).line("gender") == "gender -> categorical: 2 values"
    assert _infer(engine, [7, 7]).line("n") == "n -> left out: it has one value only"
    assert time_feature("at").feature == Timestamp(column="at")


def test_dates_in_another_form_are_told_and_left_out(engine: DuckDB) -> None:
    inferred = _infer(engine, [f"{1 + n % 28:02d}.{1 + n % 12:02d}.2024 06:{n % 60:02d}" for n in range(ROWS)])
    assert inferred.feature is None
    assert inferred.reason == "dates that are not in ISO form (01.01.2024 06:00): write them as 2024-05-31 06:53"
