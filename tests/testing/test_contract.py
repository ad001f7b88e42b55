"""The shipped suites find what they are there to find: each broken model fails the test that is meant for it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from pydantic import ConfigDict
from torch import Tensor, nn

from shortlist.core.settings import Settings
from shortlist.models.base import RankingModel, RetrievalModel
from shortlist.models.catalogue import RANKING, RETRIEVAL
from shortlist.nn.batch import Batch
from shortlist.nn.featuriser import EmbeddingSettings, Featuriser
from shortlist.nn.groups import Wide
from shortlist.schema import Inputs
from shortlist.testing import RankingContract, RetrievalContract


class Plain(RankingModel):
    """A linear layer over everything: it keeps to the contract."""

    class Config(Settings):
        dim: int = 8
        """Width of each embedding."""

    def __init__(self, config: Config, inputs: Inputs) -> None:
        super().__init__(config, inputs)
        self.features = Featuriser(inputs, EmbeddingSettings(embedding_dim=config.dim))
        self.out = nn.Linear(self.features.width, self.outputs)

    def forward(self, batch: Batch) -> Tensor:
        outputs_BO: Tensor = self.out(self.features(batch))
        return outputs_BO


class Required(Plain):
    class Config(Settings):
        dim: int = 8
        """Width of each embedding."""
        depth: int
        """How deep."""


class Undocumented(Plain):
    class Config(Settings):
        dim: int = 8


class Lenient(Plain):
    class Config(Settings):
        model_config = ConfigDict(extra="ignore")
        dim: int = 8
        """Width of each embedding."""


class Forgetful(Plain):
    """Keeps something learned outside of its parameters."""

    def __init__(self, config: Any, inputs: Inputs) -> None:
        super().__init__(config, inputs)
        self.bias_O = torch.randn(self.outputs)

    def forward(self, batch: Batch) -> Tensor:
        return super().forward(batch) + self.bias_O


class DividesByLength(Plain):
    def forward(self, batch: Batch) -> Tensor:
        length_B = batch.bags["item.genres"].length_B
        return super().forward(batch) * (length_B / length_B)[:, None].float()


class LooksAround(Plain):
    def forward(self, batch: Batch) -> Tensor:
        outputs_BO = super().forward(batch)
        return outputs_BO - outputs_BO.mean(0)


class Deaf(Plain):
    def forward(self, batch: Batch) -> Tensor:
        return super().forward(batch).detach() + self.out.bias


class Unseeded(Plain):
    def __init__(self, config: Any, inputs: Inputs) -> None:
        super().__init__(config, inputs)
        generator = torch.Generator()
        generator.seed()
        nn.init.normal_(self.out.weight, generator=generator)


class OwnTable(Plain):
    def __init__(self, config: Any, inputs: Inputs) -> None:
        super().__init__(config, inputs)
        self.gender = nn.Embedding(sum(c.size for c in inputs.fields), self.outputs)

    def forward(self, batch: Batch) -> Tensor:
        gender_BT: Tensor = self.gender(batch.ids_BF[:, 1])
        return super().forward(batch) + gender_BT


class Unused(Plain):
    def __init__(self, config: Any, inputs: Inputs) -> None:
        super().__init__(config, inputs)
        self.extra = nn.Linear(2, 2)


class OneLogit(Plain):
    def forward(self, batch: Batch) -> Tensor:
        return super().forward(batch)[:, :1]


class NeedsHistory(Plain):
    def forward(self, batch: Batch) -> Tensor:
        assert batch.history is not None
        return super().forward(batch)


BROKEN = [
    (Required, "test_every_setting_has_a_default_and_a_doc"),
    (Undocumented, "test_every_setting_has_a_default_and_a_doc"),
    (Lenient, "test_an_unknown_setting_is_refused"),
    (Forgetful, "test_a_checkpoint_gives_equal_answers"),
    (DividesByLength, "test_the_unknown_gets_finite_answers"),
    (LooksAround, "test_an_answer_depends_on_its_own_row_alone"),
    (Deaf, "test_learns_a_few_rows_by_heart"),
    (Deaf, "test_every_parameter_has_an_optimiser_and_learns"),
    (Unseeded, "test_the_same_seed_gives_the_same_bits"),
    (OwnTable, "test_every_parameter_has_an_optimiser_and_learns"),
    (Unused, "test_every_parameter_has_an_optimiser_and_learns"),
    (OneLogit, "test_gives_a_logit_for_each_target"),
    (NeedsHistory, "test_takes_any_schema"),
]
MORE_ARGUMENTS = {"test_takes_any_schema": [("field", "number")]}


def run(suite: RankingContract | RetrievalContract, test: str, folder: Path) -> None:
    arguments = [folder] if "checkpoint" in test else MORE_ARGUMENTS.get(test, [])
    getattr(suite, test)(*arguments)


def ranking(model: type[RankingModel], monkeypatch: pytest.MonkeyPatch) -> RankingContract:
    monkeypatch.setitem(RANKING._added, "toy", model)
    suite = RankingContract()
    suite.name, suite.settings = "toy", {"depth": 1} if model is Required else {}
    return suite


@pytest.mark.parametrize("test", sorted({test for _, test in BROKEN}))
def test_a_good_model_passes(test: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    run(ranking(Plain, monkeypatch), test, tmp_path)


@pytest.mark.parametrize(("model", "test"), BROKEN)
def test_a_broken_model_is_found(
    model: type[RankingModel], test: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    with pytest.raises((AssertionError, pytest.fail.Exception)):
        run(ranking(model, monkeypatch), test, tmp_path)


class Towers(RetrievalModel):
    """A linear layer over each side."""

    class Config(Settings):
        dim: int = 8
        """Width of the common space."""

    def __init__(self, config: Config, query: Inputs, candidate: Inputs) -> None:
        super().__init__(config, query, candidate)
        settings = EmbeddingSettings(embedding_dim=8)
        self.query_features, self.candidate_features = Featuriser(query, settings), Featuriser(candidate, settings)
        self.query_out = nn.Linear(self.query_features.width, config.dim)
        self.candidate_out = nn.Linear(self.candidate_features.width, config.dim)

    def query(self, batch: Batch) -> Tensor:
        vectors_BD: Tensor = self.query_out(self.query_features(batch))
        return vectors_BD

    def candidate(self, batch: Batch) -> Tensor:
        vectors_BD: Tensor = self.candidate_out(self.candidate_features(batch))
        return vectors_BD


class Uneven(Towers):
    def candidate(self, batch: Batch) -> Tensor:
        return super().candidate(batch)[:, :-1]


class Bias(Wide):
    def __init__(self, dim: int) -> None:
        super().__init__()
        self.bias_D = nn.Parameter(torch.zeros(dim))

    def forward(self, vectors_BD: Tensor) -> Tensor:
        return vectors_BD + self.bias_D


class WithWidePart(Towers):
    """Training a retrieval model has no optimiser for the group `wide`."""

    def __init__(self, config: Any, query: Inputs, candidate: Inputs) -> None:
        super().__init__(config, query, candidate)
        self.wide = Bias(config.dim)

    def query(self, batch: Batch) -> Tensor:
        vectors_BD: Tensor = self.wide(super().query(batch))
        return vectors_BD


TOWERS = [
    (Towers, "test_learns_a_few_rows_by_heart", True),
    (Towers, "test_requests_and_items_share_one_space", True),
    (Towers, "test_takes_ids_alone", True),
    (Towers, "test_every_parameter_has_an_optimiser_and_learns", True),
    (Uneven, "test_requests_and_items_share_one_space", False),
    (WithWidePart, "test_every_parameter_has_an_optimiser_and_learns", False),
]


@pytest.mark.parametrize(("model", "test", "good"), TOWERS)
def test_the_retrieval_suite(
    model: type[RetrievalModel], test: str, good: bool, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setitem(RETRIEVAL._added, "toy", model)
    suite = RetrievalContract()
    suite.name = "toy"
    if good:
        run(suite, test, tmp_path)
        return
    with pytest.raises(AssertionError):
        run(suite, test, tmp_path)
