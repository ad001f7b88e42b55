"""What a history tells of its events: ages against a naive loop, and events taken and joined user by user."""

from __future__ import annotations

import numpy as np
import pytest

from shortlist.features.past import AGE_ROWS, Events, age_column, age_rows, past_planes
from shortlist.features.rows import RaggedBag
from shortlist.schema import Column, Kind, Side


def naive(seconds: int) -> int:
    if seconds < 0:
        return 1
    row = 1
    while row < 32 and not 2 ** (row - 1) - 1 <= seconds < 2**row - 1:
        row += 1
    return row


def test_ages_equal_the_naive_loop() -> None:
    near = [2**k + d for k in range(40) for d in (-2, -1, 0, 1)]
    ages = np.array([-(2**40), -1, *near, *np.random.default_rng(0).integers(0, 2**33, 1000)])

    assert age_rows(ages).tolist() == [naive(age) for age in ages.tolist()]
    assert age_rows(ages).dtype == np.int32


@pytest.mark.parametrize(
    ("seconds", "row"),
    [(0, 1), (1, 2), (2, 2), (3, 3), (60, 6), (86_400, 17), (31_536_000, 25), (2**31 - 2, 31), (2**31 - 1, 32)],
)
def test_ages_by_hand(seconds: int, row: int) -> None:
    assert age_rows(np.array([seconds]))[0] == row


def test_every_age_has_a_row_of_its_column() -> None:
    column = age_column(offset=7)

    assert (column.name, column.side, column.kind, column.offset) == ("past.age", Side.PAST, Kind.FIELD, 7)
    assert column.size == AGE_ROWS == 33
    assert age_rows(np.array([2**62])).max() == column.size - 1


def test_planes_stand_in_the_order_of_the_columns() -> None:
    kind = Column(name="past.type", side=Side.PAST, kind=Kind.FIELD, size=4, offset=50)
    type_UL = np.array([[51, 52], [53, 50]], np.int32)
    age_UL, inside_UL = np.array([[0, 1], [3, 9]]), np.array([[True, True], [True, False]])

    both = past_planes((kind, age_column(100)), type_UL, age_UL, inside_UL)
    assert both.tolist() == [[[51, 101], [52, 102]], [[53, 103], [0, 0]]]
    assert past_planes((age_column(100), kind), type_UL, age_UL, inside_UL).tolist() == both[:, :, ::-1].tolist()
    assert past_planes((age_column(100),), None, age_UL, inside_UL).tolist() == both[:, :, 1:].tolist()


EVENTS = Events(
    RaggedBag.of([[1, 2], [], [3, 4, 5]]), np.array([10, 11, 12, 13, 14]), np.array([7, 8, 7, 9, 8], np.int32)
)


def test_users_are_taken_with_all_that_is_known_of_their_events() -> None:
    taken = EVENTS.rows(np.array([2, 1, 2, 0]))

    assert taken.counts().tolist() == [3, 0, 3, 2]
    assert taken.items.values.tolist() == [3, 4, 5, 3, 4, 5, 1, 2]
    assert taken.times.tolist() == [12, 13, 14, 12, 13, 14, 10, 11]
    assert taken.types is not None
    assert taken.types.tolist() == [7, 9, 8, 7, 9, 8, 7, 8]


def test_further_events_come_last() -> None:
    later = Events(RaggedBag.of([[6], [5, 4], []]), np.array([20, 30, 31]), np.array([7, 7, 8], np.int32))
    more = EVENTS.then(later)

    assert more.items.offsets_n.tolist() == [0, 3, 5, 8]
    assert more.items.values.tolist() == [1, 2, 6, 5, 4, 3, 4, 5]
    assert more.times.tolist() == [10, 11, 20, 30, 31, 12, 13, 14]
    assert more.types is not None
    assert more.types.tolist() == [7, 8, 7, 7, 8, 7, 9, 8]
    untyped = Events(EVENTS.items, EVENTS.times).then(Events(RaggedBag.of([[6], [], []]), np.array([20])))
    assert untyped.types is None
    assert untyped.items.values.tolist() == [1, 2, 6, 3, 4, 5]
