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
from shortlist.losses.in_batch_softmax import in_batch_softmax
from shortlist.models.base import RetrievalModel
from shortlist.models.catalogue import retrieval_model
from shortlist.nn.batch import Batch
from shortlist.recipe.sections import Model
from shortlist.schema import Inputs
from shortlist.schema.columns import ITEM_ID
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
        """In-batch softmax over pairs of a random request and an item of its own."""
        candidates, item_B = _distinct_items(model.candidate_inputs)
        return in_batch_softmax(
            model.query(Batch.of(random_rows(model.query_inputs, ROWS))),
            model.candidate(Batch.of(candidates)),
            item_B,
            torch.full((ROWS,), -np.log(ROWS).item()),
            model.temperature(),
        )

    def knows_by_heart(self, model: RetrievalModel) -> bool:
        """The nearest item of each request is its own."""
        with torch.inference_mode():
            query_BD = model.query(Batch.of(random_rows(model.query_inputs, ROWS)))
            candidate_BD = model.candidate(Batch.of(_distinct_items(model.candidate_inputs)[0]))
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


def _distinct_items(inputs: Inputs) -> tuple[FeatureRows, Tensor]:
    """ROWS items with random features, each with an id of its own; and their rows of the item table."""
    rows = random_rows(inputs, ROWS, seed=1)
    place = inputs.field(ITEM_ID)
    item_B = np.arange(1, ROWS + 1, dtype=np.int32)
    rows.ids_BF[:, place] = inputs.fields[place].offset + item_B
    return rows, torch.from_numpy(item_B).long()


def _ids_alone(inputs: Inputs) -> Inputs:
    ids = tuple(column for column in inputs.fields if column.name.endswith(".id"))
    return replace(inputs, fields=ids, numbers=(), bags=(), history=None, history_length=0)
