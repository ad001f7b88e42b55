"""The MLP: its widths, and no activation after the last layer that `out` asks for."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from shortlist.nn.mlp import MLP, BatchNorm, NetworkSettings


@pytest.mark.parametrize(
    ("hidden", "out", "dropout", "layers"),
    [
        ((), 2, 0.5, ["Linear"]),
        ((8,), None, 0.0, ["Linear", "ReLU"]),
        ((8, 4), 2, 0.5, ["Linear", "ReLU", "Dropout", "Linear", "ReLU", "Dropout", "Linear"]),
        ((), None, 0.0, []),
    ],
)
def test_layers_are_as_asked(hidden: tuple[int, ...], out: int | None, dropout: float, layers: list[str]) -> None:
    mlp = MLP(3, hidden, out, dropout)

    assert [type(layer).__name__ for layer in mlp.layers] == layers
    assert mlp(torch.zeros(5, 3)).shape == (5, mlp.width)
    assert mlp.width == (out or [3, *hidden][-1])


def test_answers_equal_a_hand_worked_one() -> None:
    mlp = MLP(2, (1,), 1)
    with torch.no_grad():
        for layer, weight, bias in zip(
            [mlp.layers[0], mlp.layers[2]], [[[1.0, -2.0]], [[3.0]]], [1.0, -4.0], strict=True
        ):
            assert isinstance(layer, nn.Linear)
            layer.weight.copy_(torch.tensor(weight))
            layer.bias.fill_(bias)

    # relu(5 - 2 + 1) * 3 - 4, and relu(0 - 8 + 1) * 3 - 4.
    assert mlp(torch.tensor([[5.0, 1.0], [0.0, 4.0]])).tolist() == [[8.0], [-4.0]]


def test_batch_norm_takes_a_last_batch_of_one_row() -> None:
    """As the last of an epoch may be: it is normalised by what the batches before it were, and leaves that alone."""
    torch.manual_seed(0)
    network = MLP(3, [4], batch_norm=True)
    for _ in range(50):
        network(torch.randn(64, 3))
    before = {name: value.clone() for name, value in network.named_buffers()}
    x = torch.randn(1, 3)
    trained = network(x)
    after = dict(network.named_buffers())

    assert all(torch.equal(value, after[name]) for name, value in before.items())
    torch.testing.assert_close(trained, network.eval()(x))


@pytest.mark.parametrize("settings", [{"dropout": 0.5}, {"batch_norm": True}])
def test_what_is_of_hidden_layers_needs_some(settings: dict[str, object]) -> None:
    with pytest.raises(ValueError, match="is of the layers in hidden, and there are none"):
        NetworkSettings.model_validate({"hidden": (), **settings})


def test_a_layer_has_a_width() -> None:
    with pytest.raises(ValueError, match="greater than or equal to 1"):
        NetworkSettings.model_validate({"hidden": (8, 0)})


def test_batch_norm_over_several_processes_takes_half_precision() -> None:
    x_BD = torch.randn(1001, 3, generator=torch.Generator().manual_seed(0)).bfloat16()
    ours, theirs = BatchNorm(3), nn.BatchNorm1d(3)
    found_BD, expected_BD = ours._over_all(x_BD), theirs(x_BD.float())
    assert found_BD.dtype == torch.bfloat16
    torch.testing.assert_close(found_BD.float(), expected_BD, atol=0.02, rtol=0.01)
    for name in ("running_mean", "running_var"):
        torch.testing.assert_close(getattr(ours, name), getattr(theirs, name))
