"""Two towers: one space for both sides, one vector for an item wherever it occurs."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
import torch

from shortlist.core.errors import RecipeError, UserError
from shortlist.models.catalogue import retrieval_model
from shortlist.models.retrieval.two_tower import TwoTower
from shortlist.nn.batch import Batch
from shortlist.nn.featuriser import embedded
from shortlist.recipe.training import Model
from shortlist.testing.inputs import candidate_inputs, query_inputs, random_rows

QUERY, CANDIDATE = query_inputs(), candidate_inputs()


def build(**settings: Any) -> TwoTower:
    torch.manual_seed(0)
    model = retrieval_model(Model.model_validate({"name": "two_tower", **settings}), QUERY, CANDIDATE)
    assert isinstance(model, TwoTower)
    model.eval()
    return model


def test_cosine_vectors_have_length_1_and_dot_vectors_their_own() -> None:
    rows = Batch.of(random_rows(QUERY, 5))
    cosine, dot = build(dim=8), build(dim=8, similarity="dot")

    torch.testing.assert_close(cosine.query(rows).norm(dim=1), torch.ones(5))
    torch.testing.assert_close(torch.nn.functional.normalize(dot.query(rows)), cosine.query(rows))
    assert (dot.query(rows).norm(dim=1) - 1).abs().min() > 1e-3


def test_towers_have_the_layers_asked_for() -> None:
    model = build(dim=8, embedding_dim=4, hidden=[16, 12])
    widths = [[tuple(p.shape) for p in tower.parameters()] for tower in (model.query_tower, model.candidate_tower)]

    # Query: 3 fields and a history of 4 each, 1 number. Candidate: 2 fields and a bag, 1 number.
    assert widths[0] == [(16, 17), (16,), (12, 16), (12,), (8, 12), (8,)]
    assert widths[1] == [(16, 13), (16,), (12, 16), (12,), (8, 12), (8,)]


def test_without_user_ids_everybody_is_what_features_and_history_tell() -> None:
    model = build(dim=8, embedding_dim=4, user_id=False)
    rows = Batch.of(random_rows(QUERY, 5))
    others = replace(rows, ids_BF=rows.ids_BF.clone())
    others.ids_BF[:, QUERY.field("user.id")] = QUERY.fields[QUERY.field("user.id")].offset

    assert torch.equal(model.query(rows), model.query(others))
    assert not torch.equal(build(dim=8).query(rows), build(dim=8).query(others))
    assert "user.id" not in model.query_features.embeddings.dims
    assert model.query_tower(torch.zeros(1, 4 * 3 + 1)).shape == (1, 8), "2 fields and a history of 4 each, 1 number"


def test_without_user_ids_something_must_tell_requests_apart() -> None:
    ids = replace(QUERY, fields=QUERY.fields[:1], numbers=(), bags=(), history=None, history_length=0)
    assert ids.fields[0].name == "user.id"
    settings = Model.model_validate({"name": "two_tower", "user_id": False})

    with pytest.raises(
        UserError, match=r"retrieval\.model\.user_id = false leaves nothing that would tell one request"
    ):
        retrieval_model(settings, ids, CANDIDATE)


def test_an_indicator_is_no_way_round_user_id_false() -> None:
    with pytest.raises(RecipeError, match=r"indicators names 'user\.id', which user_id = false leaves out"):
        build(user_id=False, indicators=["user.id"])


def test_sums_are_of_the_embeddings_alone() -> None:
    query, candidate = (replace(inputs, numbers=()) for inputs in (QUERY, CANDIDATE))
    settings = {"name": "two_tower", "towers": "sum", "dim": 4, "embedding_dim": 4, "similarity": "dot"}
    model = retrieval_model(Model.model_validate(settings), query, candidate).eval()
    assert isinstance(model, TwoTower)
    rows = Batch.of(random_rows(query, 5))
    tables = model.query_features.embeddings
    history_BD = model.query_features.vectors(rows)[:, -1]
    fields_BFD = tables.of(query.fields[0])(rows.ids_BF, query.fields)

    torch.testing.assert_close(model.query(rows), fields_BFD.sum(1) + history_BD)
    assert {name.split(".")[0] for name, _ in model.named_parameters()} == {"query_features"}, "no layers"


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"hidden": [8]}, "leave hidden, indicators and embedding_dims out"),
        ({"embedding_dims": {"item.id": 2}}, "leave hidden, indicators and embedding_dims out"),
        ({"embedding_dim": 4}, "embeddings up, which are 4 wide, to vectors of 64: let embedding_dim and dim be equal"),
        ({}, r"numbers have none: user\.age"),
    ],
)
def test_sums_refuse_what_they_cannot_add(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(UserError, match=message):
        build(towers="sum", **settings)


def test_all_columns_share_one_table_each_once() -> None:
    model = build(embedding_dim=4)

    assert model.query_features.embeddings is model.candidate_features.embeddings
    assert [tuple(table.shape) for table in model.query_features.embeddings.parameters()] == [
        (sum(column.size for column in embedded(CANDIDATE, QUERY)), 4)
    ]


def test_an_item_in_the_history_is_the_item_that_is_recommended() -> None:
    """What is learned of an item as a candidate moves the requests of those who had it, and of no others."""
    model = build(embedding_dim=4)
    rows = random_rows(QUERY, 20)
    assert rows.history is not None
    assert QUERY.history is not None
    item = int(rows.history.ids_UL[rows.history.length_U.argmax(), 0])
    had = [item in ids[:length] for ids, length in zip(rows.history.ids_UL, rows.history.length_U, strict=True)]
    before = model.query(Batch.of(rows)).detach()
    table = model.candidate_features.embeddings.of(QUERY.history)
    with torch.no_grad():
        table.table.weight[item - QUERY.history.offset + table.places["item.id"].start] += 1
    after = model.query(Batch.of(rows)).detach()

    assert any(had)
    assert not all(had)
    assert (before != after).any(1).tolist() == had


@pytest.mark.parametrize("temperature", [0.07, 1.0])
def test_the_temperature_is_the_settings(temperature: float) -> None:
    assert build(temperature=temperature).temperature() == temperature


def test_forgetting_an_id_forgets_nothing_else() -> None:
    """Rows whose ids are taken as unknown are answered as such rows, each with its own features and history."""
    model = build(id_dropout=0.5)
    rows = random_rows(QUERY, 200)
    place = QUERY.field("user.id")
    exact = model.query(Batch.of(rows)).detach()
    before = rows.ids_BF.copy()
    model.train()
    asked = model.query(Batch.of(rows)).detach()
    model.eval()
    assert (rows.ids_BF == before).all()
    rows.ids_BF[:, place] = QUERY.fields[place].offset
    unknown = model.query(Batch.of(rows)).detach()

    as_known, as_unknown = torch.isclose(asked, exact).all(1), torch.isclose(asked, unknown).all(1)
    assert (as_known | as_unknown).all()
    assert 60 < as_unknown.sum() < 140


def test_events_are_read_one_by_one_where_there_are_some() -> None:
    ids = replace(QUERY, history=None, history_length=0)
    gru = Model.model_validate({"name": "two_tower", "history": "gru"})

    assert build(history="gru").query_features.history is not None
    with pytest.raises(UserError, match="there is no history to read"):
        retrieval_model(gru, ids, CANDIDATE)
    with pytest.raises(UserError, match="rows have none here"):
        build(history="target_attention")
