"""The contract over every model that is fitted in one go, each with the settings that its defaults leave out."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from shortlist.models.base import MatrixModel
from shortlist.models.catalogue import RETRIEVAL
from shortlist.testing import MatrixContract

SETTINGS: Mapping[str, list[Mapping[str, Any]]] = {
    "als": [{"dim": 8, "iterations": 3}, {"dim": 4, "iterations": 2, "alpha": 5.0}],
    "ease": [{}, {"l2": 5.0, "keep": 3}, {"user_exponent": 0.5, "penalty_exponent": 0.5}],
    "graph_filter": [{"rank": 4}, {"rank": 500, "sharpening": 1.5, "keep": 0}, {"rank": 0, "keep": 4}],
    "item_knn": [
        {},
        {"similarity": "jaccard", "shrinkage": 2.0, "half_life": 2.0, "neighbours": 3},
        {"similarity": "tfidf", "asymmetry": 0.3, "neighbours": 4},
        {"similarity": "bm25", "neighbours": 4},
    ],
    "popularity": [{}, {"window": 3.0, "segment": "gender"}],
    "user_knn": [
        {},
        {"similarity": "jaccard", "shrinkage": 2.0, "half_life": 2.0, "neighbours": 9},
        {"similarity": "tfidf"},
        {"similarity": "bm25"},
    ],
}
NAMES = [name for name in RETRIEVAL.names() if issubclass(RETRIEVAL[name], MatrixModel)]
CASES = [(name, settings) for name in NAMES for settings in SETTINGS.get(name, [{}])]


@pytest.mark.parametrize(("name", "settings"), CASES, ids=str, scope="class")
class TestEveryMatrixModel(MatrixContract):
    @pytest.fixture(autouse=True)
    def _of_the_catalogue(self, name: str, settings: Mapping[str, Any]) -> None:
        self.name, self.settings, self.personal = name, settings, name != "popularity"
