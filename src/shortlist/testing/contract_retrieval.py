"""The contract of retrieval models: subclass it in a test module and name the model.

Legend: B rows, D dim of the common space.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import torch
from torch import Tensor

from shortlist.features.rows import FeatureRows
from shortlist.losses.softmax import softmax
from shortlist.models.base import RetrievalModel
from shortlist.models.catalogue import retrieval_model
from shortlist.nn.batch import Batch
from shortlist.recipe.training import Model
from shortlist.schema import Inputs
from shortlist.schema.columns import ITEM_ID, USER_ID
from shortlist.testing.contract import ROWS, Answer, ModelContract
from shortlist.testing.inputs import candidate_inputs, query_inputs, random_rows


class RetrievalContract(ModelContract[RetrievalModel]):
    """What training, export and the funnel rely on in a retrieval model; `name` says which one it is."""

    groups = frozenset({"embedding", "dense"})

    def of(self, choice: Model) -> RetrievalModel:
        """The model that a recipe's choice gives on the toy schema."""
        return retrieval_model(choice, query_inputs(), candidate_inputs())

    def answers(self, model: RetrievalModel) -> Sequence[Answer]:
        """The vectors of requests and those of items."""
        return [Answer(model.query, model.query_inputs), Answer(model.candidate, model.candidate_inputs)]

    def loss(self, model: RetrievalModel) -> Tensor:
        """Softmax over pairs of a random request and an item of its own."""
        query_BD = model.query(Batch.of(_distinct(model.query_inputs, USER_ID)))
        candidate_BD = model.candidate(Batch.of(_distinct(model.candidate_inputs, ITEM_ID)))
        score_BB = query_BD @ candidate_BD.T / model.temperature()
        own_BB = torch.eye(ROWS, dtype=torch.bool)
        return softmax(score_BB.diagonal(), score_BB.masked_fill(own_BB, -torch.inf)).mean()

    def knows_by_heart(self, model: RetrievalModel) -> bool:
        """The nearest item of each request is its own."""
        with torch.inference_mode():
            query_BD = model.query(Batch.of(_distinct(model.query_inputs, USER_ID)))
            candidate_BD = model.candidate(Batch.of(_distinct(model.candidate_inputs, ITEM_ID)))
            nearest_B = (query_BD @ candidate_BD.T).argmax(1)
        return torch.equal(nearest_B, torch.arange(ROWS))

    def test_requests_and_items_share_one_space(self) -> None:
        """One vector a row, as wide on one side as on the other, and a temperature that scores can be divided by."""
        model = self.build()
        query, candidate = self.answers(model)
        query_BD = query(random_rows(query.inputs, 5))
        candidate_BD = candidate(random_rows(candidate.inputs, 7))

        assert (query_BD.shape[0], candidate_BD.shape[0]) == (5, 7)
        assert query_BD.shape[1] == candidate_BD.shape[1] >= 1
        assert model.temperature() > 0

    def test_takes_ids_alone(self) -> None:
        """A log without features or times has users, items, and no history."""
        query, candidate = (_ids_alone(inputs) for inputs in (query_inputs(), candidate_inputs()))
        model = retrieval_model(Model(name=self.name), query, candidate)

        assert torch.isfinite(model.query(Batch.of(random_rows(query, 5)))).all()
        assert torch.isfinite(model.candidate(Batch.of(random_rows(candidate, 5)))).all()


def _distinct(inputs: Inputs, name: str) -> FeatureRows:
    """ROWS users or items with random features, each with an id of its own."""
    rows = random_rows(inputs, ROWS, seed=1)
    place = inputs.field(name)
    rows.ids_BF[:, place] = inputs.fields[place].offset + np.arange(1, ROWS + 1)
    return rows


def _ids_alone(inputs: Inputs) -> Inputs:
    ids = tuple(column for column in inputs.fields if column.name.endswith(".id"))
    return replace(inputs, fields=ids, numbers=(), bags=(), history=None, history_length=0)
