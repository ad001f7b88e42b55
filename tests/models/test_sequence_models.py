"""SASRec and GRU4Rec: one table for both sides, types and times of events, and settings that do not fit together."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from shortlist.core.errors import RecipeError, UserError
from shortlist.export.onnx import export_onnx
from shortlist.features.rows import FeatureRows, FeatureTable, HistoryRows, RaggedBag
from shortlist.funnel.session import Session
from shortlist.models.base import SequenceModel
from shortlist.models.catalogue import retrieval_model
from shortlist.models.tied_sequence import TiedSequenceModel
from shortlist.nn.batch import Batch
from shortlist.recipe.training import Model
from shortlist.schema import Inputs, Side
from shortlist.schema.columns import ITEM_ID
from shortlist.testing import SequenceContract
from shortlist.testing.contract import Answer
from shortlist.testing.inputs import HISTORY, candidate_inputs, random_rows, toy_schema

NAMES = ["gru4rec", "sasrec"]
CANDIDATE = candidate_inputs()


class TestRotaryPositions(SequenceContract):
    name = "sasrec"
    settings = {"positions": "rope", "dropout": 0.1}  # noqa: RUF012


class TestItemFeatures(SequenceContract):
    name = "sasrec"
    settings = {"item_features": True, "id_dropout": 0.1, "dropout": 0.1}  # noqa: RUF012


def inputs() -> Inputs:
    return toy_schema().inputs(Side.USER, Side.CONTEXT, Side.PAST, history_length=HISTORY)


def build(name: str, query: Inputs | None = None, **settings: Any) -> SequenceModel:
    torch.manual_seed(0)
    choice = Model.model_validate({"name": name, "embedding_dim": 8, **settings})
    model = retrieval_model(choice, query or inputs(), CANDIDATE)
    assert isinstance(model, SequenceModel)
    return model.eval()


def histories(query: Inputs) -> HistoryRows:
    rows = random_rows(query, 12).history
    assert rows is not None
    return rows


def told(rows: HistoryRows) -> Batch:
    """Requests of which nothing but the history is known."""
    nothing = np.zeros((len(rows.of_B), 0))
    return Batch.of(FeatureRows(nothing.astype(np.int32), nothing.astype(np.float32), history=rows))


def answers(model: SequenceModel, rows: HistoryRows) -> Tensor:
    with torch.inference_mode():
        return model.query(told(rows))


@pytest.mark.parametrize("name", NAMES)
def test_items_are_read_and_recommended_by_one_table(name: str) -> None:
    model = build(name)
    tables = [value for key, value in model.named_parameters() if key.endswith("table.weight")]
    sizes = {column.name: column.size for column in (*CANDIDATE.fields, *inputs().past)}

    assert [tuple(table.shape) for table in tables] == [(sizes[ITEM_ID] + sizes["past.type"], 8)]
    rows = random_rows(CANDIDATE, 5)
    ids_B = rows.ids_BF[:, CANDIDATE.field(ITEM_ID)] - CANDIDATE.fields[CANDIDATE.field(ITEM_ID)].offset
    assert torch.equal(model.candidate(Batch.of(rows)), tables[0][ids_B])


def goods() -> FeatureTable:
    """An item for each id but two, in another order than that of the ids."""
    own = CANDIDATE.field(ITEM_ID)
    column = CANDIDATE.fields[own]
    rows = random_rows(CANDIDATE, column.size - 2, seed=5)
    rows.ids_BF[:, own] = column.offset + np.roll(np.arange(column.size - 2), 7)
    bags = {
        name: RaggedBag.of([values[:length] for values, length in zip(bag.values_BH, bag.length_B, strict=True)])
        for name, bag in rows.bags.items()
    }
    return FeatureTable(rows.ids_BF, rows.numbers_BN, bags)


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_features_that_are_numbers_alone_are_exported(name: str, tmp_path: Path) -> None:
    ids = tuple(column for column in CANDIDATE.fields if column.name == ITEM_ID)
    choice = Model.model_validate({"name": name, "embedding_dim": 8, "item_features": True})
    model = retrieval_model(choice, inputs(), replace(CANDIDATE, fields=ids, bags=())).eval()
    for answer in (Answer(model.query, model.query_inputs), Answer(model.candidate, model.candidate_inputs)):
        export_onnx(model, answer.function, random_rows(answer.inputs, 5), tmp_path / "tower.onnx")
        exported = Session(tmp_path / "tower.onnx")
        for rows in (1, 11):
            asked = random_rows(answer.inputs, rows)
            torch.testing.assert_close(torch.from_numpy(exported(asked)), answer(asked), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("name", NAMES)
def test_an_event_is_what_its_item_is_features_included(name: str) -> None:
    model = build(name, item_features=True, event_types=False)
    assert isinstance(model, TiedSequenceModel)
    table, own = goods(), CANDIDATE.field(ITEM_ID)
    model.know(table)
    rows = histories(inputs())
    with torch.inference_mode():
        event_ULD = model.events(told(rows).history)
        vector_ID = model.candidate(Batch.of(table.take(np.arange(len(table)))))
        (unknown_D,) = model.events.table(torch.tensor([[CANDIDATE.fields[own].offset]]), [CANDIDATE.fields[own]])[0]

    row_of_id = {int(number): row for row, number in enumerate(table.ids_nF[:, own])}
    compared = 0
    for user, length in enumerate(rows.length_U):
        assert not event_ULD[user, length:].any()
        for place in range(length):
            row = row_of_id.get(int(rows.ids_UL[user, place]))
            if row and rows.ids_UL[user, place] != CANDIDATE.fields[own].offset:
                torch.testing.assert_close(event_ULD[user, place], vector_ID[row] * 8**0.5)
                compared += 1
    assert compared > 10
    assert not torch.equal(vector_ID[row_of_id[CANDIDATE.fields[own].offset]], unknown_D)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("read", ["past.type", "past.age"])
def test_what_is_told_of_the_events_is_read_where_the_settings_say_so(name: str, read: str) -> None:
    query = inputs()
    rows = histories(query)
    place = [column.name for column in query.past].index(read)
    column = query.past[place]
    other_ULP = np.array(rows.past_ULP)
    other_ULP[:, :, place] = column.offset + (other_ULP[:, :, place] - column.offset + 1) % column.size
    other = replace(rows, past_ULP=other_ULP)
    reads = build(name, event_types=read == "past.type", time_gaps=read == "past.age")
    reads_not = build(name, event_types=read != "past.type", time_gaps=read != "past.age")
    some_U = torch.from_numpy(rows.length_U > 0)

    assert (answers(reads, rows)[some_U] != answers(reads, other)[some_U]).any(1).all()
    assert torch.equal(answers(reads_not, rows), answers(reads_not, other))


@pytest.mark.parametrize("name", NAMES)
def test_of_a_time_gap_only_the_last_counts(name: str) -> None:
    """How long after an event the next one came is not known of all but the last when a request comes."""
    model, query = build(name, event_types=False, time_gaps=True), inputs()
    rows = histories(query)
    place = [column.name for column in query.past].index("past.age")
    other_ULP = np.array(rows.past_ULP)
    is_last_UL = np.arange(HISTORY) == rows.length_U[:, None] - 1
    other_ULP[:, :, place] = np.where(is_last_UL, other_ULP[:, :, place], query.past[place].offset)

    assert torch.equal(answers(model, rows), answers(model, replace(rows, past_ULP=other_ULP)))


@pytest.mark.parametrize("name", NAMES)
def test_a_log_without_types_and_times_is_read_all_the_same(name: str) -> None:
    query = toy_schema().inputs(Side.USER, history_length=HISTORY)

    assert torch.isfinite(answers(build(name, query, time_gaps=True), histories(query))).all()


def test_the_table_of_items_may_be_compressed_and_nothing_else() -> None:
    assert torch.isfinite(answers(build("sasrec", compress={ITEM_ID: 7}), histories(inputs()))).all()
    with pytest.raises(UserError, match=r"compress names 'user\.id'"):
        build("sasrec", compress={"user.id": 7})


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"heads": 3}, "3 heads cannot share embedding_dim = 8 evenly"),
        ({"heads": 8, "positions": "rope"}, "each of 8 heads has 1"),
        ({"dropout": 1.0}, "retrieval.model.dropout"),
        ({"id_dropout": 0.1}, "id_dropout leaves nothing of an item without item_features = true"),
    ],
)
def test_settings_that_do_not_fit_are_refused(settings: dict[str, Any], said: str) -> None:
    with pytest.raises(RecipeError) as refused:
        build("sasrec", **settings)
    assert said in str(refused.value)


def test_features_of_items_are_read_where_there_are_any() -> None:
    ids = replace(CANDIDATE, fields=(CANDIDATE.fields[CANDIDATE.field(ITEM_ID)],), numbers=(), bags=())
    with pytest.raises(UserError, match="item_features = true reads features of items, and there are none"):
        retrieval_model(Model.model_validate({"name": "sasrec", "item_features": True}), inputs(), ids)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("query", [replace(inputs(), history=None, past=()), replace(inputs(), history_in_order=False)])
def test_a_sequence_needs_events_and_their_order(name: str, query: Inputs) -> None:
    with pytest.raises(UserError, match=r"name a user_id or session_id and a timestamp in \[schema\]"):
        build(name, query)
