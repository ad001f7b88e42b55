"""A model whose weights are no numbers any more gives no numbers, so that the fit can say so; it does not crash."""

from __future__ import annotations

import math

import pytest
import torch

from shortlist.nn.batch import Bag
from shortlist.nn.history import RecencyWeights


@pytest.mark.parametrize("value", [math.nan, 1e30])
def test_beyond_a_history_its_weights_are_0(value: float) -> None:
    recency = RecencyWeights(3)
    torch.nn.init.constant_(recency.log_weight_L, value)

    weight_BL = recency(Bag(torch.tensor([[5, 6, 0], [0, 0, 0]]), torch.tensor([2, 0])))

    assert weight_BL[0, :2].isnan().all()
    assert weight_BL[0, 2] == 0
    assert not weight_BL[1].any()
