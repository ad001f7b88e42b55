"""The shop that is served: made without training, and yet a bundle like any other."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.harness import Options
from benchmarks.serve_bundles import CANDIDATES, QUICK, shop, some_users
from shortlist.bundle.recommender import Recommender


@pytest.mark.slow
def test_the_shop_answers_its_users_from_500_candidates(tmp_path: Path) -> None:
    options = Options(quick=True, work=tmp_path)
    bundle = shop(options)
    users = some_users(bundle, 5, seed=1)
    recommender = Recommender.load(bundle)

    assert shop(options) == bundle
    assert len(set(users)) == 5
    assert len(recommender.bundle.items) == 1 + QUICK.items
    assert recommender.bundle.settings.candidates == CANDIDATES
    assert [len(items) for items in recommender.recommend(users, 10)] == [10] * 5
