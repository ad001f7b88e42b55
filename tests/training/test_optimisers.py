"""Optimisers from the recipe: each group its own, and sparse gradients where the optimiser can take them."""

from __future__ import annotations

from collections.abc import Mapping

import pytest
import torch
from torch import nn

from shortlist.nn.batch import Batch
from shortlist.nn.embedding import StackedEmbedding
from shortlist.nn.groups import Group, Wide
from shortlist.recipe.sections import Optimiser
from shortlist.schema import Column, Kind, Side
from shortlist.testing.inputs import random_rows, ranking_inputs
from shortlist.training.ftrl import FTRL
from shortlist.training.optimisers import build_optimisers

COLUMN = Column(name="item.id", side=Side.ITEM, kind=Kind.FIELD, size=6)
DEFAULT = Optimiser()
IDS = torch.tensor([[1], [4], [1]])


class Linear(Wide):
    def __init__(self) -> None:
        super().__init__()
        self.table = StackedEmbedding([COLUMN], 1)


class Model(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.wide = Linear()
        self.table = StackedEmbedding([COLUMN], 2)
        self.deep = nn.Linear(2, 1)

    def loss(self) -> torch.Tensor:
        logits = self.wide.table(IDS, [COLUMN])[:, 0] + self.deep(self.table(IDS, [COLUMN])[:, 0])
        return nn.functional.binary_cross_entropy_with_logits(logits, torch.ones_like(logits))


def choices(
    wide: Optimiser = DEFAULT, embedding: Optimiser = DEFAULT, dense: Optimiser = DEFAULT
) -> Mapping[Group, Optimiser]:
    return {"wide": wide, "embedding": embedding, "dense": dense}


def test_each_group_gets_what_the_recipe_says() -> None:
    model = Model()
    optimisers = build_optimisers(
        model,
        choices(
            wide=Optimiser(name="ftrl", lr=0.3, l1=0.01, weight_decay=0.02),
            embedding=Optimiser(name="adagrad", lr=0.2),
            dense=Optimiser(name="adamw", lr=0.1, weight_decay=0.05),
        ),
    )
    found = {type(optimiser): optimiser.param_groups[0] for optimiser in optimisers}

    assert set(found) == {FTRL, torch.optim.Adagrad, torch.optim.AdamW}
    assert {key: found[FTRL][key] for key in ("lr", "l1", "l2")} == {"lr": 0.3, "l1": 0.01, "l2": 0.02}
    assert [id(p) for p in found[FTRL]["params"]] == [id(model.wide.table.table.weight)]
    assert [id(p) for p in found[torch.optim.Adagrad]["params"]] == [id(model.table.table.weight)]
    assert (found[torch.optim.AdamW]["lr"], found[torch.optim.AdamW]["weight_decay"]) == (0.1, 0.05)
    assert [id(p) for p in found[torch.optim.AdamW]["params"]] == [id(p) for p in model.deep.parameters()]


@pytest.mark.parametrize(
    ("choice", "sparse"),
    [
        (Optimiser(name="adagrad"), True),
        (Optimiser(name="sgd"), True),
        (Optimiser(name="ftrl"), True),
        (Optimiser(name="ftrl", weight_decay=0.1), True),
        (Optimiser(name="adamw"), False),
        (Optimiser(name="adagrad", weight_decay=0.1), False),
        (Optimiser(name="sgd", weight_decay=0.1), False),
    ],
)
def test_tables_have_sparse_gradients_where_the_optimiser_takes_them(choice: Optimiser, sparse: bool) -> None:
    model = Model()
    optimisers = build_optimisers(model, choices(embedding=choice, wide=choice))
    before = model.table.table.weight.detach().clone()
    model.loss().backward()
    gradient = model.table.table.weight.grad
    for optimiser in optimisers:
        optimiser.step()

    assert gradient is not None
    assert gradient.is_sparse == sparse
    moved = (model.table.table.weight != before).any(1).nonzero().flatten().tolist()
    assert {1, 4} <= set(moved)
    if sparse:
        assert moved == [1, 4]


def test_a_table_built_for_one_optimiser_can_be_given_to_another() -> None:
    model = Model()
    build_optimisers(model, choices(embedding=Optimiser(name="adagrad")))
    build_optimisers(model, choices(embedding=Optimiser(name="adamw")))

    assert not model.table.table.sparse


@pytest.mark.parametrize("name", ["adagrad", "sgd"])
def test_sparse_and_dense_updates_are_equal(name: str) -> None:
    """A history pooled with shared rows makes duplicate ids in one gradient: they must be added up."""
    inputs = ranking_inputs()
    batch = Batch.of(random_rows(inputs, 8).repeat(2))
    weights = []
    for sparse in (True, False):
        torch.manual_seed(0)
        table = StackedEmbedding([*inputs.fields, *inputs.bags], 2)
        choice = Optimiser.model_validate({"name": name, "lr": 0.1})
        (optimiser,) = build_optimisers(table, choices(embedding=choice))
        table.table.sparse = sparse
        for _ in range(3):
            optimiser.zero_grad()
            pooled = table.pooled(batch.bags["item.genres"], inputs.bags[0])
            (table(batch.ids_BF, inputs.fields).sum(1) + pooled).square().sum().backward()
            optimiser.step()
        weights.append(table.table.weight.detach())

    torch.testing.assert_close(weights[0], weights[1])


def test_every_optimiser_learns() -> None:
    for name in ("adamw", "adagrad", "ftrl", "sgd"):
        model = Model()
        choice = Optimiser.model_validate({"name": name, "lr": 0.1})
        optimisers = build_optimisers(model, choices(embedding=choice, wide=choice, dense=choice))
        first = model.loss().item()
        for _ in range(5):
            for optimiser in optimisers:
                optimiser.zero_grad()
            model.loss().backward()
            for optimiser in optimisers:
                optimiser.step()
        assert model.loss().item() < first, name
