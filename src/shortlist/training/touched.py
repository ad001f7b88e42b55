"""The rows that a sparse gradient touches, each with the sum of its gradients.

Legend: N look-ups of the batch, R distinct rows among them, D embedding dim.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional


class TouchedRows(NamedTuple):
    """Distinct rows of a table in ascending order, and the gradient of each."""

    rows_R: Tensor
    gradient_RD: Tensor


def touched_rows(gradient: Tensor) -> TouchedRows:
    """Rows and summed values of a sparse (COO) gradient [rows, D] of a table; duplicates may stand in any order.

    On the CPU a row's gradients are added in the order of their look-ups, each row by one thread: the sums have the
    same bits with any number of threads. A coalesced gradient is taken as it is.

    Raises:
        ValueError: the gradient is no table's: it is sparse in more than its rows.
    """
    if gradient.sparse_dim() != 1 or gradient.dim() != 2:
        raise ValueError(
            f"expected the sparse gradient of a table [rows, D], found {gradient.sparse_dim()} sparse and "
            f"{gradient.dense_dim()} dense axes"
        )
    if gradient.is_coalesced() or gradient.device.type != "cpu":
        gradient = gradient.coalesce()
        return TouchedRows(gradient.indices()[0], gradient.values())
    return _summed(gradient._indices()[0], gradient._values())


def _summed(row_N: Tensor, value_ND: Tensor) -> TouchedRows:
    """One sort of integers that hold both row and look-up, which numpy does three times as fast as torch.

    The sum of each run of equal rows is a bag of an embedding bag over the values.
    """
    lookups = len(row_N)
    bits = max(lookups - 1, 0).bit_length()
    key_N = (row_N.numpy() << bits) | np.arange(lookups)
    key_N.sort()
    sorted_N = key_N >> bits
    key_N &= (1 << bits) - 1
    is_first_N = np.ones(lookups, dtype=np.bool_)
    np.not_equal(sorted_N[1:], sorted_N[:-1], out=is_first_N[1:])
    first_R = np.flatnonzero(is_first_N)
    gradient_RD = functional.embedding_bag(torch.from_numpy(key_N), value_ND, torch.from_numpy(first_R), mode="sum")
    return TouchedRows(torch.from_numpy(sorted_N[first_R]), gradient_RD)
