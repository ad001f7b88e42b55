"""Dropout: as many zeros as asked for, the mean unchanged, and drawn from torch's own random state."""

from __future__ import annotations

import pytest
import torch

from shortlist.nn.dropout import Dropout


@pytest.mark.parametrize("share", [0.1, 0.5, 0.9])
def test_a_share_is_zero_and_the_rest_scaled_up(share: float) -> None:
    torch.manual_seed(0)
    dropped = Dropout(share)(torch.ones(1000, 301))

    assert (dropped == 0).float().mean() == pytest.approx(share, abs=0.005)
    assert dropped.unique().tolist() == pytest.approx([0, 1 / (1 - share)], rel=1e-3)
    # Four neighbours come from one random number, and each is zero or not by itself.
    together = (dropped[:, :300].unflatten(1, (-1, 4)) == 0).float().flatten(0, 1)
    assert torch.corrcoef(together.T).fill_diagonal_(0).abs().max() < 0.02


def test_gradients_pass_where_values_do() -> None:
    x = torch.randn(50, 7, requires_grad=True)
    dropped = Dropout(0.4)(x)
    dropped.sum().backward()

    assert x.grad is not None
    torch.testing.assert_close(dropped, x * x.grad)


def test_the_same_state_drops_the_same() -> None:
    layer, x = Dropout(0.3), torch.ones(10, 10)
    torch.manual_seed(3)
    first, second = layer(x), layer(x)
    torch.manual_seed(3)

    assert torch.equal(layer(x), first)
    assert not torch.equal(first, second)


def test_nothing_is_dropped_of_answers_or_where_nothing_is_asked() -> None:
    x = torch.randn(4, 5)

    assert Dropout(0.5).eval()(x) is x
    assert Dropout(0.0)(x) is x
