"""Both contract suites over the whole catalogue: a new model file is covered by existing."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from shortlist.models.catalogue import RANKING, RETRIEVAL
from shortlist.testing import RankingContract, RetrievalContract

SETTINGS: Mapping[str, Mapping[str, Any]] = {
    "wide_deep": {
        "crosses": [["user.gender", "item.genres"], ["history", "item.id"]],
        "cross_buckets": 1000,
        "embedding_dims": {"item.genres": 4},
        "compress": {"user.id": 6},
    },
}
"""For models whose defaults leave a part of them out."""


@pytest.mark.parametrize("name", RANKING.names(), scope="class")
class TestEveryRankingModel(RankingContract):
    @pytest.fixture(autouse=True)
    def _of_the_catalogue(self, name: str) -> None:
        self.name, self.settings = name, SETTINGS.get(name, {})


@pytest.mark.parametrize("name", RETRIEVAL.names(), scope="class")
class TestEveryRetrievalModel(RetrievalContract):
    @pytest.fixture(autouse=True)
    def _of_the_catalogue(self, name: str) -> None:
        self.name, self.settings = name, SETTINGS.get(name, {})
