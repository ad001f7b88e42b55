"""Matrix factorization: products of two tables, biases as one more number, and who is not in a table."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
import torch

from shortlist.core.errors import RecipeError, UserError
from shortlist.features.rows import FeatureRows
from shortlist.models.catalogue import retrieval_model
from shortlist.models.retrieval.matrix_factorization import MatrixFactorization
from shortlist.nn.batch import Batch
from shortlist.recipe.training import Model
from shortlist.schema.columns import USER_ID
from shortlist.testing.inputs import candidate_inputs, query_inputs, random_rows

QUERY, CANDIDATE = query_inputs(), candidate_inputs()


def build(**settings: Any) -> MatrixFactorization:
    torch.manual_seed(0)
    given = {"name": "matrix_factorization", "dim": 4, **settings}
    model = retrieval_model(Model.model_validate(given), QUERY, CANDIDATE)
    assert isinstance(model, MatrixFactorization)
    model.eval()
    return model


def of_user(row: int) -> FeatureRows:
    rows = random_rows(QUERY, 1)
    rows.ids_BF[:, QUERY.field(USER_ID)] = model_user_offset() + row
    return rows


def model_user_offset() -> int:
    return QUERY.fields[QUERY.field(USER_ID)].offset


def test_it_knows_ids_alone() -> None:
    model = build()

    assert model.query_inputs.history is None
    assert [tuple(parameter.shape) for parameter in model.parameters()] == [(40, 4), (50, 4)]


def test_a_bias_is_added_to_the_product() -> None:
    model = build(similarity="dot", biases=True)
    assert (model.items.table.weight[:, 4] == 0).all()
    with torch.no_grad():
        model.items.table.weight[:, 4] = torch.arange(50.0)
    query_BD = model.query(Batch.of(of_user(3)))
    rows = random_rows(CANDIDATE, 6)
    item_B = rows.ids_BF[:, 0] - CANDIDATE.fields[0].offset
    score_B = query_BD @ model.candidate(Batch.of(rows)).T

    products_B = model.users.table.weight[3] @ model.items.table.weight[item_B, :4].T
    torch.testing.assert_close(score_B[0], products_B + torch.tensor(item_B).float())


@pytest.mark.parametrize(
    ("settings", "temperature"),
    [({}, 0.07), ({"similarity": "dot"}, 1.0), ({"similarity": "dot", "temperature": 2.0}, 2.0)],
)
def test_the_temperature_suits_the_similarity(settings: dict[str, Any], temperature: float) -> None:
    assert build(**settings).temperature() == temperature


def test_biases_are_not_for_cosines() -> None:
    with pytest.raises(RecipeError, match='set similarity = "dot"'):
        build(biases=True)


def test_sessions_are_not_in_a_table_of_users() -> None:
    """They have no ids, here beside features that would be there to read."""
    fields = tuple(column for column in QUERY.fields if column.name != USER_ID)
    with pytest.raises(UserError, match="knows users by their ids, and sessions have none"):
        retrieval_model(Model(name="matrix_factorization"), replace(QUERY, fields=fields), CANDIDATE)


def test_a_stranger_is_what_the_forgotten_users_were() -> None:
    """While it trains some rows have the vector of the user out of vocabulary, and nobody has when it is asked."""
    model = build(id_dropout=0.5, similarity="dot")
    batch = Batch.of(random_rows(QUERY, 400))
    stranger_D = model.users.table.weight[0]
    model.train()
    taken_B = (model.query(batch) == stranger_D).all(1)
    model.eval()
    known_B = batch.ids_BF[:, QUERY.field(USER_ID)] > model_user_offset()

    assert 0.4 < taken_B[known_B].float().mean() < 0.6
    assert not (model.query(batch) == stranger_D).all(1)[known_B].any()
    torch.testing.assert_close(model.query(Batch.of(of_user(0)))[0], stranger_D)
