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


def test_between_knots_it_is_straight_and_beyond_them_level() -> None:
    assert STEPS(LOGITS) == pytest.approx(np.array([[0.1, 0.1, 0.4], [0.5, 0.8, 0.8]]))
    assert STEPS(LOGITS).dtype == np.float32


@pytest.mark.parametrize("calibration", [Platt(slope=0.1 + 0.2, offset=-1e-9), STEPS])
def test_it_lies_in_a_bundle_as_plain_numbers(calibration: Calibration) -> None:
    text = json.dumps(calibration_to_json(calibration), allow_nan=False)
    assert calibration_from_json(json.loads(text)) == calibration
