"""What the tasks hand to the fit loop: the same batches from any start, with any prefetching, no wider than need be."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from shortlist.core.progress import Silent
from shortlist.data.loader import Gather
from shortlist.data.prepared import Prepared
from shortlist.export.towers import export_towers
from shortlist.funnel.sources.folder import Surroundings, open_source
from shortlist.models.base import RankingModel, RetrievalModel
from shortlist.models.catalogue import ranking_model, retrieval_model
from shortlist.nn.batch import Bag, Batch, History
from shortlist.recipe.ranking import Ranking
from shortlist.recipe.retrieval import Retrieval
from shortlist.recipe.training import Model
from shortlist.schema import Side, Split
from shortlist.testing.inputs import HISTORY, candidate_inputs, query_inputs, random_rows, ranking_inputs
from shortlist.training.candidates import candidates_of_users
from shortlist.training.ranking import RankingTask
from shortlist.training.retrieval import RetrievalTask
from shortlist.training.stages import build_ranking, build_retrieval
from tests.evaluation import toy

CPU = torch.device("cpu")
USERS, ITEMS = 12, 15
RANKING = Ranking.model_validate(
    {"model": {"name": "wide_deep", "embedding_dim": 2, "hidden": []}, "history": 3, "batch_size": 8}
)
RETRIEVAL = Retrieval.model_validate(
    {"model": {"name": "two_tower", "embedding_dim": 2, "dim": 2}, "history": 3, "batch_size": 8}
)


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Prepared:
    """User 12 has events of the test alone, user 11 of validation and test."""
    random = np.random.default_rng(0)
    events = []
    for user in range(1, USERS + 1):
        for time in range(8):
            split = Split.TRAIN if time < 5 else Split.VALID if time < 7 else Split.TEST
            if (user == USERS and split != Split.TEST) or (user == USERS - 1 and split == Split.TRAIN):
                continue
            events.append(
                toy.Event(user, int(random.integers(1, ITEMS + 1)), time, split, float(random.random() < 0.8))
            )
    return toy.prepared(tmp_path_factory.mktemp("run") / "prepared", events, USERS, ITEMS, shards=2)


def tensors(value: Any) -> Iterator[Tensor]:
    """All tensors in a step."""
    if isinstance(value, Tensor):
        yield value
    elif isinstance(value, dict):
        for part in value.values():
            yield from tensors(part)


def shown(steps: Iterator[tuple[int, Any]]) -> list[Any]:
    return [(rows, [tensor.tolist() for tensor in tensors(asdict(step))]) for rows, step in steps]


def ranking_task(data: Prepared, prefetch: int = 2, seed: int = 0, buckets: bool = False) -> RankingTask:
    settings = RANKING.model_copy(update={"buckets": buckets})
    recipe = toy.recipe(ranking=settings.model_dump(), compute={"prefetch": prefetch}, seed=seed)
    return RankingTask(build_ranking(data, settings), data, recipe, settings, CPU)


def retrieval_task(data: Prepared, prefetch: int = 2, seed: int = 0, buckets: bool = False) -> RetrievalTask:
    settings = RETRIEVAL.model_copy(update={"buckets": buckets})
    recipe = toy.recipe(retrieval=settings.model_dump(), compute={"prefetch": prefetch}, seed=seed)
    return RetrievalTask(build_retrieval(data, settings), data, recipe, settings, CPU)


@pytest.mark.parametrize("buckets", [False, True])
@pytest.mark.parametrize("task", [ranking_task, retrieval_task])
def test_an_epoch_goes_on_from_any_batch(
    data: Prepared, task: Callable[..., RankingTask | RetrievalTask], buckets: bool
) -> None:
    task = partial(task, buckets=buckets)
    whole = shown(task(data).steps(1))

    assert len(whole) == task(data).steps_per_epoch()
    assert sum(rows for rows, _ in whole) == task(data).rows_per_epoch()
    for start in range(len(whole) + 1):
        assert shown(task(data).steps(1, start)) == whole[start:]
    assert shown(task(data, prefetch=0).steps(1)) == whole
    assert shown(task(data).steps(2)) != whole
    assert shown(task(data, seed=1).steps(1)) != whole


def test_the_candidates_are_those_of_the_last_training_event(data: Prepared) -> None:
    model, recipe = build_retrieval(data, RETRIEVAL), toy.recipe(retrieval=RETRIEVAL.model_dump())
    with tempfile.TemporaryDirectory() as folder:
        export_towers(model, data, recipe, Path(folder) / "source")
        source = open_source(Path(folder) / "source", "towers", Surroundings.of(data, recipe))
        candidates_UK = candidates_of_users(source, data, 4, Silent())
    with torch.inference_mode():
        vectors_ID = model.candidate(Batch.of(data.items.take(np.arange(ITEMS + 1)))).numpy()
        gather = Gather(data, RETRIEVAL.history)
        had = data.items_of_users(Split.TRAIN)
        for shard in data.shards:
            for user in np.unique(shard.user):
                rows = np.flatnonzero((shard.user == user) & (shard.split == Split.TRAIN))
                row = rows[-1:] if len(rows) else np.flatnonzero(shard.user == user)[:1]
                score_I = (model.query(Batch.of(gather.query(shard, row))).numpy() @ vectors_ID.T)[0]
                score_I[0] = -np.inf
                score_I[had.values[had.offsets_n[user] : had.offsets_n[user + 1]]] = -np.inf
                expected = np.argsort(-score_I, kind="stable")[:4]
                if user == USERS:
                    assert candidates_UK[user].tolist() == [0] * 4
                else:
                    assert candidates_UK[user].tolist() == expected.tolist()
    # They are in a file, and the file has no name that anybody would have to remove.
    assert isinstance(candidates_UK, np.memmap)
    assert [path for path in data.folder.parent.iterdir() if path != data.folder] == []


def trimmed(batch: Batch, width: int) -> Batch:
    assert batch.history is not None
    events = batch.history.events
    past_ULP = None if batch.history.past_ULP is None else batch.history.past_ULP[:, :width]
    history = History(Bag(events.values_BH[:, :width], events.length_B), batch.history.of_B, past_ULP)
    return Batch(batch.ids_BF, batch.numbers_BN, batch.bags, history)


def short_histories(inputs: Any, longest: int) -> Batch:
    batch = Batch.of(random_rows(inputs, 64))
    assert batch.history is not None
    events = batch.history.events
    length_B = events.length_B.clamp(max=longest)
    inside_BL = torch.arange(HISTORY) < length_B[:, None]
    told_ULP = batch.history.past_ULP
    past_ULP = None if told_ULP is None else (told_ULP * inside_BL[:, :, None]).int()
    values = Bag((events.values_BH * inside_BL).int(), length_B)
    return Batch(batch.ids_BF, batch.numbers_BN, batch.bags, History(values, batch.history.of_B, past_ULP))


@pytest.mark.parametrize("longest", [0, 2, 4])
def test_models_answer_alike_whether_or_not_histories_are_trimmed(longest: int) -> None:
    torch.manual_seed(0)
    crosses = [["user.gender", "history"], ["item.id", "history"]]
    ranker: RankingModel = ranking_model(
        Model.model_validate({"name": "wide_deep", "crosses": crosses}), ranking_inputs()
    )
    towers: RetrievalModel = retrieval_model(Model(name="two_tower"), query_inputs(), candidate_inputs())
    with torch.no_grad():
        for parameter in (*ranker.parameters(), *towers.parameters()):
            parameter.copy_(torch.randn_like(parameter) * 0.1)
    with torch.inference_mode():
        for function, inputs in ((ranker.eval(), ranking_inputs()), (towers.eval().query, query_inputs())):
            whole = short_histories(inputs, longest)
            cut = trimmed(whole, max(longest, 1))
            assert function(cut).numpy() == pytest.approx(function(whole).numpy(), abs=1e-6)


def test_training_sees_histories_no_wider_than_they_are(data: Prepared, tmp_path: Path) -> None:
    wide = Ranking.model_validate({**RANKING.model_dump(), "history": 40})
    recipe = toy.recipe(ranking=wide.model_dump(), funnel={"exclude_seen": False})
    task = RankingTask(build_ranking(data, wide), data, recipe, wide, CPU)

    for _, step in task.steps(0):
        assert step.batch.history is not None
        assert step.batch.history.events.values_BH.shape[1] == 8
    assert data.schema.inputs(Side.USER, history_length=40).history_length == 40
