"""Random streams: fixed by seed and use, and independent of one another."""

from __future__ import annotations

import numpy as np
import pytest

from shortlist.core.seeding import stream, uniform_rows


def test_the_same_use_draws_the_same_numbers() -> None:
    assert np.array_equal(stream(3, "order", 1).random(8), stream(3, "order", 1).random(8))


def test_seed_name_and_position_each_make_another_stream() -> None:
    draws = [stream(*key).random() for key in ((0, "order", 1), (1, "order", 1), (0, "negatives", 1), (0, "order", 2))]

    assert len(set(draws)) == len(draws)


def test_the_stream_is_the_same_in_every_process() -> None:
    """Python's own hash of a text changes from process to process; the stream must not."""
    raw = stream(0, "order").bit_generator.random_raw(2)

    assert raw.tolist() == [17920072776335290141, 3028551703848688942]


@pytest.mark.parametrize(("first", "rows"), [(0, 9), (0, 1), (4, 3), (8, 1), (9, 0)])
def test_a_part_of_the_rows_is_that_part_of_all(first: int, rows: int) -> None:
    whole = stream(5, "negatives", 2).random((9, 7))

    assert uniform_rows(first, rows, 7, 5, "negatives", 2).tolist() == whole[first : first + rows].tolist()
