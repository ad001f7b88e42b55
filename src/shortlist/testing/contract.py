"""What every model of the catalogue keeps to, as tests; each stage's suite says how its models are asked and fitted."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar, Generic, NamedTuple, TypeVar

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from shortlist.core.errors import RecipeError
from shortlist.core.settings import Settings
from shortlist.export.onnx import export_onnx
from shortlist.features.rows import FeatureRows
from shortlist.funnel.session import Session
from shortlist.models.base import RankingModel, RetrievalModel
from shortlist.nn.batch import Batch
from shortlist.nn.embedding import StackedEmbedding
from shortlist.nn.groups import Group, Wide, grouped
from shortlist.recipe.training import Model, Optimiser
from shortlist.schema import Inputs
from shortlist.testing.inputs import random_rows, unknown_rows
from shortlist.training.optimisers import build_optimisers
from shortlist.training.weights import load_weights, save_weights

ROWS = 32
"""Rows that a model must be able to learn by heart."""
STEPS = 200
"""Most steps it may take to do so."""
OPTIMISERS: Mapping[Group, Optimiser] = {
    "wide": Optimiser(name="ftrl", lr=1.0),
    "embedding": Optimiser(name="adagrad", lr=0.1),
    "dense": Optimiser(name="adamw", lr=0.01),
}
M = TypeVar("M", RankingModel, RetrievalModel)


class Answer(NamedTuple):
    """One function of a model that is exported: what it takes, and what it computes."""

    function: Callable[[Batch], Tensor]
    inputs: Inputs

    def __call__(self, rows: FeatureRows) -> Tensor:
        """The answer to encoded rows, without gradients."""
        with torch.inference_mode():
            return self.function(Batch.of(rows))


class ModelContract(ABC, Generic[M]):
    """Tests that hold for any model. `name` is the model's in the catalogue, `settings` are those it is tested with."""

    name: str
    settings: Mapping[str, Any] = {}
    groups: ClassVar[frozenset[Group]]
    """Parameter groups that training has an optimiser for."""

    @abstractmethod
    def of(self, choice: Model) -> M:
        """The model that a recipe's choice gives on the toy schema."""

    @abstractmethod
    def answers(self, model: M) -> Sequence[Answer]:
        """Everything of the model that is exported."""

    @abstractmethod
    def loss(self, model: M) -> Tensor:
        """Training loss on ROWS rows, the same at each call."""

    @abstractmethod
    def knows_by_heart(self, model: M) -> bool:
        """Whether the model has learned those rows."""

    def build(self, seed: int = 0) -> M:
        """The model under test, initialised from `seed`."""
        torch.manual_seed(seed)
        return self.of(Model.model_validate({"name": self.name, **self.settings}))

    def trained(self, steps: int = 3, seed: int = 0) -> M:
        """The model after some steps of training, ready to be asked."""
        model = self.build(seed)
        train(model, lambda: self.loss(model), steps)
        model.eval()
        return model

    def test_settings_survive_json(self) -> None:
        """A bundle keeps the recipe as JSON: reading it again gives the same settings."""
        config = self._config()

        assert type(config).model_validate_json(config.model_dump_json()) == config

    def test_every_setting_has_a_default_and_a_doc(self) -> None:
        """A recipe may name the model and nothing else, and `shortlist init` can say what each setting does."""
        cls = type(self._config())

        assert [name for name, field in cls.model_fields.items() if field.is_required()] == []
        assert [name for name, field in cls.model_fields.items() if not field.description] == []

    def test_an_unknown_setting_is_refused(self) -> None:
        """A typing error is no silent default: it is named, with the setting that was probably meant."""
        known = next(iter(type(self._config()).model_fields), None)
        misspelt = known + known[-1] if known else "unheard_of"

        with pytest.raises(RecipeError) as refused:
            self.of(Model.model_validate({"name": self.name, misspelt: 1}))
        assert f"{misspelt}: no such setting." in str(refused.value)
        assert known is None or f"Did you mean `{known}`?" in str(refused.value)

    def test_a_checkpoint_gives_equal_answers(self, tmp_path: Path) -> None:
        """Weights saved and loaded into a model of another seed answer bit for bit as before."""
        trained, loaded = self.trained(), self.build(seed=1)
        save_weights(tmp_path, trained, [])
        load_weights(tmp_path, loaded)
        loaded.eval()

        for before, after in zip(self.answers(trained), self.answers(loaded), strict=True):
            rows = random_rows(before.inputs, ROWS)
            assert torch.equal(before(rows), after(rows))

    def test_the_unknown_gets_finite_answers(self) -> None:
        """Values out of vocabulary, empty bags and empty histories are what every new user and item looks like."""
        for answer in self.answers(self.trained()):
            assert torch.isfinite(answer(unknown_rows(answer.inputs, 5))).all()

    def test_an_answer_depends_on_its_own_row_alone(self) -> None:
        """What a request gets must not depend on who else is asking."""
        for answer in self.answers(self.trained()):
            rows = random_rows(answer.inputs, ROWS)
            together = answer(rows)
            alone = [answer(rows.take(np.array([i]))) for i in range(4)]
            torch.testing.assert_close(torch.cat(alone), together[:4], rtol=0, atol=1e-5)

    def test_learns_a_few_rows_by_heart(self) -> None:
        """A model that cannot overfit 32 rows has a broken path from its loss to its parameters."""
        model = self.build()
        for _ in range(STEPS // 50):
            train(model, lambda: self.loss(model), 50)
            model.eval()
            if self.knows_by_heart(model):
                return
        pytest.fail(f"{self.name} did not learn {ROWS} rows by heart in {STEPS} steps")

    def test_the_same_seed_gives_the_same_bits(self) -> None:
        """Initialisation, dropout and training draw from torch's random state alone."""
        first, again, other = (self.trained(seed=seed).state_dict() for seed in (0, 0, 1))

        assert [name for name, value in first.items() if not torch.equal(value, again[name])] == []
        # A linear model begins at zeros whatever the seed.
        is_drawn = any(value.any() for value in self.build().state_dict().values())
        assert not is_drawn or any(not torch.equal(value, other[name]) for name, value in first.items())

    def test_every_parameter_has_an_optimiser_and_learns(self) -> None:
        """Tables are of the group `embedding` or `wide`, and a few steps move every parameter."""
        model = self.build()
        assert {group for group, _ in grouped(model)} <= self.groups
        assert _tables_outside_groups(model) == [], "build tables with StackedEmbedding, or below a Wide module"

        before = {name: value.detach().clone() for name, value in model.named_parameters()}
        train(model, lambda: self.loss(model), 3)
        after = dict(model.named_parameters())
        still = [name for name, value in before.items() if value.numel() and torch.equal(value, after[name])]
        assert still == [], "no gradient reaches these parameters"

    @pytest.mark.slow
    def test_onnx_gives_equal_answers(self, tmp_path: Path) -> None:
        """The exported model agrees within 1e-5 for one row, two and many, and bags of another width."""
        model = self.trained()
        for place, answer in enumerate(self.answers(model)):
            path = tmp_path / f"{place}.onnx"
            export_onnx(model, answer.function, random_rows(answer.inputs, 5), path)
            exported = Session(path)
            one, two, many = (
                random_rows(answer.inputs, rows, seed=rows, hotness=hotness)
                for rows, hotness in ((1, 3), (2, 1), (11, 5))
            )
            # As the funnel asks: each request beside several candidates, its history given once.
            for asked in (one, two, many.repeat(3)):
                torch.testing.assert_close(torch.from_numpy(exported(asked)), answer(asked), rtol=1e-5, atol=1e-5)

    def _config(self) -> Settings:
        return self.build().config


def train(model: nn.Module, loss: Callable[[], Tensor], steps: int) -> None:
    """Take `steps` steps with an optimiser for each parameter group."""
    optimisers = build_optimisers(model, OPTIMISERS)
    model.train()
    for _ in range(steps):
        for optimiser in optimisers:
            optimiser.zero_grad(set_to_none=True)
        loss().backward()
        for optimiser in optimisers:
            optimiser.step()


def _tables_outside_groups(model: nn.Module) -> list[str]:
    """Names of embedding tables that no group of tables holds: they would be updated densely, as `dense`."""
    inside = {
        id(table)
        for module in model.modules()
        if isinstance(module, StackedEmbedding | Wide)
        for table in module.modules()
    }
    return [
        name
        for name, module in model.named_modules()
        if isinstance(module, nn.Embedding | nn.EmbeddingBag) and id(module) not in inside
    ]
