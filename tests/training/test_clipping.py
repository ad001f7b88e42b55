"""Gradient clipping: by hand, sparse as dense, and with any number of threads."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from shortlist.training.clipping import clip_norm


def parameter(gradient: Tensor | None) -> nn.Parameter:
    made = nn.Parameter(torch.zeros(4, 2) if gradient is None else torch.zeros(gradient.shape))
    made.grad = gradient
    return made


def sparse(rows: list[int], values: list[list[float]]) -> Tensor:
    return torch.sparse_coo_tensor(torch.tensor([rows]), torch.tensor(values), (4, 2), check_invariants=True)


def test_scales_all_gradients_by_hand() -> None:
    # Row 2 is [1, 0] + [1, 4] = [2, 4]: 4 + 16; with 4² + 8² in the layer: the norm is sqrt(100) = 10, scaled by 1/2.
    table = parameter(sparse([2, 2], [[1.0, 0.0], [1.0, 4.0]]))
    layer, unused = parameter(torch.tensor([4.0, 8.0])), parameter(None)
    norm = clip_norm([table, layer, unused], 5.0)

    assert norm.item() == 10.0
    assert table.grad is not None
    assert table.grad.to_dense().tolist() == [[0, 0], [0, 0], [1, 2], [0, 0]]
    assert table.grad.is_coalesced()
    assert layer.grad is not None
    assert layer.grad.tolist() == [2, 4]
    assert unused.grad is None


def test_gradients_within_the_limit_keep_their_bits() -> None:
    gradient = torch.randn(50, generator=torch.Generator().manual_seed(0))
    layer = parameter(gradient.clone())
    norm = clip_norm([layer], float(gradient.norm()) * 1.01)

    assert norm.item() == pytest.approx(float(gradient.norm()))
    assert layer.grad is not None
    assert torch.equal(layer.grad, gradient)


@pytest.mark.parametrize("rows", [1, 3, 2048, 2049, 40_000])
def test_sparse_equals_dense_and_torchs(rows: int) -> None:
    random = torch.Generator().manual_seed(rows)
    lookups = torch.randint(0, rows, (1, 3 * rows), generator=random)
    gradient = torch.sparse_coo_tensor(
        lookups, torch.randn(3 * rows, 2, generator=random), (rows, 2), check_invariants=True
    )
    by_sparse, by_dense, by_torch = (parameter(g) for g in (gradient, gradient.to_dense(), gradient.to_dense()))
    norms = [clip_norm([by_sparse], 0.5), clip_norm([by_dense], 0.5), nn.utils.clip_grad_norm_([by_torch], 0.5)]

    assert by_sparse.grad is not None
    torch.testing.assert_close(norms[0], norms[1])
    torch.testing.assert_close(norms[0], norms[2])
    torch.testing.assert_close(by_sparse.grad.to_dense(), by_dense.grad)
    torch.testing.assert_close(by_dense.grad, by_torch.grad)


def test_any_number_of_threads_gives_the_same_bits(threads: None) -> None:
    gradient = torch.randn(700, 501, generator=torch.Generator().manual_seed(0))
    norms = []
    for count in (1, 2, 3):
        torch.set_num_threads(count)
        norms.append(clip_norm([parameter(gradient.clone())], 1.0).item())

    assert len(set(norms)) == 1


def test_without_gradients_there_is_nothing_to_clip() -> None:
    assert clip_norm([parameter(None)], 1.0).item() == 0.0
    zeros = parameter(torch.zeros(3))
    assert clip_norm([zeros], 1.0).item() == 0.0
    assert zeros.grad is not None
    assert zeros.grad.eq(0).all()
