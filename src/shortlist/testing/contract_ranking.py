"""The contract of ranking models: subclass it in a test module and name the model.

Legend: B rows, T targets.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, get_args

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.nn import functional

from shortlist.core.seeding import stream
from shortlist.export.ranker import export_ranker
from shortlist.funnel.rank_model import RankModel
from shortlist.models.base import RankingModel
from shortlist.models.catalogue import RANKING, ranking_model
from shortlist.nn.batch import Batch, Labels
from shortlist.nn.history import Encoding
from shortlist.recipe.ranking import Ranking
from shortlist.recipe.training import Model
from shortlist.schema import Inputs, Kind, Schema, Side, Target, TargetKind
from shortlist.testing.contract import ROWS, STEPS, Answer, ModelContract, train
from shortlist.testing.inputs import random_pairs, random_rows, ranking_inputs, toy_schema, unknown_rows
from shortlist.training.ranking_loss import RankingLoss


class RankingContract(ModelContract[RankingModel]):
    """What training, export and the funnel rely on in a ranking model; `name` says which one it is."""

    groups = frozenset({"wide", "embedding", "dense"})

    def of(self, choice: Model) -> RankingModel:
        """The model that a recipe's choice gives on the toy schema."""
        return ranking_model(choice, ranking_inputs())

    def answers(self, model: RankingModel) -> Sequence[Answer]:
        """The logits."""
        return [Answer(model, model.inputs)]

    def loss(self, model: RankingModel) -> Tensor:
        """Log loss on random rows with random labels."""
        outputs_BO: Tensor = model(Batch.of(random_rows(model.inputs, ROWS)))
        return RankingLoss(model.inputs.targets, Ranking())(outputs_BO, _labels())

    def knows_by_heart(self, model: RankingModel) -> bool:
        """Log loss far below the 1.39 nats of guessing two targets."""
        with torch.inference_mode():
            return self.loss(model).item() < 0.1

    def test_gives_a_logit_for_each_target(self) -> None:
        """One for each target of the schema, one where every event counts."""
        for targets in ((), ("liked",), ("liked", "bought", "returned")):
            inputs = toy_schema(targets).inputs(*Side, history_length=2)
            outputs_BO = self._built_for(inputs)(Batch.of(random_rows(inputs, 5)))
            assert outputs_BO.shape == (5, max(len(targets), 1))

    @pytest.mark.parametrize("kinds", [(Kind.FIELD,), (Kind.NUMBER,), (Kind.BAG,), (Kind.FIELD, Kind.NUMBER)])
    def test_takes_any_schema(self, kinds: tuple[Kind, ...]) -> None:
        """A log may have categorical columns alone, numbers alone, no history: whatever there is must do."""
        inputs = _inputs_of(kinds)

        assert inputs.history is None
        assert torch.isfinite(self._built_for(inputs)(Batch.of(random_rows(inputs, 5)))).all()

    def test_gives_every_kind_of_target_its_outputs(self) -> None:
        """A logit, a value, and a logit for each class, side by side."""
        targets = (
            Target(name="shelf", kind=TargetKind.MULTICLASS, classes=("a", "b", "c")),
            Target(name="liked"),
            Target(name="dwell", kind=TargetKind.REGRESSION),
        )
        inputs = replace(ranking_inputs(), targets=targets)
        outputs_BO = self._built_for(inputs)(Batch.of(random_rows(inputs, 5)))

        assert outputs_BO.shape == (5, 3 + 1 + 1)
        assert torch.isfinite(outputs_BO).all()

    def test_learns_classes_and_values_by_heart(self) -> None:
        """A term that is common to all outputs would be lost on them: a softmax does not see it."""
        targets = (
            Target(name="shelf", kind=TargetKind.MULTICLASS, classes=("a", "b", "c")),
            Target(name="dwell", kind=TargetKind.REGRESSION),
        )
        inputs = replace(ranking_inputs(), targets=targets)
        model, batch = self._built_for(inputs), Batch.of(random_rows(inputs, ROWS))
        class_B, value_B = torch.arange(ROWS) % 3, torch.linspace(-1, 1, ROWS)

        def loss() -> Tensor:
            outputs_BO = model(batch)
            of_classes = functional.cross_entropy(outputs_BO[:, :3], class_B)
            return of_classes + functional.mse_loss(outputs_BO[:, 3], value_B)

        train(model, loss, STEPS)
        model.eval()
        with torch.inference_mode():
            assert loss().item() < 0.3

    @pytest.mark.slow
    def test_onnx_gives_equal_answers(self, tmp_path: Path) -> None:
        """The exported model, which takes each request once, agrees within 1e-5 with the trained one on whole rows.

        For one request and one item, for several requests with as many items each as they happen to have, and for rows
        that are requests of their own; with bags of another width.
        """
        _exports(self.trained(), tmp_path)

    @pytest.mark.slow
    def test_onnx_takes_numbers_alone(self, tmp_path: Path) -> None:
        """Where nothing is looked up in a table, the exported model takes any number of rows as well."""
        model = self._built_for(_inputs_of((Kind.NUMBER,)))
        model.eval()
        _exports(model, tmp_path)

    @pytest.mark.parametrize("history", get_args(Encoding))
    def test_reads_a_history_every_way(self, history: Encoding) -> None:
        """Where the model has the setting `history`: another history is another answer, and none is a finite one."""
        if "history" not in RANKING[self.name].Config.model_fields:
            pytest.skip(f"{self.name} has no setting `history`")
        inputs = ranking_inputs()
        model = self._built_for(inputs, history=history)
        train(model, lambda: self.loss(model), 3)
        model.eval()
        answer, rows = Answer(model, inputs), random_rows(inputs, ROWS)
        assert rows.history is not None
        turned = replace(rows, history=rows.history.of(np.arange(ROWS)[::-1].copy()))

        assert not torch.equal(answer(rows), answer(turned))
        assert torch.isfinite(answer(unknown_rows(inputs, 5))).all()

    @pytest.mark.parametrize("tasks", ["shared_bottom", "mmoe", "ple", "esmm"])
    def test_targets_share_the_network_every_way(self, tasks: str) -> None:
        """Where the model has the setting `tasks`: a gradient reaches every parameter of every head."""
        if "tasks" not in RANKING[self.name].Config.model_fields:
            pytest.skip(f"{self.name} has no setting `tasks`")
        model = self._built_for(ranking_inputs(), tasks=tasks)
        train(model, lambda: self.loss(model), 3)
        self.loss(model).backward()

        assert [name for name, value in model.named_parameters() if value.numel() and value.grad is None] == []

    def _built_for(self, inputs: Inputs, **settings: Any) -> RankingModel:
        """With its defaults but for `settings`: the suite's own may name columns that only the toy schema has."""
        torch.manual_seed(0)
        return ranking_model(Model.model_validate({"name": self.name, **settings}), inputs)


def _exports(model: RankingModel, folder: Path) -> None:
    """The file written into `folder` answers as the model does, however many requests and items are asked about."""
    export_ranker(model, random_pairs(model.inputs, (1, 2)), folder)
    exported, answer = RankModel(folder), Answer(model, model.inputs)
    for items, hotness in (((1,), 3), ((9,), 1), ((4, 1, 6), 5), ((1,) * 11, 2)):
        asked = random_pairs(model.inputs, items, seed=len(items), hotness=hotness)
        found = torch.from_numpy(exported(asked))
        torch.testing.assert_close(found, answer(asked.rows()), rtol=1e-5, atol=1e-5)


def _inputs_of(kinds: Sequence[Kind]) -> Inputs:
    """The toy schema's columns of some kinds, in a log without users."""
    full = toy_schema()
    columns = tuple(column for column in full.columns if column.kind in kinds)
    schema = Schema(columns=columns, targets=full.targets, has_users=False, id_types=full.id_types)
    return schema.inputs(*Side, history_length=2)


def _labels() -> Labels:
    """A coin for each row and target."""
    coins_BT = stream(0, "toy labels").integers(0, 2, (ROWS, len(ranking_inputs().targets)))
    return Labels(torch.from_numpy(coins_BT).float(), torch.ones(ROWS))
