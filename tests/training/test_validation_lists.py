"""Validation of trained sources asks and answers as the funnel does: the same items, the same histories."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from shortlist.data.held_out import hold_out
from shortlist.data.loader import Gather
from shortlist.data.prepared import Prepared
from shortlist.features.past import age_column
from shortlist.features.rows import FeatureRows, Floats
from shortlist.funnel.columns import Requests
from shortlist.funnel.moments import requests_at
from shortlist.funnel.sources.folder import eligible_items
from shortlist.funnel.sources.towers import TowerSource
from shortlist.index.exact import ExactIndex
from shortlist.models.base import SequenceModel
from shortlist.nn.batch import Batch
from shortlist.recipe import Recipe
from shortlist.schema import Column, Kind, Side, Split
from shortlist.training.retrieval import RetrievalTask
from shortlist.training.sequences import SequenceTask
from shortlist.training.stages import build_retrieval
from shortlist.training.validation_lists import ValidationLists
from tests.evaluation import toy

USERS, ITEMS, LENGTH = 12, 60, 4
LATE = 40
"""The first of the items that only validation knows."""
MODELS: list[dict[str, Any]] = [
    {"name": "two_tower", "embedding_dim": 4, "embedding_std": 2.0, "dim": 4},
    {"name": "matrix_factorization", "dim": 4},
    {"name": "gru4rec", "embedding_dim": 4, "time_gaps": True},
]


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Prepared:
    """Splits not by time, two shards, types and ages."""
    random = np.random.default_rng(0)
    events = []
    for user in range(1, USERS + 1):
        for time in range(14):
            split = Split.VALID if random.random() < 0.3 else Split.TRAIN
            most = ITEMS if split == Split.VALID else LATE - 1
            events.append(toy.Event(user, int(random.integers(1, most + 1)), time, split))
    data = toy.prepared(tmp_path_factory.mktemp("data"), events, USERS, ITEMS, shards=2)
    offset = data.schema.rows
    past = (Column(name="past.type", side=Side.PAST, kind=Kind.FIELD, size=4, offset=offset), age_column(offset + 4))
    shards = tuple(replace(shard, event=(offset + np.arange(len(shard)) % 4).astype(np.int32)) for shard in data.shards)
    return replace(data, schema=replace(data.schema, columns=(*data.schema.columns, *past)), shards=shards)


def task(data: Prepared, model: dict[str, Any], seen: bool, asked: str) -> tuple[RetrievalTask | SequenceTask, Recipe]:
    """An untrained model's, of a recipe without a table of items."""
    recipe = toy.recipe(
        data={"interactions": "events.parquet"},
        retrieval={"model": model, "history": LENGTH, "batch_size": 16},
        split={"requests": asked},
        funnel={"candidates": 4, "retrieval_weight": 0.0, "exclude_seen": seen},
    )
    assert recipe.retrieval is not None
    torch.manual_seed(0)
    built = build_retrieval(data, recipe.retrieval)
    kind = SequenceTask if isinstance(built, SequenceModel) else RetrievalTask
    built.eval()
    return kind(built, data, recipe, recipe.retrieval, torch.device("cpu")), recipe  # type: ignore[arg-type]


def source_of(data: Prepared, recipe: Recipe, of: RetrievalTask | SequenceTask) -> TowerSource:
    """The model as a source of the funnel."""
    eligible_I = eligible_items(recipe, data.item_train_count)
    with torch.inference_mode():
        vectors_ID = of.model.candidate(Batch.of(data.items.take(np.arange(ITEMS + 1)))).numpy()
    inputs = of.model.query_inputs
    return TowerSource(
        name="model",
        query=_tower(of.model.query),  # type: ignore[arg-type]
        index=ExactIndex(vectors_ID, eligible_I),
        vectors_ID=vectors_ID,
        eligible_I=eligible_I,
        id_of_item=data.id_of_item,
        history=inputs.history_length,
        past=inputs.past,
    )


def _tower(query: Callable[[Batch], torch.Tensor]) -> Callable[[FeatureRows], Floats]:
    def encoded(rows: FeatureRows) -> Floats:
        with torch.inference_mode():
            return np.asarray(query(Batch.of(rows)).numpy())

    return encoded


def requests(data: Prepared, recipe: Recipe) -> list[Requests]:
    """One after another."""
    users = hold_out(data, Split.VALID, recipe.funnel.exclude_seen, None, recipe.seed, recipe.split.requests)
    gather = Gather(data, history_length=0)
    found: list[Requests] = []
    for shard, rows_B, _ in users.requests(1):
        place = np.array([len(found)])
        found.append(requests_at(gather, shard, rows_B, users.history.rows(place), users.seen.rows(place)))
    return found


@pytest.mark.parametrize("asked", ["user", "event"])
@pytest.mark.parametrize("seen", [True, False])
@pytest.mark.parametrize("model", MODELS, ids=lambda model: str(model["name"]))
def test_validation_finds_what_the_funnel_would(data: Prepared, model: dict[str, Any], seen: bool, asked: str) -> None:
    of, recipe = task(data, model, seen, asked)
    with torch.inference_mode():
        found = of.validate()
        item_UK = of.validation.lists(of.model, of.gather)
    source, one_by_one = source_of(data, recipe, of), requests(data, recipe)

    assert found == of.validation.of(item_UK)
    assert item_UK.shape == (len(one_by_one), 6)
    assert (item_UK > 0).all()
    # By their scores: of two that are all but equal either may come first.
    for item_K, request in zip(item_UK, one_by_one, strict=True):
        expected = source(request, 6).score_UK
        np.testing.assert_allclose(source.scores(request, item_K[None]), expected, rtol=1e-4, atol=1e-6)


def test_validation_looks_at_the_items_that_may_be_served(tmp_path: Path) -> None:
    """Everybody wants item 3, and all but items of later splits are worse by their vectors."""
    events = [toy.Event(user, item, item) for user in range(1, USERS + 1) for item in (1, 2)]
    events += [toy.Event(USERS, 3, 3)]
    events += [toy.Event(user, 3, 9, Split.VALID) for user in range(1, USERS)]
    events += [toy.Event(USERS, item, 9, Split.VALID) for item in range(LATE, ITEMS + 1)]
    data = toy.prepared(tmp_path, events, USERS, ITEMS)
    of, _ = task(data, MODELS[1], True, "user")
    item = data.schema.column("item.id")
    score_I = np.zeros(item.offset + item.size, np.float32)
    score_I[item.offset + np.array([1, 2, 3])], score_I[item.offset + LATE :] = 0.5, 1.0
    of.model.candidate = lambda batch: torch.from_numpy(score_I)[batch.ids_BF]  # type: ignore[method-assign]
    of.model.query = lambda batch: torch.ones(len(batch.ids_BF), 1)  # type: ignore[method-assign]

    share = pytest.approx((USERS - 1) / USERS)
    assert of.validate() == {"ndcg@6": share, "recall@6": share}


@pytest.mark.parametrize(("ranking", "decides"), [({}, "recall@6"), (None, "ndcg@6")])
def test_what_people_see_decides_unless_a_ranker_comes_after(
    data: Prepared, ranking: dict[str, Any] | None, decides: str
) -> None:
    stages = {"retrieval": {}, **({} if ranking is None else {"ranking": ranking})}
    lists = ValidationLists(data, toy.recipe(**stages))
    item_UK = np.random.default_rng(0).integers(1, ITEMS + 1, (len(lists.held_out), 6)).astype(np.int32)
    found, hits_UK = lists.of(item_UK), lists.held_out.hits(item_UK)

    assert lists.metric == decides == next(iter(found))
    assert found["recall@6"] == pytest.approx(np.mean(hits_UK.sum(1) / lists.held_out.relevant_U))
    gain_K = 1 / np.log2(2 + np.arange(6))
    best_U = [gain_K[: min(6, relevant)].sum() for relevant in lists.held_out.relevant_U]
    assert found["ndcg@6"] == pytest.approx(np.mean(hits_UK @ gain_K / best_U))
