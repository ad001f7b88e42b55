"""The contract of models that read sequences: subclass it in a test module and name the model.

Legend: U sequences, L their width, P questions, D dim, I items.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.nn import functional

from shortlist.core.errors import UserError
from shortlist.core.seeding import stream
from shortlist.features.rows import FeatureRows, HistoryRows, Ints
from shortlist.models.base import RetrievalModel, SequenceModel
from shortlist.models.catalogue import retrieval_model
from shortlist.nn.batch import Batch
from shortlist.recipe.training import Model
from shortlist.schema import Inputs, Side
from shortlist.schema.columns import ITEM_ID
from shortlist.testing.contract import ROWS
from shortlist.testing.contract_retrieval import RetrievalContract
from shortlist.testing.inputs import HISTORY, candidate_inputs, query_inputs, random_rows, toy_schema


class SequenceContract(RetrievalContract):
    """What training, export and the funnel rely on in a sequence model; `name` says which one it is."""

    def of(self, choice: Model) -> RetrievalModel:
        """The model that a recipe's choice gives on the toy schema."""
        query = toy_schema().inputs(Side.USER, Side.CONTEXT, Side.PAST, history_length=HISTORY)
        return retrieval_model(choice, query, candidate_inputs())

    def sequence_model(self) -> SequenceModel:
        """The model under test, ready to be asked."""
        model = self.build()
        assert isinstance(model, SequenceModel)
        model.eval()
        return model

    def loss(self, model: RetrievalModel) -> Tensor:
        """Softmax over all items, after every event of ROWS sequences and after nothing."""
        logits_PI, asked_P = _asked(model)
        return functional.cross_entropy(logits_PI, asked_P)

    def knows_by_heart(self, model: RetrievalModel) -> bool:
        """The nearest item of each state is the one that comes next."""
        with torch.inference_mode():
            logits_PI, asked_P = _asked(model)
        return torch.equal(logits_PI.argmax(1), asked_P)

    def test_takes_ids_alone(self) -> None:
        """Without histories there is nothing to read, and the error says what is missing."""
        nothing = replace(query_inputs(), history=None, history_length=0)

        with pytest.raises(UserError, match="reads histories"):
            retrieval_model(Model(name=self.name), nothing, candidate_inputs())

    def test_a_state_depends_on_what_came_before_it_alone(self) -> None:
        """Another event changes no state before it, and the state at it: what is asked cannot be looked up."""
        model = self.sequence_model()
        rows = _full(model.query_inputs)
        before_ULD = _states(model, rows)
        for place in range(HISTORY):
            ids_UL = rows.ids_UL.copy()
            ids_UL[:, place] = rows.ids_UL[::-1, place]
            after_ULD = _states(model, replace(rows, ids_UL=ids_UL))
            changed_U = ids_UL[:, place] != rows.ids_UL[:, place]
            torch.testing.assert_close(after_ULD[:, :place], before_ULD[:, :place], rtol=0, atol=1e-6)
            assert (after_ULD[changed_U, place] != before_ULD[changed_U, place]).any(1).all()

    def test_states_are_the_answers_to_each_prefix(self) -> None:
        """One pass over a sequence gives what asking after each of its events gives, and so trains what is served."""
        model = self.sequence_model()
        rows = _full(model.query_inputs)
        state_ULD = _states(model, rows)
        for length in range(1, HISTORY + 1):
            length_U = np.full(len(rows.length_U), length, np.int32)
            inside_L = np.arange(HISTORY) < length
            past_ULP = None if rows.past_ULP is None else rows.past_ULP * inside_L[:, None]
            prefix = HistoryRows.each(rows.ids_UL * inside_L, length_U, past_ULP)
            with torch.inference_mode():
                query_BD = model.query(_batch(prefix))
            torch.testing.assert_close(query_BD, state_ULD[:, length - 1], rtol=0, atol=1e-5)

    def test_padding_and_width_change_nothing(self) -> None:
        """What stands beyond a history's events is not read, and a batch may be as narrow as its longest history."""
        model = self.sequence_model()
        rows = random_rows(model.query_inputs, ROWS).history
        assert rows is not None
        padding_UL = np.arange(HISTORY) >= rows.length_U[:, None]
        short = rows.length_U <= HISTORY - 2
        with torch.inference_mode():
            query_BD = model.query(_batch(rows))
            filled = replace(rows, ids_UL=np.where(padding_UL, rows.ids_UL.max(), rows.ids_UL))
            narrow_ULP = None if rows.past_ULP is None else rows.past_ULP[short, : HISTORY - 2]
            narrow = HistoryRows.each(rows.ids_UL[short, : HISTORY - 2], rows.length_U[short], narrow_ULP)

            assert torch.equal(model.query(_batch(filled)), query_BD)
            torch.testing.assert_close(model.query(_batch(narrow)), query_BD[short], rtol=0, atol=1e-5)

    def test_users_without_a_history_share_an_answer(self) -> None:
        """It is learned, and not zeros."""
        model = self.trained()
        nothing = HistoryRows.each(np.zeros((3, HISTORY), np.int32), np.zeros(3, np.int32), _no_past(model, 3))
        with torch.inference_mode():
            query_BD = model.query(_batch(nothing))

        assert torch.equal(query_BD[0], query_BD[2])
        assert query_BD[0].any()


def _batch(history: HistoryRows) -> Batch:
    rows = len(history.of_B)
    return Batch.of(FeatureRows(np.zeros((rows, 0), np.int32), np.zeros((rows, 0), np.float32), history=history))


def _states(model: SequenceModel, rows: HistoryRows) -> Tensor:
    with torch.inference_mode():
        return model.states(_batch(rows))


def _no_past(model: RetrievalModel, rows: int) -> Ints | None:
    planes = len(model.query_inputs.past)
    return np.zeros((rows, HISTORY, planes), np.int32) if planes else None


def _full(inputs: Inputs) -> HistoryRows:
    """ROWS histories of the full length, each of distinct items; no two begin alike."""
    assert inputs.history is not None
    random = stream(0, "toy sequences")
    items = np.stack([random.permutation(inputs.history.size - 1) for _ in range(ROWS)])[:, :HISTORY] + 1
    items[:, 0] = np.arange(1, ROWS + 1)
    past = [random.integers(column.offset, column.offset + column.size, items.shape) for column in inputs.past]
    ids_UL = (items + inputs.history.offset).astype(np.int32)
    past_ULP = np.stack(past, axis=2).astype(np.int32) if past else None
    return HistoryRows.each(ids_UL, np.full(ROWS, HISTORY, np.int32), past_ULP)


def _asked(model: RetrievalModel) -> tuple[Tensor, Tensor]:
    """logits_PI over all items, and which of them comes next: after each event of ROWS sequences, and at first."""
    assert isinstance(model, SequenceModel)
    rows = _full(model.query_inputs)
    item = model.candidate_inputs.fields[model.candidate_inputs.field(ITEM_ID)]
    item_UL = torch.from_numpy(rows.ids_UL - item.offset).long()
    nothing = HistoryRows.each(np.zeros((1, HISTORY), np.int32), np.zeros(1, np.int32), _no_past(model, 1))
    state_PD = model.states(_batch(rows))[:, :-1].flatten(0, 1)
    query_PD = torch.cat([state_PD, model.query(_batch(nothing))])
    candidates = random_rows(model.candidate_inputs, item.size, seed=1)
    candidates.ids_BF[:, model.candidate_inputs.field(ITEM_ID)] = item.offset + np.arange(item.size)
    logits_PI = query_PD @ model.candidate(Batch.of(candidates)).T / model.temperature()
    return logits_PI, torch.cat([item_UL[:, 1:].flatten(), item_UL[:1, 0]])
