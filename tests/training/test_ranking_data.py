"""What the values of targets, histories and validation rows must be like for a ranker's settings to make sense."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from shortlist.core.errors import DataError, UserError
from shortlist.core.progress import Silent
from shortlist.data.prepared import Prepared
from shortlist.recipe.ranking import Ranking
from shortlist.schema import Split, Target, TargetKind
from shortlist.training.ranking import RankingTask
from shortlist.training.ranking_data import check_turns
from shortlist.training.stages import build_ranking
from tests.evaluation import toy

NAN = float("nan")
LIKED = (Target(name="liked"),)
FUNNEL = (Target(name="click"), Target(name="cart"), Target(name="purchase"))


class Said(Silent):
    """Keeps what was said."""

    def __init__(self) -> None:
        self.lines: list[tuple[str, str]] = []

    def say(self, stage: str, message: str) -> None:
        self.lines.append((stage, message))


def prepared(
    folder: Path, rows: Sequence[Sequence[float]], targets: tuple[Target, ...] = LIKED, split: Split = Split.TRAIN
) -> Prepared:
    """Each row of target values once, by two users in turn."""
    events = [toy.Event(1 + i % 2, 1 + i % 3, i, split, row[0], tuple(row[1:])) for i, row in enumerate(rows)]
    return toy.prepared(folder, events, users=2, items=3, shards=2, targets=targets)


def settings(model: dict[str, Any] | None = None, **given: Any) -> Ranking:
    chosen = {"name": "mlp", "embedding_dim": 2, "hidden": [], **(model or {})}
    return Ranking.model_validate({"model": chosen, "negatives": {"sampled": 0}, **given})


def task(data: Prepared, chosen: Ranking) -> RankingTask:
    recipe = toy.recipe(retrieval=None, ranking=chosen.model_dump())
    return RankingTask(build_ranking(data, chosen), data, recipe, chosen, torch.device("cpu"))


def test_probabilities_of_shares_cannot_be_corrected_for_rows_left_out(tmp_path: Path) -> None:
    data = prepared(tmp_path, [[0.0], [1.0], [0.5], [0.25], [NAN]])
    message = r"liked is between 0 and 1 in 2 training rows, and ranking\.negatives\.keep = 0\.5 .*leave keep out"

    with pytest.raises(DataError, match=message):
        task(data, settings(negatives={"sampled": 0, "keep": 0.5}))
    task(data, settings())


def test_shares_that_are_not_trained_on_do_no_harm(tmp_path: Path) -> None:
    task(prepared(tmp_path, [[0.5], [0.0]], split=Split.VALID), settings(negatives={"sampled": 0, "keep": 0.5}))


@pytest.mark.parametrize(
    ("schema", "given", "message"),
    [
        ({"has_users": False}, {}, r"names no user_id\. Name what is missing"),
        ({"has_users": False, "has_items": False}, {}, "names no user_id and no item_id"),
        ({}, {"history": 0}, r"ranking\.history = 0\. Set it"),
    ],
)
def test_a_way_to_read_histories_needs_histories(
    tmp_path: Path, schema: dict[str, Any], given: dict[str, Any], message: str
) -> None:
    data = prepared(tmp_path, [[0.0], [1.0]])
    without = replace(data, schema=replace(data.schema, **schema))

    with pytest.raises(UserError, match=rf"ranking\.model\.history = 'gru' reads what .*{message}"):
        build_ranking(without, settings({"history": "gru"}, **given))
    assert build_ranking(without, settings(**given)).inputs.history is None
    assert build_ranking(data, settings({"history": "gru"})).inputs.history is not None


def check(data: Prepared, tasks: str, only: Target | None = None) -> list[tuple[str, str]]:
    said = Said()
    check_turns(build_ranking(data, settings({"tasks": tasks}), only), data, said)
    return said.lines


def test_esmm_refuses_targets_that_do_not_follow_one_another(tmp_path: Path) -> None:
    data = prepared(tmp_path, [[1, 1, 1], [1, 0, 0], [0, 0, 1], [0, 1, 0], [1, NAN, 1], [0, NAN, 1]], FUNNEL)

    with pytest.raises(DataError, match=r"^1 of 6 training rows have `cart` without .*set tasks = \"mmoe\""):
        check(data, "esmm")
    assert check(data, "mmoe") == []
    assert check(data, "esmm", only=FUNNEL[1]) == []


def test_a_row_of_some_thousands_is_only_mentioned(tmp_path: Path) -> None:
    rows = [[1.0, 1.0], *[[1.0, 0.0]] * 999]
    held_out = prepared(tmp_path, [[0.0, 1.0], [1.0, 1.0]], FUNNEL[:2], Split.VALID)

    assert check(prepared(tmp_path, rows, FUNNEL[:2]), "esmm") == []
    assert check(held_out, "esmm") == []
    ((stage, line),) = check(prepared(tmp_path, [[0.0, 1.0], *rows], FUNNEL[:2]), "esmm")
    assert (stage, line) == (
        "ranking",
        "1 of 1,001 training rows have `cart` without a target before it; esmm takes them as they are",
    )


@pytest.mark.parametrize(
    ("kind", "rows", "message"),
    [
        (TargetKind.BINARY, [[1.0]] * 4, r"do not differ in the target t, so its auc .*Sample negatives \(ranking"),
        (TargetKind.REGRESSION, [[2.5]] * 4, r"do not differ in the target t, so its r2 .*from\. Choose another"),
        (TargetKind.MULTICLASS, [[NAN]] * 4, r"no validation row of the ranker tells the target t, so its accuracy"),
    ],
)
def test_advice_is_what_the_kind_of_target_permits(
    tmp_path: Path, kind: TargetKind, rows: Sequence[Sequence[float]], message: str
) -> None:
    classes = ("a", "b") if kind == TargetKind.MULTICLASS else ()
    target = Target(name="t", kind=kind, classes=classes)
    alike = task(prepared(tmp_path, rows, (target,), Split.VALID), settings())

    with torch.inference_mode(), pytest.raises(DataError, match=message):
        alike.validate()
