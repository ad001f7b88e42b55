"""Optimisers from the recipe: each group its own, and sparse gradients where the optimiser can take them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import get_args

import pytest
import torch
from torch import nn

from shortlist.core.errors import UserError
from shortlist.nn.batch import Batch
from shortlist.nn.embedding import StackedEmbedding
from shortlist.nn.groups import Group, Wide
from shortlist.nn.wide import CrossSettings, LinearPart
from shortlist.recipe.training import Optimiser
from shortlist.schema import Column, Kind, Side
from shortlist.testing.inputs import random_rows, ranking_inputs
from shortlist.training.adagrad import Adagrad
from shortlist.training.adamw import AdamW
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
            wide=Optimiser(name="ftrl", lr=0.3, l1=0.01, l2=0.02),
            embedding=Optimiser(name="adagrad", lr=0.2),
            dense=Optimiser(name="adamw", lr=0.1, weight_decay=0.05),
        ),
    )
    found = {type(optimiser): optimiser.param_groups[0] for optimiser in optimisers}

    assert set(found) == {FTRL, Adagrad, AdamW}
    assert {key: found[FTRL][key] for key in ("lr", "l1", "l2")} == {"lr": 0.3, "l1": 0.01, "l2": 0.02}
    assert [id(p) for p in found[FTRL]["params"]] == [id(model.wide.table.table.weight)]
    assert [id(p) for p in found[Adagrad]["params"]] == [id(model.table.table.weight)]
    assert found[Adagrad]["lr"] == 0.2
    assert (found[AdamW]["lr"], found[AdamW]["weight_decay"]) == (0.1, 0.05)
    assert [id(p) for p in found[AdamW]["params"]] == [id(p) for p in model.deep.parameters()]


@pytest.mark.parametrize(
    ("choice", "sparse"),
    [
        (Optimiser(name="adagrad"), True),
        (Optimiser(name="rowwise_adagrad"), True),
        (Optimiser(name="sparse_adam"), True),
        (Optimiser(name="sgd"), True),
        (Optimiser(name="ftrl"), True),
        (Optimiser(name="ftrl", l2=0.1), True),
        (Optimiser(name="adamw"), True),
        (Optimiser(name="adagrad", l2=0.1), True),
        (Optimiser(name="rowwise_adagrad", l2=0.1), True),
        (Optimiser(name="sparse_adam", l2=0.1), True),
        (Optimiser(name="adam"), False),
        (Optimiser(name="sgd", l2=0.1), False),
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
    build_optimisers(model, choices(embedding=Optimiser(name="sgd", l2=0.1)))

    assert not model.table.table.sparse


@pytest.mark.parametrize("name", ["rowwise_adagrad", "adagrad", "ftrl"])
def test_sparse_and_dense_gradients_of_a_look_up_give_the_same_bits(name: str) -> None:
    """torch adds up a row's dense gradient in the order of its look-ups, as is done for sparse ones."""
    ids = torch.randint(0, 30, (64, 1), generator=torch.Generator().manual_seed(1))
    column = replace(COLUMN, size=40)
    weights = []
    for sparse in (True, False):
        torch.manual_seed(0)
        table = StackedEmbedding([column], 5)
        (optimiser,) = build_optimisers(table, choices(embedding=Optimiser.model_validate({"name": name, "lr": 0.1})))
        table.table.sparse = sparse
        for _ in range(3):
            optimiser.zero_grad()
            (table(ids, [column]).sum(1) - 1.0).square().sum().backward()
            optimiser.step()
        weights.append(table.table.weight.detach())

    assert torch.equal(weights[0], weights[1])


@pytest.mark.parametrize("name", ["rowwise_adagrad", "adagrad", "ftrl", "sgd"])
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
    for name in get_args(Optimiser.model_fields["name"].annotation):
        model = Model()
        choice = Optimiser.model_validate({"name": name, "lr": 0.1})
        optimisers = build_optimisers(model, choices(embedding=choice, wide=choice))
        first = model.loss().item()
        for _ in range(5):
            for optimiser in optimisers:
                optimiser.zero_grad()
            model.loss().backward()
            for optimiser in optimisers:
                optimiser.step()
        assert model.loss().item() < first, name


@pytest.mark.parametrize("name", ["rowwise_adagrad", "sparse_adam"])
def test_an_optimiser_of_tables_updates_all_of_the_wide_part(name: str) -> None:
    """Its bias and the weights of its numbers are no tables: a vector's rows are its numbers, a dense step has all."""
    inputs = ranking_inputs()
    torch.manual_seed(0)
    part = LinearPart(inputs, CrossSettings(), 1)
    (optimiser,) = build_optimisers(part, choices(wide=Optimiser.model_validate({"name": name, "lr": 0.1})))
    for _ in range(3):
        optimiser.zero_grad()
        (part(Batch.of(random_rows(inputs, 8))) - 1.0).square().sum().backward()
        optimiser.step()

    for parameter in part.parameters():
        assert parameter.ne(0).any()


@pytest.mark.parametrize("name", ["sgd", "rowwise_adagrad", "adagrad", "sparse_adam", "ftrl"])
def test_a_table_has_the_same_bits_with_any_number_of_threads(name: str, threads: None) -> None:
    choice = Optimiser.model_validate({"name": name, "lr": 0.1})
    ids = (torch.rand(20_000, 2, generator=torch.Generator().manual_seed(1)) ** 3 * 5_000).long()
    column = replace(COLUMN, size=5_000)
    tables = []
    for count in (1, 2, 3):
        torch.set_num_threads(count)
        torch.manual_seed(0)
        table = StackedEmbedding([column], 16)
        (optimiser,) = build_optimisers(table, choices(embedding=choice))
        for _ in range(2):
            optimiser.zero_grad()
            (table(ids[:, :1], [column])[:, 0] * table(ids[:, 1:], [column])[:, 0]).square().sum().backward()
            optimiser.step()
        tables.append(table.table.weight.detach())

    assert torch.equal(tables[0], tables[1])
    assert torch.equal(tables[0], tables[2])


def test_a_group_without_parameters_needs_no_optimiser() -> None:
    optimisers = build_optimisers(nn.Linear(2, 1), {"dense": DEFAULT})

    assert [type(optimiser) for optimiser in optimisers] == [AdamW]


def test_a_group_without_a_choice_is_named() -> None:
    with pytest.raises(UserError, match="Model has parameters of the group `wide`, and its stage has optimisers for"):
        build_optimisers(Model(), {"embedding": DEFAULT, "dense": DEFAULT})


@pytest.mark.parametrize("name", ["adagrad", "rowwise_adagrad", "sparse_adam"])
def test_a_penalty_on_the_rows_of_the_batch_is_one_in_their_loss(name: str) -> None:
    """The rows' share of l2 / 2 |w|² added to the loss by hand, each row once however often it is looked up."""
    ids = torch.tensor([[3], [1], [3]])
    weights = []
    for by_hand in (False, True):
        torch.manual_seed(0)
        table = StackedEmbedding([COLUMN], 5, std=1.0)
        l2 = 0.0 if by_hand else 0.3
        choice = Optimiser.model_validate({"name": name, "lr": 0.1, "l2": l2})
        (optimiser,) = build_optimisers(table, choices(embedding=choice))
        for _ in range(2):
            optimiser.zero_grad(set_to_none=True)
            loss = table(ids, [COLUMN]).square().sum()
            if by_hand:
                loss = loss + 0.15 * table(torch.tensor([[1], [3]]), [COLUMN]).square().sum()
            loss.backward()
            optimiser.step()
        weights.append(table.table.weight.detach())

    torch.testing.assert_close(weights[0], weights[1])
    torch.manual_seed(0)
    moved = (weights[0] != StackedEmbedding([COLUMN], 5, std=1.0).table.weight).any(1).nonzero().flatten()
    assert moved.tolist() == [1, 3]


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"name": "rowwise_adagrad", "weight_decay": 0.1}, "only adamw has a weight_decay"),
        ({"name": "adamw", "l2": 0.1}, "set that instead of l2"),
    ],
)
def test_a_penalty_of_another_optimiser_is_refused(settings: dict[str, object], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        Optimiser.model_validate(settings)
