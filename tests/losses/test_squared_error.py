"""Squared error against a loop."""

from __future__ import annotations

import math

import pytest
import torch

from shortlist.losses.squared_error import squared_error


def test_equals_the_loop_over_rows_that_tell() -> None:
    values, targets, weights = [0.5, -2.0, 3.0, 1.0], [1.5, math.nan, 3.5, -1.0], [1.0, 9.0, 2.0, 0.5]
    loss = squared_error(torch.tensor(values), torch.tensor(targets), torch.tensor(weights))

    told = [(v, t, w) for v, t, w in zip(values, targets, weights, strict=True) if not math.isnan(t)]
    expected = sum(w * (v - t) ** 2 for v, t, w in told) / sum(w for *_, w in told)
    assert loss.item() == pytest.approx(expected, rel=1e-6)
