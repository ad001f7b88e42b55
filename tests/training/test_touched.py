"""Touched rows: against a loop over the look-ups, whatever their order, and with any number of threads."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from shortlist.training.touched import touched_rows


def sparse(rows: list[int], values: Tensor, size: int) -> Tensor:
    return torch.sparse_coo_tensor(torch.tensor([rows]), values, (size, values.shape[1]), check_invariants=True)


def test_duplicates_are_summed_by_hand() -> None:
    values = torch.tensor([[1.0, 2.0], [10.0, 20.0], [100.0, 200.0], [1000.0, 2000.0]])
    rows_R, gradient_RD = touched_rows(sparse([7, 2, 7, 5], values, 9))

    assert rows_R.tolist() == [2, 5, 7]
    assert gradient_RD.tolist() == [[10, 20], [1000, 2000], [101, 202]]


@pytest.mark.parametrize("dim", [1, 3, 16, 17])
@pytest.mark.parametrize("lookups", [1, 2, 64, 65, 1000])
def test_equals_a_loop_in_the_order_of_look_ups(dim: int, lookups: int) -> None:
    """Bit for bit: float32 sums depend on their order, and this is the one a person would expect."""
    random = torch.Generator().manual_seed(lookups)
    rows = torch.randint(0, 40, (lookups,), generator=random).tolist()
    values = torch.randn(lookups, dim, generator=random)
    expected: dict[int, Tensor] = {}
    for row, value in zip(rows, values, strict=True):
        expected[row] = expected[row] + value if row in expected else value

    rows_R, gradient_RD = touched_rows(sparse(rows, values, 40))

    assert rows_R.tolist() == sorted(expected)
    assert torch.equal(gradient_RD, torch.stack([expected[row] for row in sorted(expected)]))


def test_rows_far_into_a_large_table() -> None:
    """A row shares 64 bits with the number of its look-up."""
    far = 2**40
    rows_R, gradient_RD = touched_rows(sparse([far + 1, far, far + 1] * 100, torch.ones(300, 1), far + 2))

    assert rows_R.tolist() == [far, far + 1]
    assert gradient_RD.tolist() == [[100], [200]]


def test_a_gradient_without_rows_has_none() -> None:
    rows_R, gradient_RD = touched_rows(sparse([], torch.zeros(0, 3), 5))

    assert rows_R.tolist() == []
    assert gradient_RD.shape == (0, 3)


def test_a_coalesced_gradient_is_taken_as_it_is() -> None:
    gradient = sparse([4, 1], torch.ones(2, 3), 5).coalesce()
    rows_R, gradient_RD = touched_rows(gradient)

    assert rows_R.data_ptr() == gradient.indices().data_ptr()
    assert gradient_RD.data_ptr() == gradient.values().data_ptr()


def test_look_ups_of_one_table_in_several_places_are_one_gradient() -> None:
    table = nn.Embedding(6, 2, sparse=True)
    bag = nn.functional.embedding_bag(torch.tensor([[1, 3]]), table.weight, mode="sum", sparse=True)
    (table(torch.tensor([3, 3, 0])).sum() + 10 * bag.sum()).backward()
    assert table.weight.grad is not None
    rows_R, gradient_RD = touched_rows(table.weight.grad)

    assert rows_R.tolist() == [0, 1, 3]
    assert gradient_RD.tolist() == [[1, 1], [10, 10], [12, 12]]


def test_the_gradient_itself_stays() -> None:
    values = torch.ones(3, 2)
    gradient = sparse([1, 0, 1], values, 2)
    touched_rows(gradient)[1].zero_()

    assert gradient._indices().tolist() == [[1, 0, 1]]
    assert values.eq(1).all()


@pytest.mark.parametrize("dim", [1, 16])
def test_any_number_of_threads_gives_the_same_bits(dim: int, threads: None) -> None:
    random = torch.Generator().manual_seed(0)
    rows = (torch.rand(50_000, generator=random) ** 3 * 20_000).long().tolist()
    gradient = sparse(rows, torch.randn(50_000, dim, generator=random), 20_000)
    sums = []
    for count in (1, 2, 3):
        torch.set_num_threads(count)
        sums.append(touched_rows(gradient)[1])

    assert torch.equal(sums[0], sums[1])
    assert torch.equal(sums[0], sums[2])


def test_what_is_no_tables_gradient_is_refused() -> None:
    by_element = torch.ones(3, 2).to_sparse()
    vector = torch.ones(3).to_sparse()

    for gradient in (by_element, vector):
        with pytest.raises(ValueError, match=r"expected the sparse gradient of a table \[rows, D\], found \d sparse"):
            touched_rows(gradient)
