"""The linear part and its crosses against plain Python loops."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import pytest
import torch

from shortlist.core.errors import UserError
from shortlist.features.rows import FeatureRows
from shortlist.nn.batch import Batch
from shortlist.nn.wide import Cross, CrossSettings, LinearPart
from shortlist.testing.inputs import random_rows, ranking_inputs, unknown_rows

INPUTS = ranking_inputs()
ROWS = random_rows(INPUTS, 9)
BUCKETS = 1000
TARGETS = 2
CROSSES = [("user.gender", "item.brand"), ("user.gender", "item.genres"), ("history", "item.id", "context.hour")]
SETTINGS = CrossSettings(crosses=tuple(CROSSES), cross_buckets=BUCKETS)

A, B, C, D = 1_000_000_007, 998_244_353, 1_999_999_973, 1_610_612_741


def bucket(ids: Sequence[int]) -> int:
    """The hash in integers that cannot overflow; the value of a bag comes first."""
    mixed = sum(int(value) * prime for value, prime in zip(ids, (A, B, C, D), strict=False))
    return (mixed % D) * A % B % BUCKETS


def values(rows: FeatureRows, row: int, name: str) -> list[int]:
    """The stacked ids of one column in one row."""
    if name == "history":
        assert rows.history is not None
        return list(rows.history.ids_UL[row, : rows.history.length_U[row]])
    if name in rows.bags:
        return list(rows.bags[name].values_BH[row, : rows.bags[name].length_B[row]])
    return [int(rows.ids_BF[row, INPUTS.field(name)])]


def crossed(rows: FeatureRows, row: int, names: Sequence[str]) -> list[int]:
    """Buckets of a cross in one row, naively."""
    several = [name for name in names if name == "history" or name in rows.bags]
    fields = [values(rows, row, name)[0] for name in names if name not in several]
    if not several:
        return [bucket(fields)]
    return [bucket([value, *fields]) for value in values(rows, row, several[0])]


@pytest.mark.parametrize("names", CROSSES)
def test_a_cross_equals_the_loop(names: tuple[str, ...]) -> None:
    bag = Cross(names, INPUTS, BUCKETS)(Batch.of(ROWS))

    for row in range(len(ROWS)):
        expected = crossed(ROWS, row, names)
        assert bag.values_BH[row, : int(bag.length_B[row])].tolist() == expected


def test_no_product_of_the_largest_ids_overflows() -> None:
    rows = random_rows(INPUTS, 2)
    rows.ids_BF[:] = 2**31 - 1
    names = ("user.id", "user.gender", "context.hour", "item.id")
    bag = Cross(names, INPUTS, BUCKETS)(Batch.of(rows))

    assert bag.values_BH.flatten().tolist() == [bucket([2**31 - 1] * 4)] * 2


def test_crosses_fill_their_buckets_evenly() -> None:
    """Ids are close to one another; a hash that keeps them so would use few buckets."""
    rows = random_rows(INPUTS, 2000)
    names = ("user.id", "item.id")
    used = Cross(names, INPUTS, 200)(Batch.of(rows)).values_BH.flatten()
    counts = torch.bincount(used, minlength=200).double()

    # 39 * 49 pairs over 200 buckets; Poisson deviation of the distinct pairs in a bucket is about sqrt(8) of 8.
    assert (counts > 0).float().mean() > 0.95
    assert counts.max() < 4 * counts.mean()


def naive_logits(part: LinearPart, rows: FeatureRows, row: int) -> torch.Tensor:
    assert part.cross_table is not None
    weight, total = part.table.table.weight, part.bias_O.clone()
    for i in range(len(INPUTS.numbers)):
        total += float(rows.numbers_BN[row, i]) * part.weight_NO[i]
    for column in [*INPUTS.fields, *INPUTS.bags]:
        for value in values(rows, row, column.name):
            total += weight[value - column.offset + part.table.places[column.name].start]
    for place, names in enumerate(CROSSES):
        found = crossed(rows, row, names)
        for value in found:
            total += part.cross_table.table.weight[place * BUCKETS + value] / math.sqrt(len(found))
    return total


def test_a_cross_with_the_history_is_of_the_rows_own() -> None:
    """Rows may share a history; each has its own values crossed with it."""
    shared = ROWS.take(np.array([3, 3, 5, 3]))
    cross = Cross(CROSSES[2], INPUTS, BUCKETS)
    once, bag = cross(Batch.of(ROWS)), cross(Batch.of(shared))

    assert torch.equal(bag.values_BH, once.values_BH[[3, 3, 5, 3]])
    assert torch.equal(bag.length_B, once.length_B[[3, 3, 5, 3]])


@pytest.mark.parametrize("rows", [ROWS, unknown_rows(INPUTS, 2)], ids=["random", "unknown"])
def test_logits_equal_the_loop(rows: FeatureRows) -> None:
    torch.manual_seed(0)
    part = LinearPart(INPUTS, SETTINGS, TARGETS)
    with torch.no_grad():
        for parameter in part.parameters():
            torch.nn.init.normal_(parameter)
        logits_BT = part(Batch.of(rows))
        expected_BT = torch.stack([naive_logits(part, rows, row) for row in range(len(rows))])

    torch.testing.assert_close(logits_BT, expected_BT)


def test_weights_start_at_zero() -> None:
    logits_BT = LinearPart(INPUTS, SETTINGS, TARGETS)(Batch.of(ROWS))

    assert torch.equal(logits_BT, torch.zeros(len(ROWS), TARGETS))


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (("user.gendr", "item.brand"), r"no such column. Did you mean `user.gender`\?"),
        (("user.gender", "user.age"), "names 'user.age', no such column"),
        (("user.gender",), "takes 2 to 4 columns"),
        (("history", "item.genres"), "at most one of them a bag or the history"),
        (("user.id", "user.gender", "context.hour", "item.id", "item.brand"), "takes 2 to 4 columns"),
    ],
)
def test_an_impossible_cross_is_refused(names: tuple[str, ...], message: str) -> None:
    with pytest.raises(UserError, match=message):
        Cross(names, INPUTS, BUCKETS)
