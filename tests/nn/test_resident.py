"""Features that stay on the device give the very batches that arrays give; here the device is the CPU."""

from __future__ import annotations

from dataclasses import fields

import numpy as np
import pytest
import torch

from shortlist.features.rows import FeatureTable, HistoryRows, Part, RaggedBag, collect
from shortlist.nn.batch import Batch
from shortlist.nn.resident import Resident, collect_on

CPU = torch.device("cpu")
BIG = 2**30


def table(rows: int, fields: int, numbers: int, bag: str | None = None) -> FeatureTable:
    random = np.random.default_rng(rows)
    bags = {}
    if bag is not None:
        bags[bag] = RaggedBag.of([random.integers(1, 99, random.integers(0, 5)) for _ in range(rows)])
    ids_nF = random.integers(0, 1000, (rows, fields)).astype(np.int32)
    return FeatureTable(ids_nF, random.standard_normal((rows, numbers)).astype(np.float32), bags)


USERS, CONTEXT, ITEMS = table(9, 2, 0, "user.tags"), table(40, 0, 3), table(7, 1, 1, "item.genres")


def parts(of: FeatureTable = CONTEXT, name: str = "events-00000") -> list[Part]:
    random = np.random.default_rng(0)
    return [
        Part("users", USERS, random.integers(0, 9, 12).astype(np.int32)),
        Part(name, of, random.permutation(len(of))[:12]),
        Part("items", ITEMS, random.integers(0, 7, 12)),
    ]


def history(past: int = 0) -> HistoryRows:
    """With `past` columns beside the items."""
    ids_UL = np.arange(24, dtype=np.int32).reshape(12, 2)
    past_ULP = np.arange(24 * past, dtype=np.int32).reshape(12, 2, past) if past else None
    return HistoryRows.each(ids_UL, np.ones(12, np.int32), past_ULP).of(np.arange(12)[::-1])


def named(batch: Batch) -> dict[str, torch.Tensor]:
    found = {"ids": batch.ids_BF, "numbers": batch.numbers_BN}
    for name, bag in batch.bags.items():
        found |= {f"{name}.values": bag.values_BH, f"{name}.length": bag.length_B}
    if batch.history is not None:
        events = batch.history.events
        found |= {"history": events.values_BH, "history.length": events.length_B, "history.of": batch.history.of_B}
        found |= {} if batch.history.past_ULP is None else {"history.past": batch.history.past_ULP}
        assert len(fields(batch.history)) == 3
    assert len(fields(batch)) == 4
    return found


def assert_equal(one: Batch, other: Batch) -> None:
    left, right = named(one), named(other)
    assert list(left) == list(right)
    for name, value in left.items():
        assert value.dtype == right[name].dtype, name
        assert torch.equal(value, right[name]), name


@pytest.mark.parametrize("events", [None, history(), history(past=2)], ids=["no history", "items", "past"])
@pytest.mark.parametrize("budget", [BIG, 0])
def test_gives_the_batch_that_arrays_give(events: HistoryRows | None, budget: int) -> None:
    """Whether the tables fit on the device or none of them does."""
    resident = Resident(CPU, budget)

    for _ in range(2):
        assert_equal(resident(parts(), events), Batch.of(collect(parts(), events)))
    assert (resident.bytes() > 0) == (budget > 0)


def test_a_bag_that_is_empty_throughout() -> None:
    empty = FeatureTable(np.ones((4, 1), np.int32), np.zeros((4, 0), np.float32), {"tags": RaggedBag.of([[]] * 4)})
    of = [Part("items", empty, np.array([0, 3]))]

    assert_equal(Resident(CPU, BIG)(of, None), Batch.of(collect(of, None)))


def test_the_table_used_longest_ago_makes_room() -> None:
    """Twelve shards of which eight fit, and then seven beside users and items, which every batch needs."""
    shards = {f"events-{i}": table(400, 3, i % 2) for i in range(12)}
    largest = 400 * 4 * 4
    resident = Resident(CPU, 8 * largest)
    for name in [*shards, "events-11", *shards]:
        expected = Batch.of(collect(parts(shards[name], name), None))
        assert_equal(resident(parts(shards[name], name), None), expected)
        assert resident.bytes() <= 8 * largest
    assert resident.bytes() > 6 * largest


def test_the_cpu_gathers_arrays() -> None:
    assert not isinstance(collect_on(CPU), Resident)
    assert_equal(collect_on(CPU)(parts(), history()), Batch.of(collect(parts(), history())))
