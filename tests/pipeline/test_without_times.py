"""A log without times from the recipe to the bundle: what a user has is a set, and says what else goes with it."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from shortlist.bundle.recommender import Recommender
from shortlist.models.catalogue import check_models
from shortlist.pipeline.run import Run
from shortlist.recipe import parse_recipe
from tests.pipeline.test_redo import Written

RECIPE = """\
[data]
interactions = "log.parquet"
[schema]
user_id = "user"
item_id = "item"
[split]
kind = "random"
valid = 0.1
test = 0.1
[retrieval]
epochs = 20
batch_size = 32
history = 20
negatives = "uniform"
model = {name = "two_tower", towers = "sum", user_id = false, dim = 8, embedding_dim = 8}
[compute]
threads = 1
"""
USERS, TASTE = 40, 12
"""People, and films that those of one taste see; there are two tastes."""


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> Recommender:
    folder = tmp_path_factory.mktemp("without times")
    random = np.random.default_rng(0)
    rows = [(user, user % 2 * TASTE + item) for user in range(USERS) for item in random.permutation(TASTE)[:8]]
    user, item = zip(*rows, strict=True)
    pq.write_table(pa.table({"user": user, "item": item}), folder / "log.parquet")
    run = Run(parse_recipe(RECIPE, "log.toml", (), folder, check_models), folder / "run", Written())
    run.walk("export")
    return run.recommender()


def test_whoever_has_something_is_recommended_what_goes_with_it(found: Recommender) -> None:
    for taste in (0, 1):
        had = [taste * TASTE + item for item in (1, 5, 7)]
        (answer,) = found.recommend([None], 6, history=[had])
        items = [int(row.item_id) for row in answer]

        assert {item // TASTE for item in items} == {taste}
        assert not set(items) & set(had)


def test_the_order_in_which_it_is_told_does_not_count(found: Recommender) -> None:
    one, other = found.recommend([None, None], 6, history=[[1, 5, 7], [7, 1, 5]])

    assert [row.item_id for row in one] == [row.item_id for row in other]
