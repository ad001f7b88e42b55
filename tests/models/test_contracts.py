"""The contract suites over the whole catalogue: a new model file is covered by existing."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from shortlist.models.base import RetrievalModel, SequenceModel
from shortlist.models.catalogue import RANKING, RETRIEVAL
from shortlist.testing import RankingContract, RetrievalContract, SequenceContract

SETTINGS: Mapping[str, Mapping[str, Any]] = {
    "wide_deep": {
        "crosses": [["user.gender", "item.genres"], ["history", "item.id"]],
        "cross_buckets": 1000,
        "embedding_dims": {"item.genres": 4},
        "indicators": ["user.gender"],
        "compress": {"user.id": 6},
        "history": "gru",
    },
    "gru4rec": {"layers": 2, "dropout": 0.1, "time_gaps": True},
    "sasrec": {"heads": 2, "dropout": 0.1, "time_gaps": True},
    "dcn_v2": {"rank": 3, "structure": "stacked", "history": "transformer"},
    "final_mlp": {"hidden": [64], "second": [32], "heads": 2, "gates": [8], "tasks": "ple"},
    "logistic_regression": {"crosses": [["user.id", "item.id"]]},
    "mlp": {"history": "target_attention", "tasks": "mmoe", "batch_norm": True},
    "neumf": {"dropout": 0.1, "tasks": {"kind": "ple", "levels": 2}},
    "matrix_factorization": {"similarity": "dot", "biases": True},
    "two_tower": {"history": "gru", "id_dropout": 0.05},
}
"""For models whose defaults leave a part of them out."""


@pytest.mark.parametrize("name", RANKING.names(), scope="class")
class TestEveryRankingModel(RankingContract):
    @pytest.fixture(autouse=True)
    def _of_the_catalogue(self, name: str) -> None:
        self.name, self.settings = name, SETTINGS.get(name, {})


def encoders(sequences: bool) -> list[str]:
    """Retrieval models that encode requests: those that read sequences, or the others."""
    return [
        name
        for name in RETRIEVAL.names()
        if issubclass(RETRIEVAL[name], RetrievalModel) and issubclass(RETRIEVAL[name], SequenceModel) == sequences
    ]


@pytest.mark.parametrize("name", encoders(sequences=False), scope="class")
class TestEveryRetrievalModel(RetrievalContract):
    @pytest.fixture(autouse=True)
    def _of_the_catalogue(self, name: str) -> None:
        self.name, self.settings = name, SETTINGS.get(name, {})


@pytest.mark.parametrize("name", encoders(sequences=True), scope="class")
class TestEverySequenceModel(SequenceContract):
    @pytest.fixture(autouse=True)
    def _of_the_catalogue(self, name: str) -> None:
        self.name, self.settings = name, SETTINGS.get(name, {})
