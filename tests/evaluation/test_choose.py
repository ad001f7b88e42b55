"""The weight between the stages: the re-blended lists are those that the funnel itself would give."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from shortlist.bundle.recommender import Recommender
from shortlist.core.errors import DataError
from shortlist.data.held_out import hold_out
from shortlist.data.prepared import Prepared
from shortlist.evaluation.choose import choose_retrieval_weight
from shortlist.evaluation.lists import Lists, Truth
from shortlist.evaluation.protocol import questions
from shortlist.evaluation.slices import kinds_of_items
from shortlist.schema import Split
from tests.evaluation import toy
from tests.evaluation.conftest import EVENTS, Make

USERS, ITEMS = 30, 20


def world(folder: Path, weight: float = 0.0) -> tuple[Recommender, Prepared]:
    random = np.random.default_rng(8)
    events = [toy.Event(1 + i % USERS, 1 + i % ITEMS, i) for i in range(60)]
    events += [toy.Event(u, int(random.integers(1, ITEMS + 1)), 300 + u, Split.VALID) for u in range(1, USERS + 1)]
    data = toy.prepared(folder, events, USERS, ITEMS)
    of = toy.recipe(retrieval={}, ranking={}, funnel={"candidates": 12, "exclude_seen": False})
    query_UD, vectors_ID, logit_UI = (
        random.normal(size=shape).astype(np.float32) for shape in ((31, 3), (21, 3), (31, 21))
    )
    rec = toy.recommender(
        folder / f"bundle-{weight}",
        data,
        of,
        query_UD=query_UD,
        vectors_ID=vectors_ID,
        logit_UI=logit_UI,
        weight=weight,
    )
    return rec, data


def test_each_weight_scores_as_a_funnel_with_that_weight(tmp_path: Path) -> None:
    rec, data = world(tmp_path)
    grid = (5.0, 0.0, 0.5)
    weight, table = choose_retrieval_weight(rec, data, grid)
    assert list(table) == [0.0, 0.5, 5.0]
    assert len(set(table.values())) == 3
    assert weight == max(table, key=lambda w: table[w])
    users = hold_out(data, Split.VALID, exclude_seen=False)
    kind_I = kinds_of_items(data.item_train_count)
    for tried, found in table.items():
        funnel, _ = world(tmp_path, tried) if tried else (rec, data)
        lists = [
            Lists.of(funnel.run(batch.requests, 10).item_UK, batch.truth, kind_I, 10)
            for batch in questions(data, users)
        ]
        measured = Lists.join(lists).measure(["ndcg@10"], Truth.of(users.truth, kind_I))
        assert measured["ndcg@10"].value == pytest.approx(found, abs=1e-12)


def test_a_tie_goes_to_the_lower_weight(funnel: Make) -> None:
    events = [*EVENTS, toy.Event(2, 15, 150, Split.VALID)]
    # Item 15 is no candidate, so no weight finds it.
    weight, table = choose_retrieval_weight(*funnel(events=events), grid=(1.0, 0.1, 2.0))
    assert weight == 0.1
    assert set(table.values()) == {0.0}


def test_one_stage_alone_has_nothing_to_blend(funnel: Make) -> None:
    assert choose_retrieval_weight(*funnel(with_ranking=False), grid=(0.0, 1.0)) == (0.0, {})


def test_nobody_in_validation_is_an_error_that_says_what_to_do(funnel: Make) -> None:
    with pytest.raises(DataError, match=r"validation split: make split\.valid larger"):
        choose_retrieval_weight(*funnel(), grid=(0.0, 1.0))
