"""The contract of ranking models: subclass it in a test module and name the model.

Legend: B rows, T targets.
"""

from __future__ import annotations

from collections.abc import Sequence

import pytest
import torch
from torch import Tensor

from shortlist.core.seeding import stream
from shortlist.losses.log_loss import log_loss
from shortlist.models.base import RankingModel
from shortlist.models.catalogue import ranking_model
from shortlist.nn.batch import Batch, Labels
from shortlist.recipe.sections import Model
from shortlist.schema import Inputs, Kind, Schema, Side
from shortlist.testing.contract import ROWS, Answer, ModelContract
from shortlist.testing.inputs import random_rows, ranking_inputs, toy_schema


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
        logits_BT: Tensor = model(Batch.of(random_rows(model.inputs, ROWS)))
        return log_loss(logits_BT, _labels())

    def knows_by_heart(self, model: RankingModel) -> bool:
        """Log loss far below the 1.39 nats of guessing two targets."""
        with torch.inference_mode():
            return self.loss(model).item() < 0.1

    def test_gives_a_logit_for_each_target(self) -> None:
        """One for each target of the schema, one where every event counts."""
        for targets in ((), ("liked",), ("liked", "bought", "returned")):
            inputs = toy_schema(targets).inputs(*Side, history_length=2)
            logits_BT = self._built_for(inputs)(Batch.of(random_rows(inputs, 5)))
            assert logits_BT.shape == (5, max(len(targets), 1))

    @pytest.mark.parametrize("kinds", [(Kind.FIELD,), (Kind.NUMBER,), (Kind.BAG,), (Kind.FIELD, Kind.NUMBER)])
    def test_takes_any_schema(self, kinds: tuple[Kind, ...]) -> None:
        """A log may have categorical columns alone, numbers alone, no history: whatever there is must do."""
        full = toy_schema()
        columns = tuple(column for column in full.columns if column.kind in kinds)
        schema = Schema(columns=columns, targets=full.targets, has_users=False, id_types=full.id_types)
        inputs = schema.inputs(*Side, history_length=2)

        assert inputs.history is None
        assert torch.isfinite(self._built_for(inputs)(Batch.of(random_rows(inputs, 5)))).all()

    def _built_for(self, inputs: Inputs) -> RankingModel:
        """With its defaults: the suite's settings may name columns that only the toy schema has."""
        torch.manual_seed(0)
        return ranking_model(Model(name=self.name), inputs)


def _labels() -> Labels:
    """A coin for each row and target."""
    coins_BT = stream(0, "toy labels").integers(0, 2, (ROWS, len(ranking_inputs().targets)))
    return Labels(torch.from_numpy(coins_BT).float(), torch.ones(ROWS))
