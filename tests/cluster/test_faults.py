"""What an executor sends is raised as what it was there."""

from __future__ import annotations

import json

import pytest

from shortlist.cluster.faults import MARK, spark_errors
from shortlist.core.errors import DataError, EnvironmentFault, UserError

spark = pytest.importorskip("pyspark.errors", reason="PySpark is not installed: pip install 'shortlist[spark]'")


@pytest.mark.parametrize(("kind", "raised"), [("DataError", DataError), ("RecipeError", UserError), ("New", UserError)])
def test_an_error_of_ours_comes_back(kind: str, raised: type[UserError]) -> None:
    sent = f"{MARK} {json.dumps({'kind': kind, 'text': 'the disk is full'})}"
    with pytest.raises(UserError, match="the disk is full") as found, spark_errors(EnvironmentFault):
        raise spark.PySparkException(f"Job aborted: {sent}")
    assert type(found.value) is raised
