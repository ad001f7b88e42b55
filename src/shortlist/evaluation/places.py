"""Where held-out items stand in the lists: the one look-up that hits and losses are both read from.

Legend: U users, K list positions, P pairs of a user and a held-out item, one user after another.
"""

from __future__ import annotations

import numpy as np

from shortlist.features.rows import Ints, Longs, RaggedBag


def places(truth: RaggedBag, item_UK: Ints) -> Longs:
    """place_P: position of each held-out item in its own user's list, from 0; K where the list lacks it.

    Item 0, which stands for no item, is never looked for. Linear in memory and sorted once: no U x P matrix.
    """
    users, positions = item_UK.shape
    owner_P, item_P = truth.flat()
    width = np.int64(max(int(item_UK.max(initial=0)), int(item_P.max(initial=0))) + 1)
    key_N = (np.arange(users)[:, None] * width + item_UK).ravel()
    order_N = np.argsort(key_N, kind="stable")
    wanted_P = owner_P * width + item_P
    place_P = np.full(len(wanted_P), positions, np.int64)
    if key_N.size == 0:
        return place_P
    at_P = order_N[np.minimum(np.searchsorted(key_N, wanted_P, sorter=order_N), key_N.size - 1)]
    found_P = key_N[at_P] == wanted_P
    place_P[found_P] = at_P[found_P] % positions
    return place_P
