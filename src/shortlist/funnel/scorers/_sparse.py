"""Sums of sparse rows that name few of all items: work by what they name, and not by the catalogue.

Legend: Q requests of one block, I item rows, M stored values of all rows that are summed, S sums.
"""

from __future__ import annotations

import numpy as np

from shortlist.features.rows import Floats, Longs, RaggedBag
from shortlist.funnel.scorers._blocks import Pasts

_WORTH = 8
"""How many scores of a dense block take as long as one stored value does here."""


def is_worth(bag: RaggedBag, history: RaggedBag, items: int) -> bool:
    """Whether to sum what the rows of these histories name is less work than a score for each item."""
    known = history.flat()[1]
    known = known[(known > 0) & (known < len(bag))]
    stored = int((bag.offsets_n[known + 1] - bag.offsets_n[known]).sum())
    return stored * _WORTH < len(history) * items


def sparse_sums(bag: RaggedBag, weights: Floats, past: Pasts, items: int) -> tuple[Longs, Floats]:
    """key_S and sum_S: of each request the sums of the rows that its history names, each times its weight.

    A key is request * `items` + item. Every item that a row names has one sum, and requests come in their order.
    """
    place_M, offsets_P = bag.places(past.items.values)
    count_P = np.diff(offsets_P)
    value_M = weights[place_M]
    if (past.weights != 1).any():
        value_M *= np.repeat(past.weights, count_P)
    key_M = np.repeat(past.items.flat()[0] * items, count_P) + bag.values[place_M]
    # Of those that write to one place the last is read there by all of them: it is the one that stands for all. What
    # stands where none has written is never read.
    place_QI = np.empty(len(past.items) * items, np.int32)
    every_M = np.arange(len(key_M), dtype=np.int32)
    place_QI[key_M] = every_M
    last_M = place_QI[key_M]
    stands_M = last_M == every_M
    sum_of_M = np.cumsum(stands_M, dtype=np.int32) - np.int32(1)
    sum_S = np.bincount(sum_of_M[last_M], value_M, np.count_nonzero(stands_M))
    return key_M[stands_M], sum_S.astype(np.float32)
