"""Rows are dealt out in turn, and found again."""

from __future__ import annotations

from itertools import product

import pytest
import torch

from shortlist.training.sharding.parts import Part, common, within


def test_seven_rows_dealt_out_to_three() -> None:
    part = Part(range(7), None, 3)

    assert (part.block, part.places) == (3, 9)
    assert part.place(torch.arange(7)).tolist() == [0, 3, 6, 1, 4, 7, 2]
    assert [list(part.held_at(place)) for place in (0, 3, 6)] == [[0, 3, 6], [1, 4], [2, 5]]


@pytest.mark.parametrize(("rows", "processes"), [(1, 1), (9, 1), (3, 3), (8, 3), (9, 3), (100, 7), (1000, 16)])
def test_each_row_has_a_place_of_its_own_at_who_holds_it(rows: int, processes: int) -> None:
    part = Part(range(rows), None, processes)
    place_R = part.place(torch.arange(rows))

    assert len(place_R.unique()) == rows
    assert part.places - processes < rows <= part.places
    for process in range(processes):
        first = process * part.block
        held = part.held_at(first)
        assert place_R[list(held)].tolist() == list(range(first, first + len(held)))
        assert part.block - 1 <= len(held) <= part.block


def test_what_lies_together_keeps_its_order() -> None:
    part = Part(range(40, 47), 1)

    assert (part.block, part.places, part.held_at(0)) == (7, 7, range(40, 47))
    assert part.place(torch.arange(7)).tolist() == list(range(7))


@pytest.mark.parametrize("looked_up", [8, 80, 799])
def test_a_look_up_of_the_first_rows_asks_each_process_for_as_many(looked_up: int) -> None:
    part = Part(range(1001), None, 8)
    owner_R = part.place(torch.arange(looked_up)) // part.block

    counts = owner_R.bincount(minlength=8)
    assert counts.max() - counts.min() <= 1


def test_what_two_ranges_have_in_common() -> None:
    every = [range(start, stop, step) for start, stop, step in product((0, 1, 2, 5), (6, 7, 13), (1, 2, 3, 4))]
    for one, other in product(every, every):
        both = common(one, other)

        assert list(both) == sorted(set(one) & set(other))
        for rows in (one, other):
            assert not both or list(rows[within(rows, both)]) == list(both)
