"""Which targets a ranker takes, what it learns of them, and what its validation makes of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from shortlist.core.errors import DataError
from shortlist.data.prepared import Prepared
from shortlist.metrics.accuracy import accuracy
from shortlist.metrics.auc import auc
from shortlist.metrics.r2 import r2
from shortlist.recipe.ranking import Ranking
from shortlist.recipe.training import Optimiser
from shortlist.schema import Split, Target, TargetKind
from shortlist.training.optimisers import build_optimisers
from shortlist.training.ranking import RankingTask
from shortlist.training.stages import build_ranking
from tests.evaluation import toy

NAN = float("nan")
MODEL = {"name": "wide_deep", "embedding_dim": 2, "hidden": []}
SETTINGS = Ranking.model_validate({"model": MODEL, "history": 0, "negatives": {"sampled": 0}})
KINDS = (
    Target(name="liked"),
    Target(name="stars", kind=TargetKind.REGRESSION),
    Target(name="shelf", kind=TargetKind.MULTICLASS, classes=("a", "b", "c")),
    Target(name="bought"),
)


def task(
    folder: Path, rows: Sequence[Sequence[float]], targets: tuple[Target, ...] = KINDS[:1], **settings: Any
) -> RankingTask:
    """Each row of target values once in training and once in validation, for both of two users."""
    events = [
        toy.Event(user, 1 + i % 3, 10 * split + i, split, values[0], tuple(values[1:]))
        for user in (1, 2)
        for split in (Split.TRAIN, Split.VALID)
        for i, values in enumerate(rows)
    ]
    return of(toy.prepared(folder, events, users=2, items=3, targets=targets), **settings)


def of(data: Prepared, **settings: Any) -> RankingTask:
    chosen = Ranking.model_validate({**SETTINGS.model_dump(), **settings})
    torch.manual_seed(0)
    recipe = toy.recipe(retrieval=None, ranking=chosen.model_dump())
    return RankingTask(build_ranking(data, chosen), data, recipe, chosen, torch.device("cpu"))


@pytest.mark.parametrize("values", [[0.0, 4.0], [-1.0, 1.0]])
def test_a_target_that_is_no_probability_is_a_clear_error(tmp_path: Path, values: list[float]) -> None:
    with pytest.raises(DataError, match=r"schema\.targets\.liked is (4|-1) in some row.*from 0 to 1"):
        task(tmp_path, [[value] for value in values])


def test_a_share_counts_as_relevant_wherever_it_is_above_0(tmp_path: Path) -> None:
    shares = task(tmp_path, [[0.0], [0.25], [1.0]])

    with torch.inference_mode():
        logit_N1, share_N1, weight_N = shares.predictions()
        assert shares.validate() == {"auc": pytest.approx(auc(logit_N1[:, 0], share_N1[:, 0] > 0, weight_N))}
    assert sorted(share_N1[:, 0].tolist()) == [0, 0, 0.25, 0.25, 1, 1]


ROWS = [[1, 4.0, 0, 0], [0, -2.0, 2, 0], [NAN, NAN, 1, 0], [1, 3.0, NAN, NAN], [0, 0.5, 2, 0]]


def test_each_target_is_measured_by_its_kind_on_the_rows_that_tell_it(tmp_path: Path) -> None:
    """No row with `bought` differs from another, so it has no AUC."""
    several = task(tmp_path, ROWS, KINDS)
    with torch.inference_mode():
        predicted_NT, targets_NT, _ = several.predictions()
        found = several.validate()

    assert several.metric == "auc"
    assert list(found) == ["auc", "stars.r2", "shelf.accuracy"]
    for place, (name, metric) in enumerate({"auc": auc, "stars.r2": r2, "shelf.accuracy": accuracy}.items()):
        told = ~np.isnan(targets_NT[:, place])
        assert np.count_nonzero(told) == 8
        assert found[name] == pytest.approx(metric(predicted_NT[told, place], targets_NT[told, place]))
    assert set(predicted_NT[:, 2].tolist()) <= {0, 1, 2}


@pytest.mark.parametrize(("place", "metric"), [(1, "r2"), (2, "accuracy")])
def test_a_first_target_of_any_kind_decides_where_it_is_all_there_is(tmp_path: Path, place: int, metric: str) -> None:
    alone = task(tmp_path, [[row[place]] for row in ROWS], KINDS[place : place + 1])
    with torch.inference_mode():
        assert list(alone.validate()) == [alone.metric] == [metric]


def test_rows_weigh_in_validation(tmp_path: Path) -> None:
    data = task(tmp_path, ROWS, KINDS).train_rows.prepared
    weights = [np.arange(len(shard), dtype=np.float32) for shard in data.shards]
    weighted = of(replace(data, shards=tuple(map(with_weight, data.shards, weights))))
    with torch.inference_mode():
        predicted_NT, targets_NT, weight_N = weighted.predictions()
        found = weighted.validate()

    told = ~np.isnan(targets_NT[:, 1])
    assert len(np.unique(weight_N)) == len(weight_N)
    assert found["stars.r2"] == pytest.approx(r2(predicted_NT[told, 1], targets_NT[told, 1], weight_N[told]))


def with_weight(shard: Any, weight: Any) -> Any:
    return replace(shard, weight=weight)


def test_validation_rows_that_are_all_alike_are_a_clear_error(tmp_path: Path) -> None:
    alike = task(tmp_path, [[1.0], [1.0]])
    with torch.inference_mode(), pytest.raises(DataError, match=r"do not differ in the target liked, so its auc"):
        alike.validate()


def test_a_model_of_one_target_learns_it_from_data_with_several(tmp_path: Path) -> None:
    data = task(tmp_path, ROWS, KINDS).train_rows.prepared
    inputs = replace(build_ranking(data, SETTINGS).inputs, targets=KINDS[1:2])
    model = type(build_ranking(data, SETTINGS))(build_ranking(data, SETTINGS).config, inputs)
    alone = RankingTask(model, data, toy.recipe(ranking=SETTINGS.model_dump()), SETTINGS, torch.device("cpu"))
    ((_, step),) = alone.steps(0)
    loss = alone.loss(step)
    with torch.inference_mode():
        output_B = model(step.batch)[:, 0]
        _, target_N1, _ = alone.predictions()

    told = ~step.labels.targets_BT[:, 1].isnan()
    assert loss.item() == pytest.approx((output_B - step.labels.targets_BT[:, 1])[told].square().mean().item())
    assert np.nanmax(target_N1) == 4
    assert alone.metric == "r2"


def test_sampled_negatives_tell_nothing_but_that_they_are_none(tmp_path: Path) -> None:
    """Their binary targets are 0, other kinds are not known, and each list holds one positive and its negatives."""
    rows = [[1, 4.0, 0, 1], [1, 3.0, 1, 0]]
    sampled = task(tmp_path, rows, KINDS, negatives={"sampled": 2, "source": "uniform"})
    users = sampled.train_rows.prepared.shards[0].user
    ((_, step),) = sampled.steps(0)
    targets_BT, list_B = step.labels.targets_BT, step.labels.list_B
    assert list_B is not None
    observed = np.count_nonzero(users > 0) // 2

    assert list_B[:observed].tolist() == list(range(observed))
    assert len(list_B) > observed
    for row in range(observed, len(list_B)):
        assert targets_BT[row].nan_to_num(-1).tolist() == [0, -1, -1, 0]
        assert step.batch.ids_BF[row, 0] == step.batch.ids_BF[int(list_B[row]), 0], "of its positive's user"
    for loss in ("log_loss", "focal", "bpr", "softmax"):
        given = {"sampled": 2, "source": "uniform"}
        other = of(sampled.train_rows.prepared, loss=loss, negatives=given)
        assert torch.isfinite(other.loss(step))


@pytest.mark.parametrize(
    ("targets", "negatives", "positives"),
    [
        (KINDS[::3], {}, [2, 4]),
        (KINDS[::3], {"observed": True}, [2, 4]),
        (KINDS[:1], {}, [2]),
    ],
)
def test_several_targets_are_learned_from_rows_whose_first_is_0_too(
    targets: tuple[Target, ...], negatives: dict[str, bool], positives: list[int], tmp_path: Path
) -> None:
    """As in a shop's log: each row is a purchase, or a click, or neither; twice each, for two users."""
    rows = [[0, 1], [1, 0], [0, 0], [0, 1]]
    given = {"sampled": 1, "source": "uniform", **negatives}
    learned = task(tmp_path, [row[: len(targets)] for row in rows], targets, negatives=given)
    ((observed, step),) = learned.steps(0)
    with torch.inference_mode():
        _, measured_NT, _ = learned.predictions()

    assert observed == (8 if positives[1:] else 2)
    assert step.labels.targets_BT.sum(0).tolist() == positives
    assert measured_NT.sum(0).tolist() == positives


@pytest.mark.parametrize(
    ("changed", "remedy"),
    [({"negatives": {"sampled": 1, "observed": False}}, "observed = true"), ({"loss": "bpr"}, 'loss = "log_loss"')],
)
def test_a_target_that_the_rows_learned_from_tell_nothing_of_is_an_error(
    changed: dict[str, Any], remedy: str, tmp_path: Path
) -> None:
    settings = {"negatives": {"sampled": 1}, **changed}
    with pytest.raises(DataError, match=rf"bought is 0 in every one of the training rows .*{remedy}"):
        task(tmp_path, [[0, 1], [1, 0]], KINDS[::3], **settings)
    assert len(task(tmp_path, [[0, 1], [1, 0], [1, 1]], KINDS[::3], **settings).targets) == 2
    assert len(task(tmp_path, [[0, 1], [1, 0]], KINDS[::3], negatives={"sampled": 1}).targets) == 2


@pytest.fixture(scope="module")
def clicks(tmp_path_factory: pytest.TempPathFactory) -> Prepared:
    """20,000 impressions, by five users whose click rates are known; what is clicked is liked half of the time."""
    random = np.random.default_rng(0)
    events = []
    for user, rate in enumerate(RATES, 1):
        for i in range(4_000):
            clicked = float(random.random() < rate)
            split = Split.VALID if i % 10 == 0 else Split.TRAIN
            stars = 1 + clicked * 2 + random.normal() / 4
            events.append(toy.Event(user, 1 + i % 2, 0, split, clicked, (stars,)))
    return toy.prepared(tmp_path_factory.mktemp("clicks"), events, users=5, items=2, targets=KINDS[:2])


RATES = (0.02, 0.05, 0.1, 0.3, 0.6)


def test_a_model_of_a_tenth_of_the_negatives_is_calibrated_on_all_rows(clicks: Prepared) -> None:
    """Within a sixth of each user's rate in the training rows; uncorrected, .02 would come out as .17.

    What the other target is does not depend on which rows were left out: within .05 of each user's mean.
    """
    given = {"sampled": 0, "keep": 0.1}
    thinned = of(clicks, negatives=given, model="logistic_regression")
    used = sum(len(step.labels.weight_B) for _, step in thinned.steps(0))
    adamw = Optimiser(name="adamw", lr=0.05)
    optimisers = build_optimisers(thinned.model, {"wide": adamw, "embedding": adamw, "dense": adamw})
    for epoch in range(12):
        for _, step in thinned.steps(epoch):
            for optimiser in optimisers:
                optimiser.zero_grad()
            thinned.loss(step).backward()
            for optimiser in optimisers:
                optimiser.step()

    (shard,) = clicks.shards
    train = shard.split == Split.TRAIN
    positives = np.count_nonzero(shard.targets_nT[train, 0])
    assert used == pytest.approx(positives + 0.1 * (train.sum() - positives), rel=0.05)
    with torch.inference_mode():
        predicted_NT, _, weight_N = thinned.predictions()
    assert len(weight_N) == np.count_nonzero(~train), "validation keeps every row"
    user_N = shard.user[~train]
    for user in range(1, 6):
        mine = train & (shard.user == user)
        probability = 1 / (1 + np.exp(-predicted_NT[user_N == user, 0]))
        assert probability.mean() == pytest.approx(shard.targets_nT[mine, 0].mean(), rel=1 / 6)
        assert predicted_NT[user_N == user, 1].mean() == pytest.approx(shard.targets_nT[mine, 1].mean(), abs=0.05)


def without_columns(data: Prepared) -> Any:
    return replace(data, schema=replace(data.schema, columns=(), has_users=False, has_items=False))


def test_a_ranker_without_any_column_is_a_clear_error(tmp_path: Path) -> None:
    data = toy.prepared(tmp_path, [toy.Event(1, 1, 1)], users=1, items=1)

    with pytest.raises(DataError, match="nothing to learn from"):
        build_ranking(without_columns(data), SETTINGS)
