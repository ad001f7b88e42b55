"""Cross entropy over classes against a loop."""

from __future__ import annotations

import math

import pytest
import torch

from shortlist.losses.cross_entropy import cross_entropy


def test_equals_the_loop_over_rows_that_tell() -> None:
    logits_BC = torch.randn(5, 3, generator=torch.Generator().manual_seed(0))
    classes, weights = [2.0, 0.0, math.nan, 1.0, 2.0], [1.0, 2.0, 7.0, 0.5, 0.0]
    loss = cross_entropy(logits_BC, torch.tensor(classes), torch.tensor(weights))

    total = weight_sum = 0.0
    for logits, number, weight in zip(logits_BC.tolist(), classes, weights, strict=True):
        if not math.isnan(number):
            total += weight * (math.log(sum(map(math.exp, logits))) - logits[int(number)])
            weight_sum += weight
    assert loss.item() == pytest.approx(total / weight_sum, rel=1e-5)
