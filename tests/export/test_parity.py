"""The parity gate: small differences pass, others and answers that are no number are refused with their row."""

from __future__ import annotations

import numpy as np
import pytest

from shortlist.core.errors import ParityError
from shortlist.export.parity import TOLERANCE, check_parity

TRAINED = np.array([[0.5, -2.0], [1000.0, 0.0], [3.0, 4.0]], np.float32)


def test_equal_answers_pass() -> None:
    assert check_parity("ranking", TRAINED, TRAINED.copy()) == 0


def test_the_difference_is_relative_to_large_answers_and_absolute_for_small() -> None:
    exported = TRAINED + np.array([[0, 0], [0.05, 0], [0, 0]], np.float32)
    assert check_parity("ranking", TRAINED, exported) == pytest.approx(5e-5, rel=0.01)

    exported = TRAINED + np.array([[0, 0], [0, 2 * TOLERANCE], [0, 0]], np.float32)
    with pytest.raises(ParityError, match=r"ranking: .*on 3 sampled rows.* found 0\.0002 at row 1"):
        check_parity("ranking", TRAINED, exported)


@pytest.mark.parametrize("wrong", [np.nan, np.inf, -np.inf])
def test_what_is_no_number_is_refused(wrong: float) -> None:
    exported = TRAINED.copy()
    exported[2, 1] = wrong

    with pytest.raises(ParityError, match="at row 2"):
        check_parity("ranking", TRAINED, exported)


def test_another_shape_is_refused() -> None:
    with pytest.raises(ParityError, match=r"gives shape \(3, 2\), the exported one \(3, 1\)"):
        check_parity("ranking", TRAINED, TRAINED[:, :1])


def test_no_rows_are_no_difference() -> None:
    assert check_parity("ranking", TRAINED[:0], TRAINED[:0]) == 0
