"""How a logit becomes a probability, and how that lies in a bundle."""

from __future__ import annotations

import json

import numpy as np
import pytest

from shortlist.funnel.calibration import (
    UNCALIBRATED,
    Calibration,
    Isotonic,
    Platt,
    calibration_from_json,
    calibration_to_json,
)

LOGITS = np.array([[-200, -1, 0], [0.5, 3, 200]], np.float32)
STEPS = Isotonic(logits=(-1.0, 0.0, 2.0), probabilities=(0.1, 0.4, 0.8))


def test_without_a_calibration_it_is_the_sigmoid() -> None:
    expected = 1 / (1 + np.exp(-LOGITS.astype(np.float64)))
    assert UNCALIBRATED(LOGITS) == pytest.approx(expected, abs=1e-7)
    assert UNCALIBRATED(LOGITS).dtype == np.float32


def test_a_line_before_the_sigmoid() -> None:
    expected = 1 / (1 + np.exp(-(0.5 * LOGITS.astype(np.float64) - 1)))
    assert Platt(slope=0.5, offset=-1.0)(LOGITS) == pytest.approx(expected, abs=1e-7)


def test_between_knots_it_is_straight() -> None:
    inside = np.array([[-1, -0.5, 0], [0.5, 1, 2]], np.float32)
    assert STEPS(inside) == pytest.approx(np.array([[0.1, 0.25, 0.4], [0.5, 0.6, 0.8]]))
    assert STEPS(inside).dtype == np.float32


def test_beyond_the_knots_log_odds_rise_by_a_hundredth_of_the_logit() -> None:
    """Odds of .1 are 1 to 9, those of .8 are 4 to 1; a hundred logits more are e times as much."""
    found = STEPS(np.array([-101.0, 102.0]))
    assert found / (1 - found) == pytest.approx([1 / 9 / np.e, 4 * np.e])
    assert STEPS(np.array([-1 - 1e-9, 2 + 1e-9])) == pytest.approx([0.1, 0.8])
    assert STEPS(np.array(3.0)).shape == ()


@pytest.mark.parametrize(("start", "stop"), [(2.0, 8.0), (-12.0, -1.0)])
def test_logits_beyond_the_knots_keep_their_order(start: float, stop: float) -> None:
    found = STEPS(np.linspace(start, stop, 500, dtype=np.float32))
    assert (np.diff(found) > 0).all()


def test_it_is_never_0_or_1() -> None:
    found = STEPS(LOGITS)
    assert ((found > 0) & (found < 1)).all()


@pytest.mark.parametrize("calibration", [Platt(slope=0.1 + 0.2, offset=-1e-9), STEPS])
def test_it_lies_in_a_bundle_as_plain_numbers(calibration: Calibration) -> None:
    text = json.dumps(calibration_to_json(calibration), allow_nan=False)
    assert calibration_from_json(json.loads(text)) == calibration
