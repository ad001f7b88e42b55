"""Rows left out of an epoch: those of the first target's zeros alone, by chance, and the same from any batch on."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from shortlist.data.event_rows import EventRows
from shortlist.data.loader import Gather, RankingRows, ranking_rows
from shortlist.data.order import ALONE, Share
from shortlist.data.prepared import Prepared
from shortlist.features.rows import FeatureRows
from shortlist.schema import Split, Target
from tests.evaluation import toy

NAN = float("nan")
EVENTS = 3_000
Batches = list[RankingRows[FeatureRows]]


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Prepared:
    """One row in ten is a 1, one in ten a share, one in ten does not tell; the time is the row's own number."""
    values = [1.0, 0.25, NAN, *[0.0] * 7]
    events = [toy.Event(1 + i % 7, 1 + i % 3, i, Split.TRAIN, values[i % 10], (float(i),)) for i in range(EVENTS)]
    targets = (Target(name="liked"), Target(name="other"))
    return toy.prepared(tmp_path_factory.mktemp("data"), events, users=7, items=3, shards=2, targets=targets)


def batches(data: Prepared, keep: float, *, epoch: int = 0, size: int = 50, **given: Any) -> Batches:
    return list(ranking_rows(EventRows(data, Split.TRAIN), Gather(data, 0), size, 0, epoch, keep=keep, **given))


def rows(found: Batches) -> list[int]:
    """Numbers of the rows that count."""
    return [int(n) for b in found for n in b.targets_BT[b.weight_B > 0, 1]]


def test_all_but_zeros_stay_and_of_those_the_share(data: Prepared) -> None:
    kept = rows(batches(data, 0.2))
    zeros = [n for n in kept if n % 10 > 2]

    assert len(set(kept)) == len(kept)
    assert sorted(set(kept) - set(zeros)) == [n for n in range(EVENTS) if n % 10 <= 2]
    # 2,100 zeros, each with a chance of .2: within four standard deviations.
    assert abs(len(zeros) - 420) < 4 * (2_100 * 0.2 * 0.8) ** 0.5


def test_other_rows_are_kept_in_each_epoch(data: Prepared) -> None:
    first, second = (set(rows(batches(data, 0.2, epoch=epoch))) for epoch in (0, 1))
    zeros = [n for n in first & second if n % 10 > 2]

    assert first != second
    assert abs(len(zeros) - 84) < 4 * (2_100 * 0.04 * 0.96) ** 0.5


def test_a_batch_stands_for_the_rows_it_was_made_of(data: Prepared) -> None:
    assert sum(batch.observed for batch in batches(data, 0.2)) == EVENTS
    assert [batch.observed for batch in batches(data, 0.2)] == [batch.observed for batch in batches(data, 1.0)]


@pytest.mark.parametrize("share", [ALONE, Share(1, 2)])
def test_an_epoch_goes_on_bit_for_bit(data: Prepared, share: Share) -> None:
    def shown(found: Batches) -> list[list[object]]:
        return [[b.features.ids_BF.tolist(), b.targets_BT[:, 1].tolist(), b.weight_B.tolist()] for b in found]

    whole = shown(batches(data, 0.3, share=share))
    for start in (1, len(whole) // 2, len(whole)):
        assert shown(batches(data, 0.3, share=share, start=start)) == whole[start:]


def test_two_rows_stay_and_what_should_not_be_there_weighs_nothing(data: Prepared) -> None:
    found = batches(data, 1e-9, size=4)

    assert all(len(batch.weight_B) >= min(batch.observed, 2) for batch in found)
    assert any((batch.weight_B == 0).all() for batch in found)
    assert sorted(rows(found)) == [n for n in range(EVENTS) if n % 10 <= 2]
    assert all((batch.targets_BT[batch.weight_B == 0, 0] == 0).all() for batch in found)


def test_without_it_nothing_changes(data: Prepared) -> None:
    assert sorted(rows(batches(data, 1.0))) == list(range(EVENTS))
    assert all(np.all(batch.weight_B == 1) and batch.list_B is None for batch in batches(data, 1.0))
